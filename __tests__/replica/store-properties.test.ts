import fc from 'fast-check';
import { NO_SEQ, type RequestId, type Seq, seq } from '../../src/base/ids.ts';
import type { Command, Condition, Operation } from '../../src/protocol/command.ts';
import type { Entry } from '../../src/protocol/entry.ts';
import { Store } from '../../src/replica/store.ts';
import {
  ABSENT,
  batch,
  check,
  clientId,
  EntrySequence,
  EXISTS,
  expire,
  get,
  headId,
  increment,
  remove,
  set,
  single,
  TICK,
  value,
  version,
} from '../support/builders.ts';
import { changesAfter } from '../support/changes.ts';
import { ModelStore } from '../support/model-store.ts';

const START_MS = 1_000_000;

/** What happens next: a new command under an id of its own kind, or the retry of an earlier one. */
interface Step {
  readonly laterMs: number;
  readonly command: Command;
  readonly id: {
    readonly kind: 'none' | 'client' | 'head';
    readonly count: number;
    readonly bornBeforeMs: number;
  };
  readonly retryOf: number | null;
}

const key = fc.constantFrom('a', 'a/1', 'b', '\uffff', '\u{10000}', 'k\u0000');
const number = fc.nat({ max: 40 });
const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.constant(EXISTS),
  fc.constant(ABSENT),
  number.map(version),
);
const anyValue = fc.record({
  bytes: fc.constantFrom('1', '-7', 'text', '9007199254740991', '9007199254740992', '\u00ff\u0000', '007'),
  contentType: fc.constantFrom('', 'application/json', 'image/png'),
});
const ttlMs = fc.constantFrom(0, 1, 50, 5_000);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(key, anyValue).map(([k, v]) => set(k, v)) },
  { weight: 2, arbitrary: fc.tuple(key, anyValue, ttlMs).map(([k, v, ms]) => set(k, v, { ttlMs: ms })) },
  fc.tuple(key, condition).map(([k, c]) => set(k, value('1'), { condition: c })),
  fc.tuple(key, fc.option(condition)).map(([k, c]) => remove(k, c)),
  fc.tuple(key, fc.constantFrom(1, -1, 9007199254740991)).map(([k, by]) => increment(k, by)),
  fc.tuple(key, fc.option(ttlMs)).map(([k, ms]) => expire(k, ms)),
  key.map(get),
  fc.tuple(key, number).map(([k, at]) => check(k, at)),
);
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 3, arbitrary: operation.map(single) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.array(operation, { maxLength: 5 }), fc.boolean())
      .map(([operations, atomic]) => batch(operations, { atomic })),
  },
  fc.constant(TICK),
);
const step: fc.Arbitrary<Step> = fc.record({
  laterMs: fc.constantFrom(0, 0, 0, 1, 49, 50, 4_000, 10_000, 10_001, 300_000),
  command,
  id: fc.record({
    kind: fc.constantFrom('none', 'client', 'head'),
    count: fc.nat({ max: 5 }),
    bornBeforeMs: fc.constantFrom(0, 0, 0, 1, 9_999, 10_000, 10_001, 20_001, -1, -5_000, -10_000, -10_001),
  }),
  retryOf: fc.option(fc.nat({ max: 100 }), { freq: 2 }),
});
const steps = fc.array(step, { maxLength: 60 });

/** The entries that a head makes of these steps. */
function entriesOf(all: readonly Step[]): Entry[] {
  const head = new EntrySequence({ timeMs: START_MS });
  const made: Entry[] = [];
  for (const { laterMs, command: fresh, id, retryOf } of all) {
    const first = retryOf === null ? undefined : made[made.length - 1 - retryOf];
    const requestId = first === undefined ? idOf(id, head.timeMs + laterMs) : first.requestId;
    made.push(head.next(first?.command ?? fresh, { laterMs, requestId }));
  }
  return made;
}

function idOf({ kind, count, bornBeforeMs }: Step['id'], nowMs: number): RequestId | null {
  if (kind === 'none') return null;
  return kind === 'client' ? clientId(`c${count}`) : headId(nowMs - bornBeforeMs, count);
}

function apply(store: Store, entries: readonly Entry[]): Store {
  for (const entry of entries) store.apply(entry);
  return store;
}

function restoredFrom(store: Store): Store {
  const { header, rows } = store.snapshot();
  const restored = new Store();
  restored.restore(header);
  for (const row of rows()) restored.restoreRow(row);
  restored.restored();
  return restored;
}

/** What the keys hold but their expiry, which is no change of a value. */
function valuesOf(store: Store): Map<string, object> {
  return new Map(
    everything(store).map(({ key, record }) => [key, { ...record.value, version: record.version }]),
  );
}

const everything = (store: Store) => [...store.entries('')];

