/** One list of behaviours, run against ioredis-mock and against our `redisLike()` on a chain of three processes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from '../../src/client/node.ts';
import type { Catena } from '../../src/client/types.ts';
import { Cluster, until } from '../support/cluster.ts';
import { PROJECT } from '../support/source-files.ts';
import { BEHAVIOURS, type Outcome, type Step } from './behaviour-list.ts';
import { behaviourTable } from './behaviour-table.ts';
import { isOutcome, mockWorld, outcomeOf, type World, worded } from './behaviour-worlds.ts';

type Name = 'mock' | 'catena';

let behaviours = 0;

/** Takes all steps, and says of each that did not give what it should what it gave. */
async function wrongSteps(world: World, steps: readonly Step[], name: Name): Promise<string[]> {
  const mark = `behaviour-${++behaviours}:`;
  const wrong: string[] = [];
  for (const step of steps) {
    const said = await take(world, step, { name, mark });
    if (said !== null) wrong.push(said);
  }
  return wrong;
}

async function take(
  world: World,
  step: Step,
  { name, mark }: { name: Name; mark: string },
): Promise<string | null> {
  if ('until' in step) {
    let came: Outcome;
    await until(
      async () => {
        came = await outcomeOf(world, step.until, mark);
        return isOutcome(came, step.gives);
      },
      `${worded(step.until)} gives ${worded(step.gives)}`,
      () => worded(came),
    );
    return null;
  }
  const came = await outcomeOf(world, step.call, mark);
  if ('between' in step) {
    const [least, most] = step.between;
    const within = typeof came === 'number' && came >= least && came <= most;
    return within ? null : `${worded(step.call)}: ${least} to ${most} expected, ${worded(came)} came`;
  }
  const expected = 'gives' in step ? step.gives : step[name];
  return isOutcome(came, expected)
    ? null
    : `${worded(step.call)}: ${worded(expected)} expected, ${worded(came)} came`;
}

describe('ioredis-mock', () => {
  const mock = mockWorld();

  beforeEach(() => mock.flushall());
  afterAll(() => mock.disconnect());

  test.each(BEHAVIOURS)('$title', async ({ steps }) => {
    expect(await wrongSteps(mock, steps, 'mock')).toEqual([]);
  });
});

describe('redisLike() on a chain of three', () => {
  let cluster: Cluster;
  let client: Catena;

  beforeAll(async () => {
    cluster = await Cluster.make();
    cluster.startAll();
    await cluster.whole(3);
    client = connect(cluster.url('n2'));
  }, 60_000);

  afterAll(async () => {
    await client?.close();
    await cluster?.remove();
  });

  test.each(BEHAVIOURS)(
    '$title',
    async ({ steps }) => {
      expect(await wrongSteps(client.redisLike(), steps, 'catena')).toEqual([]);
    },
    60_000,
  );
});

test('where the two differ, each is said to, and why', () => {
  const differing = BEHAVIOURS.flatMap(({ steps }) => steps).filter((step) => 'why' in step);
  expect(differing.length).toBeGreaterThan(0);
  for (const { redis, mock, catena, why } of differing) {
    expect(new Set([redis, mock, catena].map(worded)).size).toBeGreaterThan(1);
    expect(why).not.toBe('');
  }
});

test('docs/redis-like.md is what the list says: node __tests__/client/behaviour-table.ts > docs/redis-like.md', () => {
  expect(readFileSync(join(PROJECT, 'docs/redis-like.md'), 'utf8')).toBe(behaviourTable());
});
