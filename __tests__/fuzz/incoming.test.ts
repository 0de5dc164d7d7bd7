import fc from 'fast-check';
import { seq, storeId } from '../../src/base/ids.ts';
import { encodeMessage, MessageDecoder } from '../../src/codec/message-codec.ts';
import type { SnapshotHeader, SnapshotPart } from '../../src/protocol/snapshot.ts';
import { entriesFrom, partsOf, snapshotOf } from '../storage/harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { fingerprint, type Held, start } from './directories.ts';
import { fuzzAsync, refusedOrAsync, withinMemoryAsync } from './fuzz.ts';
import { type Mutation, mutated, mutations } from './mutate.ts';

const SOURCE = snapshotOf(entriesFrom(1, 40));
const PARTS = partsOf(SOURCE, 6);
const NAMES = fingerprint(entriesFrom(1, 40));

/** What a whole course may ask for in buffers, in bytes, the disk's copies counted: two orders above what it is worth. */
const BUFFER_BYTES_MAX = 1 << 20;

type Incoming = Pick<Held['storage']['incoming'], 'begin' | 'storePart' | 'install' | 'drop'>;

type Step =
  | {
      readonly kind: 'begin';
      readonly of: string;
      readonly header: Partial<SnapshotHeader>;
      readonly from: number;
    }
  | { readonly kind: 'part'; readonly part: SnapshotPart }
  | {
      readonly kind: 'damaged';
      readonly place: number;
      readonly rows: number | null;
      readonly changes: readonly Mutation[];
    }
  | { readonly kind: 'install'; readonly parts: number }
  | { readonly kind: 'drop' };

const count = fc.oneof(fc.nat(10), fc.maxSafeNat());
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('begin' as const),
    of: fc.constantFrom('store-7', 'store-8', ''),
    header: fc.oneof(
      fc.constant({}),
      fc.record({ keys: count, requests: count }),
      fc.record({ seq: count.map(seq) }),
    ),
    from: fc.oneof(fc.constant(0), fc.nat(9), fc.maxSafeNat()),
  }),
  {
    weight: 4,
    arbitrary: fc.constantFrom(...PARTS).map((part) => ({ kind: 'part' as const, part })),
  },
  fc.record({
    kind: fc.constant('damaged' as const),
    place: fc.nat(PARTS.length - 1),
    rows: fc.option(fc.oneof(fc.nat(20), fc.nat(2 ** 32 - 1))),
    changes: fc.oneof(fc.constant([]), mutations),
  }),
  fc.record({ kind: fc.constant('install' as const), parts: fc.oneof(fc.constant(PARTS.length), count) }),
  fc.constant({ kind: 'drop' as const }),
);
/** A transfer as it should be, with steps of all kinds put in or left out. */
const steps: fc.Arbitrary<readonly Step[]> = fc.oneof(
  fc.array(step, { maxLength: 12 }),
  fc
    .tuple(
      fc.array(fc.tuple(fc.nat(PARTS.length + 1), step), { maxLength: 2 }),
      fc.option(fc.nat(PARTS.length + 1)),
    )
    .map(([more, without]) => {
      const all: Step[] = [
        { kind: 'begin', of: 'store-7', header: {}, from: 0 },
        ...PARTS.map((part): Step => ({ kind: 'part', part })),
        { kind: 'install', parts: PARTS.length },
      ];
      if (without !== null) all.splice(without, 1);
      for (const [at, one] of more) all.splice(at, 0, one);
      return all;
    }),
);

/** The part as a neighbour would send it, damaged on its way in a frame that is sound; `null` when that is none. */
function damagedPart({ place, rows, changes }: Step & { kind: 'damaged' }): SnapshotPart | null {
  const part = PARTS[place];
  if (part === undefined) return null;
  const damaged = { ...part, rows: rows ?? part.rows, payload: mutated(part.payload, changes) };
  if (damaged.payload.length === 0 || damaged.rows === 0) return null;
  const frames = Buffer.concat(encodeMessage({ kind: 'snapshot-part', ...damaged }));
  const [message] = new MessageDecoder().push(frames);
  return message?.kind === 'snapshot-part' ? message : null;
}

/** One transfer: what was put in force of it, if anything. As its caller does, it drops what was refused. */
class Transfer {
  installed = false;
  readonly #incoming: Incoming;
  #begun = false;

  constructor(incoming: Incoming) {
    this.#incoming = incoming;
  }

