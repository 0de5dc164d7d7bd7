import { assert, defined } from '../base/assert.ts';
import { NO_SEQ, type Seq } from '../base/ids.ts';
import type { Change, RecentChanges } from '../protocol/change.ts';
import type { Value } from '../protocol/command.ts';

/**
 * What the changes held may weigh, in bytes: as much as may be in flight by default, so that who has seen everything misses
 * nothing though all of it is committed at one go.
 */
const BYTES_MAX = 67_108_864;
/** What a change costs beside its key and value, in bytes: so their number is bounded with their weight. */
const CHANGE_OVERHEAD_BYTES = 192;
/** What a unit of a key costs in memory at most. */
const KEY_UNIT_BYTES = 2;
/** Room that is left by what was dropped is given back when there is so much of it, in places. */
const GAP_PLACES_MIN = 1024;

/** What a key got, as the store holds it. */
interface Given extends Value {
  readonly version: Seq;
}

/** Of a key that is gone. One for all the keys that an entry removed. */
interface Removal {
  readonly kind: 'delete' | 'expire';
  readonly version: Seq;
}

/** Stands where a change was, so that nothing holds on to it. */
const DROPPED: Removal = { kind: 'delete', version: NO_SEQ };

/**
 * What the entries applied of late changed, for those who watch: a deterministic function of them, as the store is. Noting a
 * change costs two references to what the store holds anyway; a value that is overwritten is kept until it is dropped here.
 */
export class ChangeLog implements RecentChanges {
  readonly #bytesMax: number;
  #keys: string[] = [];
  #whats: (Given | Removal)[] = [];
  /** The place of what `#keys` and `#whats` begin with; what is before `#start` has been dropped from them. */
  #base = 0;
  #start = 0;
  #bytes = 0;
  #oldest: Seq = NO_SEQ;
  #committed: Seq = NO_SEQ;
  #removal: Removal = { kind: 'delete', version: NO_SEQ };

  /** @param options.bytesMax for tests; what the changes held may weigh beside those of the newest entry. */
  constructor({ bytesMax = BYTES_MAX }: { bytesMax?: number } = {}) {
    this.#bytesMax = bytesMax;
  }

  get committed(): Seq {
    return this.#committed;
  }
  get oldest(): Seq {
    return this.#oldest;
  }
  get start(): number {
    return this.#start;
  }
  get end(): number {
    return this.#base + this.#keys.length;
  }
  /** What is held weighs so much, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  placeAfter(after: Seq): number {
    let low = this.#start;
    let high = this.end;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.versionAt(middle) <= after) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  versionAt(place: number): Seq {
    return this.#whatAt(place).version;
  }

  keyAt(place: number): string {
    assert(place >= this.#start && place < this.end, () => `no change is held at ${place}`);
    return this.#keys[place - this.#base] ?? '';
  }

  at(place: number): Change {
    const key = this.keyAt(place);
    const what = this.#whatAt(place);
    const { version } = what;
    if ('kind' in what) return { kind: what.kind, key, version };
    return { kind: 'set', key, version, value: { bytes: what.bytes, contentType: what.contentType } };
  }

  /** Begins anew behind a snapshot of this seq. */
  startAfter(seq: Seq): void {
    assert(this.#keys.length === 0, () => 'a snapshot behind changes');
    this.#oldest = seq;
    this.#committed = seq;
  }

  /** The entry with this seq is about to be applied; keys that it removes are gone for this reason. Makes room first. */
  enter(seq: Seq, removes: Removal['kind']): void {
    if (this.#bytes > this.#bytesMax) this.#makeRoom();
    this.#committed = seq;
    this.#removal = { kind: removes, version: seq };
  }

  /** The entry that was entered last changed this key to `to`, or removed it. */
  note(key: string, to: Given | undefined): void {
    this.#keys.push(key);
    this.#whats.push(to ?? this.#removal);
    this.#bytes += weightOf(key, to);
  }

  /** Forgets what was noted from this place on: it was taken back. */
  takeBack(from: number): void {
    while (this.end > from) {
      const what = this.#whats.pop();
      this.#bytes -= weightOf(this.#keys.pop() ?? '', what);
    }
  }

  #makeRoom(): void {
    while (this.#bytes > this.#bytesMax && this.#start < this.end) this.#dropOldest();
    const gap = this.#start - this.#base;
    if (gap < GAP_PLACES_MIN || gap * 2 < this.#keys.length) return;
    this.#keys = this.#keys.slice(gap);
    this.#whats = this.#whats.slice(gap);
    this.#base = this.#start;
  }

  /** With all of its entry: who goes on after `oldest` gets whole entries. */
  #dropOldest(): void {
    const version = this.versionAt(this.#start);
    while (this.#start < this.end && this.versionAt(this.#start) === version) {
      const at = this.#start - this.#base;
      this.#bytes -= weightOf(this.keyAt(this.#start), this.#whats[at]);
      this.#keys[at] = '';
      this.#whats[at] = DROPPED;
      this.#start += 1;
    }
    this.#oldest = version;
  }

  #whatAt(place: number): Given | Removal {
    return defined(this.#whats[place - this.#base], () => `no change is held at ${place}`);
  }
}

function weightOf(key: string, what: Given | Removal | undefined): number {
  const bytes = what !== undefined && 'bytes' in what ? what.bytes.length : 0;
  return CHANGE_OVERHEAD_BYTES + key.length * KEY_UNIT_BYTES + bytes;
}
