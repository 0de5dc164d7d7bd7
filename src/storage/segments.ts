import { defined } from '../base/assert.ts';
import type { Epoch, Seq, StoreId } from '../base/ids.ts';
import type { Disk, DiskFile } from '../ports/disk.ts';
import { LOG_DIRECTORY, segmentPath } from './paths.ts';
import { encodeSegmentHeader } from './wal-record.ts';

/** A file of the log. */
export interface Segment {
  readonly number: number;
  /** The seq that followed the end of the log when it was made. */
  readonly firstSeq: Seq;
  bytes: number;
}

/** The files of the log: the last is written to, the others are complete and synced. */
export class Segments {
  readonly #disk: Disk;
  readonly #storeId: StoreId;
  readonly #list: Segment[];
  #file: DiskFile | null;

  /** `file` is the last of `list`, opened; `null` when there is none yet. */
  constructor(list: readonly Segment[], file: DiskFile | null, deps: { disk: Disk; storeId: StoreId }) {
    this.#list = [...list];
    this.#file = file;
    this.#disk = deps.disk;
    this.#storeId = deps.storeId;
  }

  /** Oldest first. */
  get list(): readonly Segment[] {
    return this.#list;
  }

  /** What is written to; `null` before the first entry of all. */
  get active(): Segment | null {
    return this.#list.at(-1) ?? null;
  }

  get bytes(): number {
    return this.#list.reduce((bytes, segment) => bytes + segment.bytes, 0);
  }

  /** Writes behind what is there. */
  async write(chunks: readonly Uint8Array[], bytes: number): Promise<void> {
    const { active, file } = this.#open();
    await file.write(active.bytes, chunks);
    active.bytes += bytes;
  }

  async sync(): Promise<void> {
    await this.#open().file.sync();
  }

  /** Goes on in a new file, which lasts when this resolves. The one before must be synced. */
  async rotate(start: { firstRecord: number; firstSeq: Seq; epochBefore: Epoch }): Promise<void> {
    await this.close();
    const number = (this.active?.number ?? 0) + 1;
    const header = encodeSegmentHeader({ storeId: this.#storeId, number, ...start });
    const file = await this.#disk.open(segmentPath(number), { create: true });
    this.#file = file;
    await file.write(0, [header]);
    await file.sync();
    await this.#disk.syncDirectory(LOG_DIRECTORY);
    this.#list.push({ number, firstSeq: start.firstSeq, bytes: header.length });
  }

  /**
   * Removes the oldest. Each removal is synced before the next: what a crash leaves never has a gap. One that fails is
   * tried again by the next call.
   */
  async removeOldest(): Promise<void> {
    const oldest = defined(this.#list[0], () => 'a segment to remove');
    await this.#disk.remove(segmentPath(oldest.number));
    await this.#disk.syncDirectory(LOG_DIRECTORY);
    this.#list.shift();
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }

  #open(): { active: Segment; file: DiskFile } {
    const active = defined(this.active, () => 'a segment to write to');
    return { active, file: defined(this.#file, () => 'an open segment') };
  }
}
