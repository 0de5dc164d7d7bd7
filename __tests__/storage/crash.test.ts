import { epoch, nodeId, seq, storeId } from '../../src/base/ids.ts';
import type { Configuration } from '../../src/protocol/configuration.ts';
import type { StorageOptions } from '../../src/storage/storage.ts';
import { MemoryDisk, type Random, seededRandom } from '../support/memory-disk.ts';
import { entriesFrom, type Name, nameOf, Running, snapshotOf } from './harness.ts';

const SEEDS = 4;
const small = { segmentBytesMax: 600, retainBytesMin: 700 };

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

/** What must be found again after a crash, and what may be. */
class Expected {
  /** The log as the replica has it, the entry of seq 1 first. */
  log: Name[] = [];
  /** Everything up to here, in the log above, was reported as synced. */
  synced = 0;
  committed = 0;
  savedMin = 0;
  savedMax = 0;
  boot = 0;
  generation = 0;

  /** What is expected at this moment: the process that is as good as dead may yet change this object. */
  frozen(): Expected {
    return Object.assign(new Expected(), this, { log: [...this.log] });
  }

  /** Judges what a start found, and goes on from it: what it found is on the disk to stay. */
  meet({ found, held }: Running): void {
    const { recovered } = found;
    expect(held.map((entry) => entry.seq)).toEqual(held.map((_, i) => i + 1));
    expect(held.slice(0, this.synced)).toEqual(this.log.slice(0, this.synced));
    expect(recovered.committed).toBeLessThanOrEqual(Math.max(this.committed, 0));
    expect(found.committed).toHaveLength(recovered.committed);
    expect(found.committed).toEqual(this.log.slice(0, recovered.committed));
    expect(recovered.identity.boot).toBeGreaterThan(this.boot);
    expect(recovered.identity.storeId).toBe('store-1');
    const saved = Number(recovered.configuration?.epoch ?? 0);
    expect(saved).toBeGreaterThanOrEqual(this.savedMin);
    expect(saved).toBeLessThanOrEqual(this.savedMax);
    expect(recovered.runs.at(-1)?.lastSeq ?? 0).toBe(held.length);
    this.log = held;
    this.synced = held.length;
    this.committed = recovered.committed;
    this.boot = recovered.identity.boot;
    this.savedMin = this.savedMax = saved;
    this.generation = 0;
  }
}

/** Does a little of everything that a storage can do, in an order that does not depend on the disk. */
class Workload {
  readonly #running: Running;
  readonly #expected: Expected;
  readonly #epoch: number;

  constructor(running: Running, expected: Expected) {
    this.#running = running;
    this.#expected = expected;
    this.#epoch = expected.boot * 10;
    const { reports } = running;
    // Looked at as they are reported: the storage may be dead a moment later.
    const push = reports.push.bind(reports);
    reports.push = (...more) => {
      for (const { through, generation } of more)
        if (generation === expected.generation) expected.synced = through;
      return push(...more);
    };
  }

  async run(): Promise<void> {
    await this.#append(3);
    this.#give(2);
    this.#give(1);
    await this.#append(4);
    await this.#save();
    this.#commit(-3);
    await this.#trickle(4);
    await this.#append(2);
    this.#give(3);
    this.#truncate(-2);
    await this.#append(2, 1);
    this.#commit(-1);
    const saving = this.#save();
    const snapshot = this.#running.storage.snapshot(this.#source());
    this.#give(6, 1);
    await saving;
    this.#running.clock.advance(100);
    await snapshot;
    await this.#append(5, 1);
    this.#truncate(-7);
    await this.#trickle(3, 2);
    await this.#append(1, 2);
    this.#commit(0);
    await this.#append(4, 2);
    this.#commit(-2);
    await this.#running.storage.snapshot(this.#source());
    await this.#append(2, 2);
    await this.#running.storage.close();
    this.#expected.synced = this.#expected.log.length;
  }

