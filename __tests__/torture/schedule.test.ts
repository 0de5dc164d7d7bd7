import { Prng } from '../../src/base/prng.ts';
import { type Fault, type Ground, planRound } from './schedule.ts';

const GROUND: Ground = {
  nodes: ['n1', 'n2', 'n3', 'n4'],
  coordinator: 'c1',
  clocks: ['n2', 'c1'],
  smallDisk: true,
};
const ROUND_MS = 20_000;

/** Many rounds, as a run of some hours has them. */
const rounds = Array.from({ length: 300 }, (_, seed) => planRound(new Prng(seed), GROUND, ROUND_MS));
const kinds = (ground: Ground): Set<Fault['kind']> =>
  new Set(
    rounds.flatMap((_, seed) => planRound(new Prng(seed), ground, ROUND_MS).map(({ fault }) => fault.kind)),
  );

test('the same seed gives the same faults', () => {
  expect(planRound(new Prng(4711), GROUND, ROUND_MS)).toEqual(planRound(new Prng(4711), GROUND, ROUND_MS));
  expect(planRound(new Prng(4711), GROUND, ROUND_MS)).not.toEqual(
    planRound(new Prng(4712), GROUND, ROUND_MS),
  );
});

test('every kind of fault comes, one every 1 to 4 s', () => {
  expect([...kinds(GROUND)].sort()).toEqual(['break', 'clock', 'cut', 'edit', 'full-disk', 'kill', 'pause']);
  for (const round of rounds) {
    const waits = round.slice(1).map(({ atMs }, at) => atMs - (round[at]?.atMs ?? 0));
    expect(waits.filter((waitMs) => waitMs < 999 || waitMs > 4001)).toEqual([]);
  }
});

test('what this machine can not do is never planned', () => {
  const poor = kinds({ ...GROUND, clocks: [], smallDisk: false });
  expect(poor.has('clock') || poor.has('full-disk')).toBe(false);
});

test('never are two wall clocks wrong in one round: two of the few that the coordinator knows would be the median', () => {
  for (const round of rounds) {
    const wrong = round.flatMap(({ fault }) => (fault.kind === 'clock' ? [fault.name] : []));
    expect(new Set(wrong).size).toBeLessThanOrEqual(1);
  }
});

test('an edit wants no more replicas than the chain has nodes, and forgets nobody who is in it', () => {
  for (const { fault } of rounds.flat()) {
    if (fault.kind !== 'edit') continue;
    const { chain, replicas, forget } = fault.edit;
    expect(replicas).toBeLessThanOrEqual(chain.length);
    expect(replicas).toBeGreaterThanOrEqual(3);
    expect(new Set(chain).size).toBe(chain.length);
    if (forget) expect(chain.length).toBeLessThan(GROUND.nodes.length);
  }
});
