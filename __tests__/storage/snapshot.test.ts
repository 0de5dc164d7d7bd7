import { CatenaError } from '../../src/base/errors.ts';
import { seq } from '../../src/base/ids.ts';
import { MemoryDisk, seededRandom } from '../support/memory-disk.ts';
import { entriesFrom, entryAt, nameOf, Running, snapshotOf } from './harness.ts';

const small = { segmentBytesMax: 500, retainBytesMin: 1000, snapshotBytesMin: 3000 };

test('a snapshot and the log behind it make the store again', async () => {
  const running = await Running.start(new MemoryDisk(), small);
  await running.appendSynced(entriesFrom(1, 10));
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 8)));
  await running.appendSynced(entriesFrom(11, 12), 9);
  const again = await Running.start(running.disk.kill(), small);
  expect(again.found.snapshot).toMatchObject({ seq: 8, epoch: 1, keys: 8, requests: 1 });
  expect(again.found.committed).toEqual(entriesFrom(1, 9).map(nameOf));
  expect(again.found.recovered.pending.map(nameOf)).toEqual(entriesFrom(10, 12).map(nameOf));
  expect(again.storage.stats()).toMatchObject({ snapshotSeq: 8 });
});

test('a new snapshot takes the place of the one before', async () => {
  const running = await Running.start(new MemoryDisk(), small);
  await running.appendSynced(entriesFrom(1, 10));
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 4)));
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 9)));
  // One of an earlier entry than the one in force changes nothing.
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 5)));
  const snapshots = running.disk.paths().filter((path) => path.startsWith('snapshots/'));
  expect(snapshots).toEqual(['snapshots/0000000000000009.snapshot']);
});

test('a snapshot whose rename was not synced lasts before the one before it is removed', async () => {
  const tight = { segmentBytesMax: 200, retainBytesMin: 0 };
  for (let seed = 1; seed <= 30; seed++) {
    const running = await Running.start(new MemoryDisk(), tight);
    for (let at = 1; at <= 10; at++) await running.appendSynced([entryAt(at)]);
    await running.storage.snapshot(snapshotOf(entriesFrom(1, 4)));
    await new Promise<void>((resolve) => {
      running.disk.hook = ({ kind, path }) => {
        if (kind !== 'sync-directory' || path !== 'snapshots') return undefined;
        resolve();
        return new Promise(() => undefined);
      };
      void running.storage.snapshot(snapshotOf(entriesFrom(1, 9)));
    });
    const second = await Running.start(running.disk.kill(), tight);
    expect(second.found.snapshot?.seq).toBe(9);
    const third = await Running.start(second.disk.crash(seededRandom(seed)), tight);
    expect(third.held).toEqual(entriesFrom(1, 10).map(nameOf));
  }
});

test('a snapshot of many blocks comes back whole', async () => {
  const running = await Running.start(new MemoryDisk());
  await running.appendSynced(entriesFrom(1, 300));
  const source = snapshotOf(entriesFrom(1, 300), 10_000);
  await running.storage.snapshot(source);
  expect(running.storage.stats().snapshotBytes).toBeGreaterThan(3_000_000);
  const again = await Running.start(running.disk.kill());
  expect(again.found.committed).toEqual(entriesFrom(1, 300).map(nameOf));
});

test('appends go on while a snapshot is written', async () => {
  const running = await Running.start(new MemoryDisk());
  await running.appendSynced(entriesFrom(1, 100));
  const synced: number[] = [];
  running.disk.hook = async ({ kind, path }) => {
    if (kind !== 'write' || !path.startsWith('snapshots/')) return;
    const at = 101 + synced.length;
    await running.appendSynced([entryAt(at)]);
    synced.push(at);
  };
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 100), 10_000));
  expect(synced.length).toBeGreaterThan(3);
  const again = await Running.start(running.disk.kill());
  expect(again.held).toEqual(entriesFrom(1, 100 + synced.length).map(nameOf));
});

