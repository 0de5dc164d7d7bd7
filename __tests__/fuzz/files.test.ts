import fc from 'fast-check';
import { seq } from '../../src/base/ids.ts';
import { encodeEntry } from '../../src/codec/entry-codec.ts';
import { entryAt } from '../storage/harness.ts';
import type { MemoryDisk } from '../support/memory-disk.ts';
import {
  fingerprint,
  type Held,
  numberPlaces,
  resealed,
  type Story,
  someStories,
  start,
} from './directories.ts';
import { fuzzAsync, refusedOrAsync } from './fuzz.ts';
import { jsonMutations, type Mutation, mutated, mutatedJson, mutations, oddNumber, place } from './mutate.ts';

/** What a start says of files that it can't take. */
const REFUSED = ['CORRUPT', 'UNSUPPORTED_FORMAT', 'DISK_FAILED'] as const;
const HEADER_BYTES = 128;

let stories: readonly Story[];
let foreign: readonly Story[];
beforeAll(async () => {
  stories = await someStories('store-1');
  foreign = await someStories('store-2');
});

const names = fc.oneof(
  fc.integer({ min: 0, max: 9 }).map((number) => `log/${String(number).padStart(12, '0')}.log`),
  fc.integer({ min: 0, max: 20 }).map((at) => `snapshots/${String(at).padStart(16, '0')}.snapshot`),
  fc.constantFrom('meta', 'meta.new', 'log/x', 'log/000000000001.log.new', 'log/999999999999.log'),
  fc.constantFrom('snapshots/9999999999999999.snapshot', 'snapshots/incoming.new', 'probe.new', 'damaged-1'),
);
type Damage =
  | { readonly kind: 'bytes'; readonly file: number; readonly changes: readonly Mutation[] }
  | { readonly kind: 'put'; readonly path: string; readonly bytes: Uint8Array }
  | { readonly kind: 'lose'; readonly file: number }
  | { readonly kind: 'swap' | 'copy'; readonly file: number; readonly other: number }
  | { readonly kind: 'rename'; readonly file: number; readonly path: string }
  | {
      readonly kind: 'move';
      readonly file: number;
      readonly other: number;
      readonly at: number;
      readonly to: number;
      readonly length: number;
    }
  | { readonly kind: 'foreign' | 'older'; readonly file: number; readonly of: number };

const damage: fc.Arbitrary<Damage> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('bytes' as const), file: place, changes: mutations }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      path: names,
      bytes: fc.uint8Array({ maxLength: 300, size: 'max' }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose' as const), file: place }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('swap' as const, 'copy' as const),
      file: place,
      other: place,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rename' as const), file: place, path: names }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('move' as const),
      file: place,
      other: place,
      at: place,
      to: place,
      length: fc.oneof(fc.nat(100), fc.nat(700)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('foreign' as const, 'older' as const),
      file: place,
      of: place,
    }),
  },
);
const damages = fc
  .array(damage, { minLength: 1, maxLength: 3 })
  // With all of its files, another store's directory is sound.
  .filter((all) => all.filter(({ kind }) => kind === 'foreign').length <= 1);

const pick = <T>(all: readonly T[], at: number): T | undefined => all[Math.floor(at * all.length)];

function harm(disk: MemoryDisk, story: Story, change: Damage): void {
  if (change.kind === 'put') return disk.put(change.path, change.bytes);
  const path = pick(
    disk.paths().filter((name) => name !== 'LOCK'),
    change.file,
  );
  if (path === undefined) return;
  const bytes = disk.bytesOf(path);
  switch (change.kind) {
    case 'bytes':
      return disk.put(path, mutated(bytes, change.changes));
    case 'lose':
      return disk.lose(path);
    case 'rename':
      disk.lose(path);
      return disk.put(change.path, bytes);
    case 'swap':
    case 'copy': {
      const other = pick(disk.paths(), change.other) ?? path;
      if (change.kind === 'swap') disk.put(path, disk.bytesOf(other));
      return disk.put(other, bytes);
    }
    case 'move': {
      const other = pick(disk.paths(), change.other) ?? path;
      const start = Math.floor(change.at * bytes.length);
      const chunk = bytes.subarray(start, start + change.length);
      const at = Math.floor(change.to * disk.bytesOf(other).length);
      return disk.put(
        other,
        mutated(disk.bytesOf(other), [
          { kind: 'overwrite', at: at / Math.max(1, disk.bytesOf(other).length), bytes: chunk },
        ]),
      );
    }
    case 'foreign':
    case 'older': {
      const from = change.kind === 'older' ? pick(story.earlier, change.of) : pick(foreign, change.of)?.disk;
      const other = from && pick(from.paths(), change.file);
      if (from !== undefined && other !== undefined) disk.put(other, from.bytesOf(other));
      return;
    }
  }
}

