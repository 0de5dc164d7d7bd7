/** Faults of the coordinator that torture and the simulator have shown, each with its story. */
import { nodesOf, rightMs, running } from '../support/clock-story.ts';
import { CoordinatorStory, topologyFile } from '../support/coordinator-story.ts';

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

// The file named two empty nodes in place of the one member that held everything, an edit that the coordinator had refused. Then it
// lost its register, started with that file, heard two empty stores, and made them the first chain, in an epoch that there had been.
// The simulator saw two configurations of epoch 1. A node that the topology lacks and that knows more is now heeded.
test('a lost register does not begin anew with empty nodes while one that is not in the file holds what the chain had', () => {
  const story = new CoordinatorStory();
  story.start();
  story.go(10);
  for (const name of ['n2', 'n3']) {
    Object.assign(story.node(name), { store: `another of ${name}`, configuration: null });
  }
  const { nodes } = topologyFile().topology;
  const left = Object.fromEntries(Object.entries(nodes).filter(([name]) => name !== 'n1'));
  story.file = topologyFile({ chain: ['n2', 'n3'], nodes: left, replicas: 2 });
  story.loseRegister();
  story.beat('n1');
  story.go();
  expect(story.configuration).toBeNull();
  expect(story.core.waits[0]).toMatch(
    /n1, which the topology lacks, holds configuration 1.*put n1 back into the topology file/,
  );
});