test('one is due once the log has grown enough, and not again until it has grown again', async () => {
  const running = await Running.start(new MemoryDisk(), small);
  let last = 0;
  const grow = async () => {
    let times = 0;
    while (!running.storage.snapshotDue()) {
      await running.appendSynced([entryAt(++last)], last);
      times++;
    }
    return times;
  };
  expect(await grow()).toBeGreaterThan(20);
  await running.storage.snapshot(snapshotOf(entriesFrom(1, last)));
  expect(running.storage.snapshotDue()).toBe(false);
  expect(await grow()).toBeGreaterThan(20);
  const again = await Running.start(running.disk.kill(), small);
  expect(again.storage.snapshotDue()).toBe(true);
});

test('the log behind a snapshot is dropped, oldest first, but for what neighbours may need', async () => {
  const running = await Running.start(new MemoryDisk(), small);
  for (let at = 1; at <= 60; at++) await running.appendSynced([entryAt(at)]);
  const before = running.storage.stats();
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 50)));
  const after = running.storage.stats();
  expect(after.segments).toBeLessThan(before.segments);
  expect(await running.storage.read(seq(0), 1000)).toBeNull();
  let first = 1;
  while ((await running.storage.read(seq(first), 1)) === null) first++;
  const kept = (await running.storage.read(seq(first), 1e6)) ?? [];
  expect(kept.at(-1)?.seq).toBe(60);
  const behind = kept.filter((entry) => entry.seq <= 50);
  expect(behind.length * 100).toBeGreaterThanOrEqual(small.retainBytesMin);
  const again = await Running.start(running.disk.kill(), small);
  expect(again.held).toEqual(entriesFrom(1, 60).map(nameOf));
  expect(again.found.recovered.runs).toEqual([{ epoch: 1, lastSeq: 60 }]);
  expect(await again.storage.read(seq(first - 1), 1000)).toBeNull();
  expect((await again.storage.read(seq(first), 1e6))?.map(nameOf)).toEqual(kept.map(nameOf));
});

test('a read whose segment is dropped under it says that the log no longer reaches so far', async () => {
  const running = await Running.start(new MemoryDisk(), { ...small, retainBytesMin: 0 });
  for (let at = 1; at <= 30; at++) await running.appendSynced([entryAt(at)]);
  let snapshot: Promise<boolean> | null = null;
  running.disk.hook = async ({ kind, path }) => {
    if (kind !== 'open' || !path.startsWith('log/') || snapshot) return;
    snapshot = running.storage.snapshot(snapshotOf(entriesFrom(1, 30)));
    await snapshot;
  };
  expect(await running.storage.read(seq(0), 1e6)).toBeNull();
});

test('a snapshot that fails leaves the one before in force, and is not tried again at once', async () => {
  const running = await Running.start(new MemoryDisk(), small);
  await running.appendSynced(entriesFrom(1, 10));
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 5)));
  await running.appendSynced(entriesFrom(11, 200), 100);
  expect(running.storage.snapshotDue()).toBe(true);
  running.disk.hook = ({ kind, path }) => {
    if (kind === 'write' && path.startsWith('snapshots/')) throw new CatenaError('DISK_FULL', 'full');
  };
  await expect(running.storage.snapshot(snapshotOf(entriesFrom(1, 100)))).rejects.toMatchObject({
    code: 'DISK_FULL',
  });
  expect(running.failures).toEqual([]);
  expect(running.storage.stats().snapshotSeq).toBe(5);
  expect(running.storage.snapshotDue()).toBe(false);
  expect(running.disk.paths().filter((path) => path.startsWith('snapshots/'))).toHaveLength(1);
  running.disk.hook = null;
  running.clock.advance(60_000);
  expect(running.storage.snapshotDue()).toBe(true);
  const again = await Running.start(running.disk.kill(), small);
  expect(again.held).toEqual(entriesFrom(1, 200).map(nameOf));
});

test('a snapshot is not in force before the log is synced as far as it reaches', async () => {
  const running = await Running.start(new MemoryDisk(), { syncDelayMs: 100 });
  running.append(entriesFrom(1, 10));
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 10)));
  const again = await Running.start(running.disk.crash(() => 0));
  expect(again.held).toEqual(entriesFrom(1, 10).map(nameOf));
});

