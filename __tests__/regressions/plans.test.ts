import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plan } from '../../src/simulator/plan.ts';
import { run } from '../../src/simulator/run.ts';
import { PROJECT } from '../support/source-files.ts';

/** A fault that the simulator has found: what happened, and the least that it takes to see it. */
interface Regression {
  /** What went wrong, why, and what was mended. */
  readonly story: string;
  /** The invariant that was broken. */
  readonly invariant: string;
  readonly plan: Plan;
}

const FOLDER = join(PROJECT, '__tests__/regressions');
const names = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));

function read(name: string): Regression {
  return JSON.parse(readFileSync(join(FOLDER, name), 'utf8'));
}

test.each(names)(
  '%s does not happen again',
  async (name) => {
    const { plan, story } = read(name);
    const { failure } = await run(plan);
    expect({ story, failure }).toEqual({ story, failure: null });
  },
  60_000,
);

test.each(names)('%s tells its story', (name) => {
  const { story, invariant } = read(name);
  expect(story.length).toBeGreaterThan(80);
  expect(invariant).toMatch(/^(I[1-6]|crash)$/);
});
