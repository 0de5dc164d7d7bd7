import { CatenaError } from '../../src/base/errors.ts';
import { epoch, NO_SEQ, seq, storeId } from '../../src/base/ids.ts';
import { LogIndex } from '../../src/storage/log-index.ts';
import { LOG_DIRECTORY } from '../../src/storage/paths.ts';
import { Runs } from '../../src/storage/runs.ts';
import { Wal } from '../../src/storage/wal.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { type DiskOperation, MemoryDisk } from '../support/memory-disk.ts';
import { entriesFrom, entryAt, type Name, nameOf, Running } from './harness.ts';

/** A new log by itself, and what it reported. */
async function newWal(options = { segmentBytesMax: 1e6, syncDelayMs: 0 }) {
  const disk = new MemoryDisk();
  await disk.makeDirectory(LOG_DIRECTORY);
  const reports: string[] = [];
  const listener = {
    synced: (through: number, generation: number) => reports.push(`${through} in ${generation}`),
    failed: (error: CatenaError) => reports.push(error.code),
  };
  const clock = new FakeClock();
  const wal = new Wal(
    options,
    { disk, clock, storeId: storeId('store-1'), listener },
    {
      segments: [],
      file: null,
      index: new LogIndex(),
      runs: new Runs(),
      nextRecord: 1,
      last: NO_SEQ,
      committed: NO_SEQ,
      closed: true,
    },
  );
  return { wal, disk, clock, reports };
}

/** Holds back the first operation of this kind that is asked for, until it is let go. */
function holdFirst(disk: MemoryDisk, kind: DiskOperation['kind']) {
  const reached = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  disk.hook = (operation) => {
    if (operation.kind !== kind) return undefined;
    disk.hook = null;
    reached.resolve();
    return goOn.promise;
  };
  return { reached: reached.promise, letGo: goOn.resolve, fail: goOn.reject };
}

test('who waits for a sync is told as soon as his entry is synced, and not before', async () => {
  const { wal, disk } = await newWal();
  wal.append([entryAt(1)], NO_SEQ, 0);
  await wal.settled();
  const { reached, letGo } = holdFirst(disk, 'sync');
  wal.append([entryAt(2)], NO_SEQ, 0);
  await reached;
  const second = holdFirst(disk, 'sync');
  const told: number[] = [];
  const flushed = [2, 3].map((at) => {
    if (at === 3) wal.append([entryAt(3)], NO_SEQ, 0);
    return wal.flushed(seq(at)).then(() => told.push(at));
  });
  letGo();
  await second.reached;
  expect(told).toEqual([2]);
  second.letGo();
  await Promise.all(flushed);
  expect(told).toEqual([2, 3]);
  await wal.flushed(seq(1));
});

test('a flush that is asked for while its entry is being synced costs no second sync', async () => {
  const { wal, disk, reports } = await newWal();
  const { reached, letGo } = holdFirst(disk, 'sync-directory');
  wal.append([entryAt(1)], NO_SEQ, 0);
  await reached;
  const sync = holdFirst(disk, 'sync');
  letGo();
  await sync.reached;
  const flushed = wal.flushed(seq(1));
  sync.letGo();
  await flushed;
  await wal.settled();
  expect(reports).toEqual(['1 in 0']);
  expect(wal.stats.syncs).toBe(1);
});

test('a log that failed takes nothing more, and tells everyone who waits or asks', async () => {
  const { wal, disk, reports } = await newWal();
  wal.append([entryAt(1)], NO_SEQ, 0);
  await wal.settled();
  const { reached, fail } = holdFirst(disk, 'sync');
  wal.append([entryAt(2)], NO_SEQ, 0);
  await reached;
  wal.append([entryAt(3)], NO_SEQ, 0);
  const waiting = [2, 3].map((at) =>
    expect(wal.flushed(seq(at))).rejects.toMatchObject({ code: 'DISK_FULL' }),
  );
  fail(new CatenaError('DISK_FULL', 'no'));
  await Promise.all(waiting);
  expect(reports).toEqual(['1 in 0', 'DISK_FULL']);
  const { changes } = disk;
  wal.append(entriesFrom(4, 5), NO_SEQ, 0);
  wal.truncate(seq(1), 1);
  await expect(wal.flushed(seq(3))).rejects.toMatchObject({ code: 'DISK_FULL' });
  await expect(wal.settled()).rejects.toMatchObject({ code: 'DISK_FULL' });
  const installing = { epoch: epoch(1), seq: seq(9), segment: 2, record: 9 };
  await expect(wal.restart(installing)).rejects.toMatchObject({ code: 'DISK_FULL' });
  await wal.close();
  expect(disk.changes).toBe(changes);
  expect(reports).toHaveLength(2);
  expect(disk.openFiles).toBe(0);
});

