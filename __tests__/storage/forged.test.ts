import { crc32 } from 'node:zlib';
import { epoch, seq, storeId } from '../../src/base/ids.ts';
import { ByteWriter } from '../../src/codec/bytes.ts';
import { encodeEntry } from '../../src/codec/entry-codec.ts';
import { writeSnapshotRow } from '../../src/codec/snapshot-codec.ts';
import type { Entry } from '../../src/protocol/entry.ts';
import type { SnapshotHeader, SnapshotRow } from '../../src/protocol/snapshot.ts';
import { saltOf } from '../../src/storage/file-header.ts';
import { segmentPath, snapshotPath } from '../../src/storage/paths.ts';
import { encodeBlock, encodeSnapshotHeader, endBlock } from '../../src/storage/snapshot-block.ts';
import {
  decodeRecordHeader,
  encodeRecord,
  encodeSegmentHeader,
  type RecordKind,
} from '../../src/storage/wal-record.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { entriesFrom, entryAt, nameOf, Running, snapshotOf } from './harness.ts';

// Every checksum in these files is right: no crash and no flipped bit leaves them, only a bug or a hand that copied files about.

const STORE = storeId('store-1');
const SALT = saltOf(STORE);
const SEGMENT = segmentPath(1);

interface ForgedRecord {
  readonly kind: RecordKind;
  readonly number: number;
  readonly seq: number;
  readonly committed?: number;
  readonly entries?: readonly Entry[];
}

function segmentOf(
  records: readonly ForgedRecord[],
  header: { number?: number; firstRecord?: number; firstSeq?: number; store?: string } = {},
): Buffer {
  const { number = 1, firstRecord = 1, firstSeq = 1, store = 'store-1' } = header;
  const first = encodeSegmentHeader({
    storeId: storeId(store),
    number,
    firstRecord,
    firstSeq: seq(firstSeq),
    epochBefore: epoch(0),
  });
  const chunks = records.flatMap(({ entries = [], committed = 0, ...record }) =>
    encodeRecord(
      { ...record, synced: record.number - 1, committed: seq(committed), seq: seq(record.seq) },
      entries.map(encodeEntry),
      SALT,
    ),
  );
  return Buffer.concat([first, ...chunks]);
}

/** A segment whose header says that its store id goes on beyond it. */
function longStoreId(number: number): Buffer {
  const bytes = segmentOf([], { number });
  bytes[80] = 200;
  bytes.writeUInt32LE(crc32(bytes.subarray(16), crc32(bytes.subarray(0, 12))), 12);
  return Buffer.concat([bytes, Buffer.alloc(1)]);
}

/** A store that was started once, with these segments in place of its log. */
async function storeWith(...segments: Buffer[]): Promise<MemoryDisk> {
  const running = await Running.start(new MemoryDisk('/data/n1'));
  await running.storage.close();
  const disk = running.disk.copy();
  for (const [place, bytes] of segments.entries()) disk.put(segmentPath(place + 1), bytes);
  return disk;
}

const entriesRecord = (number: number, entries: readonly Entry[], committed = 0): ForgedRecord => ({
  kind: 'entries',
  number,
  seq: entries[0]?.seq ?? 0,
  committed,
  entries,
});

const whole = [entriesRecord(1, entriesFrom(1, 3)), entriesRecord(2, entriesFrom(4, 5), 3)];

test('a log that was put together by hand and makes sense is read like any other', async () => {
  const running = await Running.start(await storeWith(segmentOf(whole)));
  expect(running.held).toEqual(entriesFrom(1, 5).map(nameOf));
  expect(running.found.recovered.committed).toBe(3);
});

