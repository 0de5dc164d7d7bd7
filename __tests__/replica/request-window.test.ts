import { type RequestId, requestId, seq } from '../../src/base/ids.ts';
import type { Command, Outcome } from '../../src/protocol/command.ts';
import { CLIENT_REQUESTS_MAX } from '../../src/protocol/request-id.ts';
import { RequestWindow } from '../../src/replica/request-window.ts';
import { Store } from '../../src/replica/store.ts';
import {
  batch,
  check,
  clientId,
  EntrySequence,
  entry,
  expire,
  get,
  headId,
  increment,
  remove,
  set,
  single,
  TICK,
} from '../support/builders.ts';

const MINUTE_MS = 60_000;
const START_MS = 1_000_000;
const add = single(increment('n'));
const REUSED = { outcome: { kind: 'rejected', code: 'REQUEST_ID_REUSED' }, replayed: false };
const EXPIRED = { outcome: { kind: 'rejected', code: 'REQUEST_ID_EXPIRED' }, replayed: false };
const gave = (number: number) => ({
  kind: 'done',
  seq: expect.any(Number),
  results: [{ kind: 'incremented', value: number }],
});

function fresh(options: { outcomeBytesMax?: number } = {}) {
  const store = new Store(options);
  const head = new EntrySequence({ timeMs: START_MS });
  const apply = (command: Command, id: RequestId | null, laterMs = 0) =>
    store.apply(head.next(command, { requestId: id, laterMs }));
  return { store, apply, counted: () => Number(store.get('n')?.value.bytes ?? 0) };
}

function restored(store: Store, options: { outcomeBytesMax?: number } = {}): Store {
  const copy = new Store(options);
  const { header, rows } = store.snapshot();
  copy.restore(header);
  for (const row of rows()) copy.restoreRow(row);
  copy.restored();
  return copy;
}

describe('a retry', () => {
  test('changes nothing and gives the outcome of the first', () => {
    const { store, apply, counted } = fresh();
    const first = apply(add, clientId('c'));
    expect(first).toEqual({ outcome: { ...gave(1), seq: 1 }, replayed: false });
    expect(apply(add, clientId('c'), 5)).toEqual({ outcome: first.outcome, replayed: true });
    expect([counted(), store.seq, store.timeMs]).toEqual([1, 2, START_MS + 5]);
  });

  test('of a refused write is refused again, though it would succeed by now', () => {
    const { apply } = fresh();
    const guarded = single(set('a', '1', { condition: { kind: 'exists' } }));
    const first = apply(guarded, clientId('c'));
    expect(first.outcome.kind).toBe('refused');
    apply(single(set('a', '0')), null);
    expect(apply(guarded, clientId('c'))).toEqual({ outcome: first.outcome, replayed: true });
  });

  test('of a batch gives its results, but for the values that it read', () => {
    const { apply } = fresh();
    const command = batch([set('a', '1'), get('a'), get('b'), check('b', 0)]);
    apply(command, clientId('c'));
    expect(apply(command, clientId('c')).outcome).toStrictEqual({
      kind: 'done',
      seq: 1,
      results: [
        { kind: 'set', created: true },
        { kind: 'got', record: undefined },
        { kind: 'got', record: undefined },
        { kind: 'checked' },
      ],
    });
  });

  test('with another command is refused, and the first outcome stays', () => {
    const { apply, counted } = fresh();
    apply(add, clientId('c'));
    expect(apply(single(increment('n', 2)), clientId('c'))).toEqual(REUSED);
    expect(apply(add, clientId('c'))).toEqual({ outcome: { ...gave(1), seq: 1 }, replayed: true });
    expect(counted()).toBe(1);
  });

  test('is remembered by the store that a snapshot restores', () => {
    const { store, apply } = fresh();
    apply(add, clientId('c'));
    apply(add, headId(START_MS));
    apply(single(set('n', '5', { condition: { kind: 'absent' } })), clientId('refused'));
    const copy = restored(store);
    expect(copy.digest()).toBe(store.digest());
    const again = (command: Command, id: RequestId) =>
      entry(command, { seq: 4, timeMs: START_MS, requestId: id });
    expect(restored(copy).apply(again(add, clientId('c')))).toEqual({
      outcome: { ...gave(1), seq: 1 },
      replayed: true,
    });
    expect(restored(copy).apply(again(add, headId(START_MS)))).toEqual({
      outcome: { ...gave(2), seq: 2 },
      replayed: true,
    });
    expect(restored(copy).apply(again(add, clientId('refused')))).toEqual(REUSED);
  });
});

