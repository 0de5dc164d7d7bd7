import { createHash } from 'node:crypto';
import { makePlan } from '../../src/simulator/chaos.ts';
import type { Plan } from '../../src/simulator/plan.ts';
import { run } from '../../src/simulator/run.ts';

/** The whole course of a run: every step of every replica, every line that a process logged, every call. */
async function courseOf(plan: Plan): Promise<{ lines: number; sum: string }> {
  const hash = createHash('sha256');
  let lines = 0;
  await run(plan, {
    trace: (line) => {
      hash.update(line()).update('\n');
      lines += 1;
    },
  });
  return { lines, sum: hash.digest('hex') };
}

test.each([11, 12, 13, 14])('seed %d takes the same course every time, to the byte', async (seed) => {
  const first = await courseOf(makePlan(seed));
  // Another run in between: nothing is kept from one to the next.
  await run(makePlan(seed + 100));
  expect(await courseOf(makePlan(seed))).toEqual(first);
  expect(first.lines).toBeGreaterThan(1000);
});

test('another seed takes another course', async () => {
  const courses = await Promise.all([21, 22].map((seed) => courseOf(makePlan(seed))));
  expect(courses[0]?.sum).not.toBe(courses[1]?.sum);
});

test('a plan that was kept as JSON takes the same course', async () => {
  const plan = makePlan(31);
  expect(await courseOf(JSON.parse(JSON.stringify(plan)))).toEqual(await courseOf(plan));
});

test('what somebody reads along changes nothing', async () => {
  const plan = makePlan(41);
  const alone = await run(plan);
  expect(await run(plan, { trace: (line) => void line() })).toEqual(alone);
});

test('without faults every call is answered, and the chain is at rest at once', async () => {
  const plan = { ...makePlan(51), faults: [] };
  const { failure, configurations, calls } = await run(plan);
  expect({ failure, configurations, unknown: calls.unknown }).toEqual({
    failure: null,
    configurations: 1,
    unknown: 0,
  });
  expect(calls.answered).toBeGreaterThan(50);
});

describe('over a few hundred plans', () => {
  const plans = Array.from({ length: 300 }, (_, at) => makePlan(at));

  test('every kind of fault comes', () => {
    const kinds = new Set(plans.flatMap(({ faults }) => faults.map(({ kind }) => kind)));
    expect([...kinds].sort()).toEqual([
      'bit-flip',
      'break',
      'clock-jump',
      'coordinator-crash',
      'crash',
      'disk-error',
      'disk-full',
      'disk-hang',
      'edit',
      'partition',
      'pause',
      'power-cut',
      'refuse',
      'register-lost',
      'replace',
      'slow-disk',
      'stall',
      'stop',
    ]);
  });

  test('half of them read at any replica, and clocks run within the bounds that the leases allow for', () => {
    expect(plans.filter(({ setup }) => setup.reads === 'any')).toHaveLength(150);
    const rates = plans.flatMap(({ setup }) => Object.values(setup.clocks).map(({ rate }) => rate));
    expect(Math.max(...rates) / Math.min(...rates)).toBeLessThan(1.1);
    expect(Math.max(...rates)).toBeGreaterThan(1.04);
  });

  test('some suspect more quickly than a lease runs out, and some have spares', () => {
    expect(
      plans.filter(({ setup }) => setup.timing.suspectAfterMs < setup.timing.leaseMs).length,
    ).toBeGreaterThan(30);
    expect(plans.filter(({ setup }) => setup.nodes > setup.replicas).length).toBeGreaterThan(30);
  });
});