test('the store does what a naive model does, whatever is written to it', () => {
  fc.assert(
    fc.property(steps, (all) => {
      const store = new Store();
      const model = new ModelStore();
      for (const entry of entriesOf(all)) {
        expect(store.apply(entry)).toEqual(model.apply(entry));
        expect(everything(store)).toEqual(model.keys());
        expect(store.bytes).toBe(model.bytes());
        expect(store.keyCount).toBe(model.records.size);
        expect(store.nextExpiryMs()).toBe(model.nextExpiryMs());
        expect(store.snapshot().header.requests).toBe(model.known.length);
        for (const { id } of model.known) expect(store.remembers(clientId(id))).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
});

test('pages of any size hold what a naive model holds', () => {
  const cursor = fc.option(fc.oneof(key, fc.constantFrom('', 'a/', 'a/0', 'z')));
  fc.assert(
    fc.property(
      steps,
      fc.constantFrom('', 'a', 'a/', 'x'),
      cursor,
      fc.integer({ min: 1, max: 8 }),
      (all, prefix, after, limit) => {
        const store = new Store();
        const model = new ModelStore();
        for (const entry of entriesOf(all)) {
          store.apply(entry);
          model.apply(entry);
        }
        const rest = model
          .keys()
          .filter(
            (row) =>
              row.key.startsWith(prefix) &&
              (after === null || Buffer.compare(Buffer.from(row.key), Buffer.from(after)) > 0),
          );
        const keys = rest.slice(0, limit);
        expect(store.page({ prefix, after, limit })).toEqual({
          keys,
          next: rest.length > limit ? keys.at(-1)?.key : null,
        });
      },
    ),
  );
});

test('stores that apply the same entries are equal, and a restored one goes on as the original does', () => {
  const options = { outcomeBytesMax: 150 };
  fc.assert(
    fc.property(steps, steps, (before, after) => {
      const entries = entriesOf([...before, ...after]);
      const original = apply(new Store(options), entries.slice(0, before.length));
      const twin = apply(new Store(options), entries.slice(0, before.length));
      const { header, rows } = original.snapshot();
      const digest = original.digest();
      expect(twin.digest()).toBe(digest);

      apply(original, entries.slice(before.length)); // the snapshot is read after that, and shows none of it
      const restored = new Store(options);
      restored.restore(header);
      for (const row of rows()) restored.restoreRow(row);
      restored.restored();
      expect(restored.digest()).toBe(digest);
      expect([restored.bytes, restored.nextExpiryMs()]).toEqual([twin.bytes, twin.nextExpiryMs()]);

      for (const entry of entries.slice(before.length)) {
        expect(restored.apply(entry)).toEqual(twin.apply(entry));
        expect(restored.digest()).toBe(twin.digest());
      }
      expect(restored.digest()).toBe(original.digest());
    }),
    { numRuns: 200 },
  );
});

test('the changes since any version, carried out on what was held then, give what is held now, on every replica alike', () => {
  fc.assert(
    fc.property(
      steps,
      fc.nat({ max: 60 }),
      fc.constantFrom(0, 2_000, 1_000_000),
      (all, cut, changeBytesMax) => {
        const entries = entriesOf(all);
        const since = Math.min(cut, entries.length);
        const store = apply(new Store({ changeBytesMax }), entries.slice(0, since));
        const held = valuesOf(store);
        const restored = restoredFrom(store);
        apply(store, entries.slice(since));
        apply(restored, entries.slice(since));

        const both = seq(Math.max(store.changes.oldest, restored.changes.oldest));
        expect(changesAfter(restored.changes, both)).toEqual(changesAfter(store.changes, both));
        if (store.changes.oldest > since) return;
        const changes = changesAfter(store.changes, seq(since));
        for (const change of changes) {
          if (change.kind === 'set') held.set(change.key, { ...change.value, version: change.version });
          else expect(held.delete(change.key)).toBe(true);
        }
        expect(held).toEqual(valuesOf(store));
      },
    ),
    { numRuns: 300 },
  );
});

test('views and snapshots of a large store show their instant while thousands of keys change', () => {
  const store = new Store();
  const head = new EntrySequence();
  const views: { readonly view: Iterable<unknown>; readonly copy: unknown[]; readonly at: Seq }[] = [];
  for (let i = 0; i < 12_000; i++) {
    const name = `k${(i * 7919) % 3000}`;
    store.apply(head.next(single(i % 3 === 1 ? remove(name) : set(name, `${i}`))));
    if (i % 1500 === 0)
      views.push({ view: store.entries('k1'), copy: [...store.entries('k1')], at: store.seq });
  }
  store.apply(head.next(batch(Array.from({ length: 1000 }, (_, i) => remove(`k${i * 3}`)))));
  expect(views.at(0)?.at).toBeGreaterThan(NO_SEQ);
  for (const { view, copy } of views) expect([...view]).toEqual(copy);
});
