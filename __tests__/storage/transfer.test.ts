import { CatenaError } from '../../src/base/errors.ts';
import { seq, storeId } from '../../src/base/ids.ts';
import type { SnapshotRow } from '../../src/protocol/snapshot.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { entriesFrom, nameOf, partsOf, Running, snapshotOf } from './harness.ts';
import { filesIn, OTHER, open, readAll, receive, tight, withSnapshot } from './transfers.ts';

test('the parts of a snapshot that one store sends are the snapshot of the store that receives them', async () => {
  const sender = await withSnapshot(300, 300, 10_000);
  const reading = await open(sender);
  const parts = await readAll(reading);
  expect(parts.length).toBeGreaterThan(5);
  const sent = parts.reduce((bytes, part) => bytes + part.payload.length, 0);
  expect(Math.abs(reading.bytes / sent - 1)).toBeLessThan(0.01);

  const receiver = await Running.start(new MemoryDisk());
  const { incoming } = receiver.storage;
  await incoming.begin({ ...reading, from: 0 });
  const rows: SnapshotRow[] = [];
  for (const part of parts) await incoming.storePart(part, (row) => rows.push(row));
  expect(rows).toEqual([...snapshotOf(entriesFrom(1, 300), 10_000).rows()]);
  expect(await incoming.install(parts.length)).toEqual(reading.header);
  const again = await Running.start(receiver.disk.kill());
  expect(again.found.snapshot).toEqual(reading.header);
  expect(again.held).toEqual(entriesFrom(1, 300).map(nameOf));
});

test('there is nothing to send before the first snapshot', async () => {
  const running = await Running.start(new MemoryDisk());
  await running.appendSynced(entriesFrom(1, 3));
  expect(await running.storage.openSnapshot(null)).toBeNull();
});

test('the log behind a snapshot that is being sent is kept, and the snapshot readable, until it is closed', async () => {
  const running = await withSnapshot(20, 10);
  const reading = await open(running);
  for (const last of [14, 18]) await running.storage.snapshot(snapshotOf(entriesFrom(1, last)));
  expect(filesIn(running.disk, 'snapshots')).toEqual(['snapshots/0000000000000018.snapshot']);
  expect(reading.header.seq).toBe(10);
  expect(await readAll(reading)).toHaveLength(1);
  expect((await running.storage.read(seq(10), 1e6))?.map((entry) => entry.seq)).toEqual(
    entriesFrom(11, 20).map((entry) => entry.seq),
  );
  await reading.close();
  await reading.close();
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 19)));
  expect(await running.storage.read(seq(10), 1e6)).toBeNull();
  await running.storage.close();
  expect(running.disk.openFiles).toBe(0);
});

test('a transfer goes on in the snapshot that it began with while that is kept, else begins anew in the newest', async () => {
  const running = await withSnapshot(200, 100, 10_000);
  const first = await open(running);
  const parts = await readAll(first);
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 150), 10_000));
  const next = parts.length - 2;
  const second = await open(running, { seq: seq(100), next });
  expect(second).toMatchObject({ header: { seq: 100 }, from: next });
  expect(await readAll(second)).toEqual(parts.slice(next));
  await first.close();
  expect(await second.read(0)).toEqual(parts[0]);
  expect(await second.read(99)).toBeNull();
  await second.close();
  expect(await open(running, { seq: seq(100), next })).toMatchObject({ header: { seq: 150 }, from: 0 });
  expect(await open(running, { seq: seq(150), next: 2 })).toMatchObject({ header: { seq: 150 }, from: 2 });
  const foreign = await running.storage.openSnapshot({ of: OTHER, seq: seq(150), next: 2 });
  expect(foreign).toMatchObject({ from: 0 });
  await running.storage.close();
  expect(running.disk.openFiles).toBe(0);
});

test('a snapshot that is replaced while it is being opened gives way to the newer one', async () => {
  const running = await withSnapshot(20, 10);
  let replaced: Promise<boolean> | null = null;
  running.disk.hook = async ({ kind, path }) => {
    if (kind !== 'open' || !path.endsWith('10.snapshot') || replaced) return;
    replaced = running.storage.snapshot(snapshotOf(entriesFrom(1, 15)));
    await replaced;
  };
  expect(await open(running)).toMatchObject({ header: { seq: 15 } });
  expect(await running.storage.read(seq(15), 1e6)).toHaveLength(5);
});

test('a damaged part is not sent', async () => {
  const running = await withSnapshot(20, 20);
  running.disk.flip('snapshots/0000000000000020.snapshot', 200);
  const reading = await open(running);
  await expect(reading.read(0)).rejects.toMatchObject({
    code: 'CORRUPT',
    message: expect.stringContaining('/data/n1/snapshots/0000000000000020.snapshot is damaged at byte 128'),
  });
});

