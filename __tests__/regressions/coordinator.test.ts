/** Faults of the coordinator that torture and the simulator have shown, each with its story. */
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

// A coordinator that had been stopped for 1.4 s read the heartbeats that lay waiting, took their clocks for those of that moment, and
// chose a configuration whose time was 1.4 s late. The head's log clock began there; with the next configuration it leaped, and
// keys expired that much too early. Each node's clock is now read by the heartbeat that came most quickly.
test('heartbeats that lay unread while the coordinator got no turn do not make the next configuration late', () => {
  const story = running();
  const late = nodesOf(story).map((node) => node.report());
  story.monotonicMs += 1400;
  for (const [at, node] of nodesOf(story).entries()) {
    const report = late[at];
    if (report) story.step({ kind: 'heartbeat', link: node.link, report });
  }
  for (const node of nodesOf(story)) node.says = { ready: true, wallMs: rightMs(story) - 1400 };
  for (const name of ['n1', 'n2']) story.beat(name);
  story.node('n3').says = { phase: 'stopping', wallMs: rightMs(story) - 1400 };
  story.beat('n3');
  story.tick();
  expect(story.configuration?.members).toHaveLength(2);
  expect(Math.abs((story.configuration?.timeMs ?? 0) - rightMs(story))).toBeLessThan(100);
});
