import { Prng } from '../../src/base/prng.ts';
import {
  type ClientPlan,
  type PlannedAsk,
  type PlannedOperation,
  planClients,
} from '../../src/simulator/workload.ts';

const DURATION_MS = 8000;

const planned = (seed: number, keys = 10): ClientPlan[] =>
  planClients(new Prng(seed), { clients: 5, durationMs: DURATION_MS, keys });

/** Enough for whatever is rare. */
const many = Array.from({ length: 40 }, (_, seed) => planned(seed));

function operationsOf({ wish }: PlannedAsk): readonly PlannedOperation[] {
  if (wish.kind === 'page') return [];
  return wish.kind === 'single' ? [wish.operation] : wish.operations;
}

const asksOf = (plans: readonly ClientPlan[]) => plans.flatMap(({ asks }) => asks);
const allAsks = many.flatMap(asksOf);
const allOperations = allAsks.flatMap(operationsOf);
const shareOf = (count: number, whole: number) => count / whole;

test('the same seed gives the same plans, and another seed others', () => {
  expect(planned(7)).toEqual(planned(7));
  expect(planned(7)).not.toEqual(planned(8));
});

test('a plan is plain data', () => {
  expect(JSON.parse(JSON.stringify(planned(7)))).toEqual(planned(7));
});

test('another client changes nothing of what the first ones ask', () => {
  const options = { durationMs: DURATION_MS, keys: 10 };
  const three = planClients(new Prng(7), { clients: 3, ...options });
  expect(planClients(new Prng(7), { clients: 4, ...options }).slice(0, 3)).toEqual(three);
});

test('clients have names of their own, and so have the calls of each', () => {
  for (const plans of many) {
    expect(new Set(plans.map(({ name }) => name)).size).toBe(plans.length);
    for (const { asks } of plans) expect(new Set(asks.map(({ number }) => number)).size).toBe(asks.length);
  }
});

test('a client asks 40 to 80 times in 8 seconds, and thinking alone does not take longer', () => {
  for (const { asks } of many.flat()) {
    expect(asks.length).toBeGreaterThanOrEqual(40);
    expect(asks.length).toBeLessThanOrEqual(81);
    const thoughtMs = asks.reduce((sum, { pauseMs }) => sum + pauseMs, 0);
    expect(thoughtMs).toBeLessThan(DURATION_MS * 1.5);
  }
});

test('no two writes of a run store the same', () => {
  for (const plans of many) {
    const texts = asksOf(plans)
      .flatMap(operationsOf)
      .flatMap((operation) => (operation.op === 'set' ? [operation.text] : []));
    expect(new Set(texts).size).toBe(texts.length);
  }
});

test('only a few keys have a time to live, of 50 ms to 3 s', () => {
  for (const plans of many) {
    const passing = asksOf(plans)
      .flatMap(operationsOf)
      .flatMap((operation) => ('ttlMs' in operation && operation.ttlMs !== null ? [operation] : []));
    expect(new Set(passing.map(({ key }) => key)).size).toBeLessThanOrEqual(2);
    for (const { ttlMs } of passing) {
      expect(ttlMs).toBeGreaterThanOrEqual(50);
      expect(ttlMs).toBeLessThanOrEqual(3000);
    }
  }
});

test('a batch ties keys of one prefix alone, each of them once', () => {
  const batches = allAsks.filter(({ wish }) => wish.kind === 'batch').map(operationsOf);
  for (const operations of batches) {
    const keys = operations.map(({ key }) => key);
    expect(new Set(keys.map((key) => key.slice(0, 2))).size).toBe(1);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.length).toBeLessThanOrEqual(4);
  }
  expect(batches.length).toBeGreaterThan(0);
});

test('in most runs pages leave half of the keys untied', () => {
  const runs = many.filter((plans) =>
    asksOf(plans).every(({ wish }) => wish.kind !== 'page' || wish.prefix === 'a/'),
  );
  expect(shareOf(runs.length, many.length)).toBeGreaterThan(0.6);
  expect(runs.length).toBeLessThan(many.length);
});

test('a few keys take most calls', () => {
  for (const plans of many) {
    const keys = asksOf(plans)
      .flatMap(operationsOf)
      .map(({ key }) => key);
    const counts = new Map<string, number>();
    for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
    const busiest = [...counts.values()].sort((a, b) => b - a).slice(0, 5);
    const inBusiest = busiest.reduce((sum, count) => sum + count, 0);
    expect(shareOf(inBusiest, keys.length)).toBeGreaterThan(0.5);
  }
});

describe('over many runs there are', () => {
  const conditions = ['seen', 'exists', 'absent'];
  const has = (found: (operation: PlannedOperation) => boolean) => allOperations.some(found);

  test.each(['set', 'delete', 'increment', 'expire', 'get', 'check'])('operations to %s', (op) => {
    expect(has((operation) => operation.op === op)).toBe(true);
  });

  test.each(conditions)('sets if %s', (condition) => {
    expect(has((operation) => operation.op === 'set' && operation.condition === condition)).toBe(true);
  });

  test('reads, about a third of the calls', () => {
    const gets = allAsks.filter(({ wish }) => wish.kind === 'single' && wish.operation.op === 'get');
    expect(shareOf(gets.length, allAsks.length)).toBeGreaterThan(0.25);
    expect(shareOf(gets.length, allAsks.length)).toBeLessThan(0.45);
  });

  test('batches that are all or none, that are not, and that only read', () => {
    const batches = allAsks.flatMap(({ wish }) => (wish.kind === 'batch' ? [wish] : []));
    expect(new Set(batches.map(({ atomic }) => atomic)).size).toBe(2);
    expect(
      batches.some(({ operations }) => operations.every(({ op }) => op === 'get' || op === 'check')),
    ).toBe(true);
  });

  test('pages that go on where the last one ended, and such that begin anew', () => {
    const pages = allAsks.flatMap(({ wish }) => (wish.kind === 'page' ? [wish] : []));
    expect(new Set(pages.map(({ goesOn }) => goesOn)).size).toBe(2);
  });

  test('now and then a large value or an id that is used twice', () => {
    const sets = allOperations.flatMap((operation) => (operation.op === 'set' ? [operation] : []));
    const large = sets.filter(({ bytesMin }) => bytesMin >= 20_000);
    expect(large.length).toBeGreaterThan(0);
    expect(shareOf(large.length, sets.length)).toBeLessThan(0.1);
    const reused = allAsks.filter(({ reusesId }) => reusesId);
    expect(reused.length).toBeGreaterThan(0);
    expect(shareOf(reused.length, allAsks.length)).toBeLessThan(0.05);
  });

  test('clients with ids and without, with and without losses, patient and not', () => {
    const clients = many.flat();
    expect(new Set(clients.map(({ givesIds }) => givesIds)).size).toBe(2);
    expect(clients.some(({ lossRate }) => lossRate === 0)).toBe(true);
    expect(clients.some(({ lossRate }) => lossRate > 0)).toBe(true);
    expect(clients.some(({ lateRate }) => lateRate > 0)).toBe(true);
    expect(Math.min(...clients.map(({ patienceMs }) => patienceMs))).toBeLessThan(150);
    expect(Math.max(...clients.map(({ patienceMs }) => patienceMs))).toBeGreaterThan(600);
  });
});