test('an installed snapshot takes the place of log and snapshot, and the log goes on behind it', async () => {
  const running = await withSnapshot(12, 8);
  const before = running.storage.stats();
  const rows = await receive(running);
  expect(rows).toHaveLength(21);
  // Until it is installed nothing has changed.
  expect(running.storage.stats()).toEqual(before);
  await running.storage.incoming.install(7);
  expect(running.storage.stats()).toMatchObject({ snapshotSeq: 20, segments: 1 });
  expect(filesIn(running.disk, 'snapshots')).toEqual(['snapshots/0000000000000020.snapshot']);
  expect(filesIn(running.disk, 'log')).toHaveLength(1);
  expect(await running.storage.read(seq(12), 1e6)).toBeNull();
  expect(await running.storage.read(seq(20), 1e6)).toEqual([]);
  await running.appendSynced(entriesFrom(21, 25, 4), 23, 9);
  expect(running.reports.at(-1)).toEqual({ through: 25, generation: 9 });
  expect((await running.storage.read(seq(20), 1e6))?.map(nameOf)).toEqual(entriesFrom(21, 25, 4).map(nameOf));
  running.storage.truncate(seq(24), 10);
  await running.until(() => running.reports.at(-1)?.generation === 10);
  const again = await Running.start(running.disk.kill(), tight);
  expect(again.held).toEqual([...entriesFrom(1, 20, 3), ...entriesFrom(21, 24, 4)].map(nameOf));
  expect(again.found.recovered.runs).toEqual([
    { epoch: 3, lastSeq: 20 },
    { epoch: 4, lastSeq: 24 },
  ]);
  expect(await (await open(again)).read(0)).toMatchObject({ rows: 3 });
});

test('an installed snapshot can be sent on, and one of its own is taken behind it', async () => {
  const running = await withSnapshot(5, 5);
  await receive(running);
  await running.storage.incoming.install(7);
  await running.appendSynced(entriesFrom(21, 30, 4), 30);
  const reading = await open(running);
  expect(await readAll(reading)).toHaveLength(7);
  await reading.close();
  const source = snapshotOf([...entriesFrom(1, 20, 3), ...entriesFrom(21, 28, 4)]);
  expect(await running.storage.snapshot(source)).toBe(true);
  const again = await Running.start(running.disk.kill(), tight);
  expect(again.held).toEqual([...entriesFrom(1, 20, 3), ...entriesFrom(21, 30, 4)].map(nameOf));
});

test('what is queued for the log when an install begins does not outlive it', async () => {
  const running = await withSnapshot(5, 3);
  await receive(running);
  running.append(entriesFrom(6, 9), 5);
  running.storage.truncate(seq(8), 1);
  await running.storage.incoming.install(7);
  await running.appendSynced(entriesFrom(21, 22, 4), 20, 2);
  const again = await Running.start(running.disk.kill(), tight);
  expect(again.held).toEqual([...entriesFrom(1, 20, 3), ...entriesFrom(21, 22, 4)].map(nameOf));
});

test('an own snapshot that is under way is given up for one that is installed, and none is begun meanwhile', async () => {
  const running = await withSnapshot(12, 4);
  await receive(running);
  let install: Promise<unknown> | null = null;
  let meanwhile: Promise<boolean> | null = null;
  running.disk.hook = ({ kind, path }) => {
    if (kind === 'write' && path.includes('12.snapshot')) install ??= running.storage.incoming.install(7);
    if (kind === 'remove' && path.startsWith('log/')) {
      expect(running.storage.snapshotDue()).toBe(false);
      meanwhile ??= running.storage.snapshot(snapshotOf(entriesFrom(1, 12)));
    }
  };
  expect(await running.storage.snapshot(snapshotOf(entriesFrom(1, 12), 100_000))).toBe(false);
  await install;
  expect(await meanwhile).toBe(false);
  expect(filesIn(running.disk, 'snapshots')).toEqual(['snapshots/0000000000000020.snapshot']);
  const again = await Running.start(running.disk.kill(), tight);
  expect(again.held).toEqual(entriesFrom(1, 20, 3).map(nameOf));
});

test('a transfer that was interrupted goes on, and a part that comes again is taken once', async () => {
  const running = await Running.start(new MemoryDisk());
  const { incoming } = running.storage;
  const source = snapshotOf(entriesFrom(1, 20, 3));
  const parts = partsOf(source, 3);
  const start = { of: OTHER, header: source.header, from: 0 };
  const keys: number[] = [];
  const store = (from: number, to: number) =>
    parts.slice(from, to).reduce(async (before: Promise<boolean[]>, part) => {
      const taken = await before;
      return [...taken, await incoming.storePart(part, () => keys.push(part.place))];
    }, Promise.resolve([]));
  await incoming.begin(start);
  await store(0, 4);
  await incoming.begin({ ...start, from: 3 });
  expect(await store(3, 7)).toEqual([false, true, true, true]);
  expect(keys).toHaveLength(21);
  await incoming.install(7);
  const again = await Running.start(running.disk.kill());
  expect(again.held).toEqual(entriesFrom(1, 20, 3).map(nameOf));
});

