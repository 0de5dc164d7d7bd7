import { crc32 } from 'node:zlib';
import { NO_SEQ, type Seq, type StoreId } from '../base/ids.ts';
import { bufferOf } from '../codec/bytes.ts';
import type { Disk, DiskFile } from '../ports/disk.ts';
import type { PartialSnapshot } from '../protocol/messages.ts';
import type { SnapshotHeader, SnapshotPart } from '../protocol/snapshot.ts';
import { corrupt } from './corrupt.ts';
import { FILE_HEADER_BYTES } from './file-header.ts';
import { snapshotPath } from './paths.ts';
import { BLOCK_BYTES_AT, BLOCK_HEADER_BYTES, decodeSnapshotHeader, openBlock } from './snapshot-block.ts';

/** A snapshot that is being read for a neighbour. Until it is closed its file, and the log behind it, are kept. */
export interface SnapshotReading {
  readonly of: StoreId;
  readonly header: SnapshotHeader;
  /** The part to begin with. */
  readonly from: number;
  /** About the size of all parts. */
  readonly bytes: number;
  /**
   * The part at this place, `null` behind the last. One call at a time; fast for the part behind the one read last, else
   * the places of those before it are looked up first.
   *
   * @throws CatenaError CORRUPT, DISK_FAILED.
   */
  read(place: number): Promise<SnapshotPart | null>;
  /** Lets go of it; safe to call at any time and again. */
  close(): Promise<void>;
}

/** A file that was opened, and what it says of itself. */
interface OpenSnapshot {
  readonly path: string;
  readonly file: DiskFile;
  readonly size: number;
  readonly header: SnapshotHeader;
  readonly salt: number;
}

interface Pin {
  readonly seq: Seq;
  readonly opened: Promise<OpenSnapshot>;
  readings: number;
  /** Another file of the same seq took its place: nothing new is read from this one. */
  isReplaced: boolean;
}

/** The snapshots that are being read for neighbours: one that is no longer the newest stays readable until all are done. */
export class SnapshotPins {
  readonly #deps: { readonly disk: Disk; readonly storeId: StoreId };
  readonly #pins = new Set<Pin>();
  /** Part by part it is not what was sent of this seq before: none goes on with it. */
  #replaced: Seq | null = null;

  constructor(deps: { disk: Disk; storeId: StoreId }) {
    this.#deps = deps;
  }

  /** The log behind this entry is still needed; `null` when no snapshot is being read. */
  get oldest(): Seq | null {
    let oldest: Seq | null = null;
    for (const { seq } of this.#pins) if (oldest === null || seq < oldest) oldest = seq;
    return oldest;
  }

  /** See `Storage.openSnapshot`; `newest` gives the seq of the one in force, at any time. */
  async open(newest: () => Seq, wanted: PartialSnapshot | null): Promise<SnapshotReading | null> {
    for (;;) {
      const seq = this.#choose(newest(), wanted);
      if (seq === NO_SEQ) return null;
      // Counted before anything is waited for: a snapshot that is put in force meanwhile finds the log behind this one needed.
      const pin = this.#pin(seq);
      try {
        const snapshot = await pin.opened;
        const from = wanted !== null && this.#isWanted(wanted, seq) ? wanted.next : 0;
        const { storeId } = this.#deps;
        return new Reading(snapshot, {
          disk: this.#deps.disk,
          storeId,
          from,
          release: () => this.#release(pin),
        });
      } catch (error) {
        await this.#release(pin);
        // A newer one took its place before it was opened: that one, then.
        if (seq === newest()) throw error;
      }
    }
  }

  /** A new file is in force for this seq, as the one before was damaged. */
  replaced(seq: Seq): void {
    this.#replaced = seq;
    for (const pin of this.#pins) if (pin.seq === seq) pin.isReplaced = true;
  }

  /** Lets go of all files; what is still being read fails. Never rejects. */
  async close(): Promise<void> {
    const pins = [...this.#pins];
    this.#pins.clear();
    for (const pin of pins) await closed(pin);
  }

  #choose(newest: Seq, wanted: PartialSnapshot | null): Seq {
    const isKept =
      wanted !== null && this.#isWanted(wanted, wanted.seq) && this.#find(wanted.seq) !== undefined;
    return isKept ? wanted.seq : newest;
  }

  #isWanted(wanted: PartialSnapshot, seq: Seq): boolean {
    return wanted.of === this.#deps.storeId && wanted.seq === seq && seq !== this.#replaced;
  }

  #pin(seq: Seq): Pin {
    const opened = () => openAt(seq, this.#deps);
    const pin = this.#find(seq) ?? { seq, opened: opened(), readings: 0, isReplaced: false };
    this.#pins.add(pin);
    pin.readings++;
    return pin;
  }

  #find(seq: Seq): Pin | undefined {
    return [...this.#pins].find((pin) => pin.seq === seq && !pin.isReplaced);
  }

  async #release(pin: Pin): Promise<void> {
    pin.readings--;
    // Else all were let go of when the storage was closed.
    if (pin.readings > 0 || !this.#pins.delete(pin)) return;
    await closed(pin);
  }
}

/** It was only read: a file that can't be closed takes nothing with it. */
async function closed(pin: Pin): Promise<void> {
  const snapshot = await pin.opened.catch(() => null);
  await snapshot?.file.close().catch(() => undefined);
}

async function openAt(seq: Seq, { disk, storeId }: { disk: Disk; storeId: StoreId }): Promise<OpenSnapshot> {
  const path = snapshotPath(seq);
  const file = await disk.open(path, { create: false });
  try {
    const bytes = bufferOf(await file.read(0, FILE_HEADER_BYTES));
    const header = decodeSnapshotHeader(bytes, { disk, path, offset: 0 }, { storeId, seq });
    return { path, file, size: await file.size(), header, salt: crc32(bytes) };
  } catch (error) {
    await file.close();
    throw error;
  }
}

class Reading implements SnapshotReading {
  readonly of: StoreId;
  readonly header: SnapshotHeader;
  readonly from: number;
  readonly bytes: number;
  readonly #snapshot: OpenSnapshot;
  readonly #disk: Disk;
  readonly #release: () => Promise<void>;
  /** The part at `offset` is this one. */
  #place = 0;
  #offset = FILE_HEADER_BYTES;
  /** Of the block there, read with the one before it. */
  #blockHeader: Buffer | null = null;
  #closed: Promise<void> | null = null;

