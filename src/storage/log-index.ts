import { assert, defined } from '../base/assert.ts';
import { NO_SEQ, type Seq, seq } from '../base/ids.ts';

/** Records are found by seq through stretches of about this size, in bytes, so that the index stays small. */
const EXTENT_BYTES = 64 * 1024;

/** Whole records of one segment, one behind the other, with the entries `first` to `last`. */
export interface Extent {
  readonly segment: number;
  readonly offset: number;
  readonly end: number;
  readonly first: Seq;
  /** Entries beyond it, which the records may hold as well, were dropped by a truncation. */
  readonly last: Seq;
}

/** Where on the disk each entry of the log lies that still counts. */
export class LogIndex {
  /** Without gaps: each begins behind the one before. */
  #extents: Extent[] = [];
  /** The last extent was cut by a truncation: what its records hold beyond `last` must stay unreachable. */
  #cut = false;
  #base: Seq = NO_SEQ;
  #changes = 0;

  /** How often entries were taken out: what was read meanwhile may not count any more. */
  get changes(): number {
    return this.#changes;
  }

  /** The entry before the first that is held. */
  get base(): Seq {
    return this.#base;
  }

  /** The last entry that is held, or `base`. */
  get last(): Seq {
    return this.#extents.at(-1)?.last ?? this.#base;
  }

  /** An empty log that goes on after `base`. */
  startAfter(base: Seq): void {
    assert(this.#extents.length === 0, () => 'the index holds entries already');
    this.#base = base;
  }

  /** Nothing is held any more; the log goes on after `base`. */
  restart(base: Seq): void {
    this.#changes++;
    this.#extents = [];
    this.#cut = false;
    this.#base = base;
  }

  /** A record with entries follows. */
  add(record: Extent): void {
    assert(record.first === this.last + 1, () => `entry ${record.first} does not follow ${this.last}`);
    const open = this.#extents.at(-1);
    if (open && !this.#cut && continues(open, record)) {
      this.#extents[this.#extents.length - 1] = { ...open, end: record.end, last: record.last };
    } else {
      this.#extents.push(record);
    }
    this.#cut = false;
  }

  /** The log ends at `after` now. */
  truncate(after: Seq): void {
    if (after >= this.last) return;
    this.#changes++;
    while ((this.#extents.at(-1)?.first ?? NO_SEQ) > after) this.#extents.pop();
    const open = this.#extents.pop();
    if (open) this.#extents.push({ ...open, last: after });
    else this.#base = seq(Math.min(this.#base, after));
    this.#cut = true;
  }

  /** Segments up to this one are gone. */
  forget(segment: number): void {
    const { last } = this;
    this.#changes++;
    const kept = this.#extents.findIndex((extent) => extent.segment > segment);
    this.#extents = kept < 0 ? [] : this.#extents.slice(kept);
    const first = this.#extents[0];
    this.#base = first ? seq(first.first - 1) : last;
  }

  /** The extent that holds the entry at `at`. */
  find(at: Seq): Extent | undefined {
    let low = 0;
    let high = this.#extents.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const extent = defined(this.#extents[middle], () => `extent ${middle}`);
      if (extent.last < at) low = middle + 1;
      else high = middle;
    }
    const extent = this.#extents[low];
    return extent && extent.first <= at ? extent : undefined;
  }
}

function continues(open: Extent, record: Extent): boolean {
  return (
    open.segment === record.segment && open.end === record.offset && open.end - open.offset < EXTENT_BYTES
  );
}
