import fc from 'fast-check';
import { seq } from '../../src/base/ids.ts';
import type { Operation } from '../../src/protocol/command.ts';
import type { Asked, Call, Told } from '../../src/simulator/history.ts';
import { pictureOf } from '../../src/simulator/history-picture.ts';
import { checkHistory } from '../../src/simulator/linearizability.ts';
import { groupsOf, tasksOf } from '../../src/simulator/linearizability-tasks.ts';
import { fallingVersions } from '../../src/simulator/linearizability-versions.ts';
import { isExplainedBySomeOrder } from './linearizability-brute-force.ts';
import {
  check,
  expire,
  get,
  historyOf,
  increment,
  put,
  remove,
  type Wish,
} from './linearizability-histories.ts';

const KEYS = ['a', 'b', 'c'];

function operations({
  ttls,
  keys = KEYS,
}: {
  ttls: boolean;
  keys?: readonly string[];
}): fc.Arbitrary<Operation> {
  const key = fc.constantFrom(...keys);
  const version = fc.integer({ min: 0, max: 9 });
  const value = fc.constantFrom('1', '2', 'text');
  const lifetimes = ttls ? [fc.record({ key, ttlMs: fc.constantFrom(30, 90) })] : [];
  return fc.oneof(
    { weight: 4, arbitrary: key.map(get) },
    { weight: 3, arbitrary: fc.tuple(key, value).map(([k, v]) => put(k, v)) },
    fc.tuple(key, value, version).map(([k, v, ifVersion]) => put(k, v, { ifVersion })),
    { weight: 2, arbitrary: key.map(remove) },
    {
      weight: 2,
      arbitrary: fc.tuple(key, fc.integer({ min: 1, max: 2 })).map(([k, by]) => increment(k, by)),
    },
    fc.tuple(key, version).map(([k, v]) => check(k, v)),
    fc
      .tuple(key, fc.constantFrom('exists' as const, 'absent' as const))
      .map(([k, kind]): Operation => ({ op: 'delete', key: k, condition: { kind } })),
    fc
      .tuple(key, version)
      .map(
        ([k, v]): Operation => ({ op: 'delete', key: k, condition: { kind: 'version', version: seq(v) } }),
      ),
    key.map((k) => expire(k, null)),
    ...lifetimes.map((some) => some.map(({ key: k, ttlMs }) => put(k, '3', { ttlMs }))),
    ...lifetimes.map((some) => some.map(({ key: k, ttlMs }) => expire(k, ttlMs))),
  );
}

function wishes(options: {
  ttls: boolean;
  min?: number;
  max: number;
  keys?: readonly string[];
}): fc.Arbitrary<Wish[]> {
  const one = operations(options);
  const asked: fc.Arbitrary<Asked> = fc.oneof(
    {
      weight: 8,
      arbitrary: one.map(
        (operation): Asked => ({ kind: 'operations', atomic: true, operations: [operation] }),
      ),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('operations' as const),
        atomic: fc.boolean(),
        operations: fc.array(one, { minLength: 2, maxLength: 3 }),
      }),
    },
    fc.record({
      kind: fc.constant('page' as const),
      prefix: fc.constantFrom('', 'a'),
      after: fc.constantFrom(null, 'a'),
      limit: fc.integer({ min: 1, max: 3 }),
    }),
  );
  const wish = fc.record({
    client: fc.integer({ min: 1, max: 4 }),
    asked,
    pauseMs: fc.integer({ min: 1, max: 10 }),
    untilPointMs: fc.integer({ min: 0, max: 40 }),
    untilAnswerMs: fc.integer({ min: 0, max: 20 }),
    fate: fc.oneof(
      { weight: 6, arbitrary: fc.constant('answered' as const) },
      { weight: 2, arbitrary: fc.constant('unanswered' as const) },
      fc.constant('unanswered-without-effect' as const),
    ),
    saysVersion: fc.boolean(),
  });
  return fc.array(wish, { minLength: options.min ?? 0, maxLength: options.max, size: 'max' });
}

test('what took effect one by one is linearizable, with lifetimes, batches, pages and unanswered calls', () => {
  fc.assert(
    fc.property(wishes({ ttls: true, max: 60 }), (all) => {
      const verdict = checkHistory(historyOf(all));
      expect(verdict.kind === 'no' ? pictureOf(verdict.part) : verdict.kind).toBe('yes');
    }),
    { numRuns: 250 },
  );
});

test('a small history is judged as by trying all orders, also when an answer was exchanged for that of another call', () => {
  const seen = { yes: 0, no: 0 };
  const exchanges = fc.array(fc.tuple(fc.nat(6), fc.nat(6)), { minLength: 4, maxLength: 9, size: 'max' });
  fc.assert(
    fc.property(
      wishes({ ttls: false, min: 4, max: 7, keys: ['a', 'b'] }),
      exchanges,
      fc.boolean(),
      (all, pairs, forgets) => {
        const calls = pairs
          .reduce(exchanged, historyOf(all))
          .map((call) => (forgets ? withoutVersions(call) : call));
        const groups = groupsOf(calls);
        const falls = fallingVersions(groups.flatMap(tasksOf)) !== null;
        const explained = !falls && groups.every((group) => isExplainedBySomeOrder(group.calls, 10));
        // What is judged key by key, and by versions falling, is never stricter than the definition.
        if (!explained) expect(isExplainedBySomeOrder(calls, 10)).toBe(false);
        const { kind } = checkHistory(calls);
        seen[explained ? 'yes' : 'no'] += 1;
        expect(kind).toBe(explained ? 'yes' : 'no');
      },
    ),
    { numRuns: 800 },
  );
  expect(Math.min(seen.yes, seen.no)).toBeGreaterThan(20);
});

/** The answer of one call is given to another that asked for the same kinds of operations. */
function exchanged(calls: readonly Call[], [from, to]: readonly [number, number]): Call[] {
  const [giver, taker] = [calls[from], calls[to]];
  if (giver?.answer == null || taker?.answer == null || shapeOf(giver) !== shapeOf(taker)) return [...calls];
  const { told } = giver.answer;
  const { atMs } = taker.answer;
  return calls.map((call) => (call === taker ? { ...call, answer: { told, atMs } } : call));
}

function shapeOf({ asked }: Call): string {
  return asked.kind === 'page' ? 'page' : asked.operations.map(({ op }) => op).join();
}

/** As if the client had not been told any version but those of a page. */
function withoutVersions(call: Call): Call {
  const { answer } = call;
  if (answer === null || answer.told.kind === 'page') return call;
  const told: Told =
    answer.told.kind === 'refused'
      ? { ...answer.told, version: null }
      : {
          ...answer.told,
          version: null,
          results: answer.told.results.map((result) => {
            if (result.kind === 'got' && result.record)
              return { ...result, record: { ...result.record, version: null } };
            return result.kind === 'failed' || result.kind === 'expiry'
              ? { ...result, version: null }
              : result;
          }),
        };
  return { ...call, answer: { ...answer, told } };
}