  constructor(
    snapshot: OpenSnapshot,
    options: { disk: Disk; storeId: StoreId; from: number; release: () => Promise<void> },
  ) {
    this.#snapshot = snapshot;
    this.#disk = options.disk;
    this.#release = options.release;
    this.of = options.storeId;
    this.header = snapshot.header;
    this.from = options.from;
    this.bytes = Math.max(0, snapshot.size - FILE_HEADER_BYTES - BLOCK_HEADER_BYTES);
  }

  async read(place: number): Promise<SnapshotPart | null> {
    if (!(await this.#seek(place))) return null;
    const { file, salt } = this.#snapshot;
    const where = this.#where();
    const header = await this.#header();
    const bytes = this.#bytesOf(header);
    const start = this.#offset + BLOCK_HEADER_BYTES;
    const read = bufferOf(await file.read(start, bytes + BLOCK_HEADER_BYTES));
    const part = openBlock(header, read.subarray(0, bytes), { where, place, salt });
    if (part.rows === 0) return null;
    this.#place++;
    this.#offset = start + bytes;
    // Copied: a view would keep the part in memory for as long as the next one is waited for.
    this.#blockHeader = Buffer.from(read.subarray(bytes));
    return part;
  }

  close(): Promise<void> {
    this.#closed ??= this.#release();
    return this.#closed;
  }

  /** Goes to a part by the headers of those before it; `false` when there are not so many. */
  async #seek(place: number): Promise<boolean> {
    if (place < this.#place) {
      this.#place = 0;
      this.#offset = FILE_HEADER_BYTES;
      this.#blockHeader = null;
    }
    while (this.#place < place) {
      const header = await this.#header();
      if (header.length < BLOCK_HEADER_BYTES) throw corrupt(this.#where(), 'it ends too early');
      if (header.readUInt32LE(8) === 0) return false;
      this.#place++;
      this.#offset += BLOCK_HEADER_BYTES + this.#bytesOf(header);
      this.#blockHeader = null;
    }
    return true;
  }

  async #header(): Promise<Buffer> {
    this.#blockHeader ??= bufferOf(await this.#snapshot.file.read(this.#offset, BLOCK_HEADER_BYTES));
    return this.#blockHeader;
  }

  /** No more than there are: a damaged length must not make room for itself. */
  #bytesOf(header: Buffer): number {
    if (header.length < BLOCK_HEADER_BYTES) return 0;
    const left = this.#snapshot.size - this.#offset - BLOCK_HEADER_BYTES;
    return Math.max(0, Math.min(header.readUInt32LE(BLOCK_BYTES_AT), left));
  }

  #where() {
    return { disk: this.#disk, path: this.#snapshot.path, offset: this.#offset };
  }
}