test('no file stays open behind a storage that was closed', async () => {
  const running = await Running.start(new MemoryDisk(), small);
  for (let at = 1; at <= 30; at++) await running.appendSynced([entryAt(at)]);
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 20)));
  await running.storage.read(seq(25), 1e6);
  await running.storage.close();
  expect(running.disk.openFiles).toBe(0);
});

test('closing gives up a snapshot that is under way', async () => {
  const running = await Running.start(new MemoryDisk());
  await running.appendSynced(entriesFrom(1, 100));
  let closed: Promise<void> | null = null;
  running.disk.hook = ({ kind, path }) => {
    if (kind === 'write' && path.startsWith('snapshots/')) closed ??= running.storage.close();
  };
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 100), 10_000));
  await closed;
  expect(running.disk.paths().some((path) => path.startsWith('snapshots/'))).toBe(false);
});

test('a store whose last key is gone has a snapshot of no rows, which comes back', async () => {
  const running = await Running.start(new MemoryDisk());
  await running.appendSynced(entriesFrom(1, 3), 3);
  const header = { ...nameOf(entryAt(3)), timeMs: 5, keys: 0, requests: 0 };
  expect(await running.storage.snapshot({ header, rows: () => [] })).toBe(true);
  const again = await Running.start(running.disk.kill());
  expect(again.found.snapshot).toEqual(header);
  expect(again.found.recovered.committed).toBe(3);
});

test('a renewal that is asked for while one is being made is due once more', async () => {
  const running = await Running.start(new MemoryDisk(), small);
  await running.appendSynced(entriesFrom(1, 10), 10);
  const source = snapshotOf(entriesFrom(1, 10));
  await running.storage.snapshot(source);
  running.storage.renewSnapshot({ dropLog: false });
  expect(running.storage.snapshotDue()).toBe(true);
  running.disk.hook = ({ kind, path }) => {
    if (kind === 'write' && path.startsWith('snapshots/')) running.storage.renewSnapshot({ dropLog: true });
  };
  expect(await running.storage.snapshot(source)).toBe(true);
  running.disk.hook = null;
  expect(running.storage.renewingSnapshot).toBe(true);
  expect(await running.storage.snapshot(source)).toBe(true);
  expect(running.storage.renewingSnapshot).toBe(false);
  expect(running.storage.snapshotDue()).toBe(false);
});

test('a snapshot whose log fails before it is synced so far does not come in force', async () => {
  const running = await Running.start(new MemoryDisk(), { syncDelayMs: 1e6 });
  running.append(entriesFrom(1, 10));
  let isWritten = false;
  running.disk.hook = ({ kind, path }) => {
    if (kind === 'write' && path.startsWith('snapshots/')) isWritten = true;
    if (kind === 'sync' && path.startsWith('log/') && isWritten) throw new CatenaError('DISK_FAILED', 'no');
  };
  await expect(running.storage.snapshot(snapshotOf(entriesFrom(1, 10)))).rejects.toMatchObject({
    code: 'DISK_FAILED',
  });
  expect(running.failures).toHaveLength(1);
  expect(running.storage.stats().snapshotSeq).toBe(0);
  await running.storage.close();
  expect(running.disk.paths().filter((path) => path.startsWith('snapshots/'))).toEqual([]);
});

test('the log goes behind a snapshot also when all that is left of it was truncated', async () => {
  const running = await Running.start(new MemoryDisk(), { segmentBytesMax: 300, retainBytesMin: 0 });
  for (let at = 1; at <= 10; at++) await running.appendSynced([entryAt(at)]);
  running.storage.truncate(seq(2), 1);
  running.append([], 2, 1);
  await running.until(() => running.reports.at(-1)?.generation === 1);
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 2)));
  expect(await running.storage.read(seq(0), 1e6)).toBeNull();
  expect(await running.storage.read(seq(2), 1e6)).toEqual([]);
  await running.appendSynced(entriesFrom(3, 4, 2), 2, 1);
  const again = await Running.start(running.disk.kill());
  expect(again.held).toEqual([...entriesFrom(1, 2), ...entriesFrom(3, 4, 2)].map(nameOf));
});
