import { nodeId, storeId } from '../../src/base/ids.ts';
import { Patience } from '../../src/coordinator/patience.ts';

const N1 = nodeId('n1');
const incarnation = (boot: number) => ({ node: N1, storeId: storeId('s'), boot });
const BASE_MS = 500;
const CALM_MS = 60_000;

/** n1 was removed so often, and came back alive each time. */
function doubted(times: number): Patience {
  const patience = new Patience();
  for (let time = 0; time < times; time++) {
    patience.suspected(incarnation(1), 0);
    patience.hears(incarnation(1), 0);
  }
  return patience;
}

test('a member that was removed though alive is waited for twice as long, up to ten seconds', () => {
  const waits = [0, 1, 2, 3, 4, 5, 30].map((times) => doubted(times).of(N1, BASE_MS));
  expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  expect(doubted(3).of(N1, 20_000)).toBe(20_000);
});

test('one that comes back as another incarnation was rightly suspected', () => {
  const patience = new Patience();
  patience.suspected(incarnation(1), 0);
  patience.hears(incarnation(2), 10);
  patience.hears(incarnation(1), 20);
  expect(patience.of(N1, BASE_MS)).toBe(BASE_MS);
});

test('each calm minute in the chain halves it, until nothing is held against it', () => {
  const patience = doubted(2);
  patience.calm([N1], CALM_MS - 1);
  expect(patience.of(N1, BASE_MS)).toBe(2000);
  patience.calm([N1], CALM_MS);
  expect(patience.of(N1, BASE_MS)).toBe(1000);
  patience.calm([N1], 2 * CALM_MS - 1);
  expect(patience.of(N1, BASE_MS)).toBe(1000);
  patience.calm([N1], 2 * CALM_MS);
  expect(patience.of(N1, BASE_MS)).toBe(BASE_MS);
  // However long it stays calm, the next wrong suspicion counts in full.
  for (let minute = 3; minute < 10; minute++) patience.calm([N1], minute * CALM_MS);
  patience.suspected(incarnation(1), 10 * CALM_MS);
  patience.hears(incarnation(1), 10 * CALM_MS);
  expect(patience.of(N1, BASE_MS)).toBe(1000);
});

test('a minute outside the chain is no calm one, nor one under suspicion', () => {
  const patience = doubted(1);
  patience.calm([], CALM_MS);
  patience.calm([N1], 2 * CALM_MS - 1);
  expect(patience.of(N1, BASE_MS)).toBe(1000);
  patience.suspected(incarnation(1), 2 * CALM_MS);
  patience.calm([N1], 9 * CALM_MS);
  expect(patience.of(N1, BASE_MS)).toBe(1000);
});
