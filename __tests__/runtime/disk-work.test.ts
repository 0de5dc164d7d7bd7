import { CatenaError } from '../../src/base/errors.ts';
import { NO_SEQ, seq } from '../../src/base/ids.ts';
import type { Effect, ReplicaEvent } from '../../src/replica/events.ts';
import { DiskWork } from '../../src/runtime/disk-work.ts';
import { ReadDamage } from '../../src/runtime/read-damage.ts';
import { Storage } from '../../src/storage/storage.ts';
import { incarnation, versionedTopology } from '../support/chain-builders.ts';
import { keepingLogger, ManualClock, settle } from '../support/coordinator-world.ts';
import { made } from '../support/lone-replica.ts';
import { type DiskOperation, MemoryDisk } from '../support/memory-disk.ts';

const SAVE: Extract<Effect, { kind: 'save' }> = {
  kind: 'save',
  save: 1,
  configuration: null,
  topology: versionedTopology(['n1']),
  leaseMsMax: 200,
};

/** Work on a disk whose every change of a file is held until `release`. */
async function held(durability: 'sync' | 'memory' = 'sync') {
  const [clock, disk] = [new ManualClock(), new MemoryDisk()];
  const { storeId } = incarnation('n1');
  const deps = { clock, disk, logger: keepingLogger(), newStoreId: () => storeId };
  const storage = await Storage.open({ syncDelayMs: 0 }, deps);
  await storage.recover({ snapshot: () => {}, row: () => {}, committed: () => {} });
  const events: ReplicaEvent[] = [];
  const errors: unknown[] = [];
  const { topology } = versionedTopology(['n1']);
  const work = new DiskWork(
    {
      storage,
      damage: new ReadDamage(storage, deps),
      topology: () => ({ ...topology, durability }),
      happened: (event) => events.push(event),
      failed: (error) => errors.push(error),
    },
    { clock },
  );
  storage.listen({
    synced: (through, generation) => work.synced(through, generation),
    failed: (error) => errors.push(error),
  });
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const isChange = ({ kind }: DiskOperation) => kind === 'write' || kind === 'create' || kind === 'sync';
  disk.hook = (operation) => (isChange(operation) ? gate : undefined);
  return { clock, disk, work, events, errors, release };
}

function append(last: number, generation = 0): Extract<Effect, { kind: 'append' }> {
  return { kind: 'append', entries: [made(last)], committed: NO_SEQ, generation };
}

test('the age of what the disk has not finished is that of the oldest, be it the log or what was told', async () => {
  const { clock, work, release, events } = await held();
  expect(work.stalledMs(0)).toBe(0);
  await clock.advance(100);
  work.save(SAVE);
  await clock.advance(100);
  work.append(append(1));
  await clock.advance(100);
  expect(work.stalledMs(300)).toBe(200);
  release();
  await settle();
  expect(work.stalledMs(300)).toBe(0);
  expect(events).toEqual(
    expect.arrayContaining([
      { kind: 'saved', save: 1 },
      { kind: 'synced', through: 1, generation: 0 },
    ]),
  );
});

test('a log that begins anew is waited for no more', async () => {
  const { clock, work } = await held();
  work.append(append(1));
  await clock.advance(500);
  expect(work.stalledMs(500)).toBe(500);
  work.abandoned();
  expect(work.stalledMs(500)).toBe(0);
});

test('a truncation that the disk does not get to is waited for', async () => {
  const { clock, work } = await held();
  work.append(append(1));
  work.truncate({ kind: 'truncate', after: seq(0), generation: 1 });
  await clock.advance(500);
  expect(work.stalledMs(500)).toBe(500);
});

test('a save that fails is no longer waited for, and told of as an error', async () => {
  const { clock, disk, work, errors } = await held();
  disk.hook = ({ kind }) => {
    if (kind === 'write') throw new CatenaError('DISK_FULL', 'no room');
  };
  work.save(SAVE);
  await settle();
  await clock.advance(500);
  expect(work.stalledMs(500)).toBe(0);
  expect(errors.length).toBeGreaterThan(0);
});

test('with durability memory what is received counts as durable at once', async () => {
  const { work, events } = await held('memory');
  work.append(append(1));
  expect(events).toEqual([{ kind: 'synced', through: 1, generation: 0 }]);
});