test.each<[string, ForgedRecord[], string]>([
  ['a record out of its turn', [...whole, entriesRecord(4, [entryAt(6)])], 'record 4 stands where 3 should'],
  [
    'a record that says it begins with another entry',
    [...whole, { kind: 'entries', number: 3, seq: 7, entries: [entryAt(6)] }],
    'entry 7 is not the first of its record',
  ],
  [
    'a record of no entries',
    [...whole, { kind: 'entries', number: 3, seq: 6 }],
    'entry 6 is not the first of its record',
  ],
  [
    'a gap between entries',
    [...whole, entriesRecord(3, [entryAt(7)])],
    'entry 7 of epoch 1 does not follow entry 5 of epoch 1',
  ],
  [
    'an epoch that goes back',
    [...whole, entriesRecord(3, [entryAt(6, 4), entryAt(7, 3)])],
    'entry 7 of epoch 3 does not follow entry 6 of epoch 4',
  ],
  [
    'a truncation to beyond the end',
    [...whole, { kind: 'truncate', number: 3, seq: 6 }],
    'the log is said to end at 6, and ends at 5',
  ],
  [
    'a close at another entry than the last',
    [...whole, { kind: 'close', number: 3, seq: 4 }],
    'the log is said to end at 4, and ends at 5',
  ],
  [
    'a truncation of what is committed',
    [...whole, { kind: 'truncate', number: 3, seq: 2 }],
    'the log is cut at 2, and entry 3 is committed',
  ],
  [
    'a commit of what is not there',
    [...whole, { kind: 'close', number: 3, seq: 5, committed: 6 }],
    'entry 6 is said to be committed, and the log ends at 5',
  ],
  [
    'a record with half a number',
    [...whole, { kind: 'close', number: 3, seq: 5.5 }],
    'the numbers of a record make no sense',
  ],
])('%s is damage, although every checksum is right', async (_, records, problem) => {
  const disk = await storeWith(segmentOf(records));
  const before = disk.bytesOf(SEGMENT);
  const offset = segmentOf(records.slice(0, -1)).length;
  await expect(Running.start(disk)).rejects.toMatchObject({
    code: 'CORRUPT',
    message: expect.stringContaining(`/data/n1/${SEGMENT} is damaged at byte ${offset}: ${problem}`),
  });
  expect(disk.bytesOf(SEGMENT)).toEqual(before);
});

test('entries that no codec wrote are damage, although their checksum is right', async () => {
  const header = { kind: 'entries', number: 1, synced: 0, committed: seq(0), seq: seq(1) } as const;
  const record = encodeRecord(header, [Buffer.from('rubbish')], SALT);
  const disk = await storeWith(Buffer.concat([segmentOf([]), ...record]));
  await expect(Running.start(disk)).rejects.toMatchObject({
    code: 'CORRUPT',
    message: expect.stringContaining('its entries make no sense'),
  });
});

test.each<[string, Buffer, string]>([
  ['of another store', segmentOf([], { store: 'store-2' }), 'it belongs to the store store-2'],
  ['with another number than its name', segmentOf([], { number: 3 }), 'it is segment 3'],
  [
    'that begins at another entry than the one before ended at',
    segmentOf([], { number: 2, firstRecord: 3, firstSeq: 9 }),
    'entry 9 does not follow 5',
  ],
  [
    'that begins at another record than the one before ended at',
    segmentOf([], { number: 2, firstRecord: 8, firstSeq: 6 }),
    'entry 6 does not follow 5',
  ],
  [
    'of no first record',
    segmentOf([], { number: 2, firstRecord: 0 }),
    'the numbers in its header make no sense',
  ],
  [
    'of half an entry',
    segmentOf([], { number: 2, firstSeq: 5.5 }),
    'the numbers in its header make no sense',
  ],
  ['whose store id is longer than there is room for', longStoreId(2), 'its header is not sound'],
])('a segment %s is damage', async (_, second, problem) => {
  const disk = await storeWith(segmentOf(whole), second);
  await expect(Running.start(disk)).rejects.toMatchObject({
    code: 'CORRUPT',
    message: expect.stringContaining(`/data/n1/${segmentPath(2)} is damaged at byte 0: ${problem}`),
  });
});

test('a record of a kind that this version does not know is no sound record', () => {
  const header = { kind: 'close', number: 1, synced: 0, committed: seq(0), seq: seq(5) } as const;
  const bytes = Buffer.concat(encodeRecord(header, [], SALT));
  expect(decodeRecordHeader(bytes, 0, SALT)).toMatchObject(header);
  bytes.writeUInt32LE(9, 20);
  bytes.writeUInt32LE(crc32(bytes.subarray(8), SALT), 4);
  expect(decodeRecordHeader(bytes, 0, SALT)).toBeNull();
});

/** A store with entries 1 to 6 and a snapshot of the first four, closed. */
async function withSnapshot(): Promise<{ disk: MemoryDisk; path: string }> {
  const running = await Running.start(new MemoryDisk('/data/n1'));
  await running.appendSynced(entriesFrom(1, 6), 4);
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 4)));
  await running.storage.close();
  return { disk: running.disk.copy(), path: snapshotPath(4) };
}

