import { CatenaError } from '../../src/base/errors.ts';
import { epoch, requestId, seq, storeId } from '../../src/base/ids.ts';
import type { Entry } from '../../src/protocol/entry.ts';
import type { SnapshotPart } from '../../src/protocol/snapshot.ts';
import type { ReplicaEvent } from '../../src/replica/events.ts';
import { Store } from '../../src/replica/store.ts';
import { ReadDamage } from '../../src/runtime/read-damage.ts';
import { StateTransfer } from '../../src/runtime/state-transfer.ts';
import { Storage } from '../../src/storage/storage.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MemoryDisk } from '../support/memory-disk.ts';

type Kind = ReplicaEvent['kind'];
type EventOf<K extends Kind> = Extract<ReplicaEvent, { kind: K }>;

/** A storage, the transfer over it, and all that it raised. */
class Side {
  readonly disk: MemoryDisk;
  readonly clock: FakeClock;
  readonly storage: Storage;
  readonly store = new Store();
  readonly transfer: StateTransfer;
  readonly said: string[] = [];
  readonly failures: unknown[] = [];
  readonly givenUp: number[] = [];
  readonly events: ReplicaEvent[] = [];
  #waiting: (() => void)[] = [];

  private constructor(storage: Storage, disk: MemoryDisk, clock: FakeClock) {
    this.storage = storage;
    this.disk = disk;
    this.clock = clock;
    const say = (_: object, message: string) => this.said.push(message);
    const logger = { debug: say, info: say, warn: say, error: say };
    this.transfer = new StateTransfer(
      {
        storage,
        damage: new ReadDamage(storage, { logger }),
        giveUpLink: (link) => this.givenUp.push(link),
        happened: (event) => {
          this.events.push(event);
          for (const look of this.#waiting) look();
        },
        failed: (error) => {
          this.failures.push(error);
          for (const look of this.#waiting) look();
        },
      },
      { clock, logger },
    );
  }

  static async start(name: string, disk = new MemoryDisk(`/data/${name}`)): Promise<Side> {
    const clock = new FakeClock();
    const silent = { debug() {}, info() {}, warn() {}, error() {} };
    const storage = await Storage.open(
      { syncDelayMs: 0 },
      { disk, clock, logger: silent, newStoreId: () => storeId(name) },
    );
    const side = new Side(storage, disk, clock);
    await storage.recover({
      snapshot: (header) => side.store.restore(header),
      row: (row) => side.store.restoreRow(row),
      committed: (entry) => {
        side.store.apply(entry);
      },
    });
    return side;
  }

  /** Applies so many entries of so many bytes and takes a snapshot of them. */
  async fill(count: number, bytes: number): Promise<void> {
    const entries = Array.from({ length: count }, (_, i) => entryAt(i + 1, bytes));
    for (const entry of entries) this.store.apply(entry);
    this.storage.append(entries, seq(count), 0);
    await this.storage.snapshot(this.store.snapshot());
  }

  /** The next event of this kind that was not taken yet; or rejects when the transfer failed. */
  async next<K extends Kind>(kind: K): Promise<EventOf<K>> {
    for (;;) {
      const place = this.events.findIndex((event) => event.kind === kind);
      const [found] = place < 0 ? [] : this.events.splice(place, 1);
      if (found) return found as EventOf<K>;
      if (this.failures.length > 0) throw this.failures[0];
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      this.#waiting = [];
    }
  }
}

function entryAt(at: number, bytes: number): Entry {
  const value = { bytes: 'v'.repeat(bytes), contentType: '' };
  return {
    epoch: epoch(1),
    seq: seq(at),
    timeMs: at,
    requestId: requestId(`r${at}`),
    command: {
      kind: 'single',
      operation: { op: 'set', key: `k${at}`, value, ttlMs: null, condition: null },
    },
    encoded: null,
  };
}

/** Everything that the storage has begun by now has ended. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
}

async function open(
  side: Side,
  link: number,
  next: number | null = null,
): Promise<EventOf<'snapshot-opened'>> {
  const wanted = next === null ? null : { of: storeId('a'), seq: seq(300), next };
  side.transfer.carryOut({ kind: 'open-snapshot', link, wanted });
  return side.next('snapshot-opened');
}

async function read(side: Side, link: number, place: number): Promise<SnapshotPart | null> {
  side.transfer.carryOut({ kind: 'read-part', link, place });
  return (await side.next('part-read')).part;
}

/** Moves parts from `from` up to `to`, or all; gives back the number of the next. */
async function move(a: Side, b: Side, link: number, from: number, to = 1e9, linkOfB = link): Promise<number> {
  for (let place = from; place < to; place++) {
    const part = await read(a, link, place);
    if (part === null) return place;
    b.transfer.carryOut({ kind: 'store-part', link: linkOfB, part });
    expect(await b.next('part-stored')).toEqual({ kind: 'part-stored', link: linkOfB, place });
  }
  return to;
}

function begin(b: Side, { link, header, from, bytes }: EventOf<'snapshot-opened'>): void {
  b.transfer.carryOut({ kind: 'begin-snapshot', link, of: storeId('a'), header, from, bytes });
}

async function pair(): Promise<[Side, Side]> {
  const a = await Side.start('a');
  await a.fill(300, 10_000);
  return [a, await Side.start('b')];
}

test('a store is sent part by part and becomes an equal store, on the disk', async () => {
  const [a, b] = await pair();
  const opened = await open(a, 1);
  expect(opened).toMatchObject({ header: { seq: 300, keys: 300 }, from: 0 });
  begin(b, opened);
  const parts = await move(a, b, 1, 0);
  expect(parts).toBeGreaterThan(5);
  b.transfer.carryOut({ kind: 'install-snapshot', link: 1, parts });
  const { store, header } = await b.next('installed');
  expect(header).toEqual(opened.header);
  expect(store.digest()).toBe(a.store.digest());
  expect(b.transfer.status()).toBeNull();
  a.transfer.carryOut({ kind: 'close-snapshot', link: 1 });
  const again = await Side.start('b', b.disk.kill());
  expect(again.store.digest()).toBe(a.store.digest());
  expect(a.said).toEqual(['sends a snapshot to its successor', 'sent the snapshot']);
  expect(b.said).toEqual([
    expect.stringMatching(/^receives the store: 300 keys, 3\.\d MB$/),
    'received the store: 300 keys in 0.0 s',
  ]);
});

test('a transfer that was interrupted goes on by another link, over parts that came twice', async () => {
  const [a, b] = await pair();
  begin(b, await open(a, 1));
  await move(a, b, 1, 0, 4);
  a.transfer.carryOut({ kind: 'close-snapshot', link: 1 });
  expect(b.transfer.status()?.keys).toBeGreaterThan(50);
  const opened = await open(a, 2, 3);
  expect(opened.from).toBe(3);
  begin(b, opened);
  const parts = await move(a, b, 2, 3);
  expect(b.transfer.status()).toMatchObject({ keys: 300 });
  expect(b.transfer.status()?.bytes).toBeLessThanOrEqual(opened.bytes);
  b.transfer.carryOut({ kind: 'install-snapshot', link: 2, parts });
  const { store } = await b.next('installed');
  expect(store.digest()).toBe(a.store.digest());
  expect(a.said).toContain('stopped sending the snapshot before its end');
  expect(a.said).toContain('goes on sending a snapshot at part 3');
  expect(b.said[1]).toMatch(/^goes on receiving the store: \d\d %, \d+ of 300 keys/);
});

test('parts of the link before that still wait are not stored for the next one', async () => {
  const [a, b] = await pair();
  const opened = await open(a, 1);
  const [first, second] = [await read(a, 1, 0), await read(a, 1, 1)];
  if (!first || !second) throw new Error('too few parts');
  begin(b, opened);
  b.transfer.carryOut({ kind: 'store-part', link: 1, part: first });
  b.transfer.carryOut({ kind: 'store-part', link: 1, part: second });
  begin(b, { ...opened, link: 2 });
  const parts = await move(a, b, 1, 0, 1e9, 2);
  b.transfer.carryOut({ kind: 'install-snapshot', link: 2, parts });
  expect((await b.next('installed')).store.digest()).toBe(a.store.digest());
});

test('a link that is gone before its snapshot was opened, or while a part is read, holds nothing', async () => {
  const [a] = await pair();
  a.transfer.carryOut({ kind: 'open-snapshot', link: 1, wanted: null });
  a.transfer.carryOut({ kind: 'close-snapshot', link: 1 });
  a.transfer.carryOut({ kind: 'read-part', link: 1, place: 0 });
  await open(a, 2);
  a.transfer.carryOut({ kind: 'read-part', link: 2, place: 0 });
  a.transfer.carryOut({ kind: 'close-snapshot', link: 2 });
  a.transfer.carryOut({ kind: 'close-snapshot', link: 2 });
  await settle();
  expect(a.events).toEqual([]);
  expect(a.failures).toEqual([]);
  // The log's own file is the one that is left.
  expect(a.disk.openFiles).toBe(1);
});

test('a snapshot that makes no sense is forgotten, and what else comes of it is ignored', async () => {
  const [a, b] = await pair();
  const opened = await open(a, 1);
  const first = await read(a, 1, 0);
  if (!first) throw new Error('no part');
  begin(b, opened);
  b.transfer.carryOut({ kind: 'store-part', link: 1, part: { ...first, rows: first.rows + 1 } });
  b.transfer.carryOut({ kind: 'store-part', link: 1, part: { ...first, place: 1 } });
  b.transfer.carryOut({ kind: 'install-snapshot', link: 1, parts: 2 });
  expect(await b.next('bad-snapshot')).toMatchObject({ link: 1 });
  await settle();
  expect(b.events).toEqual([]);
  expect(b.transfer.status()).toBeNull();
  begin(b, opened);
  b.transfer.carryOut({ kind: 'store-part', link: 1, part: first });
  b.transfer.carryOut({ kind: 'install-snapshot', link: 1, parts: 1 });
  expect(await b.next('bad-snapshot')).toMatchObject({ reason: expect.stringContaining('300 keys') });
  begin(b, { ...opened, from: 3 });
  expect(await b.next('bad-snapshot')).toMatchObject({ reason: expect.stringContaining('part 3') });
  expect(b.failures).toEqual([]);
});

test('more parts than a window allows end the transfer rather than fill the memory', async () => {
  const [a, b] = await pair();
  const opened = await open(a, 1);
  const first = await read(a, 1, 0);
  if (!first) throw new Error('no part');
  begin(b, opened);
  for (let i = 0; i < 100; i++) b.transfer.carryOut({ kind: 'store-part', link: 1, part: first });
  b.transfer.carryOut({ kind: 'store-part', link: 1, part: { ...first, place: 1 } });
  b.transfer.carryOut({ kind: 'install-snapshot', link: 1, parts: 2 });
  await b.next('bad-snapshot');
  expect(b.events.length).toBeLessThan(20);
});

test('what was received can be dropped', async () => {
  const [a, b] = await pair();
  begin(b, await open(a, 1));
  await move(a, b, 1, 0, 3);
  b.transfer.carryOut({ kind: 'drop-snapshot' });
  await settle();
  expect(b.transfer.status()).toBeNull();
  expect(b.disk.paths().some((path) => path.startsWith('snapshots/'))).toBe(false);
  expect(b.said.at(-1)).toMatch(/^forgets the store received so far: \d+ %/);
  b.clock.advance(60_000);
  expect(b.said.at(-1)).toMatch(/^forgets/);
});

test('progress counts bytes and keys, with a rate and the time left, and is said every five seconds', async () => {
  const [a, b] = await pair();
  const opened = await open(a, 1);
  begin(b, opened);
  let next = 0;
  for (let step = 0; step < 6; step++) {
    next = await move(a, b, 1, next, next + 1);
    b.clock.advance(1000);
  }
  const { bytes, bytesTotal, keys, keysTotal, bytesPerSecond, secondsLeft } = b.transfer.status() ?? {};
  expect({ bytesTotal, keysTotal }).toEqual({ bytesTotal: opened.bytes, keysTotal: 300 });
  expect(keys).toBe(27 * 6);
  expect((bytes ?? 0) / 6 / (bytesPerSecond ?? 0)).toBeGreaterThan(0.5);
  expect((bytes ?? 0) / 6 / (bytesPerSecond ?? 0)).toBeLessThan(2);
  expect(secondsLeft).toBeGreaterThan(2);
  expect(b.said.at(-1)).toMatch(/^receives the store: \d+ %, \d+ of 300 keys, 0\.\d MB\/s, \d+ s left$/);
  b.clock.advance(10_000);
  expect(b.said.at(-1)).toMatch(/^waits for more of the store: \d+ %, 162 of 300 keys$/);
  expect(b.transfer.status()?.secondsLeft).toBeNull();
});

test('a full disk is told once, and nothing more is received', async () => {
  const [a, b] = await pair();
  const opened = await open(a, 1);
  b.disk.capacityBytes = 600_000;
  begin(b, opened);
  await expect(move(a, b, 1, 0)).rejects.toMatchObject({ code: 'DISK_FULL' });
  begin(b, { ...opened, link: 2 });
  await settle();
  expect(b.failures).toHaveLength(1);
  expect(b.events).toEqual([]);
});

test('a disk that fails while a part is read is told, unless the link is gone', async () => {
  const [a] = await pair();
  await open(a, 1);
  await open(a, 2);
  a.disk.hook = ({ kind }) => {
    if (kind === 'read') throw new CatenaError('DISK_FAILED', 'no');
  };
  a.transfer.carryOut({ kind: 'read-part', link: 1, place: 0 });
  a.transfer.carryOut({ kind: 'close-snapshot', link: 1 });
  await settle();
  expect(a.failures).toEqual([]);
  await expect(read(a, 2, 0)).rejects.toMatchObject({ code: 'DISK_FAILED' });
});

describe('a snapshot that is damaged on disk', () => {
  /** Links 1 and 2 send it, and 1 has come upon the damage. */
  async function damaged(): Promise<[Side, string]> {
    const [a] = await pair();
    const [file = ''] = a.disk.paths().filter((path) => path.startsWith('snapshots/'));
    a.disk.flip(file, 5000);
    await open(a, 2);
    await open(a, 1);
    a.transfer.carryOut({ kind: 'read-part', link: 1, place: 0 });
    await settle();
    return [a, file];
  }

  test('is no failure: it is said, its link is given up after a rest, and a fresh one is due', async () => {
    const [a, file] = await damaged();
    expect(a.failures).toEqual([]);
    expect(a.said.at(-1)).toMatch(new RegExp(`${file} is damaged at byte .* this node serves on`));
    expect(a.said.at(-1)).not.toContain('takes no part');
    expect(a.storage.snapshotDue()).toBe(true);
    expect(a.givenUp).toEqual([]);
    a.clock.advance(1000);
    expect(a.givenUp).toEqual([1]);
  });

  test('is not opened again before the fresh one is there, and a link that is gone is not given up', async () => {
    const [a] = await damaged();
    a.transfer.carryOut({ kind: 'close-snapshot', link: 1 });
    a.transfer.carryOut({ kind: 'open-snapshot', link: 3, wanted: null });
    a.clock.advance(1000);
    await settle();
    expect(a.givenUp).toEqual([3]);
    expect(a.events).toEqual([]);
  });

  test('makes room for one of the same entry, which is sent from its beginning', async () => {
    const [a] = await damaged();
    const b = await Side.start('b');
    expect(await a.storage.snapshot(a.store.snapshot())).toBe(true);
    expect(a.storage.snapshotDue()).toBe(false);
    // Link 2 still holds the old file.
    const opened = await open(a, 1, 2);
    expect(opened).toMatchObject({ header: { seq: 300 }, from: 0 });
    begin(b, opened);
    const parts = await move(a, b, 1, 0);
    b.transfer.carryOut({ kind: 'install-snapshot', link: 1, parts });
    expect((await b.next('installed')).store.digest()).toBe(a.store.digest());
    for (const link of [1, 2]) a.transfer.carryOut({ kind: 'close-snapshot', link });
    await settle();
    await a.storage.close();
    expect((await Side.start('a', a.disk.kill())).store.digest()).toBe(a.store.digest());
  });

  test('is written over only by one that is whole: until then, and after a full disk, it stays due', async () => {
    const [a] = await damaged();
    const space = a.disk.capacityBytes;
    a.disk.capacityBytes = 0;
    await expect(a.storage.snapshot(a.store.snapshot())).rejects.toMatchObject({ code: 'DISK_FULL' });
    a.disk.capacityBytes = space;
    expect(a.storage.renewingSnapshot).toBe(true);
    expect(a.storage.snapshotDue()).toBe(false);
    a.clock.advance(30_000);
    expect(a.storage.snapshotDue()).toBe(true);
  });
});

test('a transfer that is stopped raises nothing more, and lets the storage close', async () => {
  const [a, b] = await pair();
  begin(b, await open(a, 1));
  const part = await read(a, 1, 0);
  if (!part) throw new Error('no part');
  b.transfer.carryOut({ kind: 'store-part', link: 1, part });
  a.transfer.stop();
  b.transfer.stop();
  await Promise.all([a.storage.close(), b.storage.close()]);
  await settle();
  expect([...a.events, ...b.events, ...a.failures, ...b.failures]).toEqual([]);
  expect([a.disk.openFiles, b.disk.openFiles]).toEqual([0, 0]);
});
