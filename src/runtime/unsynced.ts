import type { Seq } from '../base/ids.ts';

interface Part {
  /** Counts the truncations of the log. */
  readonly generation: number;
  readonly through: Seq;
  readonly bytes: number;
  readonly sinceMs: number;
}

/** What was handed to the log and is not on the disk yet: how much, and since when. In the order in which it was handed over. */
export class Unsynced {
  #parts: Part[] = [];
  #bytes = 0;

  /** How far the disk is behind, in bytes as the caller counts them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Since when the oldest has been waiting, by the monotonic clock; `null` when nothing does. */
  get sinceMs(): number | null {
    return this.#parts[0]?.sinceMs ?? null;
  }

  appended(part: Part): void {
    this.#parts.push(part);
    this.#bytes += part.bytes;
  }

  /** What is beyond `after` counts no more, but its waiting does: a disk that stands still is not excused by it. */
  truncated(after: Seq, generation: number, nowMs: number): void {
    const kept = this.#parts.filter((part) => part.through <= after);
    const dropped = this.#parts.find((part) => part.through > after);
    this.#keep([...kept, { generation, through: after, bytes: 0, sinceMs: dropped?.sinceMs ?? nowMs }]);
  }

  /** The log is on disk up to `through`, after the truncations up to `generation`. */
  synced(through: Seq, generation: number): void {
    const isOver = (part: Part) =>
      part.generation < generation || (part.generation === generation && part.through <= through);
    for (let first = this.#parts[0]; first && isOver(first); first = this.#parts[0]) {
      this.#parts.shift();
      this.#bytes -= first.bytes;
    }
  }

  /** Nothing is waited for any more: the log begins anew, or the disk takes nothing. */
  clear(): void {
    this.#keep([]);
  }

  #keep(parts: Part[]): void {
    this.#parts = parts;
    this.#bytes = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}
