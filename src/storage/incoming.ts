import { crc32 } from 'node:zlib';
import { assert, defined } from '../base/assert.ts';
import { CatenaError } from '../base/errors.ts';
import type { StoreId } from '../base/ids.ts';
import { compareUtf8 } from '../base/utf8.ts';
import { ByteReader, badFrame, bufferOf } from '../codec/bytes.ts';
import { readSnapshotRow } from '../codec/snapshot-codec.ts';
import type { Clock } from '../ports/clock.ts';
import type { Disk, DiskFile } from '../ports/disk.ts';
import type { SnapshotHeader, SnapshotPart, SnapshotRow } from '../protocol/snapshot.ts';
import { INCOMING_PATH } from './paths.ts';
import {
  bytesOf,
  encodeBlock,
  encodeSnapshotHeader,
  endBlock,
  SNAPSHOT_SYNC_BYTES,
} from './snapshot-block.ts';

/** So many rows are decoded at a time, about a ms of work; then others have their turn. */
const SLICE_ROWS = 512;

/** The snapshot that parts follow of. */
export interface IncomingStart {
  /** Whose it is. */
  readonly of: StoreId;
  readonly header: SnapshotHeader;
  /** The first part that will come. */
  readonly from: number;
}

/** What a snapshot is received with. */
export interface IncomingDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly storeId: StoreId;
  /** Puts the finished file at `INCOMING_PATH` in force. */
  readonly install: (header: SnapshotHeader, bytes: number) => Promise<void>;
  /** The disk failed. */
  readonly failed: (error: CatenaError) => void;
}

/**
 * A snapshot that comes from a neighbour, part by part, and is written aside until it is whole. One call at a time. Once the
 * disk has failed, the storage has. A start of the process forgets what was received.
 */
export class IncomingSnapshot {
  readonly #deps: IncomingDeps;
  #held: Held | null = null;
  #underWay: Promise<unknown> | null = null;
  #failure: CatenaError | null = null;
  #closed = false;

  constructor(deps: IncomingDeps) {
    this.#deps = deps;
  }

  /**
   * Parts follow: from 0 on of a new snapshot, and what was received of another is forgotten; else the interrupted one goes on.
   *
   * @throws CatenaError BAD_FRAME when that is not the one that was interrupted, DISK_FULL, DISK_FAILED.
   */
  begin(start: IncomingStart): Promise<void> {
    return this.#alone(async () => {
      if (start.from > 0) return this.#goOn(start);
      await this.#drop();
      if (start.header.seq < 1) throw badFrame('a snapshot of nothing');
      this.#held = await this.#onDisk(() => Held.create(start, this.#deps));
    });
  }

  /**
   * Writes the next part aside and hands out its rows; `false` when it was held already.
   *
   * @throws CatenaError BAD_FRAME when it makes no sense: what was received, and every row handed out, is to be dropped.
   * DISK_FULL, DISK_FAILED.
   */
  storePart(part: SnapshotPart, take: (row: SnapshotRow) => void): Promise<boolean> {
    return this.#alone(async () => {
      const held = this.#begun();
      if (part.place < held.next) return false;
      if (part.place > held.next) throw badFrame(`part ${part.place} came where ${held.next} should`);
      const writing = this.#onDisk(() => held.write(part));
      // Looked at below, also when the rows make no sense.
      writing.catch(() => undefined);
      try {
        await this.#rows(held, part, take);
      } finally {
        await writing;
      }
      return true;
    });
  }

  /**
   * All `parts` are stored: puts the snapshot in force in place of the whole log and of the snapshot before. On the disk when
   * it resolves; a crash before that leaves all of the old state or all of the new. No entry may be appended meanwhile, nor
   * the log truncated.
   *
   * @throws CatenaError BAD_FRAME when parts or rows are missing, DISK_FULL, DISK_FAILED.
   */
  install(parts: number): Promise<SnapshotHeader> {
    return this.#alone(async () => {
      const held = this.#begun();
      held.checkWhole(parts);
      await this.#onDisk(() => held.end());
      await this.#onDisk(() => this.#deps.install(held.header, held.bytes));
      this.#held = null;
      return held.header;
    });
  }

  /** Forgets what was received. @throws CatenaError DISK_FAILED. */
  drop(): Promise<void> {
    return this.#alone(() => this.#drop());
  }

  /** Ends what is under way and forgets what was received. Never rejects. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#underWay?.catch(() => undefined);
    await this.#giveUp();
  }

  #begun(): Held {
    return defined(this.#held, () => 'a snapshot that was begun');
  }

  #goOn({ of, header, from }: IncomingStart): void {
    const held = this.#held;
    if (held === null || held.of !== of || !sameHeader(held.header, header) || from > held.next) {
      throw badFrame(`a snapshot goes on at part ${from}, which was not received so far`);
    }
  }

  async #rows(held: Held, part: SnapshotPart, take: (row: SnapshotRow) => void): Promise<void> {
    const reader = new ByteReader(bufferOf(part.payload));
    for (let i = 0; i < part.rows; i++) {
      if (i > 0 && i % SLICE_ROWS === 0) await this.#turn();
      const row = readSnapshotRow(reader);
      held.count(row);
      take(row);
    }
    if (!reader.done) throw badFrame(`part ${part.place} is longer than its rows`);
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#deps.clock.defer(resolve));
  }

  async #drop(): Promise<void> {
    const held = this.#held;
    if (held) await this.#onDisk(() => held.drop());
    this.#held = null;
  }

  /** Whatever is left of what was received goes, if the disk lets it. What was installed has another name by now. */
  async #giveUp(): Promise<void> {
    const held = this.#held;
    this.#held = null;
    await held?.drop().catch(() => undefined);
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    assert(this.#underWay === null, () => 'two calls for an incoming snapshot at once');
    if (this.#closed) throw new CatenaError('INTERNAL', 'the storage is closed');
    if (this.#failure) throw this.#failure;
    const done = work();
    this.#underWay = done;
    try {
      return await done;
    } finally {
      this.#underWay = null;
    }
  }

  async #onDisk<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof CatenaError)) throw error;
      this.#failure ??= error;
      this.#deps.failed(error);
      // What is of no use any more makes room on a disk that is full.
      await this.#giveUp();
      throw error;
    }
  }
}

