import { seq } from '../../src/base/ids.ts';
import { MemoryDisk, seededRandom } from '../support/memory-disk.ts';
import { entriesFrom, entryAt, nameOf, Running, snapshotOf } from './harness.ts';

/** Holds back the next operation of a kind on the log until it is let go. */
function hold(disk: MemoryDisk, kind: 'sync' | 'write'): { reached: Promise<void>; letGo: () => void } {
  let letGo: () => void = () => undefined;
  let isReached: () => void = () => undefined;
  const reached = new Promise<void>((resolve) => {
    isReached = resolve;
  });
  disk.hook = (operation) => {
    if (operation.kind !== kind || !operation.path.startsWith('log/')) return undefined;
    disk.hook = null;
    isReached();
    return new Promise<void>((resolve) => {
      letGo = resolve;
    });
  };
  return { reached, letGo: () => letGo() };
}

test('what arrives during a sync goes out in one write and one sync', async () => {
  const running = await Running.start(new MemoryDisk());
  await running.appendSynced(entriesFrom(1, 1));
  const { syncs } = running.storage.stats();
  const { reached, letGo } = hold(running.disk, 'sync');
  running.append([entryAt(2)]);
  await reached;
  const writes: string[] = [];
  running.disk.hook = ({ kind }) => {
    writes.push(kind);
  };
  for (let at = 3; at <= 50; at++) running.append([entryAt(at)]);
  letGo();
  await running.until(() => running.synced === 50);
  expect(running.reports.slice(-2).map((report) => report.through)).toEqual([2, 50]);
  expect(running.storage.stats().syncs - syncs).toBe(2);
  expect(writes).toEqual(['write', 'sync']);
});

test('nothing counts as synced before its sync has ended', async () => {
  const running = await Running.start(new MemoryDisk());
  await running.appendSynced(entriesFrom(1, 1));
  const { reached, letGo } = hold(running.disk, 'sync');
  running.append([entryAt(2)]);
  await reached;
  expect(running.synced).toBe(1);
  letGo();
  await running.until(() => running.synced === 2);
});

test.each(['write', 'sync'] as const)('a truncation voids the %s that is under way', async (kind) => {
  const running = await Running.start(new MemoryDisk());
  await running.appendSynced(entriesFrom(1, 3));
  const { reached, letGo } = hold(running.disk, kind);
  running.append(entriesFrom(4, 9));
  await reached;
  running.storage.truncate(seq(5), 1);
  running.append(entriesFrom(6, 7, 2), 0, 1);
  letGo();
  await running.until(() => running.synced === 7);
  // Beyond entry 5 nothing is reported until entry 7 of the new epoch is synced.
  expect(running.reports.slice(1)).toEqual([
    { through: 5, generation: 1 },
    { through: 5, generation: 1 },
    { through: 7, generation: 1 },
  ]);
  const again = await Running.start(running.disk.kill());
  expect(again.held).toEqual([...entriesFrom(1, 5), ...entriesFrom(6, 7, 2)].map(nameOf));
  expect(again.found.recovered.runs).toEqual([
    { epoch: 1, lastSeq: 5 },
    { epoch: 2, lastSeq: 7 },
  ]);
});

test('a truncation drops what waits, and is synced before anything that follows is written', async () => {
  const running = await Running.start(new MemoryDisk());
  await running.appendSynced(entriesFrom(1, 3));
  const { reached, letGo } = hold(running.disk, 'sync');
  running.append([entryAt(4)]);
  await reached;
  const done: string[] = [];
  running.disk.hook = ({ kind }) => {
    done.push(kind);
  };
  running.append(entriesFrom(5, 9));
  running.storage.truncate(seq(2), 1);
  running.storage.append([entryAt(3, 2)], seq(0), 1);
  letGo();
  await running.until(() => running.synced === 3 && running.reports.at(-1)?.generation === 1);
  expect(done).toEqual(['write', 'sync', 'write', 'sync']);
  expect(running.reports.slice(1).map((report) => report.through)).toEqual([2, 2, 3]);
});