function snapshotBytes(
  change: { header?: Partial<SnapshotHeader>; store?: string; rows?: number; order?: readonly number[] } = {},
): Buffer {
  const source = snapshotOf(entriesFrom(1, 4));
  const all = [...source.rows()];
  const inOrder = (change.order ?? [...all.keys()]).map((place) => all[place] as SnapshotRow);
  const header = encodeSnapshotHeader({ ...source.header, ...change.header }, storeId(change.store ?? STORE));
  const salt = crc32(header);
  const writer = new ByteWriter(100);
  let rows = 0;
  for (const row of inOrder) {
    writeSnapshotRow(writer, row);
    rows++;
  }
  const block = encodeBlock({ place: 0, rows: change.rows ?? rows, payload: writer.finish() }, salt);
  return Buffer.concat([header, ...block, ...endBlock(1, salt)]);
}

test('a snapshot that was put together by hand and makes sense is read like any other', async () => {
  const { disk, path } = await withSnapshot();
  expect(snapshotBytes()).toEqual(disk.bytesOf(path));
});

test.each<[string, Buffer, string]>([
  ['of another store', snapshotBytes({ store: 'store-2' }), 'it belongs to the store store-2'],
  [
    'of another entry than its name',
    snapshotBytes({ header: { seq: seq(3) } }),
    'it is of entry 3, not of the one in its name',
  ],
  [
    'with fewer keys than its header says',
    snapshotBytes({ header: { keys: 5 } }),
    'it has 4 keys and 1 requests, its header says 5 and 1',
  ],
  [
    'with more requests than its header says',
    snapshotBytes({ header: { requests: 0 } }),
    'it has 4 keys and 1 requests, its header says 4 and 0',
  ],
  ['of half a key', snapshotBytes({ header: { keys: 4.5 } }), 'the numbers in its header make no sense'],
  [
    'of no time',
    snapshotBytes({ header: { timeMs: Number.NaN } }),
    'the numbers in its header make no sense',
  ],
  ['whose keys are not in order', snapshotBytes({ order: [0, 2, 1, 3, 4] }), 'its rows are not in order'],
  ['with a key twice', snapshotBytes({ order: [0, 1, 1, 3, 4] }), 'or one is there twice'],
  ['with a key behind a request', snapshotBytes({ order: [0, 1, 2, 4, 3] }), 'its rows are not in order'],
  [
    'with a request twice',
    snapshotBytes({ order: [0, 1, 2, 3, 4, 4], header: { requests: 2 } }),
    'or one is there twice',
  ],
  ['with a block longer than its rows', snapshotBytes({ rows: 4 }), 'a block is longer than its rows'],
  ['with a block shorter than its rows', snapshotBytes({ rows: 6 }), 'a row makes no sense'],
  [
    'whose last entry is of another epoch in the log',
    snapshotBytes({ header: { epoch: epoch(2) } }),
    'entry 4 is of epoch 1, and in the snapshot of 2',
  ],
])('a snapshot %s is damage', async (_, bytes, problem) => {
  const { disk, path } = await withSnapshot();
  disk.put(path, bytes);
  await expect(Running.start(disk)).rejects.toMatchObject({
    code: 'CORRUPT',
    message: expect.stringContaining(problem),
  });
});

test('a snapshot whose whole log is gone is damage, since it was made only of what the log held', async () => {
  const { disk } = await withSnapshot();
  disk.lose(SEGMENT);
  await expect(Running.start(disk)).rejects.toMatchObject({
    code: 'CORRUPT',
    message: expect.stringContaining('the log ends at entry 0, and a snapshot reaches 4'),
  });
});

test('a log whose beginning is gone with no snapshot to reach so far is damage', async () => {
  const disk = await storeWith(segmentOf([], { firstSeq: 5 }));
  await expect(Running.start(disk)).rejects.toMatchObject({
    code: 'CORRUPT',
    message: expect.stringContaining('the log begins at entry 5, and no snapshot reaches so far'),
  });
});

test('a record whose header is damaged is not handed out to a neighbour', async () => {
  const running = await Running.start(await storeWith(segmentOf(whole)));
  running.disk.flip(SEGMENT, segmentOf([]).length);
  const read: Promise<Entry[] | null> = running.storage.read(seq(0), 1e6);
  await expect(read).rejects.toMatchObject({
    code: 'CORRUPT',
    message: expect.stringContaining(`is damaged at byte ${segmentOf([]).length}: a record is not sound`),
  });
  expect(running.disk.openFiles).toBe(1);
});
