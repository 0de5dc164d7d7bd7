import { crc32 } from 'node:zlib';
import { type Seq, seq, storeId } from '../../src/base/ids.ts';
import { encodeEntry } from '../../src/codec/entry-codec.ts';
import type { Entry } from '../../src/protocol/entry.ts';
import { type Recovered, Storage } from '../../src/storage/storage.ts';
import { entryAt, type Name, nameOf, silent, snapshotOf } from '../storage/harness.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MemoryDisk } from '../support/memory-disk.ts';

const OPTIONS = { segmentBytesMax: 600, retainBytesMin: 1200, syncDelayMs: 0 };
const HEADER_BYTES = 128;
const RECORD_HEADER_BYTES = 56;
const BLOCK_HEADER_BYTES = 16;

/** What a log held, as one text. */
export const fingerprint = (entries: readonly Name[]): string =>
  entries.map(({ epoch, seq: at }) => `${epoch}:${at}`).join(' ');

/** What a start found in a directory. */
export interface Held {
  readonly recovered: Recovered;
  /** Entries of the log that it handed out, committed or not. */
  readonly entries: readonly Entry[];
  /** All of the log, the snapshot's part by its rows. */
  readonly names: readonly Name[];
  readonly storage: Storage;
}

/** Starts on a directory; closes it again when that fails. */
export async function start(disk: MemoryDisk, newStoreId = 'store-9'): Promise<Held> {
  const deps = { disk, clock: new FakeClock(), logger: silent, newStoreId: () => storeId(newStoreId) };
  const storage = await Storage.open(OPTIONS, deps);
  const rows: Name[] = [];
  const entries: Entry[] = [];
  try {
    const recovered = await storage.recover({
      snapshot: () => undefined,
      row: (row) => {
        if (row.kind === 'request') return;
        const { value, version } = row.record;
        rows.push(nameOf({ epoch: Number(value.contentType) as Name['epoch'], seq: version }));
      },
      committed: (entry) => entries.push(entry),
    });
    entries.push(...recovered.pending);
    return { recovered, entries, names: [...rows, ...entries.map(nameOf)], storage };
  } catch (error) {
    await storage.close();
    throw error;
  }
}

/** A directory that a storage made, and all that it held at any time. */
export class Story {
  disk = new MemoryDisk('/data/n1');
  /** The log after each record. */
  readonly states = new Set<string>(['']);
  /** Every entry that was ever written, by its name, as bytes. */
  readonly written = new Map<string, string>();
  /** As it was earlier. */
  readonly earlier: MemoryDisk[] = [];
  log: Entry[] = [];
  committed = 0;
  readonly #storeId: string;
  #storage: Storage | null = null;
  #synced: { through: Seq; generation: number } = { through: seq(0), generation: 0 };
  #generation = 0;
  #changed: () => void = () => undefined;

  constructor(name: string) {
    this.#storeId = name;
  }

