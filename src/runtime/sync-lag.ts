import type { Seq } from '../base/ids.ts';
import { type Entry, weightOf } from '../protocol/entry.ts';

/** With durability `memory`: what was handed to the log and is not on disk yet, so that it can be bounded. */
export class SyncLag {
  #parts: { readonly through: Seq; readonly bytes: number }[] = [];
  #bytes = 0;

  /** How far the disk is behind, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  append(entries: readonly Entry[]): void {
    const last = entries.at(-1);
    if (last === undefined) return;
    const bytes = entries.reduce((sum, entry) => sum + weightOf(entry.command), 0);
    this.#parts.push({ through: last.seq, bytes });
    this.#bytes += bytes;
  }

  synced(through: Seq): void {
    this.#keep((part) => part.through > through);
  }

  truncated(after: Seq): void {
    this.#keep((part) => part.through <= after);
  }

  #keep(wanted: (part: { readonly through: Seq }) => boolean): void {
    this.#parts = this.#parts.filter(wanted);
    this.#bytes = this.#parts.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}