type Start = (disk: MemoryDisk) => Promise<Held>;

/** A start on the directory says no in a documented way, or finds a log that there was, and goes on from it. */
async function judge(disk: MemoryDisk, story: Story, from: Start = start): Promise<boolean> {
  const got = await refusedOrAsync(REFUSED, () => from(disk));
  if (got !== null) {
    checkHeld(got.value, story);
    await goesOn(got.value, disk);
  }
  expect(disk.openFiles).toBe(0);
  return got !== null;
}

function checkHeld({ recovered, entries, names: held }: Held, story: Story): void {
  expect([...story.states]).toContain(fingerprint(held));
  for (const entry of entries) {
    expect(Buffer.from(encodeEntry(entry)).toString('hex')).toBe(story.written.get(fingerprint([entry])));
  }
  const { committed } = recovered;
  expect(committed).toBeLessThanOrEqual(held.length);
  // What is said to be committed is what the store held to its end.
  expect(fingerprint(held.slice(0, committed))).toBe(fingerprint(story.log.slice(0, committed)));
}

/** The log takes an entry, gives it back, and holds it at the next start. */
async function goesOn({ storage, names: held, recovered }: Held, disk: MemoryDisk): Promise<void> {
  const next = entryAt(held.length + 1, 9);
  const synced = new Promise<void>((resolve, reject) => {
    storage.listen({ synced: (through) => through >= next.seq && resolve(), failed: reject });
  });
  storage.append([next], recovered.committed, 0);
  await synced;
  const read = await storage.read(seq(next.seq - 1), 1e6);
  expect(read?.map((entry) => entry.seq)).toEqual([next.seq]);
  await storage.close();
  const again = await start(disk);
  expect(fingerprint(again.names)).toBe(fingerprint([...held, next]));
  await again.storage.close();
}

interface Counts {
  accepted: number;
  refused: number;
}

async function claim(options: { runs: number; wanted?: boolean }, from?: Start): Promise<Counts> {
  const counts = { accepted: 0, refused: 0 };
  await fuzzAsync(
    fc.asyncProperty(fc.nat(2), damages, async (which, changes) => {
      const story = stories[which] as Story;
      const disk = story.disk.copy();
      for (const change of changes) harm(disk, story, change);
      if (await judge(disk, story, from)) counts.accepted++;
      else counts.refused++;
    }),
    options,
  );
  return counts;
}

test('a damaged directory is refused, or gives a log that there was', async () => {
  const { accepted, refused } = await claim({ runs: 2000 });
  expect(accepted).toBeGreaterThan(refused / 50);
  expect(refused).toBeGreaterThan(accepted / 50);
});

test('any bytes as the files of a directory are refused, or nothing', async () => {
  const files = fc.array(fc.tuple(names, fc.uint8Array({ maxLength: 300, size: 'max' })), { maxLength: 5 });
  await fuzzAsync(
    fc.asyncProperty(fc.boolean(), files, async (withMeta, all) => {
      const story = stories[0] as Story;
      const disk = story.disk.copy();
      for (const path of disk.paths()) if (!withMeta || path !== 'meta') disk.lose(path);
      for (const [path, bytes] of all) disk.put(path, bytes);
      await judge(disk, story);
    }),
    { runs: 800 },
  );
});

const isLog = (path: string): boolean => path.startsWith('log/');
const numberChange = fc.record({ file: place, at: place, bytes: oddNumber });

