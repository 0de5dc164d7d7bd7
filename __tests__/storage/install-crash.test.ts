import { epoch, nodeId, storeId } from '../../src/base/ids.ts';
import type { Configuration } from '../../src/protocol/configuration.ts';
import type { StorageOptions } from '../../src/storage/storage.ts';
import { MemoryDisk, type Random, seededRandom } from '../support/memory-disk.ts';
import { entriesFrom, type Name, nameOf, partsOf, Running, snapshotOf } from './harness.ts';

const SEEDS = 6;
const small = { segmentBytesMax: 300, retainBytesMin: 0 };

const OLD = entriesFrom(1, 9, 1);
const OLD_COMMITTED = 6;
/** What the neighbour's snapshot holds: the same up to what is committed here, then other entries. */
const NEW = [...OLD.slice(0, OLD_COMMITTED), ...entriesFrom(OLD_COMMITTED + 1, 20, 3)];
const BEHIND = entriesFrom(21, 26, 4);

const meta = (number: number) => ({
  configuration: {
    epoch: epoch(number),
    members: [{ node: nodeId('n1'), storeId: storeId('s'), boot: 1 }],
    joiner: null,
    sealed: false,
    fence: epoch(0),
    leaseMs: 200,
    reads: 'tail',
    timeMs: 1,
  } satisfies Configuration,
  topology: null,
  leaseMsMax: 1,
});

/** What has been promised so far. */
interface Promised {
  installed: boolean;
  savedMin: number;
  savedMax: number;
  synced: number;
}

/** A disk with a log, and a snapshot of its own. */
async function before(): Promise<MemoryDisk> {
  const running = await Running.start(new MemoryDisk(), small);
  for (const entry of OLD.slice(0, 5)) await running.appendSynced([entry], entry.seq - 1);
  await running.storage.snapshot(snapshotOf(OLD.slice(0, 4)));
  await running.appendSynced(OLD.slice(5), OLD_COMMITTED);
  await running.storage.close();
  return running.disk.kill().copy();
}

/** Receives, installs and goes on, saving configurations all the while. */
async function work(running: Running, promised: Promised): Promise<void> {
  const { storage } = running;
  const source = snapshotOf(NEW);
  const saves: Promise<void>[] = [];
  const save = () => {
    const number = ++promised.savedMax;
    saves.push(
      storage.save(meta(number)).then(() => {
        promised.savedMin = Math.max(promised.savedMin, number);
      }),
    );
  };
  const parts = partsOf(source, 6);
  await storage.incoming.begin({ of: storeId('other'), header: source.header, from: 0 });
  for (const part of parts) await storage.incoming.storePart(part, () => undefined);
  save();
  const install = storage.incoming.install(parts.length);
  save();
  await saves[0];
  save();
  await install;
  promised.installed = true;
  save();
  for (const entry of BEHIND) {
    await running.appendSynced([entry], entry.seq - 1, 7);
    promised.synced = entry.seq;
  }
  await Promise.all(saves);
  await storage.close();
}

/** Whether the new state is there, having looked that it is the old one or the new one, whole. */
function judge({ found, held }: Running, promised: Promised): boolean {
  const isNew = held.length >= NEW.length;
  const all = isNew ? [...NEW, ...BEHIND] : OLD;
  expect(held).toEqual(all.slice(0, held.length).map(nameOf) satisfies Name[]);
  if (promised.installed) expect(isNew).toBe(true);
  if (isNew) expect(held.length).toBeGreaterThanOrEqual(promised.synced);
  else expect(held).toHaveLength(OLD.length);
  const { recovered } = found;
  expect(recovered.committed).toBeGreaterThanOrEqual(isNew ? NEW.length : OLD_COMMITTED);
  const saved = Number(recovered.configuration?.epoch ?? 0);
  expect(saved).toBeGreaterThanOrEqual(promised.savedMin);
  expect(saved).toBeLessThanOrEqual(promised.savedMax);
  expect(recovered.runs.at(-1)?.lastSeq).toBe(held.length);
  return isNew;
}

