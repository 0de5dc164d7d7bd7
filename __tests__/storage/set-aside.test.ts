import { crc32 } from 'node:zlib';
import { CatenaError } from '../../src/base/errors.ts';
import { storeId } from '../../src/base/ids.ts';
import { probe } from '../../src/storage/probe.ts';
import { setAside } from '../../src/storage/set-aside.ts';
import { Storage } from '../../src/storage/storage.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MemoryDisk, seededRandom } from '../support/memory-disk.ts';
import { entriesFrom, entryAt, nameOf, Running, silent, snapshotOf } from './harness.ts';

const SUFFIX = '2026-11-22T10-00-00Z';
const ASIDE = `damaged-${SUFFIX}`;

/** A closed store with two segments and a snapshot. */
async function damaged(): Promise<MemoryDisk> {
  const options = { segmentBytesMax: 300, retainBytesMin: 600 };
  const running = await Running.start(new MemoryDisk('/data/n1'), options);
  for (let at = 1; at <= 8; at++) await running.appendSynced([entryAt(at)], at - 1);
  await running.storage.snapshot(snapshotOf(entriesFrom(1, 4)));
  await running.storage.close();
  return running.disk.kill().copy();
}

const contents = (disk: MemoryDisk, below: string) =>
  disk.paths().flatMap((path) => {
    if (!path.startsWith(below) || !/(meta|\.log|\.snapshot)$/.test(path)) return [];
    return [`${path.slice(below.length)} ${crc32(disk.bytesOf(path))}`];
  });

test('what is set aside is kept unchanged, and the next start makes a new store', async () => {
  const disk = await damaged();
  const before = contents(disk, '');
  expect(await setAside(disk, { suffix: '2026-11-22T10:00:00Z' })).toBe(ASIDE);
  expect(contents(disk, `${ASIDE}/`)).toEqual(before);
  const storage = await Storage.open(
    { syncDelayMs: 0 },
    { disk, clock: new FakeClock(), logger: silent, newStoreId: () => storeId('store-2') },
  );
  const visitor = { snapshot: () => undefined, row: () => undefined, committed: () => undefined };
  expect(await storage.recover(visitor)).toMatchObject({
    identity: { storeId: 'store-2', boot: 1 },
    fresh: true,
    pending: [],
    committed: 0,
  });
  await storage.close();
  expect(contents(disk, `${ASIDE}/`)).toEqual(before);
  expect(await setAside(disk, { suffix: SUFFIX })).toBe(`${ASIDE}-2`);
});

test('a store in use is not set aside', async () => {
  const running = await Running.start(await damaged());
  await expect(setAside(running.disk, { suffix: SUFFIX })).rejects.toMatchObject({ code: 'LOCKED' });
  await running.storage.close();
  const again = await Running.start(running.disk);
  expect(again.held).toEqual(entriesFrom(1, 8).map(nameOf));
});

test('a store of which only meta is left is set aside like any other', async () => {
  const whole = await damaged();
  const disk = new MemoryDisk('/data/n1');
  disk.put('meta', whole.bytesOf('meta'));
  await setAside(disk, { suffix: SUFFIX });
  expect(disk.paths()).toEqual([`${ASIDE}/meta`]);
  const again = await Running.start(disk);
  expect(again.found.recovered.fresh).toBe(true);
});

test('a crash at any change while it is set aside leaves the whole store, or none and all of it aside', async () => {
  const start = await damaged();
  const before = contents(start, '');
  const withoutMeta = before.filter((line) => !line.startsWith('meta'));
  const seen = { whole: 0, aside: 0 };
  for (let run = 0, ended = 0; ended < 15; run++) {
    const changes = Math.floor(run / 15);
    const disk = start.copy();
    const stopped = disk.stopAfter(changes).then(() => false);
    if (await Promise.race([stopped, setAside(disk, { suffix: SUFFIX }).then(() => true)])) ended++;
    const random = seededRandom(run);
    const next = random() < 0.3 ? disk.crash(random) : disk.kill();
    // A second crash hits what the next start mends, or the store that it makes.
    const again = next.stopAfter(run % 15);
    await Promise.race([again, Running.start(next)]);
    const last = await Running.start(next.crash(random));
    if (last.found.recovered.committed > 0) {
      seen.whole++;
      expect(last.held).toEqual(entriesFrom(1, 8).map(nameOf));
    } else {
      seen.aside++;
      expect(last.held).toEqual([]);
      expect(last.found.recovered.configuration).toBeNull();
      const aside = contents(last.disk, `${ASIDE}/`);
      expect(aside.filter((line) => !line.startsWith('meta'))).toEqual(withoutMeta);
      expect(aside).toHaveLength(before.length);
    }
  }
  expect(seen.whole).toBeGreaterThan(0);
  expect(seen.aside).toBeGreaterThan(10);
});

test('a probe says whether the disk takes data, and leaves nothing behind', async () => {
  const disk = await damaged();
  const before = disk.paths();
  await probe(disk);
  expect(disk.paths()).toEqual(before);
  disk.capacityBytes = 100_000;
  await expect(probe(disk)).rejects.toMatchObject({ code: 'DISK_FULL' });
  expect(disk.paths()).toEqual(before);
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  disk.hook = ({ kind }) => {
    if (kind === 'sync') throw new CatenaError('DISK_FAILED', 'no');
  };
  await expect(probe(disk)).rejects.toMatchObject({ code: 'DISK_FAILED' });
  disk.hook = null;
  await probe(disk);
  expect(disk.paths()).toEqual(before);
  expect(disk.openFiles).toBe(0);
});
