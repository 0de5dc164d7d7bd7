import { CatenaError } from '../../src/base/errors.ts';
import { seq } from '../../src/base/ids.ts';
import type { SnapshotRow } from '../../src/protocol/snapshot.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { entriesFrom, nameOf, partsOf, Running, snapshotOf } from './harness.ts';
import { OTHER, open, readAll, receive, tight, withSnapshot } from './transfers.ts';

test('the log is kept back to the oldest of the snapshots that are being sent', async () => {
  const running = await withSnapshot(20, 10);
  const oldest = await open(running);
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 14)));
  const newer = await open(running);
  const newerStill = await open(running);
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 18)));
  expect(await running.storage.read(seq(10), 1e6)).toHaveLength(10);
  await oldest.close();
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 19)));
  expect(await running.storage.read(seq(10), 1e6)).toBeNull();
  expect(await running.storage.read(seq(14), 1e6)).toHaveLength(6);
  await newer.close();
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 20)));
  expect(await running.storage.read(seq(14), 1e6)).toHaveLength(6);
  expect(await newerStill.read(0)).toMatchObject({ place: 0 });
});

test('a damaged snapshot that is replaced by one of the same entry is read by nobody anew, and older ones go on', async () => {
  const running = await withSnapshot(20, 10, 100_000);
  const older = await open(running);
  const source = snapshotOf(entriesFrom(1, 15), 100_000);
  await running.storage.snapshot(source);
  const damaged = await open(running);
  running.storage.renewSnapshot({ dropLog: false });
  expect(await running.storage.snapshot(source)).toBe(true);
  // Part by part the fresh one need not be what was sent of the damaged one.
  expect(await open(running, { seq: seq(15), next: 2 })).toMatchObject({ header: { seq: 15 }, from: 0 });
  expect(await open(running, { seq: seq(10), next: 2 })).toMatchObject({ header: { seq: 10 }, from: 2 });
  await older.close();
  await damaged.close();
});

test('a snapshot that can’t be opened is not held on to, and what the disk said goes up', async () => {
  const running = await withSnapshot(20, 10);
  running.disk.hook = ({ kind, path }) => {
    if (kind === 'open' && path.startsWith('snapshots/')) throw new CatenaError('DISK_FAILED', 'no');
  };
  await expect(open(running)).rejects.toMatchObject({ code: 'DISK_FAILED' });
  running.disk.hook = null;
  running.disk.flip('snapshots/0000000000000010.snapshot', 20);
  await expect(open(running)).rejects.toMatchObject({ code: 'CORRUPT' });
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 20)));
  expect(await running.storage.read(seq(10), 1e6)).toBeNull();
  await running.storage.close();
  expect(running.disk.openFiles).toBe(0);
});

test('a snapshot’s file that ends too early is damage at whatever part is asked for, and leaves no room to a wrong length', async () => {
  const running = await withSnapshot(20, 20, 100_000);
  const path = 'snapshots/0000000000000020.snapshot';
  const whole = running.disk.bytesOf(path);
  const firstEnd = 128 + 16 + whole.readUInt32LE(128 + 12);
  for (const length of [128, 128 + 7, firstEnd, firstEnd + 15, whole.length - 1]) {
    running.disk.put(path, whole.subarray(0, length));
    const inOrder = await open(running);
    await expect(readAll(inOrder)).rejects.toMatchObject({ code: 'CORRUPT' });
    await inOrder.close();
    const ahead = await open(running);
    await expect(ahead.read(90)).rejects.toMatchObject({
      code: 'CORRUPT',
      message: expect.stringContaining('it ends too early'),
    });
    await ahead.close();
  }
});

test('a part of very many rows is taken whole, with turns for others in between', async () => {
  const running = await Running.start(new MemoryDisk());
  const source = snapshotOf(entriesFrom(1, 1500, 3));
  const { incoming } = running.storage;
  await incoming.begin({ of: OTHER, header: source.header, from: 0 });
  let turns = 0;
  const { defer } = running.clock;
  running.clock.defer = (call) => {
    turns++;
    defer.call(running.clock, call);
  };
  const rows: SnapshotRow[] = [];
  for (const part of partsOf(source, 2000)) await incoming.storePart(part, (row) => rows.push(row));
  expect(rows).toEqual([...source.rows()]);
  expect(turns).toBe(2);
});