test('a truncation is kept through a restart, across segments as well', async () => {
  const running = await Running.start(new MemoryDisk(), { segmentBytesMax: 300 });
  for (let at = 1; at <= 12; at++) await running.appendSynced([entryAt(at)]);
  expect(running.storage.stats().segments).toBeGreaterThan(3);
  running.storage.truncate(seq(2), 1);
  await running.until(() => running.reports.at(-1)?.generation === 1);
  const again = await Running.start(running.disk.kill(), { segmentBytesMax: 300 });
  expect(again.held).toEqual(entriesFrom(1, 2).map(nameOf));
  await again.appendSynced(entriesFrom(3, 4, 5));
  expect(await again.storage.read(seq(0), 1e6)).toMatchObject(
    [...entriesFrom(1, 2), ...entriesFrom(3, 4, 5)].map(nameOf),
  );
});

test('with a sync delay writes are synced together, behind', async () => {
  const running = await Running.start(new MemoryDisk(), { syncDelayMs: 100 });
  const written = (count: number) =>
    new Promise<void>((resolve) => {
      running.disk.hook = ({ kind, path }) => {
        if (kind === 'write' && path.startsWith('log/') && --count === 0) resolve();
      };
    });
  let wrote = written(2);
  running.append([entryAt(1)]);
  await wrote;
  wrote = written(1);
  running.append([entryAt(2)]);
  await wrote;
  running.clock.advance(99);
  expect(running.reports).toEqual([]);
  running.clock.advance(1);
  await running.until(() => running.synced === 2);
  expect(running.storage.stats().syncs).toBe(1);
});

test('closing syncs what a delay had left', async () => {
  const running = await Running.start(new MemoryDisk(), { syncDelayMs: 100 });
  running.append(entriesFrom(1, 5), 5);
  await running.storage.close();
  const again = await Running.start(running.disk.crash(() => 0));
  expect(again.found.recovered.committed).toBe(5);
});

test('entries are read back from the disk, at least one, and as many as fit', async () => {
  const running = await Running.start(new MemoryDisk(), { segmentBytesMax: 2000 });
  for (let at = 1; at <= 100; at += 5) await running.appendSynced(entriesFrom(at, at + 4));
  expect((await running.storage.read(seq(0), 1e6))?.map(nameOf)).toEqual(entriesFrom(1, 100).map(nameOf));
  expect((await running.storage.read(seq(41), 1))?.map(nameOf)).toEqual([nameOf(entryAt(42))]);
  const some = (await running.storage.read(seq(41), 1000)) ?? [];
  expect(some.length).toBeGreaterThan(5);
  expect(some.reduce((bytes, entry) => bytes + (entry.encoded?.length ?? 0), 0)).toBeLessThanOrEqual(1000);
  expect(await running.storage.read(seq(100), 1000)).toEqual([]);
  const again = await Running.start(running.disk.kill());
  expect((await again.storage.read(seq(7), 1e6))?.map(nameOf)).toEqual(entriesFrom(8, 100).map(nameOf));
});

test('what a truncation dropped is never read back, not even by a read under way', async () => {
  const running = await Running.start(new MemoryDisk());
  await running.appendSynced(entriesFrom(1, 10));
  let truncated = false;
  running.disk.hook = ({ kind }) => {
    if (kind !== 'read' || truncated) return;
    truncated = true;
    running.storage.truncate(seq(6), 1);
  };
  expect((await running.storage.read(seq(0), 1e6))?.map(nameOf)).toEqual(entriesFrom(1, 6).map(nameOf));
  await running.appendSynced(entriesFrom(7, 8, 2), 0, 1);
  expect((await running.storage.read(seq(4), 1e6))?.map(nameOf)).toEqual(
    [...entriesFrom(5, 6), ...entriesFrom(7, 8, 2)].map(nameOf),
  );
});

test('an append that leaves a gap is a programming error, as is a truncation below what is committed', async () => {
  const running = await Running.start(new MemoryDisk());
  await running.appendSynced(entriesFrom(1, 5));
  expect(() => running.append([entryAt(7)])).toThrow('I1');
  running.append([], 4);
  expect(() => running.storage.truncate(seq(3), 1)).toThrow('I2');
});

