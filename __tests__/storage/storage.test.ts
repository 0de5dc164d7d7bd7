import { CatenaError } from '../../src/base/errors.ts';
import { epoch, nodeId, seq, storeId } from '../../src/base/ids.ts';
import type { Configuration } from '../../src/protocol/configuration.ts';
import { Storage } from '../../src/storage/storage.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { entriesFrom, nameOf, Running, silent, snapshotOf } from './harness.ts';

const configuration = (number: number): Configuration => ({
  epoch: epoch(number),
  members: [{ node: nodeId('n1'), storeId: storeId('s'), boot: 1 }],
  joiner: null,
  sealed: false,
  fence: epoch(0),
  leaseMs: 200,
  reads: 'tail',
  timeMs: 1,
});
const meta = (number: number) => ({
  configuration: configuration(number),
  topology: null,
  leaseMsMax: number,
});

test('a directory that a start made is empty and fresh, and never fresh again', async () => {
  const first = await Running.start(new MemoryDisk());
  expect(first.found.recovered).toEqual({
    identity: { storeId: 'store-1', boot: 1 },
    fresh: true,
    configuration: null,
    topology: null,
    leaseMsMax: 0,
    pending: [],
    committed: 0,
    runs: [],
    cutBytes: 0,
  });
  await first.storage.close();
  const second = await Running.start(first.disk);
  expect(second.found.recovered).toMatchObject({ identity: { storeId: 'store-1', boot: 2 }, fresh: false });
});

test('what was appended comes back: committed entries to the visitor, the others as pending', async () => {
  const first = await Running.start(new MemoryDisk());
  const entries = [...entriesFrom(1, 3, 1), ...entriesFrom(4, 5, 7)];
  await first.appendSynced(entries.slice(0, 4));
  await first.appendSynced(entries.slice(4), 2);
  const second = await Running.start(first.disk.kill());
  expect(second.found.committed).toEqual(entries.slice(0, 2).map(nameOf));
  expect(second.found.recovered.pending.map((entry) => entry.command)).toEqual(
    entries.slice(2).map((entry) => entry.command),
  );
  expect(second.found.recovered).toMatchObject({
    committed: 2,
    runs: [
      { epoch: 1, lastSeq: 3 },
      { epoch: 7, lastSeq: 5 },
    ],
  });
});

test('closing in order writes down all that is known to be committed', async () => {
  const first = await Running.start(new MemoryDisk());
  first.append(entriesFrom(1, 3));
  first.append([], 3);
  await first.storage.close();
  const second = await Running.start(first.disk.kill());
  expect(second.found.recovered).toMatchObject({ committed: 3, pending: [], cutBytes: 0 });
  await second.storage.close();
  const bytes = second.disk.bytesOf('log/000000000001.log').length;
  const third = await Running.start(second.disk);
  await third.storage.close();
  expect(third.disk.bytesOf('log/000000000001.log')).toHaveLength(bytes);
});

test('a directory in use is refused with its name and what to do, and free once it is closed', async () => {
  const disk = new MemoryDisk('/data/n1');
  const first = await Running.start(disk);
  const refused = Running.start(disk);
  await expect(refused).rejects.toThrow(CatenaError);
  await expect(refused).rejects.toMatchObject({
    code: 'LOCKED',
    message: expect.stringMatching('/data/n1.*stop that one'),
  });
  await first.storage.close();
  const second = await Running.start(disk);
  expect(second.found.recovered.identity.boot).toBe(2);
});

test('what was saved last comes back, and of those that wait for a save under way only the last is written', async () => {
  const first = await Running.start(new MemoryDisk());
  let renames = 0;
  const later: Promise<void>[] = [];
  first.disk.hook = ({ kind }) => {
    if (kind === 'rename') renames++;
    if (later.length === 0) later.push(...[2, 3, 4].map((number) => first.storage.save(meta(number))));
  };
  await first.storage.save(meta(1));
  await Promise.all(later);
  expect(renames).toBe(2);
  const second = await Running.start(first.disk.crash(() => 0));
  expect(second.found.recovered).toMatchObject(meta(4));
});

test('a save does not wait for the log', async () => {
  const running = await Running.start(new MemoryDisk());
  running.disk.hook = ({ path, kind }) =>
    path.startsWith('log/') && kind === 'sync' ? new Promise(() => undefined) : undefined;
  running.append(entriesFrom(1, 1));
  await running.storage.save(meta(1));
  expect(running.reports).toEqual([]);
});