  async take(what: Step): Promise<void> {
    // A caller that knows of none under way asks for nothing of it, and installs one alone.
    if (
      this.installed ||
      (!this.#begun && (what.kind === 'install' || what.kind === 'damaged' || what.kind === 'part'))
    )
      return;
    const done = await refusedOrAsync(['BAD_FRAME'], () => this.#do(what));
    if (done !== null) return;
    this.#begun = false;
    await this.#incoming.drop();
  }

  async #do(what: Step): Promise<void> {
    switch (what.kind) {
      case 'begin': {
        const header = { ...SOURCE.header, ...what.header };
        await this.#incoming.begin({ of: storeId(what.of), header, from: what.from });
        this.#begun = true;
        return;
      }
      case 'part':
        return await this.#store(what.part);
      case 'damaged': {
        const part = damagedPart(what);
        if (part !== null) await this.#store(part);
        return;
      }
      case 'install':
        await this.#incoming.install(what.parts);
        this.installed = true;
        return;
      case 'drop':
        this.#begun = false;
        return await this.#incoming.drop();
    }
  }

  /** It hands out no more rows than a payload can hold; when it takes the part, as many as that says it has. */
  async #store(part: SnapshotPart): Promise<void> {
    let rows = 0;
    try {
      const isNew = await this.#incoming.storePart(part, () => {
        rows++;
      });
      expect(rows).toBe(isNew ? part.rows : 0);
    } finally {
      expect(rows).toBeLessThanOrEqual(part.payload.length);
    }
  }
}

const hasDamage = (all: readonly Step[]): boolean => all.some(({ kind }) => kind === 'damaged');
const hasOddHeader = (all: readonly Step[]): boolean =>
  all.some((what) => what.kind === 'begin' && Object.keys(what.header).length > 0);

/** Any course of a transfer ends in a refusal or in a whole snapshot that is in force. @returns how many were. */
async function claim(
  options: { runs: number; wanted?: boolean },
  incomingOf: (incoming: Incoming) => Incoming = (incoming) => incoming,
): Promise<number> {
  let installed = 0;
  await fuzzAsync(
    fc.asyncProperty(steps, async (all) => {
      const disk = new MemoryDisk('/data/n1');
      const held = await start(disk);
      held.storage.listen({ synced: () => undefined, failed: (error) => expect(error).toBeUndefined() });
      const transfer = new Transfer(incomingOf(held.storage.incoming));
      await withinMemoryAsync(BUFFER_BYTES_MAX, async () => {
        for (const what of all) await transfer.take(what);
      });
      await held.storage.close();
      expect(disk.paths().filter((path) => path.endsWith('.new'))).toEqual([]);

      const again = await start(disk);
      const found = fingerprint(again.names);
      if (!transfer.installed) expect(found).toBe('');
      // Damage that is sound as rows is for the sender's checksums to find.
      else if (!hasDamage(all) && !hasOddHeader(all)) expect(found).toBe(NAMES);
      await again.storage.close();
      expect(disk.openFiles).toBe(0);
      if (transfer.installed) installed++;
    }),
    options,
  );
  return installed;
}

test('any course of a transfer ends in a BAD_FRAME, or puts a whole snapshot in force', async () => {
  expect(await claim({ runs: 600 })).toBeGreaterThan(10);
});

describe('the claim is broken by a receiver', () => {
  const having =
    (broken: (incoming: Incoming) => Partial<Incoming>) =>
    (incoming: Incoming): Incoming => ({
      begin: (from) => incoming.begin(from),
      storePart: (part, take) => incoming.storePart(part, take),
      install: (parts) => incoming.install(parts),
      drop: () => incoming.drop(),
      ...broken(incoming),
    });
  const broken: readonly [string, (incoming: Incoming) => Incoming][] = [
    [
      'that makes room for all the keys that a header promises',
      having((incoming) => ({
        begin: (from) => {
          Buffer.alloc(Math.min(2 ** 32, from.header.keys));
          return incoming.begin(from);
        },
      })),
    ],
    [
      'that hands out a row twice',
      having((incoming) => ({
        storePart: (part, take) =>
          incoming.storePart(part, (row) => {
            take(row);
            take(row);
          }),
      })),
    ],
    [
      'that stumbles over a part that it does not wait for',
      having((incoming) => ({
        storePart: (part, take) =>
          incoming.storePart(part, take).catch(() => Promise.reject(new TypeError('no such part'))),
      })),
    ],
    [
      'that calls a part whole that it has refused',
      having((incoming) => ({
        storePart: (part, take) => incoming.storePart(part, take).catch(() => true),
      })),
    ],
    [
      'that says it has put in force what it has not',
      having(() => ({ install: () => Promise.resolve(SOURCE.header) })),
    ],
  ];
  test.each(broken)('%s', async (_what, incomingOf) => {
    await expect(claim({ runs: 300, wanted: true }, incomingOf)).rejects.toThrow('to run it again');
  });
});
