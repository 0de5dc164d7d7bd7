import { crc32 } from 'node:zlib';
import { storeId } from '../../src/base/ids.ts';
import { Storage } from '../../src/storage/storage.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { entriesFrom, entryAt, nameOf, Running, silent, snapshotOf } from './harness.ts';

const SEGMENT = 'log/000000000001.log';
const HEADER_BYTES = 128;

/** A log of `count` records with an entry each, and where each record ends. The process was killed. */
async function logOf(count: number): Promise<{ disk: MemoryDisk; ends: number[] }> {
  const running = await Running.start(new MemoryDisk('/data/n1'));
  const ends: number[] = [];
  for (let at = 1; at <= count; at++) {
    await running.appendSynced([entryAt(at)], at - 1);
    ends.push(running.disk.bytesOf(SEGMENT).length);
  }
  return { disk: running.disk.kill().copy(), ends };
}

const corruptAt = (path: string, offset: number | string) => ({
  code: 'CORRUPT',
  message: expect.stringMatching(`/data/n1/${path} is damaged at byte ${offset}: .*every acknowledged write`),
});

/** Starts on a copy with one byte turned over, for every byte from `start` to `end`. */
async function flipEach(
  disk: MemoryDisk,
  path: string,
  { start, end }: { start: number; end: number },
  judge: (started: Promise<Running>, offset: number) => Promise<void>,
): Promise<void> {
  for (let offset = start; offset < end; offset++) {
    const copy = disk.copy();
    copy.flip(path, offset, 1 << (offset % 8));
    await judge(Running.start(copy), offset);
  }
}

test('a flipped bit in the header of a segment is damage', async () => {
  const { disk } = await logOf(2);
  await flipEach(disk, SEGMENT, { start: 0, end: HEADER_BYTES }, (started) =>
    expect(started).rejects.toMatchObject(corruptAt(SEGMENT, 0)),
  );
});

test('a flipped bit in any record but the last is damage, named with file and offset', async () => {
  const { disk, ends } = await logOf(3);
  const starts = [HEADER_BYTES, ...ends];
  await flipEach(disk, SEGMENT, { start: HEADER_BYTES, end: ends[1] ?? 0 }, (started, offset) => {
    const record = starts.findLast((start) => start <= offset) ?? 0;
    return expect(started).rejects.toMatchObject(corruptAt(SEGMENT, record));
  });
});

test('a flipped bit in the last record looks like a torn end, and is cut off', async () => {
  const { disk, ends } = await logOf(3);
  const [, start = 0, end = 0] = ends;
  await flipEach(disk, SEGMENT, { start, end }, async (started) => {
    const running = await started;
    expect(running.held).toEqual(entriesFrom(1, 2).map(nameOf));
    expect(running.found.recovered.cutBytes).toBe(end - start);
  });
});

test('after closing in order, a flipped bit in any entry is damage', async () => {
  const { disk, ends } = await logOf(2);
  const running = await Running.start(disk);
  await running.storage.close();
  await flipEach(disk.copy(), SEGMENT, { start: ends[0] ?? 0, end: ends[1] ?? 0 }, (started) =>
    expect(started).rejects.toMatchObject(corruptAt(SEGMENT, ends[0] ?? 0)),
  );
});

test('an end that is torn at any byte is cut off, and the log goes on from there', async () => {
  const { disk, ends } = await logOf(3);
  const [, start = 0, end = 0] = ends;
  for (let length = start; length < end; length++) {
    const copy = disk.copy();
    copy.put(SEGMENT, copy.bytesOf(SEGMENT).subarray(0, length));
    const running = await Running.start(copy);
    expect(running.found.recovered.cutBytes).toBe(length - start);
    await running.appendSynced(entriesFrom(3, 4, 2));
    const again = await Running.start(copy.kill());
    expect(again.held).toEqual([...entriesFrom(1, 2), ...entriesFrom(3, 4, 2)].map(nameOf));
  }
});

