import { go, nodesOf, rightMs, running } from '../support/clock-story.ts';
import { CoordinatorStory, chainOf } from '../support/coordinator-story.ts';

const HOUR_MS = 3_600_000;

/** n1 is an hour late, n2 right, n3 an hour early; the coordinator two hours late. */
function apart(story: CoordinatorStory, turns: number): void {
  for (let turn = 0; turn < turns; turn++) {
    for (const [at, node] of nodesOf(story).entries()) {
      node.says = { ready: true, wallMs: rightMs(story) + (at - 1) * HOUR_MS };
    }
    story.go(1);
  }
}

function runningApart(): CoordinatorStory {
  const story = new CoordinatorStory();
  story.wallOffMs = -2 * HOUR_MS;
  story.start();
  apart(story, 10);
  return story;
}

/** By how much the time of the configuration is ahead of that of the first one, beyond what has gone by between them. */
function leapMs(story: CoordinatorStory, since: { readonly timeMs: number; readonly atMs: number }): number {
  return (story.configuration?.timeMs ?? 0) - since.timeMs - (story.monotonicMs - since.atMs);
}

const nowOf = (story: CoordinatorStory) => ({
  timeMs: story.configuration?.timeMs ?? 0,
  atMs: story.monotonicMs,
});

describe('the time of a configuration (PROTOCOL.md §9)', () => {
  test.each(['n1', 'n2', 'n3'])('does not leap when the clocks are an hour apart and %s dies', (name) => {
    const story = runningApart();
    story.refusing = true;
    story.start(name);
    apart(story, 10);
    const before = nowOf(story);
    story.stop(name);
    apart(story, 40);
    expect(story.configuration?.members).toHaveLength(2);
    expect(Math.abs(leapMs(story, before))).toBeLessThan(3000);
  });

  test('nor when the coordinator starts anew meanwhile, with fewer clocks known', () => {
    const story = runningApart();
    const before = nowOf(story);
    story.refusing = true;
    for (const name of ['n1', 'n2', 'n3']) story.stop(name);
    story.tick(2000);
    story.startCoordinator();
    story.start('n2', 'n3');
    apart(story, 40);
    expect(chainOf(story.configuration)).toEqual(['n1:1', 'n2:2', 'n3:2']);
    expect(Math.abs(leapMs(story, before))).toBeLessThan(3000);
  });

  test('goes on by what was slept when a whole machine was suspended', () => {
    const story = running();
    const before = nowOf(story);
    story.wallOffMs = HOUR_MS;
    go(story, 10, HOUR_MS);
    for (const node of nodesOf(story)) node.says = { wallMs: rightMs(story) + HOUR_MS, ready: true };
    story.node('n3').says = { phase: 'stopping', wallMs: rightMs(story) + HOUR_MS };
    story.go(1);
    expect(story.configuration?.members).toHaveLength(2);
    expect(Math.abs(leapMs(story, before) - HOUR_MS)).toBeLessThan(3000);
  });

  test('goes on while all clocks are set back', () => {
    const story = running();
    const before = nowOf(story);
    story.wallOffMs = -HOUR_MS;
    go(story, 10, -HOUR_MS);
    for (const node of nodesOf(story)) node.says = { wallMs: rightMs(story) - HOUR_MS, ready: true };
    story.node('n3').says = { phase: 'stopping', wallMs: rightMs(story) - HOUR_MS };
    story.go(1);
    expect(story.configuration?.members).toHaveLength(2);
    expect(Math.abs(leapMs(story, before))).toBeLessThan(3000);
  });

  test('goes on though the coordinator comes back with a clock that is hours behind', () => {
    const story = running();
    const before = nowOf(story);
    story.startCoordinator();
    // Ten hours later by all clocks but one.
    go(story, 10, 10 * HOUR_MS);
    for (const node of nodesOf(story)) node.says = { wallMs: rightMs(story) + 10 * HOUR_MS, ready: true };
    story.node('n3').says = { phase: 'stopping', wallMs: rightMs(story) + 10 * HOUR_MS };
    story.go(1);
    expect(story.configuration?.members).toHaveLength(2);
    expect(Math.abs(leapMs(story, before) - 10 * HOUR_MS)).toBeLessThan(3000);
  });

  test('is not led astray by the one wall clock that is the coordinator’s own', () => {
    const story = running();
    const before = nowOf(story);
    story.wallOffMs = HOUR_MS;
    go(story, 10);
    for (const node of nodesOf(story)) node.says = { wallMs: rightMs(story), ready: true };
    story.node('n3').says = { phase: 'stopping', wallMs: rightMs(story) };
    story.go(1);
    expect(story.configuration?.members).toHaveLength(2);
    expect(Math.abs(leapMs(story, before))).toBeLessThan(3000);
  });
});