test('a snapshot holds the requests oldest first, whoever made their ids', () => {
  const { store, apply } = fresh();
  const ids = [clientId('a'), headId(START_MS, 1), headId(START_MS, 2), clientId('b'), headId(START_MS, 3)];
  for (const id of ids) apply(add, id, 1);
  const requests = [...store.snapshot().rows()].flatMap((row) => (row.kind === 'request' ? row.request : []));
  expect(requests.map((request) => request.requestId)).toEqual(ids);
});

describe('an id given by a client', () => {
  test('is remembered for ten minutes of log time, and then forgotten', () => {
    const { store, apply, counted } = fresh();
    apply(add, clientId('c'));
    apply(TICK, null, 10 * MINUTE_MS);
    expect(store.remembers(clientId('c'))).toBe(true);
    apply(TICK, null, 1);
    expect(store.remembers(clientId('c'))).toBe(false);
    expect(apply(add, clientId('c')).replayed).toBe(false);
    expect(counted()).toBe(2);
  });

  test('lives no longer for being retried', () => {
    const { store, apply } = fresh();
    apply(add, clientId('c'));
    apply(add, clientId('c'), 9 * MINUTE_MS);
    apply(TICK, null, 2 * MINUTE_MS);
    expect(store.remembers(clientId('c'))).toBe(false);
  });

  test('makes room for later ones when there are too many: the oldest goes', () => {
    const window = new RequestWindow();
    const outcome: Outcome = { kind: 'done', seq: seq(1), results: [] };
    const once = (number: number) =>
      window.applyOnce({ requestId: requestId(`c${number}`), timeMs: 0, fingerprint: 0 }, () => outcome);
    for (let number = 0; number < CLIENT_REQUESTS_MAX; number++) once(number);
    expect([window.has(requestId('c0')), window.view().count]).toEqual([true, CLIENT_REQUESTS_MAX]);
    once(CLIENT_REQUESTS_MAX);
    expect([window.has(requestId('c0')), window.has(requestId('c1'))]).toEqual([false, true]);
    expect(window.view().count).toBe(CLIENT_REQUESTS_MAX);
  });
});

describe('an id made by a head', () => {
  test('is remembered for ten seconds of log time, and refused from the moment that it is forgotten', () => {
    const { store, apply, counted } = fresh();
    const id = headId(START_MS);
    apply(add, id);
    expect(apply(add, id, 10_000)).toEqual({ outcome: { ...gave(1), seq: 1 }, replayed: true });
    expect(apply(add, id, 1)).toEqual(EXPIRED);
    expect([store.remembers(id), counted()]).toEqual([false, 1]);
  });

  test('that comes for the first time after its window is refused, for it may have been applied and forgotten', () => {
    const { apply, counted } = fresh();
    expect(apply(add, headId(START_MS - 10_001))).toEqual(EXPIRED);
    expect(apply(add, headId(START_MS - 10_000)).replayed).toBe(false);
    expect(counted()).toBe(1);
  });

  test('that was applied late is remembered for ten seconds from then', () => {
    const { apply } = fresh();
    const id = headId(START_MS - 9_000);
    apply(add, id);
    expect(apply(add, id, 10_000).replayed).toBe(true);
    expect(apply(add, id, 1)).toEqual(EXPIRED);
  });

  test('that is younger than its entry, by a head with a slower log clock, leaves no gap to be applied in again', () => {
    const { apply, counted } = fresh();
    const id = headId(START_MS + 9_000);
    apply(add, id);
    for (let second = 1; second <= 30; second++) {
      const { replayed, outcome } = apply(add, id, 1_000);
      expect(replayed ? 'replayed' : outcome.kind).toBe(second <= 19 ? 'replayed' : 'rejected');
    }
    expect(counted()).toBe(1);
  });

  test('from too far ahead is refused, for it would have to be remembered until then', () => {
    const { apply, counted } = fresh();
    expect(apply(add, headId(START_MS + 10_001))).toEqual(EXPIRED);
    expect(counted()).toBe(0);
  });

  test('is forgotten at the same entry by a store that a snapshot restored', () => {
    const { store, apply } = fresh();
    for (let number = 0; number < 3000; number++) apply(add, headId(START_MS + number * 5, number), 5);
    const copy = restored(store);
    expect(copy.digest()).toBe(store.digest());
    const head = new EntrySequence({ after: store.seq, timeMs: store.timeMs });
    for (let number = 0; number < 2100; number++) {
      const tick = head.next(TICK, { laterMs: 5 });
      store.apply(tick);
      copy.apply(tick);
      if (number % 100 === 0) expect(copy.digest()).toBe(store.digest());
    }
    expect(store.snapshot().header.requests).toBe(0);
  });
});