test('a snapshot that makes no sense is refused, and the old state stays', async () => {
  const running = await withSnapshot(5, 3);
  const { incoming } = running.storage;
  const source = snapshotOf(entriesFrom(1, 20, 3));
  const parts = partsOf(source, 3);
  const start = { of: OTHER, header: source.header, from: 0 };
  const [first, second] = parts;
  if (!first || !second) throw new Error('too few parts');
  const bad: (() => Promise<unknown>)[] = [
    () => incoming.begin({ ...start, from: 1 }),
    () => incoming.begin({ ...start, header: { ...source.header, seq: seq(0) } }),
    () => incoming.storePart(second, () => undefined),
    () => incoming.storePart({ ...first, rows: 4 }, () => undefined),
    () => incoming.storePart({ ...first, rows: 2 }, () => undefined),
    () => incoming.storePart({ ...first, payload: Buffer.from('rubbish') }, () => undefined),
    async () => {
      await incoming.storePart(first, () => undefined);
      await incoming.storePart({ ...first, place: 1 }, () => undefined);
    },
    () => incoming.install(1),
    async () => {
      for (const part of parts) await incoming.storePart(part, () => undefined);
      await incoming.install(6);
    },
    async () => {
      for (const part of parts.slice(0, -1)) await incoming.storePart(part, () => undefined);
      await incoming.install(6);
    },
    async () => {
      await incoming.storePart(first, () => undefined);
      await incoming.begin({ ...start, from: 2 });
    },
    async () => {
      await incoming.storePart(first, () => undefined);
      await incoming.begin({ ...start, of: storeId('third'), from: 1 });
    },
    async () => {
      await incoming.storePart(first, () => undefined);
      await incoming.begin({ ...start, header: { ...source.header, keys: 7 }, from: 1 });
    },
  ];
  for (const attempt of bad) {
    await incoming.drop();
    if (attempt !== bad[0]) await incoming.begin(start);
    await expect(attempt()).rejects.toMatchObject({ code: 'BAD_FRAME' });
  }
  await incoming.drop();
  expect(running.failures).toEqual([]);
  expect(filesIn(running.disk, 'snapshots')).toEqual(['snapshots/0000000000000003.snapshot']);
  await running.appendSynced(entriesFrom(6, 7));
  const again = await Running.start(running.disk.kill(), tight);
  expect(again.held).toEqual(entriesFrom(1, 7).map(nameOf));
});

test('what was received and not installed is forgotten by closing and by a start', async () => {
  const running = await withSnapshot(5, 3);
  await receive(running);
  const killed = await Running.start(running.disk.copy(), tight);
  expect(filesIn(killed.disk, 'snapshots')).toEqual(['snapshots/0000000000000003.snapshot']);
  expect(killed.held).toEqual(entriesFrom(1, 5).map(nameOf));
  await running.storage.close();
  expect(running.disk.openFiles).toBe(0);
  expect(filesIn(running.disk, 'snapshots')).toEqual(['snapshots/0000000000000003.snapshot']);
  await expect(running.storage.incoming.drop()).rejects.toMatchObject({ code: 'INTERNAL' });
});

test('closing waits for an install that is under way', async () => {
  const running = await withSnapshot(5, 3);
  await receive(running);
  let closed: Promise<void> | null = null;
  running.disk.hook = ({ kind }) => {
    if (kind === 'rename') closed ??= running.storage.close();
  };
  await running.storage.incoming.install(7);
  running.append([], 5);
  await closed;
  expect(running.disk.openFiles).toBe(0);
  const again = await Running.start(running.disk, tight);
  expect(again.held).toEqual(entriesFrom(1, 20, 3).map(nameOf));
});

test.each(['write', 'sync', 'create', 'rename', 'remove', 'sync-directory'] as const)(
  'a disk that fails a %s during a transfer fails the storage, once',
  async (failing) => {
    const running = await withSnapshot(5, 3);
    running.disk.hook = ({ kind }) => {
      if (kind === failing) throw new CatenaError('DISK_FULL', 'no');
    };
    const whole = receive(running).then(() => running.storage.incoming.install(7));
    await expect(whole).rejects.toMatchObject({ code: 'DISK_FULL' });
    expect(running.failures).toMatchObject([{ code: 'DISK_FULL' }]);
    if (failing !== 'remove')
      expect(running.disk.paths().some((path) => path.endsWith('incoming.new'))).toBe(false);
    running.append(entriesFrom(6, 6));
    await running.storage.close();
    expect(running.disk.openFiles).toBe(0);
  },
);