test('a transfer on a disk that has failed says so at every further call', async () => {
  const running = await withSnapshot(5, 3);
  const { incoming } = running.storage;
  const source = snapshotOf(entriesFrom(1, 20, 3));
  const start = { of: OTHER, header: source.header, from: 0 };
  await incoming.begin(start);
  running.disk.hook = ({ kind }) => {
    if (kind === 'write') throw new CatenaError('DISK_FULL', 'no');
  };
  const [first] = partsOf(source, 3);
  if (!first) throw new Error('no part');
  await expect(incoming.storePart(first, () => undefined)).rejects.toMatchObject({ code: 'DISK_FULL' });
  running.disk.hook = null;
  await expect(incoming.begin(start)).rejects.toMatchObject({ code: 'DISK_FULL' });
  await expect(incoming.storePart(first, () => undefined)).rejects.toMatchObject({ code: 'DISK_FULL' });
  await expect(incoming.drop()).rejects.toMatchObject({ code: 'DISK_FULL' });
  expect(running.failures).toHaveLength(1);
});

test('a snapshot is not installed on a storage whose log has failed meanwhile', async () => {
  const running = await withSnapshot(5, 3);
  await receive(running);
  running.disk.hook = ({ kind, path }) => {
    if (kind === 'write' && path.startsWith('log/')) throw new CatenaError('DISK_FULL', 'no');
  };
  running.append(entriesFrom(6, 6));
  await running.until(() => running.failures.length > 0);
  running.disk.hook = null;
  await expect(running.storage.incoming.install(7)).rejects.toMatchObject({ code: 'DISK_FULL' });
  await expect(running.storage.snapshot(snapshotOf(entriesFrom(1, 5)))).rejects.toMatchObject({
    code: 'DISK_FULL',
  });
  expect(running.storage.snapshotDue()).toBe(false);
  expect(running.failures).toHaveLength(1);
  await running.storage.close();
  const again = await Running.start(running.disk, tight);
  expect(again.held).toEqual(entriesFrom(1, 5).map(nameOf));
});

test('a snapshot behind what is committed is a programming error, not a failure of the disk', async () => {
  const running = await withSnapshot(30, 3);
  await receive(running);
  await expect(running.storage.incoming.install(7)).rejects.toThrow('I2: snapshot 20 behind committed 30');
  expect(running.failures).toEqual([]);
});

test('while a snapshot is put in place of the log, nothing may be appended or cut', async () => {
  const running = await withSnapshot(5, 3);
  await receive(running);
  let looked = 0;
  running.disk.hook = ({ kind }) => {
    if (kind !== 'rename') return;
    looked++;
    running.append([], 5);
    expect(() => running.append(entriesFrom(6, 6))).toThrow('while a snapshot is put in place');
    expect(() => running.storage.truncate(seq(5), 1)).toThrow('while a snapshot is put in its place');
  };
  await running.storage.incoming.install(7);
  expect(looked).toBeGreaterThan(0);
  running.disk.hook = null;
  await running.appendSynced(entriesFrom(21, 21, 3));
});

test('an error that is not the disk’s ends an install as it is, and is not told as a failure of the disk', async () => {
  const running = await withSnapshot(5, 3);
  await receive(running);
  running.disk.hook = ({ kind }) => {
    if (kind === 'rename') throw new TypeError('a bug');
  };
  await expect(running.storage.incoming.install(7)).rejects.toThrow(TypeError);
  expect(running.failures).toEqual([]);
});

test('a file in the log’s directory that is no segment is left alone by an install', async () => {
  const running = await withSnapshot(5, 3);
  running.disk.put('log/notes.txt', Buffer.from('mine'));
  await receive(running);
  await running.storage.incoming.install(7);
  expect(running.disk.bytesOf('log/notes.txt').toString()).toBe('mine');
  const again = await Running.start(running.disk.kill(), tight);
  expect(again.held).toEqual(entriesFrom(1, 20, 3).map(nameOf));
});