describe('outcomes that take too much memory', () => {
  const big = batch([increment('n'), increment('n'), increment('n')]);
  const room = { outcomeBytesMax: 400 }; // for two of them

  test('are forgotten, the oldest first, but never applied again', () => {
    const { store, apply, counted } = fresh(room);
    const ids = [clientId('a'), clientId('b'), clientId('c')];
    for (const id of ids) apply(big, id);
    expect(ids.map((id) => store.remembers(id))).toEqual([true, true, true]);
    expect(apply(big, clientId('a'))).toEqual(EXPIRED);
    expect(apply(add, clientId('a'))).toEqual(REUSED);
    expect(apply(big, clientId('b')).replayed).toBe(true);
    expect(apply(big, clientId('c')).replayed).toBe(true);
    expect(counted()).toBe(9);
  });

  test('leave room again when their ids go', () => {
    const { store, apply } = fresh(room);
    for (let number = 0; number < 2; number++) apply(big, headId(START_MS, number));
    apply(TICK, null, 10_001);
    const ids = [2, 3, 4].map((number) => headId(store.timeMs, number));
    for (const id of ids) apply(big, id);
    expect(ids.map((id) => apply(big, id).replayed)).toEqual([false, true, true]);
  });

  test('are those of batches alone: single writes and refusals keep theirs', () => {
    const { apply } = fresh(room);
    const refused = batch([check('n', 77), increment('n')]);
    apply(add, clientId('single'));
    apply(refused, clientId('refused'));
    for (let number = 0; number < 9; number++) apply(big, clientId(`c${number}`));
    expect(apply(add, clientId('single')).outcome).toEqual(gave(1));
    expect(apply(refused, clientId('refused')).outcome).toMatchObject({ kind: 'refused', index: 0 });
  });

  test('are the same ones in a store that a snapshot restored, even one read later', () => {
    const { store, apply } = fresh(room);
    for (let number = 0; number < 5; number++)
      apply(big, number % 2 ? clientId(`c${number}`) : headId(START_MS, number));
    const before = store.digest();
    const { header, rows } = store.snapshot();
    const { seq: after, timeMs } = store;
    for (let number = 5; number < 9; number++)
      apply(big, number % 2 ? clientId(`c${number}`) : headId(START_MS, number));
    const copy = new Store(room);
    copy.restore(header);
    for (const row of rows()) copy.restoreRow(row);
    expect(copy.digest()).toBe(before);
    const head = new EntrySequence({ after, timeMs });
    for (let number = 5; number < 9; number++) {
      copy.apply(
        head.next(big, { requestId: number % 2 ? clientId(`c${number}`) : headId(START_MS, number) }),
      );
    }
    expect(copy.digest()).toBe(store.digest());
  });
});

test('a retry of every kind of operation gets the outcome again, but for values that were read', () => {
  const store = new Store();
  const head = new EntrySequence();
  store.apply(head.next(single(set('a', 'x', { ttlMs: 5000 }))));
  const operations = [
    set('a', 'y'),
    expire('a', 9000),
    get('a'),
    check('a', 2),
    increment('n', 5),
    remove('a'),
  ];
  const command = batch(operations, { atomic: false });
  const first = store.apply(head.next(command, { requestId: clientId('mine') }));
  const again = store.apply(head.next(command, { requestId: clientId('mine') }));
  expect([first.replayed, again.replayed]).toEqual([false, true]);
  if (first.outcome.kind !== 'done') throw new Error('it was refused');
  const results = first.outcome.results.map((it) => (it.kind === 'got' ? { ...it, record: undefined } : it));
  expect(results.map(({ kind }) => kind)).toEqual([
    'set',
    'expiry',
    'got',
    'checked',
    'incremented',
    'deleted',
  ]);
  expect(again.outcome).toMatchObject({ kind: 'done', seq: first.outcome.seq, results });
});
