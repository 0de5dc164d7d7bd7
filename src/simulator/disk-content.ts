import type { Prng } from '../base/prng.ts';

const NOTHING = Buffer.alloc(0);
const CAPACITY_BYTES_MIN = 256;
/** A torn write leaves up to so many stretches of it. */
const STRETCHES_MAX = 3;

/** What it takes to undo a change that may not be on the disk yet. */
interface Change {
  readonly offset: number;
  /** How many bytes were written there; `null` when the size was set to `offset`. */
  readonly bytes: number | null;
  /** What it overwrote or cut off. */
  readonly before: Buffer;
  readonly sizeBefore: number;
  /**
   * `forgotten`: a sync of it failed, and the kernel takes it for written: no later sync will make it last. `lasting`: it
   * was synced, and stays here only because something older was forgotten.
   */
  state: 'dirty' | 'forgotten' | 'lasting';
}

/** A change that was undone, and what would do it again. */
interface Undone extends Change {
  readonly after: Buffer;
}

/** What a sync that begins at this moment will cover. */
export interface SyncMark {
  readonly changes: number;
  readonly size: number;
}

/**
 * The bytes of a file as processes see them, and of the changes that a power cut may take what it takes to undo them.
 * Invariant: a power cut changes no byte that no change since the last sync touched.
 */
export class FileContent {
  #buffer: Buffer = NOTHING;
  /** What lies in the buffer beyond is garbage. */
  #size = 0;
  /** Oldest first. */
  #pending: Change[] = [];
  /** Changes that were ever made; the last of them are `#pending`. */
  #changes = 0;
  #forgot = false;
  /** How much of the beginning a sync has covered. */
  #syncedBytes = 0;
  /** What was covered already when the last sync that found more began: behind it lies something that tells. */
  #followedBytes = 0;

  get size(): number {
    return this.#size;
  }

  /** How much of the beginning is synced. */
  get syncedBytes(): number {
    return this.#syncedBytes;
  }

  /** How much of the beginning is synced and followed by something that a later sync made last. */
  get followedBytes(): number {
    return this.#followedBytes;
  }

  /** A copy of up to `length` bytes, fewer only at the end. */
  read(offset: number, length: number): Buffer {
    return Buffer.from(this.#buffer.subarray(offset, Math.min(this.#size, offset + length)));
  }

  /** Writes the first `bytes` of `chunks`, one behind the other, from `offset` on. */
  write(offset: number, chunks: readonly Uint8Array[], bytes: number): void {
    if (bytes === 0) return;
    const overwritten = Math.max(0, Math.min(this.#size, offset + bytes) - offset);
    const before = overwritten === 0 ? NOTHING : this.read(offset, overwritten);
    this.#note({ offset, bytes, before, sizeBefore: this.#size, state: 'dirty' });
    this.#resize(Math.max(this.#size, offset + bytes));
    let at = offset;
    for (const chunk of chunks) {
      const left = offset + bytes - at;
      if (left <= 0) return;
      this.#buffer.set(chunk.length > left ? chunk.subarray(0, left) : chunk, at);
      at += chunk.length;
    }
  }

  /** Cuts off what lies beyond, or fills up with zeros. */
  truncate(size: number): void {
    const before = size < this.#size ? this.read(size, this.#size - size) : NOTHING;
    this.#note({ offset: size, bytes: null, before, sizeBefore: this.#size, state: 'dirty' });
    this.#resize(size);
    if (size >= this.#syncedBytes) return;
    this.#syncedBytes = size;
    // What would tell of damage may have gone.
    this.#followedBytes = 0;
  }

  /** To be taken when a sync begins, for `sync` or `failSync` when it ends. */
  mark(): SyncMark {
    return { changes: this.#changes, size: this.#size };
  }

  /** What was there at `mark` lasts. */
  sync(mark: SyncMark): void {
    const covered = this.#covered(mark);
    if (this.#forgot) {
      for (const change of covered) if (change.state === 'dirty') change.state = 'lasting';
    } else if (covered.length === this.#pending.length) {
      this.#pending = [];
    } else {
      this.#pending.splice(0, covered.length);
    }
    const size = Math.min(mark.size, this.#size);
    if (size <= this.#syncedBytes) return;
    this.#followedBytes = this.#syncedBytes;
    this.#syncedBytes = size;
  }

  /**
   * What was there at `mark` and not synced counts as clean from now on, and is on the disk or not. As Linux does: Rebello
   * et al., Can Applications Recover from fsync Failures? (USENIX ATC 2020).
   */
  failSync(mark: SyncMark): void {
    for (const change of this.#covered(mark)) {
      if (change.state !== 'dirty') continue;
      change.state = 'forgotten';
      this.#forgot = true;
    }
  }

  /** What a power cut leaves: of each change that does not last all, nothing, or any part. */
  cut(fates: Prng): void {
    const undone: Undone[] = [];
    for (let change = this.#pending.pop(); change; change = this.#pending.pop()) {
      undone.push(this.#undo(change));
    }
    for (const change of undone.reverse()) {
      const luck = change.state === 'lasting' ? 1 : fates.next();
      if (luck >= 0.7) this.#redo(change);
      else if (luck >= 0.3) this.#tear(change, fates);
    }
    if (this.#forgot || this.#size < this.#syncedBytes) this.#followedBytes = 0;
    this.#syncedBytes = Math.min(this.#syncedBytes, this.#size);
    this.#forgot = false;
  }

  /** Turns over a bit, for good. */
  flip(offset: number, mask: number): void {
    this.#buffer[offset] = (this.#buffer[offset] ?? 0) ^ mask;
  }

  #note(change: Change): void {
    this.#pending.push(change);
    this.#changes++;
  }

  #covered({ changes }: SyncMark): readonly Change[] {
    const count = changes - (this.#changes - this.#pending.length);
    if (count >= this.#pending.length) return this.#pending;
    return this.#pending.slice(0, Math.max(0, count));
  }

  #undo(change: Change): Undone {
    const after = change.bytes === null ? NOTHING : this.read(change.offset, change.bytes);
    this.#resize(change.sizeBefore);
    this.#buffer.set(change.before, change.offset);
    return { ...change, after };
  }

  #redo({ offset, bytes, after }: Undone): void {
    if (bytes === null) this.#resize(offset);
    else this.#put(offset, after);
  }

  /** Stretches of a write, each cut at any byte. The size may have grown without the bytes. */
  #tear(change: Undone, fates: Prng): void {
    const { offset, bytes, after } = change;
    if (bytes === null) return this.#redo(change);
    if (fates.chance(0.2)) this.#resize(Math.max(this.#size, offset + bytes));
    const stretches = 1 + fates.below(STRETCHES_MAX);
    for (let i = 0; i < stretches; i++) {
      const start = fates.chance(0.5) ? 0 : fates.below(bytes);
      const end = start + fates.below(bytes - start + 1);
      if (end > start) this.#put(offset + start, after.subarray(start, end));
    }
  }

  #put(offset: number, bytes: Uint8Array): void {
    this.#resize(Math.max(this.#size, offset + bytes.length));
    this.#buffer.set(bytes, offset);
  }

  /** What it grows by is zeros. */
  #resize(size: number): void {
    if (size > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(size, 2 * this.#buffer.length, CAPACITY_BYTES_MIN));
      this.#buffer.copy(larger, 0, 0, this.#size);
      this.#buffer = larger;
    } else if (size > this.#size) {
      this.#buffer.fill(0, this.#size, size);
    }
    this.#size = size;
  }
}
