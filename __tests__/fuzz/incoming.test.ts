import fc from 'fast-check';
import { seq, storeId } from '../../src/base/ids.ts';
import { encodeMessage, MessageDecoder } from '../../src/codec/message-codec.ts';
import type { SnapshotHeader, SnapshotPart } from '../../src/protocol/snapshot.ts';
import { entriesFrom, partsOf, snapshotOf } from '../storage/harness.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { fingerprint, type Held, start } from './directories.ts';
import { fuzzAsync, refusedOrAsync } from './fuzz.ts';
import { type Mutation, mutated, mutations } from './mutate.ts';

const SOURCE = snapshotOf(entriesFrom(1, 40));
const PARTS = partsOf(SOURCE, 6);
const NAMES = fingerprint(entriesFrom(1, 40));

type Step =
  | {
      readonly kind: 'begin';
      readonly of: string;
      readonly header: Partial<SnapshotHeader>;
      readonly from: number;
    }
  | { readonly kind: 'part'; readonly part: SnapshotPart }
  | { readonly kind: 'damaged'; readonly place: number; readonly changes: readonly Mutation[] }
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
  fc.record({ kind: fc.constant('damaged' as const), place: fc.nat(PARTS.length - 1), changes: mutations }),
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
function damagedPart(place: number, changes: readonly Mutation[]): SnapshotPart | null {
  const part = PARTS[place];
  if (part === undefined) return null;
  const damaged = { ...part, payload: mutated(part.payload, changes) };
  if (damaged.payload.length === 0) return null;
  const frames = Buffer.concat(encodeMessage({ kind: 'snapshot-part', ...damaged }));
  const [message] = new MessageDecoder().push(frames);
  return message?.kind === 'snapshot-part' ? message : null;
}

/** One transfer: what was put in force of it, if anything. As its caller does, it drops what was refused. */
class Transfer {
  installed = false;
  readonly #incoming: Held['storage']['incoming'];
  #begun = false;

  constructor({ storage }: Held) {
    this.#incoming = storage.incoming;
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
    const none = () => undefined;
    switch (what.kind) {
      case 'begin': {
        const header = { ...SOURCE.header, ...what.header };
        await this.#incoming.begin({ of: storeId(what.of), header, from: what.from });
        this.#begun = true;
        return;
      }
      case 'part':
        await this.#incoming.storePart(what.part, none);
        return;
      case 'damaged': {
        const part = damagedPart(what.place, what.changes);
        if (part !== null) await this.#incoming.storePart(part, none);
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
}

const hasDamage = (all: readonly Step[]): boolean => all.some(({ kind }) => kind === 'damaged');
const hasOddHeader = (all: readonly Step[]): boolean =>
  all.some((what) => what.kind === 'begin' && Object.keys(what.header).length > 0);

test('any course of a transfer ends in a BAD_FRAME, or puts a whole snapshot in force', async () => {
  let installed = 0;
  await fuzzAsync(
    fc.asyncProperty(steps, async (all) => {
      const disk = new MemoryDisk('/data/n1');
      const held = await start(disk);
      held.storage.listen({ synced: () => undefined, failed: (error) => expect(error).toBeUndefined() });
      const transfer = new Transfer(held);
      for (const what of all) await transfer.take(what);
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
    { runs: 600 },
  );
  expect(installed).toBeGreaterThan(10);
});
