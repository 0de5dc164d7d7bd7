import { LOST_EPOCHS } from '../../src/coordinator/membership.ts';
import { FaithfulChain } from '../support/coordinator-chain.ts';
import { CoordinatorStory, chainOf, lastOf, topologyFile } from '../support/coordinator-story.ts';

function serving(file = topologyFile()): CoordinatorStory {
  const story = new CoordinatorStory(file);
  story.refusing = true;
  story.start();
  story.go();
  return story;
}

/** n1 and n3 are gone, and n2 is not ready, so nobody may be dropped. */
function stuck(): CoordinatorStory {
  const story = serving();
  story.loseRegister();
  story.go();
  story.stop('n1');
  story.stop('n3');
  story.go(5);
  expect(story.configuration?.members).toHaveLength(3);
  return story;
}

test('a named survivor becomes the whole chain, ready and fenced, once that is on disk', () => {
  const story = stuck();
  const before = story.configuration?.epoch ?? 0;
  story.holdSaves = true;
  const ticket = story.force('n2');
  story.go(3);
  expect(story.forced).toEqual([]);
  story.endSave();
  expect(story.replyTo(ticket)).toEqual({ kind: 'forced', epoch: before + 1 });
  expect(story.configuration).toMatchObject({ epoch: before + 1, fence: before + 1, joiner: null });
  expect(chainOf(story.configuration)).toEqual(['n2:1']);
  expect(story.core.register.ready).toEqual(['n2']);
  expect(lastOf(story)).toEqual({
    reason: 'forced by an operator: n2 is to be the chain, whatever the others hold',
    change: 'chain is n2 alone',
  });
  expect(story.said.some((line) => line.includes('what it lacks of the acknowledged writes is lost'))).toBe(
    true,
  );
});

test('the others come back as joiners', () => {
  const story = stuck();
  story.force('n2');
  story.go(2);
  const chain = new FaithfulChain(story);
  story.start('n1', 'n3');
  chain.until(() => story.core.register.ready.length === 3, 'the chain is whole');
  expect(chainOf(story.configuration)).toEqual(['n2:1', 'n1:2', 'n3:2']);
});

test('also with a lost register, when not all nodes can be heard: far above all that any node holds', () => {
  const story = serving();
  story.start('n3');
  story.go();
  expect(story.configuration?.epoch).toBe(2);
  story.stop('n1');
  story.loseRegister();
  story.go();
  expect(story.configuration).toBeNull();
  const ticket = story.force('n3');
  story.go();
  const lifted = 2 + LOST_EPOCHS;
  expect(story.replyTo(ticket)).toEqual({ kind: 'forced', epoch: lifted });
  expect(story.core.register.history[0]).toMatchObject({ epoch: lifted, members: ['n3'] });
  expect(story.core.topology?.version).toBe(2);
});

test('is refused while another ready member is heard and running: the chain heals without it', () => {
  const story = serving();
  story.go(2);
  const ticket = story.force('n2');
  story.go(1);
  expect(story.replyTo(ticket)).toEqual({
    kind: 'refused',
    problem: expect.stringContaining('heals without force'),
  });
  expect(story.configuration?.epoch).toBe(1);
});

test('goes above a configuration that a node holds and the register does not know', () => {
  const story = serving();
  const { configuration } = story.node('n1');
  if (configuration === null) throw new Error('n1 was not told');
  story.node('n1').configuration = { ...configuration, epoch: 7 as typeof configuration.epoch };
  story.go();
  const ticket = story.force('n2');
  story.go(1);
  expect(story.replyTo(ticket)).toEqual({ kind: 'forced', epoch: 8 });
  expect(story.configuration?.epoch).toBe(8);
});

test('a survivor that is not in the chain of the topology serves until those that are have joined', () => {
  const story = serving(topologyFile({ chain: ['n1', 'n2', 'n3'] }, 4));
  const chain = new FaithfulChain(story);
  for (const node of ['n1', 'n2', 'n3']) story.stop(node);
  chain.go(20);
  const ticket = story.force('n4');
  chain.go(2);
  expect(story.replyTo(ticket)).toMatchObject({ kind: 'forced' });
  for (const node of ['n1', 'n2', 'n3']) story.start(node);
  chain.until(() => !story.core.register.arranging && story.core.register.ready.length === 3, 'it is whole');
  expect(story.configuration?.members.map(({ node }) => node)).toEqual(['n1', 'n2', 'n3']);
});

test.each([
  ['n9', {}, 'n9 is no node of the topology'],
  ['n2', { phase: 'recovering' } as const, 'n2 is still reading its log'],
  ['n2', { phase: 'broken', problem: 'x' } as const, 'n2 is broken (x)'],
  ['n2', { phase: 'broken' } as const, 'n2 is broken (it does not say why)'],
  ['n2', { phase: 'stopping' } as const, 'n2 is stopping'],
  ['n2', { phase: 'sick', readOnly: true, problem: 'full' } as const, 'n2 takes no writes: full'],
  ['n2', { phase: 'sick', readOnly: true } as const, 'n2 takes no writes: it does not say why'],
])('%s with %j is refused', (name, says, words) => {
  const story = stuck();
  const { configuration } = story;
  story.node('n2').says = says;
  story.go(1);
  const ticket = story.force(name);
  story.go(3);
  expect(story.replyTo(ticket)).toEqual({ kind: 'refused', problem: expect.stringContaining(words) });
  expect(story.configuration).toEqual(configuration);
});

test('one that is not heard is refused', () => {
  const story = stuck();
  const ticket = story.force('n1');
  story.go(3);
  expect(story.replyTo(ticket)).toMatchObject({
    kind: 'refused',
    problem: expect.stringContaining('n1 is not heard'),
  });
});

test.each([
  ['sick, though it takes writes', 'refused', { phase: 'sick', problem: 'slow' } as const],
  ['running', 'refused', {}],
  ['taking no writes', 'forced', { phase: 'sick', readOnly: true, problem: 'full' } as const],
  ['broken', 'forced', { phase: 'broken', problem: 'x' } as const],
])('while another ready member is %s, force is %s', (_, kind, says) => {
  const story = new CoordinatorStory(topologyFile({ chain: ['n1', 'n2'], replicas: 2 }, 2));
  story.start();
  story.go();
  story.node('n1').says = says;
  story.beat('n1');
  const ticket = story.force('n2');
  story.tick();
  expect(story.replyTo(ticket)?.kind).toBe(kind);
});

test('a ready member that restarted is none that serves, so force does not wait for it', () => {
  const story = serving();
  story.stop('n3');
  story.start('n1');
  story.beat('n1');
  const ticket = story.force('n2');
  story.tick();
  expect(story.replyTo(ticket)).toMatchObject({ kind: 'forced' });
});

test('one node can be made the chain of a cluster that never was one, when the others never come', () => {
  const story = new CoordinatorStory();
  story.start('n2');
  story.go();
  expect(story.configuration).toBeNull();
  const ticket = story.force('n2');
  story.go(1);
  expect(story.replyTo(ticket)).toMatchObject({ kind: 'forced' });
  expect(chainOf(story.configuration)).toEqual(['n2:1']);
});