test('a failed sync is reported once and never tried again; nothing more is taken', async () => {
  const running = await Running.start(new MemoryDisk());
  await running.appendSynced(entriesFrom(1, 1));
  let syncs = 0;
  running.disk.hook = ({ kind }) => {
    if (kind !== 'sync') return;
    syncs++;
    throw new CatenaError('DISK_FAILED', 'no');
  };
  running.append(entriesFrom(2, 2));
  running.append(entriesFrom(3, 3));
  await running.until(() => running.failures.length > 0);
  running.append(entriesFrom(4, 4));
  await expect(running.storage.save(meta(1))).rejects.toThrow('no');
  await running.storage.close();
  expect(syncs).toBe(1);
  expect(running.failures).toHaveLength(1);
  expect(running.reports).toEqual([{ through: 1, generation: 0 }]);
});

test('a full disk is reported as such, and what was synced before it is there at the next start', async () => {
  const running = await Running.start(new MemoryDisk());
  await running.appendSynced(entriesFrom(1, 3));
  running.disk.capacityBytes = 1000;
  running.append(entriesFrom(4, 4, 1, 2000));
  await running.until(() => running.failures.length > 0);
  expect(running.failures).toMatchObject([{ code: 'DISK_FULL' }]);
  await running.storage.close();
  running.disk.capacityBytes = Number.POSITIVE_INFINITY;
  const again = await Running.start(running.disk.kill());
  expect(again.held).toEqual(entriesFrom(1, 3).map(nameOf));
  expect(again.found.recovered.cutBytes).toBeGreaterThan(0);
  await again.appendSynced(entriesFrom(4, 5));
});

test('who it is is known before the log is read', async () => {
  const first = await Running.start(new MemoryDisk());
  await first.appendSynced(entriesFrom(1, 2));
  await first.appendSynced(entriesFrom(3, 3), 2);
  await first.storage.close();
  const storage = await Storage.open(
    { syncDelayMs: 0 },
    { disk: first.disk, clock: new FakeClock(), logger: silent, newStoreId: () => storeId('other') },
  );
  const seen: unknown[] = [];
  await storage.recover({
    identified: (identity, fresh) => seen.push({ ...identity, fresh }),
    snapshot: () => undefined,
    row: () => undefined,
    committed: (entry) => seen.push(entry.seq),
  });
  expect(seen).toEqual([{ storeId: 'store-1', boot: 2, fresh: false }, seq(1), seq(2)]);
});

test('a failure that came before anyone listened is told at once', async () => {
  const disk = new MemoryDisk();
  const storage = await Storage.open(
    { syncDelayMs: 0 },
    { disk, clock: new FakeClock(), logger: silent, newStoreId: () => storeId('store-1') },
  );
  await storage.recover({ snapshot: () => undefined, row: () => undefined, committed: () => undefined });
  disk.hook = ({ kind }) => {
    if (kind === 'rename') throw new CatenaError('DISK_FULL', 'no');
  };
  await expect(storage.save(meta(1))).rejects.toThrow('no');
  const told: string[] = [];
  storage.listen({ synced: () => undefined, failed: ({ code }) => told.push(code) });
  expect(told).toEqual(['DISK_FULL']);
});

test('a storage that was closed takes nothing more, for another process may hold the directory by now', async () => {
  const first = await Running.start(new MemoryDisk());
  await first.appendSynced(entriesFrom(1, 2));
  await first.storage.close();
  const second = await Running.start(first.disk);
  const { changes } = first.disk;
  first.append(entriesFrom(3, 3));
  first.storage.truncate(seq(1), 1);
  await expect(first.storage.save(meta(1))).rejects.toMatchObject({ code: 'INTERNAL' });
  expect(await first.storage.snapshot(snapshotOf(entriesFrom(1, 2)))).toBe(false);
  expect(first.storage.snapshotDue()).toBe(false);
  await first.storage.close();
  expect(first.disk.changes).toBe(changes);
  expect(second.held).toEqual(entriesFrom(1, 2).map(nameOf));
});

test('after a failure nothing more is cut off, and what was synced is all there at the next start', async () => {
  const running = await Running.start(new MemoryDisk());
  await running.appendSynced(entriesFrom(1, 3));
  running.disk.hook = ({ kind }) => {
    if (kind === 'rename') throw new CatenaError('DISK_FAILED', 'no');
  };
  await expect(running.storage.save(meta(1))).rejects.toThrow('no');
  running.disk.hook = null;
  running.storage.truncate(seq(1), 1);
  await running.storage.close();
  const again = await Running.start(running.disk);
  expect(again.held).toEqual(entriesFrom(1, 3).map(nameOf));
});

test('an error that is not the disk’s ends a save as it is, and is not told as a failure of the disk', async () => {
  const running = await Running.start(new MemoryDisk());
  running.disk.hook = ({ kind }) => {
    if (kind === 'rename') throw new TypeError('a bug');
  };
  await expect(running.storage.save(meta(1))).rejects.toThrow(TypeError);
  expect(running.failures).toEqual([]);
});