test('rubbish behind the last record is cut off, whatever it is', async () => {
  const { disk, ends } = await logOf(2);
  const whole = disk.bytesOf(SEGMENT);
  for (const rubbish of [
    Buffer.alloc(5000),
    Buffer.from([0xca, 0x7e, 0xa1, 0xf8]),
    whole,
    whole.subarray(HEADER_BYTES),
  ]) {
    const copy = disk.copy();
    copy.put(SEGMENT, Buffer.concat([whole, Buffer.from([1]), rubbish]));
    const running = await Running.start(copy);
    expect(running.found.recovered.cutBytes).toBe(rubbish.length + 1);
    expect(running.disk.bytesOf(SEGMENT)).toHaveLength(ends[1] ?? 0);
  }
});

test('a torn record whose value is a copy of the log itself is still a torn end', async () => {
  const { disk } = await logOf(5);
  const running = await Running.start(disk);
  const copied = disk.bytesOf(SEGMENT).toString('latin1');
  const entry = entryAt(6);
  const value = { bytes: copied, contentType: '' };
  const operation = { op: 'set', key: 'k', value, ttlMs: null, condition: null } as const;
  await running.appendSynced([{ ...entry, command: { kind: 'single', operation } }], 5);
  disk.flip(SEGMENT, disk.bytesOf(SEGMENT).length - 1);
  const again = await Running.start(disk.kill());
  expect(again.held).toEqual(entriesFrom(1, 5).map(nameOf));
});

test('damage in a segment before the last is damage even at its end', async () => {
  const running = await Running.start(new MemoryDisk('/data/n1'), { segmentBytesMax: 300 });
  for (let at = 1; at <= 6; at++) await running.appendSynced([entryAt(at)]);
  const disk = running.disk.kill().copy();
  disk.flip(SEGMENT, disk.bytesOf(SEGMENT).length - 1);
  await expect(Running.start(disk)).rejects.toMatchObject(corruptAt(SEGMENT, '\\d+'));
});

test('a segment whose header is torn at any byte was being made, and is removed', async () => {
  const running = await Running.start(new MemoryDisk('/data/n1'), { segmentBytesMax: 300 });
  for (let at = 1; at <= 6; at++) await running.appendSynced([entryAt(at)]);
  const disk = running.disk.kill().copy();
  const last = disk.paths().findLast((path) => path.startsWith('log/')) ?? '';
  const header = disk.bytesOf(last).subarray(0, HEADER_BYTES);
  const inLast = 6 - Number(header.readDoubleLE(32)) + 1;
  for (let length = 0; length < HEADER_BYTES; length++) {
    const copy = disk.copy();
    copy.put(last, header.subarray(0, length));
    const again = await Running.start(copy, { segmentBytesMax: 300 });
    expect(again.held).toEqual(entriesFrom(1, 6 - inLast).map(nameOf));
    expect(again.found.recovered.cutBytes).toBe(length);
    await again.appendSynced(entriesFrom(7 - inLast, 9));
    const third = await Running.start(copy.kill());
    expect(third.held).toEqual(entriesFrom(1, 9).map(nameOf));
  }
});

test('what is damaged says what becomes of the node, and without meta what the one step is', async () => {
  const { disk } = await logOf(3);
  const torn = disk.copy();
  torn.flip(SEGMENT, 0);
  await expect(Running.start(torn)).rejects.toMatchObject({
    message: expect.stringMatching(
      /its files stay as they are.*"damaged-".*joins again empty.*nothing is moved/,
    ),
  });
  disk.flip('meta', 5);
  await expect(Running.start(disk)).rejects.toMatchObject({
    message: expect.stringMatching(/move all that is in \/data\/n1 away and start it again/),
  });
});

async function withSnapshot(): Promise<MemoryDisk> {
  const options = { segmentBytesMax: 300, retainBytesMin: 600 };
  const running = await Running.start(new MemoryDisk('/data/n1'), options);
  for (let at = 1; at <= 12; at++) await running.appendSynced([entryAt(at)]);
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 8)));
  return running.disk.kill().copy();
}

test('a flipped bit anywhere in a snapshot is damage', async () => {
  const disk = await withSnapshot();
  const path = 'snapshots/0000000000000008.snapshot';
  await flipEach(disk, path, { start: 0, end: disk.bytesOf(path).length }, (started) =>
    expect(started).rejects.toMatchObject(corruptAt(path, '\\d+')),
  );
});

