import { CatenaError } from '../../src/base/errors.ts';
import { seq, storeId } from '../../src/base/ids.ts';
import { type DiskOperation, MemoryDisk } from '../support/memory-disk.ts';
import { entriesFrom, entryAt, type Name, nameOf, partsOf, Running, snapshotOf } from './harness.ts';

const tight = { segmentBytesMax: 300, retainBytesMin: 0 };
const META = { configuration: null, topology: null, leaseMsMax: 300 };
const GIVEN = snapshotOf(entriesFrom(1, 20, 3));
const before = entriesFrom(1, 5).map(nameOf);
const rewritten = [...before, ...entriesFrom(6, 8, 2).map(nameOf)];
const given = entriesFrom(1, 20, 3).map(nameOf);
const LAST = [...given, ...entriesFrom(21, 22, 4).map(nameOf)];

/** What a store has promised so far: it holds one of these, or goes on from one of them. */
class Story {
  promised: readonly (readonly Name[])[] = [[]];
  readonly rejections: unknown[] = [];
  #running: Running | null = null;

  /** All that a storage does, in order, for as long as it goes on. Never rejects. */
  async play(disk: MemoryDisk): Promise<void> {
    try {
      this.#running = await Running.start(disk, tight);
      await this.#write(this.#running);
      await this.#send(this.#running);
      await this.#receive(this.#running);
    } catch (error) {
      this.rejections.push(error);
    } finally {
      await this.#running?.storage.close().catch((error: unknown) => this.rejections.push(error));
    }
  }

  get failures(): readonly CatenaError[] {
    return this.#running?.failures ?? [];
  }

  /** `synced` as the storage reports it, or its failure. */
  async #synced(running: Running, through: number, generation: number): Promise<void> {
    const isSynced = () =>
      running.reports.some((it) => it.through >= through && it.generation === generation);
    await running.until(() => isSynced() || running.failures.length > 0);
    if (!isSynced()) throw running.failures[0];
  }

  async #write(running: Running): Promise<void> {
    for (let at = 1; at <= 7; at++) {
      running.append([entryAt(at)], Math.min(4, at - 1));
      await this.#synced(running, at, 0);
      this.promised = [entriesFrom(1, Math.min(at, 5)).map(nameOf)];
    }
    running.storage.truncate(seq(5), 1);
    await this.#synced(running, 5, 1);
    running.append(entriesFrom(6, 8, 2), 5, 1);
    await this.#synced(running, 8, 1);
    this.promised = [rewritten];
    await running.storage.save(META);
    expect(await running.storage.snapshot(snapshotOf(before))).toBe(true);
  }

  async #send({ storage }: Running): Promise<void> {
    const reading = await storage.openSnapshot(null);
    try {
      expect(await reading?.read(0)).toMatchObject({ rows: 6 });
    } finally {
      await reading?.close();
    }
    expect((await storage.read(seq(5), 1e6))?.map(nameOf)).toEqual(rewritten.slice(5));
  }

  async #receive(running: Running): Promise<void> {
    const { incoming } = running.storage;
    const parts = partsOf(GIVEN, 3);
    await incoming.begin({ of: storeId('other'), header: GIVEN.header, from: 0 });
    for (const part of parts) await incoming.storePart(part, () => undefined);
    this.promised = [rewritten, given];
    await incoming.install(parts.length);
    this.promised = [given];
    running.append(entriesFrom(21, 22, 4), 20, 2);
    await this.#synced(running, 22, 2);
    this.promised = [LAST];
  }
}

/** Every operation on the disk that a whole story takes. */
async function operationsOfStory(): Promise<DiskOperation[]> {
  const disk = new MemoryDisk('/data/n1');
  const operations: DiskOperation[] = [];
  disk.hook = (operation) => {
    operations.push(operation);
  };
  const story = new Story();
  await story.play(disk);
  expect(story.rejections).toEqual([]);
  return operations;
}

test.each([
  { what: 'fails once', lasts: 1 },
  { what: 'fails for good', lasts: Number.POSITIVE_INFINITY },
])(
  'a disk that $what, at whatever step, is told once, and nothing that was promised is lost',
  async ({ lasts }) => {
    const operations = await operationsOfStory();
    expect(operations.length).toBeGreaterThan(100);
    for (const [place, { kind, path }] of operations.entries()) {
      const disk = new MemoryDisk('/data/n1');
      let count = 0;
      disk.hook = () => {
        const since = count++ - place;
        if (since >= 0 && since < lasts) throw new CatenaError('DISK_FAILED', 'no');
      };
      const story = new Story();
      await story.play(disk);
      disk.hook = null;
      const at = `operation ${place}: ${kind} ${path}`;
      for (const error of story.rejections) expect([at, error]).toMatchObject([at, { code: 'DISK_FAILED' }]);
      expect([at, story.failures.length]).toEqual([at, Math.min(1, story.failures.length)]);
      // A file that can't be closed may stay open; no other does.
      if (lasts === 1) expect([at, disk.openFiles > (kind === 'close' ? 1 : 0)]).toEqual([at, false]);
      // The same disk: its lock must be free.
      const again = await Running.start(disk, tight);
      const held = again.held.map(nameOf);
      const kept = story.promised.filter((names) => names.every((name, i) => held[i]?.epoch === name.epoch));
      expect([at, kept.length > 0]).toEqual([at, true]);
      if (story.rejections.length === 0 && story.failures.length === 0)
        expect([at, held]).toEqual([at, LAST]);
    }
  },
);
