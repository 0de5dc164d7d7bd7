import { CoordinatorStory, type StoryNode } from './coordinator-story.ts';

/** Head first. */
const NAMES = ['n1', 'n2', 'n3'];

/** What every machine's wall clock shows, where all are right. */
export const rightMs = (story: CoordinatorStory) => 1_000_000 + story.monotonicMs;

/** The nodes of the chain. */
export function nodesOf(story: CoordinatorStory): StoryNode[] {
  return NAMES.map((name) => story.node(name));
}

/** Heartbeats with the clocks of that moment, all wrong by so much. */
export function go(story: CoordinatorStory, turns: number, offMs = 0): void {
  for (let turn = 0; turn < turns; turn++) {
    for (const node of nodesOf(story)) node.says = { wallMs: rightMs(story) + offMs };
    story.go(1);
  }
}

/** A chain of three, heard often enough for its clocks to be known. */
export function running(): CoordinatorStory {
  const story = new CoordinatorStory();
  story.start();
  go(story, 10);
  return story;
}
