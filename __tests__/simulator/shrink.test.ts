import { plant } from '../../src/base/planted.ts';
import { makePlan } from '../../src/simulator/chaos.ts';
import { run } from '../../src/simulator/run.ts';
import { shrink } from '../../src/simulator/shrink.ts';
import { describeFailure, describePlan } from '../../src/simulator/words.ts';

const RUNS_MAX = 60;

afterEach(() => plant(null));

/** The first plan that a broken core fails. */
async function failingPlan() {
  plant('commit-without-upstream');
  for (let seed = 1; seed < 100; seed++) {
    const plan = makePlan(seed);
    const { failure } = await run(plan);
    if (failure) return { plan, failure };
  }
  throw new Error('the planted fault was not found');
}

test('a plan that fails is shrunk to a smaller one that breaks the same invariant, and passes once the code is right', async () => {
  const { plan, failure } = await failingPlan();
  const small = await shrink(plan, { runsMax: RUNS_MAX });
  expect(small.result.failure?.invariant).toBe(failure.invariant);
  expect(small.runs).toBeLessThanOrEqual(RUNS_MAX);
  expect(small.plan.faults.length + small.plan.clients.length).toBeLessThan(
    plan.faults.length + plan.clients.length,
  );
  expect((await run(JSON.parse(JSON.stringify(small.plan)))).failure).toEqual(small.result.failure);
  plant(null);
  expect((await run(small.plan)).failure).toBeNull();
}, 60_000);

test('a plan that passes comes back as it is', async () => {
  const plan = makePlan(3);
  expect(await shrink(plan)).toMatchObject({ plan, runs: 1, result: { failure: null } });
});

test('a failure is told with its seed, its step, the invariant, the rerun line and the faults that are left', async () => {
  const { plan } = await failingPlan();
  const { result, plan: small } = await shrink(plan, { runsMax: RUNS_MAX });
  const told = describeFailure(result, 'npm run simulate -- --plan failures/1.json');
  expect(told).toMatch(
    /^seed=\d+ step=\d+ at [\d.]+ ms: I[1-6] broken · npm run simulate -- --plan failures\/1\.json\n/,
  );
  expect(describePlan(small).split('\n')).toHaveLength(1 + small.faults.length + small.clients.length);
}, 60_000);
