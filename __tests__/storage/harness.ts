import type { CatenaError } from '../../src/base/errors.ts';
import { type Epoch, epoch, requestId, type Seq, seq, storeId } from '../../src/base/ids.ts';
import { ByteWriter } from '../../src/codec/bytes.ts';
import { writeSnapshotRow } from '../../src/codec/snapshot-codec.ts';
import type { Logger } from '../../src/ports/logger.ts';
import type { Entry } from '../../src/protocol/entry.ts';
import type {
  SnapshotHeader,
  SnapshotPart,
  SnapshotRow,
  SnapshotSource,
} from '../../src/protocol/snapshot.ts';
import { type Recovered, Storage, type StorageOptions } from '../../src/storage/storage.ts';
import { FakeClock } from '../support/fake-clock.ts';
import type { MemoryDisk } from '../support/memory-disk.ts';

export const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** An entry that sets a key of its own to a value of so many bytes, which names epoch and seq. */
export function entryAt(at: number, ofEpoch = 1, bytes = 16): Entry {
  const value = { bytes: `${ofEpoch}:${at} `.padEnd(bytes, '.'), contentType: '' };
  return {
    epoch: epoch(ofEpoch),
    seq: seq(at),
    timeMs: at,
    requestId: requestId(`r${at}`),
    command: {
      kind: 'single',
      operation: { op: 'set', key: `k${at}`, value, ttlMs: null, condition: null },
    },
    encoded: null,
  };
}

export function entriesFrom(first: number, last: number, ofEpoch = 1, bytes = 16): Entry[] {
  return Array.from({ length: last - first + 1 }, (_, i) => entryAt(first + i, ofEpoch, bytes));
}

/** Which entry: all that the tests compare. */
export interface Name {
  readonly epoch: Epoch;
  readonly seq: Seq;
}
export const nameOf = ({ epoch: ofEpoch, seq: at }: Name): Name => ({ epoch: ofEpoch, seq: at });

/** A snapshot after the last of `entries`, with a row for each of them that says its epoch. */
export function snapshotOf(entries: readonly Name[], bytes = 10): SnapshotSource {
  const last = entries.at(-1) ?? { epoch: epoch(0), seq: seq(0) };
  const rows: SnapshotRow[] = entries.map((entry) => ({
    kind: 'key',
    key: `k${String(entry.seq).padStart(6, '0')}`,
    record: {
      value: { bytes: 'v'.repeat(bytes), contentType: String(entry.epoch) },
      version: entry.seq,
      expiresAtMs: null,
    },
  }));
  rows.push({
    kind: 'request',
    request: {
      requestId: requestId(`r${last.seq}`),
      timeMs: 5,
      fingerprint: 6,
      outcome: { kind: 'done', seq: last.seq, results: [] },
    },
  });
  const header = { ...nameOf(last), timeMs: 5, keys: entries.length, requests: 1 };
  return { header, rows: () => rows };
}

/** The rows of a snapshot in parts of so many. */
export function partsOf(source: SnapshotSource, rowsPerPart: number): SnapshotPart[] {
  const rows = [...source.rows()];
  const parts: SnapshotPart[] = [];
  for (let start = 0; start < rows.length; start += rowsPerPart) {
    const some = rows.slice(start, start + rowsPerPart);
    const writer = new ByteWriter(100);
    for (const row of some) writeSnapshotRow(writer, row);
    parts.push({ place: parts.length, rows: some.length, payload: writer.finish() });
  }
  return parts;
}

/** What one start found: the snapshot's entries and those the log said were committed, as the visitor got them. */
export interface Found {
  readonly recovered: Recovered;
  readonly snapshot: SnapshotHeader | null;
  readonly committed: readonly Name[];
}

/** A storage that runs, and what it reported. */
export class Running {
  readonly storage: Storage;
  readonly disk: MemoryDisk;
  readonly clock: FakeClock;
  readonly found: Found;
  readonly reports: { through: Seq; generation: number }[] = [];
  readonly failures: CatenaError[] = [];
  #waiting: (() => void)[] = [];

  private constructor(storage: Storage, disk: MemoryDisk, clock: FakeClock, found: Found) {
    this.storage = storage;
    this.disk = disk;
    this.clock = clock;
    this.found = found;
    storage.listen({
      synced: (through, generation) => {
        this.reports.push({ through, generation });
        for (const look of this.#waiting) look();
      },
      failed: (error) => {
        this.failures.push(error);
        for (const look of this.#waiting) look();
      },
    });
  }

  static async start(disk: MemoryDisk, options: Partial<StorageOptions> = {}): Promise<Running> {
    const clock = new FakeClock();
    const storage = await Storage.open(
      { syncDelayMs: 0, ...options },
      { disk, clock, logger: silent, newStoreId: () => storeId('store-1') },
    );
    try {
      return new Running(storage, disk, clock, await recoverWith(storage));
    } catch (error) {
      await storage.close();
      throw error;
    }
  }

  /** All that is held: committed, then pending. */
  get held(): Name[] {
    return [...this.found.committed, ...this.found.recovered.pending.map(nameOf)];
  }

  get synced(): number {
    return this.reports.at(-1)?.through ?? 0;
  }

  /** Resolves when it holds, looked at whenever the storage reports something. */
  async until(holds: () => boolean): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve) => {
      this.#waiting.push(() => {
        if (holds()) resolve();
      });
    });
  }

  append(entries: readonly Entry[], committed = 0, generation = 0): void {
    this.storage.append(entries, seq(committed), generation);
  }

  async appendSynced(entries: readonly Entry[], committed = 0, generation = 0): Promise<void> {
    this.append(entries, committed, generation);
    await this.until(() => this.synced >= (entries.at(-1)?.seq ?? 0));
  }
}

async function recoverWith(storage: Storage): Promise<Found> {
  let snapshot: SnapshotHeader | null = null;
  const committed: Name[] = [];
  const recovered = await storage.recover({
    snapshot: (header) => {
      snapshot = header;
    },
    row: (row) => {
      if (row.kind === 'request') return;
      committed.push({ epoch: epoch(Number(row.record.value.contentType)), seq: row.record.version });
    },
    committed: (entry) => committed.push(nameOf(entry)),
  });
  return { recovered, snapshot, committed };
}
