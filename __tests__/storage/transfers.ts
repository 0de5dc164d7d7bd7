import { type Seq, storeId } from '../../src/base/ids.ts';
import type { SnapshotPart, SnapshotRow } from '../../src/protocol/snapshot.ts';
import type { SnapshotReading } from '../../src/storage/snapshot-pins.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { entriesFrom, entryAt, partsOf, Running, snapshotOf } from './harness.ts';

/** Segments of a few entries, and nothing kept behind a snapshot. */
export const tight = { segmentBytesMax: 300, retainBytesMin: 0 };
/** Another store, which sends. */
export const OTHER = storeId('other');

/** A storage with a log of `count` entries, each in a record of its own, and a snapshot of those up to `last`. */
export async function withSnapshot(count: number, last: number, bytes = 10): Promise<Running> {
  const running = await Running.start(new MemoryDisk('/data/n1'), tight);
  for (let at = 1; at <= count; at++) await running.appendSynced([entryAt(at)], at);
  await running.storage.snapshot(snapshotOf(entriesFrom(1, last), bytes));
  return running;
}

/** The newest snapshot, or the one that is wanted. */
export async function open(
  running: Running,
  wanted: { seq: Seq; next: number } | null = null,
): Promise<SnapshotReading> {
  const reading = await running.storage.openSnapshot(wanted && { of: storeId('store-1'), ...wanted });
  if (reading === null) throw new Error('there is no snapshot');
  return reading;
}

/** All parts from the first on. */
export async function readAll(reading: SnapshotReading): Promise<SnapshotPart[]> {
  const parts: SnapshotPart[] = [];
  for (let place = reading.from; ; place++) {
    const part = await reading.read(place);
    if (part === null) return parts;
    expect(part.place).toBe(place);
    parts.push(part);
  }
}

/** Stores all of `source` in parts of three rows, and gives back the rows that were handed out. */
export async function receive(
  running: Running,
  source = snapshotOf(entriesFrom(1, 20, 3)),
): Promise<SnapshotRow[]> {
  const rows: SnapshotRow[] = [];
  const { incoming } = running.storage;
  await incoming.begin({ of: OTHER, header: source.header, from: 0 });
  for (const part of partsOf(source, 3)) await incoming.storePart(part, (row) => rows.push(row));
  return rows;
}

export const filesIn = (disk: MemoryDisk, directory: string) =>
  disk.paths().filter((path) => path.startsWith(`${directory}/`));
