import { defined } from '../base/assert.ts';
import { type Epoch, next, type Seq, type StoreId } from '../base/ids.ts';
import { isPlanted } from '../base/planted.ts';
import type { Disk, DiskFile } from '../ports/disk.ts';
import type { Installing } from './meta.ts';
import { LOG_DIRECTORY, segmentNumberOf, segmentPath } from './paths.ts';
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

  /** Of the segment that will be made next. */
  get nextNumber(): number {
    return (this.active?.number ?? 0) + 1;
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
    const { file } = this.#open();
    if (isPlanted('log-not-synced')) return;
    try {
      await file.sync();
    } catch (error) {
      if (!isPlanted('failed-sync-retried')) throw error;
      await file.sync();
    }
  }

  /** Goes on in a new file, which lasts when this resolves. The one before must be synced. */
  async rotate(start: { firstRecord: number; firstSeq: Seq; epochBefore: Epoch }): Promise<void> {
    await this.close();
    const deps = { disk: this.#disk, storeId: this.#storeId };
    const { segment, file } = await createSegment(deps, { number: this.nextNumber, ...start });
    this.#file = file;
    this.#list.push(segment);
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

  /** All that is there goes; the log begins anew behind a snapshot, on the disk when this resolves. */
  async restart(installing: Installing): Promise<void> {
    await this.close();
    this.#list.length = 0;
    const { segment, file } = await beginLog({ disk: this.#disk, storeId: this.#storeId }, installing);
    this.#list.push(segment);
    this.#file = file;
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

/**
 * Removes whatever there is of a log, and makes the first segment of one that goes on behind the snapshot being installed.
 * Harmless when it is done again, from wherever a crash left it.
 */
export async function beginLog(
  deps: { disk: Disk; storeId: StoreId },
  { epoch, seq, segment, record }: Installing,
): Promise<{ segment: Segment; file: DiskFile }> {
  for (const name of await deps.disk.list(LOG_DIRECTORY)) {
    const number = segmentNumberOf(name);
    if (number !== null) await deps.disk.remove(segmentPath(number));
  }
  await deps.disk.syncDirectory(LOG_DIRECTORY);
  const start = { number: segment, firstRecord: record, firstSeq: next(seq), epochBefore: epoch };
  return createSegment(deps, start);
}

/** Lasts when it resolves. */
async function createSegment(
  { disk, storeId }: { disk: Disk; storeId: StoreId },
  start: { number: number; firstRecord: number; firstSeq: Seq; epochBefore: Epoch },
): Promise<{ segment: Segment; file: DiskFile }> {
  const header = encodeSegmentHeader({ storeId, ...start });
  const file = await disk.open(segmentPath(start.number), { create: true });
  try {
    await file.write(0, [header]);
    await file.sync();
    if (!isPlanted('segment-name-not-synced')) await disk.syncDirectory(LOG_DIRECTORY);
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error;
  }
  return { segment: { number: start.number, firstSeq: start.firstSeq, bytes: header.length }, file };
}