describe('dropping the log behind a snapshot', () => {
  const tight = { segmentBytesMax: 300, retainBytesMin: 0 };
  const log = [...entriesFrom(1, 2), ...entriesFrom(3, 6, 2)];

  /** A log of small segments whose seqs go back: 1 to 10, truncated to 2, then 3 to 6 of a later epoch. */
  async function wentBack(): Promise<Running> {
    const running = await Running.start(new MemoryDisk(), tight);
    for (let at = 1; at <= 10; at++) await running.appendSynced([entryAt(at)]);
    running.storage.truncate(seq(2), 1);
    for (const entry of log.slice(2)) {
      running.append([entry], 0, 1);
      await running.until(() =>
        running.reports.some((it) => it.generation === 1 && it.through === entry.seq),
      );
    }
    running.append([], 5, 1);
    return running;
  }

  const segments = (disk: MemoryDisk) => disk.paths().filter((path) => path.startsWith('log/'));

  test('removes the oldest segments first and leaves no gap, also where a truncation made seqs go back', async () => {
    const running = await wentBack();
    const before = segments(running.disk);
    await running.storage.snapshot(snapshotOf(log.slice(0, 5)));
    const after = segments(running.disk);
    expect(after.length).toBeLessThan(before.length);
    expect(after).toEqual(before.slice(before.length - after.length));
  });

  test('a crash after any number of removals leaves a log that recovers whole', async () => {
    let crashes = 0;
    for (let ended = false; !ended; crashes++) {
      const running = await wentBack();
      const crashed = new Promise<false>((resolve) => {
        let left = crashes;
        running.disk.hook = ({ kind, path }) => {
          if (kind !== 'remove' || !path.startsWith('log/') || left-- > 0) return undefined;
          resolve(false);
          return new Promise<void>(() => undefined);
        };
      });
      const snapshot = running.storage.snapshot(snapshotOf(log.slice(0, 5))).then(() => true);
      ended = await Promise.race([crashed, snapshot]);
      for (const disk of [running.disk.copy(), running.disk.crash(seededRandom(crashes))]) {
        const again = await Running.start(disk, tight);
        expect(again.found.snapshot?.seq).toBe(5);
        expect(again.held).toEqual(log.map(nameOf));
      }
    }
    expect(crashes).toBeGreaterThan(2);
  });
});

test('no snapshot is due while nothing new is committed, however much the log has grown', async () => {
  const options = { snapshotBytesMin: 1000 };
  const running = await Running.start(new MemoryDisk(), options);
  await running.appendSynced(entriesFrom(1, 100));
  expect(running.storage.snapshotDue()).toBe(false);
  running.append([], 50);
  expect(running.storage.snapshotDue()).toBe(true);
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 50)));
  await running.appendSynced(entriesFrom(101, 300));
  expect(running.storage.snapshotDue()).toBe(false);
  running.append([], 51);
  expect(running.storage.snapshotDue()).toBe(true);
});

test('a truncation may leave nothing of the log, and it goes on from there', async () => {
  const running = await Running.start(new MemoryDisk());
  await running.appendSynced(entriesFrom(1, 3));
  running.storage.truncate(seq(0), 1);
  await running.until(() => running.reports.at(-1)?.generation === 1);
  const cut = await Running.start(running.disk.kill());
  expect(cut.held).toEqual([]);
  await cut.appendSynced(entriesFrom(1, 2, 4));
  const again = await Running.start(cut.disk.kill());
  expect(again.held).toEqual(entriesFrom(1, 2, 4).map(nameOf));
  expect(again.found.recovered.runs).toEqual([{ epoch: 4, lastSeq: 2 }]);
});

test('a log of many times what is read at once comes back whole', async () => {
  const running = await Running.start(new MemoryDisk());
  for (let at = 1; at <= 40; at += 2) await running.appendSynced(entriesFrom(at, at + 1, 1, 100_000), at);
  const again = await Running.start(running.disk.kill());
  expect(again.held).toEqual(entriesFrom(1, 40).map(nameOf));
  expect(again.found.recovered.pending[0]?.command).toEqual(entryAt(40, 1, 100_000).command);
});

test('a record whose header is cut in two by the end of what is read at once comes back whole', async () => {
  const path = 'log/000000000001.log';
  const readAtOnce = 1024 * 1024;
  const running = await Running.start(new MemoryDisk());
  await running.appendSynced([entryAt(1, 1, 100)]);
  const first = running.disk.bytesOf(path).length;
  const besideItsValue = first - 128 - 100;
  await running.appendSynced([entryAt(2, 1, readAtOnce - first - besideItsValue - 30)]);
  const left = readAtOnce - running.disk.bytesOf(path).length;
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThan(56);
  await running.appendSynced([entryAt(3)]);
  const again = await Running.start(running.disk.kill());
  expect(again.held).toEqual(entriesFrom(1, 3).map(nameOf));
});
