import { CoordinatorStory, type StoryNode } from '../support/coordinator-story.ts';

const NAMES = ['n1', 'n2', 'n3'];

/** What every machine's wall clock shows, where all are right. */
const rightMs = (story: CoordinatorStory) => 1_000_000 + story.monotonicMs;

function nodesOf(story: CoordinatorStory): StoryNode[] {
  return NAMES.map((name) => story.node(name));
}

/** Heartbeats with the clocks of that moment, all wrong by so much. */
function go(story: CoordinatorStory, turns: number, offMs = 0): void {
  for (let turn = 0; turn < turns; turn++) {
    for (const node of nodesOf(story)) node.says = { wallMs: rightMs(story) + offMs };
    story.go(1);
  }
}

/** A chain of three, heard often enough for its clocks to be known. */
function running(): CoordinatorStory {
  const story = new CoordinatorStory();
  story.start();
  go(story, 10);
  return story;
}

test('clocks that are set back count as they are after a few heartbeats', () => {
  const story = running();
  go(story, 10, -5000);
  for (const node of nodesOf(story)) node.says = { wallMs: rightMs(story) - 5000, ready: true };
  story.node('n3').says = { phase: 'stopping', wallMs: rightMs(story) - 5000 };
  for (const name of NAMES) story.beat(name);
  story.tick();
  expect(story.configuration?.members).toHaveLength(2);
  expect(Math.abs((story.configuration?.timeMs ?? 0) - rightMs(story) + 5000)).toBeLessThan(100);
});