test('a snapshot that is cut off anywhere is damage', async () => {
  const disk = await withSnapshot();
  const path = 'snapshots/0000000000000008.snapshot';
  const whole = disk.bytesOf(path);
  for (let length = 0; length < whole.length; length += 7) {
    disk.put(path, whole.subarray(0, length));
    await expect(Running.start(disk.copy())).rejects.toMatchObject(corruptAt(path, '\\d+'));
  }
  disk.put(path, Buffer.concat([whole, Buffer.from([0])]));
  await expect(Running.start(disk.copy())).rejects.toMatchObject(corruptAt(path, whole.length));
});

test('a flipped bit anywhere in meta is damage', async () => {
  const { disk } = await logOf(1);
  await flipEach(disk, 'meta', { start: 0, end: disk.bytesOf('meta').length }, (started) =>
    expect(started).rejects.toMatchObject(corruptAt('meta', '\\d+')),
  );
});

test('a file that is gone is damage: meta, a segment, a snapshot', async () => {
  const disk = await withSnapshot();
  const segments = disk.paths().filter((path) => path.startsWith('log/'));
  expect(segments.length).toBeGreaterThan(2);
  for (const path of ['meta', segments[1] ?? '', 'snapshots/0000000000000008.snapshot']) {
    const copy = disk.copy();
    copy.lose(path);
    await expect(Running.start(copy)).rejects.toMatchObject({ code: 'CORRUPT' });
  }
  const behind = disk.copy();
  for (const path of segments.slice(1)) behind.lose(path);
  const shortest = Running.start(behind);
  await expect(shortest).rejects.toMatchObject({ message: expect.stringContaining('a snapshot reaches 8') });
});

test('files of another store are not taken for this one’s', async () => {
  const { disk } = await logOf(2);
  const other = await Running.start(new MemoryDisk('/data/n1'));
  await other.appendSynced([entryAt(1)]);
  const foreign = new MemoryDisk('/data/n1');
  const storage = await Storage.open(
    { syncDelayMs: 0 },
    { disk: foreign, clock: new FakeClock(), logger: silent, newStoreId: () => storeId('store-2') },
  );
  await storage.recover({ snapshot: () => undefined, row: () => undefined, committed: () => undefined });
  await storage.close();
  foreign.put(SEGMENT, disk.bytesOf(SEGMENT));
  await expect(Running.start(foreign)).rejects.toMatchObject({
    code: 'CORRUPT',
    message: expect.stringContaining('store-1'),
  });
});

test.each(['meta', SEGMENT])('%s of a later format version is refused as such', async (path) => {
  const { disk } = await logOf(1);
  const bytes = disk.bytesOf(path);
  bytes.writeUInt32LE(2, 8);
  bytes.writeUInt32LE(crc32(bytes.subarray(16, HEADER_BYTES), crc32(bytes.subarray(0, 12))), 12);
  disk.put(path, bytes);
  await expect(Running.start(disk)).rejects.toMatchObject({
    code: 'UNSUPPORTED_FORMAT',
    message: expect.stringContaining('version 2'),
  });
});

test('a damaged record that is read back for a neighbour is not handed out', async () => {
  const running = await Running.start(new MemoryDisk('/data/n1'));
  await running.appendSynced(entriesFrom(1, 3));
  running.disk.flip(SEGMENT, running.disk.bytesOf(SEGMENT).length - 1);
  await expect(running.storage.read(entryAt(0).seq, 1e6)).rejects.toMatchObject(
    corruptAt(SEGMENT, HEADER_BYTES),
  );
});

test('a directory that can’t be recovered is free again, and nothing in its log was changed', async () => {
  const { disk } = await logOf(3);
  disk.flip(SEGMENT, HEADER_BYTES + 3);
  const before = disk.bytesOf(SEGMENT);
  await expect(Running.start(disk)).rejects.toMatchObject({ code: 'CORRUPT' });
  await expect(Running.start(disk)).rejects.toMatchObject({ code: 'CORRUPT' });
  expect(disk.bytesOf(SEGMENT)).toEqual(before);
});