/** What was received so far, in a file of this store's own framing. */
class Held {
  readonly of: StoreId;
  readonly header: SnapshotHeader;
  /** The part that comes next. */
  next = 0;
  bytes: number;
  readonly #disk: Disk;
  readonly #file: DiskFile;
  readonly #salt: number;
  readonly #count = { key: 0, request: 0 };
  #lastKey: string | null = null;
  #syncAt = SNAPSHOT_SYNC_BYTES;

  private constructor({ of, header }: IncomingStart, at: { disk: Disk; file: DiskFile; first: Buffer }) {
    this.of = of;
    this.header = header;
    this.#disk = at.disk;
    this.#file = at.file;
    this.#salt = crc32(at.first);
    this.bytes = at.first.length;
  }

  static async create(
    start: IncomingStart,
    { disk, storeId }: { disk: Disk; storeId: StoreId },
  ): Promise<Held> {
    await disk.remove(INCOMING_PATH);
    const file = await disk.open(INCOMING_PATH, { create: true });
    const first = encodeSnapshotHeader(start.header, storeId);
    const held = new Held(start, { disk, file, first });
    try {
      await file.write(0, [first]);
    } catch (error) {
      await held.drop().catch(() => undefined);
      throw error;
    }
    return held;
  }

  async write(part: SnapshotPart): Promise<void> {
    const offset = this.bytes;
    const block = encodeBlock(part, this.#salt);
    this.next++;
    this.bytes += bytesOf(block);
    await this.#file.write(offset, block);
    if (this.bytes < this.#syncAt) return;
    this.#syncAt = this.bytes + SNAPSHOT_SYNC_BYTES;
    await this.#file.sync();
  }

  /** @throws CatenaError BAD_FRAME when the row can't stand behind those before it. */
  count(row: SnapshotRow): void {
    this.#count[row.kind]++;
    if (row.kind === 'request') return;
    const inOrder = this.#lastKey === null || compareUtf8(this.#lastKey, row.key) < 0;
    if (!inOrder || this.#count.request > 0) throw badFrame('the rows of a snapshot are not in order');
    this.#lastKey = row.key;
  }

  /** @throws CatenaError BAD_FRAME. */
  checkWhole(parts: number): void {
    const { keys, requests } = this.header;
    const { key, request } = this.#count;
    if (parts === this.next && key === keys && request === requests) return;
    throw badFrame(
      `a snapshot of ${parts} parts, ${keys} keys and ${requests} requests came with ${this.next}, ${key} and ${request}`,
    );
  }

  /** The file is whole and synced. */
  async end(): Promise<void> {
    const block = endBlock(this.next, this.#salt);
    try {
      await this.#file.write(this.bytes, block);
      this.bytes += bytesOf(block);
      await this.#file.sync();
    } finally {
      await this.#file.close();
    }
  }

  async drop(): Promise<void> {
    // It may be closed already, and nothing in it is needed.
    await this.#file.close().catch(() => undefined);
    await this.#disk.remove(INCOMING_PATH);
  }
}

function sameHeader(a: SnapshotHeader, b: SnapshotHeader): boolean {
  const list = (h: SnapshotHeader) => [h.epoch, h.seq, h.timeMs, h.keys, h.requests];
  const other = list(b);
  return list(a).every((value, place) => value === other[place]);
}
