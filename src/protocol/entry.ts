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

/** Most bytes that one UTF-16 unit takes as UTF-8. */
const UTF8_BYTES_MAX = 3;

/** What an entry costs in memory, on a link and in the store, in bytes: never less, and near enough to hold limits by. */
export function weightOf(command: Command): number {
  let bytes = 64;
  for (const operation of operationsOf(command)) {
    bytes += 128 + operation.key.length * UTF8_BYTES_MAX;
    if (operation.op === 'set') bytes += operation.value.bytes.length + operation.value.contentType.length;
  }
  return bytes;
}