  async open(): Promise<void> {
    const held = await start(this.disk, this.#storeId);
    this.#storage = held.storage;
    this.#generation = 0;
    held.storage.listen({
      synced: (through, generation) => {
        this.#synced = { through, generation };
        this.#changed();
      },
      failed: (error) => {
        throw error;
      },
    });
  }

  async append(ofEpoch: number, count: number, commit: boolean): Promise<void> {
    for (let i = 0; i < count; i++) {
      const entry = entryAt(this.log.length + 1, ofEpoch);
      this.log.push(entry);
      this.written.set(fingerprint([entry]), Buffer.from(encodeEntry(entry)).toString('hex'));
      this.#open().append([entry], seq(this.committed), this.#generation);
      await this.#until(() => this.#synced.through >= entry.seq);
      this.states.add(fingerprint(this.log));
      if (commit) this.committed = entry.seq;
    }
    this.earlier.push(this.disk.copy());
  }

  async truncate(after: number): Promise<void> {
    this.log = this.log.slice(0, after);
    this.#open().truncate(seq(after), ++this.#generation);
    await this.#until(() => this.#synced.generation === this.#generation);
    this.states.add(fingerprint(this.log));
    this.earlier.push(this.disk.copy());
  }

  async snapshot(after: number): Promise<void> {
    await this.#open().snapshot(snapshotOf(this.log.slice(0, after)));
    this.earlier.push(this.disk.copy());
  }

  async save(): Promise<void> {
    await this.#open().save({ configuration: null, topology: null, leaseMsMax: 200 });
  }

  async close(): Promise<void> {
    await this.#open().close();
  }

  kill(): void {
    this.disk = this.disk.kill().copy();
  }

  #open(): Storage {
    if (this.#storage === null) throw new Error('the story has not begun');
    return this.#storage;
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }
}

/** Logs with and without truncations, snapshots and an end in order. */
export async function someStories(name: string): Promise<Story[]> {
  const short = new Story(name);
  await short.open();
  await short.append(1, 4, true);
  short.kill();

  const long = new Story(name);
  await long.open();
  await long.save();
  await long.append(1, 6, true);
  await long.append(1, 4, false);
  await long.truncate(7);
  await long.append(2, 5, true);
  await long.snapshot(9);
  await long.append(3, 6, true);
  await long.close();
  await long.open();
  await long.append(4, 2, false);
  long.kill();

  const closed = new Story(name);
  await closed.open();
  await closed.append(1, 12, true);
  await closed.snapshot(6);
  await closed.snapshot(11);
  await closed.truncate(11);
  await closed.append(2, 2, true);
  await closed.close();
  closed.kill();
  return [short, long, closed];
}

/** The same file with all its checksums, and the length in `meta`, made to hold. */
export function resealed(path: string, bytes: Buffer): Buffer {
  if (bytes.length < HEADER_BYTES) return bytes;
  const sealed = Buffer.from(bytes);
  const salt = crc32(sealed.subarray(81, 81 + (sealed[80] ?? 0)));
  if (path === 'meta') {
    const payload = sealed.subarray(HEADER_BYTES);
    sealed.writeDoubleLE(payload.length, 16);
    sealed.writeDoubleLE(crc32(payload, salt), 24);
  }
  sealed.writeUInt32LE(crc32(sealed.subarray(16, HEADER_BYTES), crc32(sealed.subarray(0, 12))), 12);
  if (path.startsWith('log/')) sealRecords(sealed, salt);
  if (path.startsWith('snapshots/')) sealBlocks(sealed);
  return sealed;
}

function sealRecords(bytes: Buffer, salt: number): void {
  let at = HEADER_BYTES;
  while (at + RECORD_HEADER_BYTES <= bytes.length) {
    const start = at + RECORD_HEADER_BYTES;
    const payload = bytes.subarray(start, start + bytes.readUInt32LE(at + 12));
    bytes.writeUInt32LE(crc32(payload, salt), at + 8);
    bytes.writeUInt32LE(crc32(bytes.subarray(at + 8, start), salt), at + 4);
    at = start + payload.length;
  }
}

function sealBlocks(bytes: Buffer): void {
  const salt = crc32(bytes.subarray(0, HEADER_BYTES));
  let at = HEADER_BYTES;
  while (at + BLOCK_HEADER_BYTES <= bytes.length) {
    const start = at + BLOCK_HEADER_BYTES;
    const payload = bytes.subarray(start, start + bytes.readUInt32LE(at + 12));
    bytes.writeUInt32LE(crc32(payload, crc32(bytes.subarray(at + 4, start), salt)), at);
    at = start + payload.length;
  }
}

/** Where the numbers stand that a file's headers hold: of the file, and of its first records or blocks. */
export function numberPlaces(path: string, bytes: Buffer): number[] {
  const places = Array.from({ length: 8 }, (_, i) => 16 + i * 8);
  let at = HEADER_BYTES;
  const log = path.startsWith('log/');
  const headerBytes = log ? RECORD_HEADER_BYTES : BLOCK_HEADER_BYTES;
  while (path !== 'meta' && at + headerBytes <= bytes.length) {
    const start = at;
    places.push(...(log ? [12, 16, 20, 24, 32, 40, 48] : [4, 8, 12]).map((field) => start + field));
    at += headerBytes + bytes.readUInt32LE(at + 12);
  }
  return places;
}