test('an error that is not the disk’s is not taken for one: it goes up to stop the process', async () => {
  const { wal, disk, reports } = await newWal();
  wal.append([entryAt(1)], seq(0), 0);
  await wal.settled();
  disk.hook = ({ kind }) => {
    if (kind === 'write') throw new TypeError('a bug');
  };
  await expect(wal.close()).rejects.toThrow(TypeError);
  expect(reports).toEqual(['1 in 0']);
});

test('a write that a truncation overtakes from its first entry on is not in the log', async () => {
  const { wal, disk } = await newWal();
  wal.append(entriesFrom(1, 3), NO_SEQ, 0);
  await wal.settled();
  const { reached, letGo } = holdFirst(disk, 'write');
  wal.append(entriesFrom(4, 6), NO_SEQ, 0);
  await reached;
  wal.truncate(seq(2), 1);
  wal.append([entryAt(3, 2)], NO_SEQ, 1);
  letGo();
  await wal.settled();
  const held = await wal.read(NO_SEQ, 1e6);
  expect(held?.map((entry) => [entry.epoch, entry.seq])).toEqual([
    [1, 1],
    [1, 2],
    [2, 3],
  ]);
});

test('truncations that wait behind one another each drop what came before them', async () => {
  const { wal, disk, reports } = await newWal();
  wal.append(entriesFrom(1, 6), NO_SEQ, 0);
  await wal.settled();
  const { reached, letGo } = holdFirst(disk, 'sync');
  wal.append([entryAt(7)], NO_SEQ, 0);
  await reached;
  wal.truncate(seq(5), 1);
  wal.append([entryAt(6, 2)], NO_SEQ, 1);
  wal.truncate(seq(4), 2);
  wal.append([entryAt(5, 3)], NO_SEQ, 2);
  letGo();
  await wal.settled();
  expect((await wal.read(seq(3), 1e6))?.map((entry) => [entry.epoch, entry.seq])).toEqual([
    [1, 4],
    [3, 5],
  ]);
  // Nothing of an earlier generation is reported once the later one is known.
  expect(reports.slice(1)).toEqual(['4 in 2', '4 in 2', '4 in 2', '5 in 2']);
});

test.each<[string, (running: Running) => void, readonly Name[]]>([
  [
    'below a waiting one, to before entries that were never written',
    (running) => {
      running.append(entriesFrom(8, 9));
      running.storage.truncate(seq(8), 1);
      running.storage.truncate(seq(5), 2);
    },
    entriesFrom(1, 5),
  ],
  [
    'above a waiting one, within what was appended behind it',
    (running) => {
      running.storage.truncate(seq(4), 1);
      running.append(entriesFrom(5, 7, 2), 0, 1);
      running.storage.truncate(seq(6), 2);
    },
    [...entriesFrom(1, 4), ...entriesFrom(5, 6, 2)],
  ],
])('a truncation %s leaves a log that recovers to what is left', async (_, change, left) => {
  const running = await Running.start(new MemoryDisk());
  await running.appendSynced(entriesFrom(1, 6));
  const { reached, letGo } = holdFirst(running.disk, 'sync');
  running.append([entryAt(7)]);
  await reached;
  change(running);
  letGo();
  await running.until(() => running.reports.at(-1)?.generation === 2 && running.synced === left.length);
  await running.storage.close();
  const again = await Running.start(running.disk);
  expect(again.held).toEqual(left.map(nameOf));
});

test('a segment is synced before the next is begun, however long a sync may be put off', async () => {
  const { wal, disk, reports } = await newWal({ segmentBytesMax: 300, syncDelayMs: 1e6 });
  for (let at = 1; at <= 8; at++) {
    wal.append([entryAt(at)], NO_SEQ, 0);
    await wal.settled();
  }
  const segments = disk.paths().filter((path) => path.startsWith('log/'));
  expect(segments.length).toBeGreaterThan(2);
  // Each new segment but the first is begun by the sync of the one before, and by nothing else.
  expect(reports).toHaveLength(segments.length - 1);
  expect(disk.crash(() => 0).paths()).toEqual(segments);
});
