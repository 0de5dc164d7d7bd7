/** The real storage over the simulated disk: what it said was synced is found again, or it says that it is damaged. */
import { type CatenaError, messageOf } from '../../src/base/errors.ts';
import { type Epoch, epoch, seq } from '../../src/base/ids.ts';
import { Prng } from '../../src/base/prng.ts';
import type { Storage } from '../../src/storage/storage.ts';
import { entriesFrom, type Name, nameOf, snapshotOf } from '../storage/harness.ts';
import { DiskWorld } from './disk-world.ts';
import { type Start, start } from './storage-start.ts';

const SEEDS = 100;
const ROUNDS = 5;

/** What a replica would know of its log. */
class Known {
  log: Name[] = [];
  /** Everything up to here, in the log above, was reported as synced, or found by a start. */
  synced = 0;
  committed = 0;
  generation = 0;
}

/** Judges what a start found, and goes on from it: what it found is on the disk to stay. */
function meet(known: Known, { held, recovered }: Start): void {
  expect(held.map((entry) => entry.seq)).toEqual(held.map((_, i) => i + 1));
  expect(held.slice(0, known.synced)).toEqual(known.log.slice(0, known.synced));
  expect(recovered.committed).toBeLessThanOrEqual(known.committed);
  known.log = [...held];
  known.synced = held.length;
  known.committed = recovered.committed;
  known.generation = 0;
}

/** Does something now and then, until the process dies. */
class Work {
  readonly failures: CatenaError[] = [];
  readonly #random: Prng;
  readonly #epoch: Epoch;
  readonly #storage: Storage;
  readonly #known: Known;

  constructor(storage: Storage, known: Known, { random, round }: { random: Prng; round: number }) {
    this.#storage = storage;
    this.#known = known;
    this.#random = random;
    this.#epoch = epoch(round);
    storage.listen({
      synced: (through, generation) => {
        if (generation === known.generation) known.synced = through;
      },
      failed: (error) => this.failures.push(error),
    });
  }

  act(): void {
    const luck = this.#random.next();
    if (this.failures.length > 0) return;
    if (luck < 0.6) this.#append();
    else if (luck < 0.8) this.#commit();
    else if (luck < 0.9) this.#truncate();
    else this.#snapshot();
  }

  #append(): void {
    const { log, committed, generation } = this.#known;
    const first = log.length + 1;
    const last = first + this.#random.below(4);
    const entries = entriesFrom(first, last, this.#epoch, 10 + this.#random.below(200));
    log.push(...entries.map(nameOf));
    this.#storage.append(entries, seq(committed), generation);
  }

  #commit(): void {
    const { committed, synced, generation } = this.#known;
    this.#known.committed = committed + this.#random.below(Math.max(0, synced - committed) + 1);
    this.#storage.append([], seq(this.#known.committed), generation);
  }

  #truncate(): void {
    const { log, committed, synced } = this.#known;
    const after = committed + this.#random.below(log.length - committed + 1);
    this.#known.log = log.slice(0, after);
    this.#known.synced = Math.min(synced, after);
    this.#storage.truncate(seq(after), ++this.#known.generation);
  }

  #snapshot(): void {
    if (!this.#storage.snapshotDue()) return;
    const { log, committed } = this.#known;
    // What fails here fails the storage, or is tried again.
    this.#storage.snapshot(snapshotOf(log.slice(0, committed))).catch(() => undefined);
  }
}

type Happening = (world: DiskWorld, random: Prng) => void;

/** Starts, works and dies over and over. @returns what each start of it found: `sound`, or the error's code. */
async function life(seed: number, midst: Happening, fate: Happening): Promise<string[]> {
  const world = new DiskWorld(seed);
  const random = new Prng(seed).fork('storage');
  const known = new Known();
  const starts: string[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    // Some die while they recover.
    const starting = start(world);
    starting.catch(() => undefined);
    if (random.chance(0.2)) await world.pass(random.between(0, 40));
    else {
      try {
        const started = await world.when(starting);
        meet(known, started);
        starts.push('sound');
        await work(world, new Work(started.storage, known, { random, round }), { random, midst });
      } catch (error) {
        if (codeOf(error) === null)
          throw new Error(`seed=${seed} round=${round}: ${messageOf(error)}`, { cause: error });
        starts.push(codeOf(error) ?? '');
        if (codeOf(error) === 'CORRUPT') return starts;
      }
    }
    fate(world, random);
  }
  return starts;
}

async function work(
  world: DiskWorld,
  doing: Work,
  { random, midst }: { random: Prng; midst: Happening },
): Promise<void> {
  for (let acts = random.below(60); acts > 0; acts--) {
    doing.act();
    if (random.chance(0.05)) midst(world, random);
    await world.pass(random.chance(0.3) ? random.between(0, 8) : random.between(0, 0.5));
  }
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error ? String(error.code) : null;
}

async function lives(midst: Happening, fate: Happening): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let seed = 1; seed <= SEEDS; seed++) {
    for (const found of await life(seed, midst, fate)) counts[found] = (counts[found] ?? 0) + 1;
  }
  return counts;
}

const nothing: Happening = () => undefined;
const killOrCut: Happening = (world, random) => (random.chance(0.4) ? world.kill() : world.cut());

test('kills and power cuts lose nothing that was synced, and damage nothing', async () => {
  const counts = await lives(nothing, killOrCut);
  expect(Object.keys(counts)).toEqual(['sound']);
  expect(Object.values(counts)[0]).toBeGreaterThan(SEEDS * 3);
}, 120_000);

test('a disk that is full, or fails to write or read, loses nothing that was synced', async () => {
  const midst: Happening = ({ disk }, random) => {
    disk.full(random.chance(0.3));
    if (random.chance(0.3)) disk.fail(random.pick(['read', 'write', 'name', 'sync-directory'] as const));
  };
  const counts = await lives(midst, (world, random) => {
    if (random.chance(0.7)) world.disk.full(false);
    killOrCut(world, random);
  });
  expect(Object.keys(counts).sort()).toEqual(expect.arrayContaining(['DISK_FAILED', 'DISK_FULL', 'sound']));
  expect(counts).not.toHaveProperty('CORRUPT');
}, 120_000);

test('a bit that flips is found at the next start as damage, or does no harm', async () => {
  const midst: Happening = ({ disk }, random) => {
    if (random.chance(0.3)) disk.flipBit(random.pick(['log', 'snapshot', 'meta'] as const));
  };
  const counts = await lives(midst, killOrCut);
  expect(Object.keys(counts).sort()).toEqual(['CORRUPT', 'sound']);
}, 120_000);

test('a failed sync loses nothing as long as the power stays', async () => {
  const midst: Happening = ({ disk }) => disk.fail('sync');
  const counts = await lives(midst, (world) => world.kill());
  expect(Object.keys(counts).sort()).toEqual(expect.arrayContaining(['DISK_FAILED', 'sound']));
  expect(counts).not.toHaveProperty('CORRUPT');
}, 120_000);

test('after a failed sync nothing is lost that a later start found, though the power goes after it', async () => {
  const counts = await lives(({ disk }) => disk.fail('sync'), killOrCut);
  expect(Object.keys(counts).sort()).toEqual(['DISK_FAILED', 'sound']);
}, 120_000);
