import type { Epoch, RequestId, Seq } from '../base/ids.ts';
import { type Command, operationsOf } from './command.ts';

/** One write in the log. Only the head of `epoch` makes entries, so `(epoch, seq)` names one for ever. PROTOCOL.md §2. */
export interface Entry {
  readonly epoch: Epoch;
  readonly seq: Seq;
  /** The head's log clock, in ms; never falls along the log. */
  readonly timeMs: number;
  /** `null` for ticks alone. */
  readonly requestId: RequestId | null;
  readonly command: Command;
  /** The entry as it lies on every disk and link: filled in once by `codec/entry-codec.ts`, `null` until then. */
  encoded: Uint8Array | null;
}

/** A stretch of the log that one epoch's head made: it ends at `lastSeq` and begins after the run before it. */
export interface Run {
  readonly epoch: Epoch;
  readonly lastSeq: Seq;
}

/** What an entry costs in memory and on a link, in bytes, near enough to hold limits by. */
export function weightOf(command: Command): number {
  let bytes = 64;
  for (const operation of operationsOf(command)) {
    bytes += 32 + operation.key.length * 2;
    if (operation.op === 'set') bytes += operation.value.bytes.length + operation.value.contentType.length;
  }
  return bytes;
}
