import type { Epoch, RequestId, Seq } from '../base/ids.ts';
import type { Outcome, StoredRecord } from './command.ts';

/** What a snapshot is of: the store after the entry `(epoch, seq)`, which counts as held. */
export interface SnapshotHeader {
  readonly epoch: Epoch;
  readonly seq: Seq;
  /** The log time of that entry, in ms. */
  readonly timeMs: number;
  readonly keys: number;
  readonly requests: number;
}

/** A remembered request: what a retry is answered with, and by what it is told from another command. */
export interface RememberedRequest {
  readonly requestId: RequestId;
  /** The log time of the entry that it was first applied by, in ms. */
  readonly timeMs: number;
  /** Of the command, from `fingerprintOf`. */
  readonly fingerprint: number;
  /** `rejected` as REQUEST_ID_EXPIRED when the results of a batch had to be forgotten early: the id alone is kept. */
  readonly outcome: Outcome;
}

/** Keys first, in the order of their UTF-8 bytes; then requests, oldest first. */
export type SnapshotRow =
  | { readonly kind: 'key'; readonly key: string; readonly record: StoredRecord }
  | { readonly kind: 'request'; readonly request: RememberedRequest };

/** Some rows of a snapshot, encoded. Snapshots are sent and stored as parts, numbered from 0 without gaps. */
export interface SnapshotPart {
  readonly place: number;
  /** How many rows `payload` holds, one behind the other; never 0. */
  readonly rows: number;
  readonly payload: Uint8Array;
}

/** A consistent copy of a store: unaffected by later writes, and read slowly while they go on. */
export interface SnapshotSource {
  readonly header: SnapshotHeader;
  rows(): Iterable<SnapshotRow>;
}