  #give(count: number, ofEpoch = 0): void {
    const expected = this.#expected;
    const first = expected.log.length + 1;
    const entries = entriesFrom(first, first + count - 1, this.#epoch + ofEpoch, 20 * count);
    expected.log.push(...entries.map(nameOf));
    this.#running.append(entries, expected.committed, expected.generation);
  }

  /** One by one, so that with a sync delay several records are written and not synced. */
  async #trickle(count: number, ofEpoch = 0): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.#give(1, ofEpoch);
      await turn();
    }
  }

  /** Resolves when they are synced. */
  async #append(count: number, ofEpoch = 0): Promise<void> {
    this.#give(count, ofEpoch);
    const last = this.#expected.log.length;
    await turn();
    this.#running.clock.advance(100);
    await this.#running.until(() => this.#expected.synced >= last);
  }

  #commit(back: number): void {
    this.#expected.committed = Math.max(this.#expected.committed, this.#expected.synced + back);
    this.#running.append([], this.#expected.committed, this.#expected.generation);
  }

  #truncate(back: number): void {
    const expected = this.#expected;
    const after = Math.max(expected.committed, expected.log.length + back);
    expected.log = expected.log.slice(0, after);
    expected.synced = Math.min(expected.synced, after);
    expected.generation++;
    this.#running.storage.truncate(seq(after), expected.generation);
  }

  async #save(): Promise<void> {
    const number = ++this.#expected.savedMax;
    const meta = { configuration: configuration(number), topology: null, leaseMsMax: 1 };
    await this.#running.storage.save(meta);
    this.#expected.savedMin = number;
  }

  #source() {
    return snapshotOf(this.#expected.log.slice(0, this.#expected.committed));
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

type After = (disk: MemoryDisk, random: Random) => MemoryDisk;

/** Runs the workload until its `changes`-th change on the disk and a crash there; `false` when it ended before. */
async function crashAt(
  changes: number,
  seed: number,
  options: Partial<StorageOptions>,
  after: After,
): Promise<boolean> {
  const random = seededRandom(seed * 100_000 + changes);
  let expected = new Expected();
  let disk = new MemoryDisk();
  const stopped = disk.stopAfter(changes).then(() => false);
  const ended = await Promise.race([stopped, begin(disk, options, expected)]);
  for (let again = 0; again < 3; again++) {
    disk = after(disk, random);
    expected = expected.frozen();
    // A second and a third crash hit recovery itself, or the work after it.
    const crashed = disk.stopAfter(Math.floor(random() * 25)).then(() => undefined);
    await Promise.race([crashed, begin(disk, options, expected)]);
  }
  disk = after(disk, random);
  expected = expected.frozen();
  const last = await Running.start(disk, options);
  expected.meet(last);
  await last.storage.close();
  return !ended;
}

/** Starts, judges what was found, and works. */
async function begin(
  disk: MemoryDisk,
  options: Partial<StorageOptions>,
  expected: Expected,
): Promise<boolean> {
  const running = await Running.start(disk, options);
  expected.meet(running);
  await new Workload(running, expected).run();
  return true;
}

async function crashEverywhere(options: Partial<StorageOptions>, after: After): Promise<void> {
  for (let seed = 1; seed <= SEEDS; seed++) {
    let changes = 0;
    while (await named(`seed=${seed} changes=${changes}`, () => crashAt(changes, seed, options, after)))
      changes++;
    expect(changes).toBeGreaterThan(60);
  }
}

async function named<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Error(`${name}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

test('a power cut at any change on the disk loses nothing that was reported as synced', async () => {
  await crashEverywhere({ ...small, syncDelayMs: 0 }, (disk, random) => disk.crash(random));
}, 120_000);

test('a power cut with syncs behind loses nothing that was reported as synced', async () => {
  await crashEverywhere({ ...small, syncDelayMs: 100 }, (disk, random) => disk.crash(random));
}, 120_000);

test('a kill, and a power cut after it, lose nothing that was reported as synced or found in between', async () => {
  await crashEverywhere({ ...small, syncDelayMs: 0 }, (disk, random) =>
    random() < 0.5 ? disk.kill() : disk.crash(random),
  );
}, 120_000);