describe('with checksums that hold,', () => {
  /** Nothing can tell such a file from a sound one but that it makes no sense. */
  async function makesSense(disk: MemoryDisk): Promise<void> {
    const got = await refusedOrAsync(REFUSED, () => start(disk));
    if (got === null) return;
    const { recovered, entries, storage } = got.value;
    const last = Math.max(entries.at(-1)?.seq ?? 0, recovered.committed);
    expect(Number.isSafeInteger(recovered.committed) && recovered.committed >= 0).toBe(true);
    expect(
      recovered.runs.every((run) => Number.isSafeInteger(run.epoch) && Number.isSafeInteger(run.lastSeq)),
    ).toBe(true);
    for (const [i, entry] of entries.entries()) expect(entry.seq).toBe((entries[0]?.seq ?? 0) + i);
    await refusedOrAsync(REFUSED, () => storage.read(seq(0), 1e6));
    await storage.close();
    const again = await start(disk);
    expect(again.entries.at(-1)?.seq ?? again.recovered.committed).toBe(last);
    await again.storage.close();
    expect(disk.openFiles).toBe(0);
  }

  test('odd numbers in headers are refused, or make sense', async () => {
    await fuzzAsync(
      fc.asyncProperty(
        fc.nat(2),
        fc.array(numberChange, { minLength: 1, maxLength: 3 }),
        async (which, changes) => {
          const disk = (stories[which] as Story).disk.copy();
          for (const { file, at, bytes } of changes) {
            const path = pick(disk.paths(), file) ?? 'meta';
            const whole = disk.bytesOf(path);
            const to = pick(numberPlaces(path, whole), at) ?? 0;
            bytes.copy(whole, Math.min(to, whole.length));
            disk.put(path, resealed(path, whole));
          }
          await makesSense(disk);
        },
      ),
      { runs: 1500 },
    );
  });

  test('any damage is refused, or makes sense', async () => {
    await fuzzAsync(
      fc.asyncProperty(fc.nat(2), place, mutations, async (which, file, changes) => {
        const disk = (stories[which] as Story).disk.copy();
        const path = pick(disk.paths(), file) ?? 'meta';
        disk.put(path, resealed(path, mutated(disk.bytesOf(path), changes)));
        await makesSense(disk);
      }),
      { runs: 1500 },
    );
  });

  test('any JSON in meta is refused, or makes sense', async () => {
    await fuzzAsync(
      fc.asyncProperty(fc.nat(2), jsonMutations, async (which, changes) => {
        const disk = (stories[which] as Story).disk.copy();
        const bytes = disk.bytesOf('meta');
        const text = bytes.subarray(HEADER_BYTES).toString('utf8');
        const payload = Buffer.from(mutatedJson(text, changes));
        disk.put('meta', resealed('meta', Buffer.concat([bytes.subarray(0, HEADER_BYTES), payload])));
        await makesSense(disk);
      }),
      { runs: 600 },
    );
  });

  test.each([
    ['what a record says is committed', 'log/', HEADER_BYTES + 40, Number.NaN],
    ['what a record says is synced', 'log/', HEADER_BYTES + 32, 0.5],
    ['the epoch before a segment', 'log/', 40, 0.5],
    ['the log time of a snapshot', 'snapshots/', 32, Number.NaN],
    ['the epoch of a snapshot', 'snapshots/', 16, -1],
  ])('%s is no number that is ever written: that is damage', async (_what, room, offset, value) => {
    const disk = (stories[1] as Story).disk.copy();
    const path = disk.paths().find((name) => name.startsWith(room)) ?? '';
    const bytes = disk.bytesOf(path);
    bytes.writeDoubleLE(value, offset);
    disk.put(path, resealed(path, bytes));
    await expect(start(disk)).rejects.toMatchObject({
      code: 'CORRUPT',
      message: expect.stringContaining('make no sense'),
    });
  });

  test('a store id that is longer than any is damage', async () => {
    const disk = (stories[0] as Story).disk.copy();
    const bytes = disk.bytesOf('meta');
    bytes[80] = 200;
    disk.put('meta', resealed('meta', bytes));
    await expect(start(disk)).rejects.toMatchObject({ code: 'CORRUPT' });
  });

  test('a record that is changed under a running storage is refused when it is read back', async () => {
    await fuzzAsync(
      fc.asyncProperty(place, mutations, async (file, changes) => {
        const disk = (stories[0] as Story).disk.copy();
        const { storage } = await start(disk);
        const path = pick(disk.paths().filter(isLog), file) ?? '';
        disk.put(path, resealed(path, mutated(disk.bytesOf(path), changes)));
        const read = await refusedOrAsync(['CORRUPT'], () => storage.read(seq(0), 1e6));
        for (const [i, entry] of (read?.value ?? []).entries()) expect(entry.seq).toBe(i + 1);
        await storage.close();
      }),
      { runs: 500 },
    );
  });
});

describe('the claim is broken by a start', () => {
  const broken: readonly [string, Start][] = [
    [
      'that makes up an entry',
      async (disk) => {
        const held = await start(disk);
        return { ...held, names: [...held.names, entryAt(held.names.length + 1, 77)] };
      },
    ],
    [
      'that skips one',
      async (disk) => {
        const held = await start(disk);
        return { ...held, names: held.names.toSpliced(1, 1) };
      },
    ],
    [
      'that leaves a file open when it says no',
      async (disk) => {
        await disk.open(disk.paths()[0] ?? 'meta', { create: false });
        return await start(disk);
      },
    ],
    [
      'that stumbles over what it finds',
      async (disk) => {
        if (disk.bytesOf('meta').length < 200) throw new TypeError('too short');
        return await start(disk);
      },
    ],
  ];
  test.each(broken)('%s', async (_what, from) => {
    await expect(claim({ runs: 300, wanted: true }, from)).rejects.toThrow('to run it again');
  });
});
