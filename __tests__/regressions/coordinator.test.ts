/** Faults of the coordinator that torture and the simulator have shown, each with its story. */
import { nodesOf, rightMs, running } from '../support/clock-story.ts';

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