type After = (disk: MemoryDisk, random: Random) => MemoryDisk;

/** Crashes at the `changes`-th change, and once more while that is recovered; says how it ended. */
async function crashAt(
  start: MemoryDisk,
  changes: number,
  seed: number,
  { options, after }: { options: Partial<StorageOptions>; after: After },
): Promise<'old' | 'new' | 'ended'> {
  const random = seededRandom(seed * 100_000 + changes);
  const promised = { installed: false, savedMin: 0, savedMax: 0, synced: 0 };
  let disk = start.copy();
  const crashed = disk.stopAfter(changes).then(() => false);
  const worked = Running.start(disk, options).then(async (running) => {
    await work(running, promised);
    return true;
  });
  if (await Promise.race([crashed, worked])) return 'ended';
  const atCrash = { ...promised };
  disk = after(disk, random);
  const again = disk.stopAfter(Math.floor(random() * 20));
  await Promise.race([again, Running.start(disk, options)]);
  disk = after(disk, random);
  const last = await Running.start(disk, options);
  const isNew = judge(last, atCrash);
  const next = entriesFrom(last.held.length + 1, last.held.length + 3, 9);
  await last.appendSynced(next, last.held.length);
  const held = [...last.held, ...next.map(nameOf)];
  const final = await Running.start(last.disk.kill(), options);
  expect(final.held).toEqual(held);
  expect(final.disk.paths().filter((path) => path.endsWith('.new'))).toEqual([]);
  return isNew ? 'new' : 'old';
}

async function crashEverywhere(options: Partial<StorageOptions>, after: After): Promise<void> {
  const start = await before();
  const seen = { old: 0, new: 0, ended: 0 };
  for (let seed = 1; seed <= SEEDS; seed++) {
    for (let changes = 0; ; changes++) {
      try {
        const how = await crashAt(start, changes, seed, { options, after });
        seen[how]++;
        if (how === 'ended') break;
      } catch (error) {
        throw new Error(
          `seed=${seed} changes=${changes}: ${error instanceof Error ? error.message : error}`,
          {
            cause: error,
          },
        );
      }
    }
  }
  expect(seen.ended).toBe(SEEDS);
  expect(seen.old / SEEDS).toBeGreaterThan(15);
  expect(seen.new / SEEDS).toBeGreaterThan(15);
}

test('a power cut at any change on the disk while a snapshot is installed leaves the old state or the new one', async () => {
  await crashEverywhere({ ...small, syncDelayMs: 0 }, (disk, random) => disk.crash(random));
}, 120_000);

test('a kill at any change while a snapshot is installed, and a power cut after it, leave the old state or the new one', async () => {
  await crashEverywhere({ ...small, syncDelayMs: 0 }, (disk, random) =>
    random() < 0.5 ? disk.kill() : disk.crash(random),
  );
}, 120_000);

test('an installed snapshot whose rename was not synced lasts before the log that it replaces goes', async () => {
  const start = await before();
  let renamed = 0;
  for (let seed = 1; seed <= 40; seed++) {
    const running = await Running.start(start.copy(), small);
    const promised = { installed: false, savedMin: 0, savedMax: 0, synced: 0 };
    await new Promise<void>((resolve) => {
      running.disk.hook = ({ kind, path }) => {
        if (kind !== 'sync-directory' || path !== 'snapshots') return undefined;
        resolve();
        return new Promise(() => undefined);
      };
      work(running, promised).catch(resolve);
    });
    const killed = running.disk.kill();
    const stopped = killed.stopAfter(seed % 20);
    await Promise.race([stopped, Running.start(killed, small)]);
    if (judge(await Running.start(killed.crash(seededRandom(seed)), small), promised)) renamed++;
  }
  expect(renamed).toBeGreaterThan(10);
});
