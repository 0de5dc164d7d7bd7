import { epoch, storeId } from '../../src/base/ids.ts';
import { FaithfulChain } from '../support/coordinator-chain.ts';
import { CoordinatorStory, topologyFile } from '../support/coordinator-story.ts';

const FULL = { phase: 'sick', problem: 'the disk is full', readOnly: true } as const;
const SLOW = { phase: 'sick', problem: 'it is held up' } as const;

function names(story: CoordinatorStory): readonly string[] {
  return story.configuration?.members.map(({ node }) => node) ?? [];
}

function serving(count: number, edit = {}): { story: CoordinatorStory; chain: FaithfulChain } {
  const story = new CoordinatorStory(topologyFile(edit, count));
  const chain = new FaithfulChain(story);
  story.refusing = true;
  story.start();
  chain.go(6);
  return { story, chain };
}

test('no configuration names a last member that is read-only, since it could not take it up', () => {
  const { story, chain } = serving(3);
  story.stop('n2');
  story.stop('n3');
  chain.go(40);
  expect(names(story)).toEqual(['n1']);
  story.node('n1').ails = FULL;
  chain.go(5);
  const before = story.configuration?.epoch;
  story.start('n2');
  chain.go(20);
  expect(story.configuration?.epoch).toBe(before);
  expect(story.core.waits.join()).toContain('n1 takes no writes (the disk is full)');
});

test('when all are read-only, as on one full disk, an edit makes no configuration that none of them can take up', () => {
  const { story, chain } = serving(2);
  for (const node of ['n1', 'n2']) story.node(node).ails = FULL;
  chain.go(5);
  const before = story.configuration?.epoch;
  story.edit(topologyFile({ reads: 'any' }, 2).topology);
  chain.go(5);
  expect(story.configuration?.epoch).toBe(before);
});

test('a slow member that takes writes is not dropped for one that restarted read-only', () => {
  const { story, chain } = serving(2);
  story.node('n1').ails = SLOW;
  story.node('n2').ails = FULL;
  story.start('n2');
  chain.go(30);
  expect(names(story)).toContain('n1');
});

test('slow members are dropped as long as two others are left, not more of them', () => {
  const { story, chain } = serving(3);
  story.node('n2').ails = SLOW;
  chain.go(20);
  expect(names(story)).toEqual(['n1', 'n3']);
  story.node('n3').ails = SLOW;
  chain.go(40);
  expect(names(story)).toEqual(['n1', 'n3']);
});

test('a member that dies again and again while it reads its log is dropped, since the others could serve', () => {
  const { story, chain } = serving(3);
  story.node('n2').ails = { phase: 'recovering' };
  for (let start = 0; start < 10; start++) {
    story.start('n2');
    chain.go(20);
  }
  expect(names(story)).toEqual(['n1', 'n3']);
});

test('a spare with the data of another cluster does not keep this one from healing', () => {
  const { story, chain } = serving(4, { chain: ['n1', 'n2', 'n3', 'n4'], replicas: 3 });
  const { configuration } = story;
  if (configuration === null) throw new Error('there is no chain');
  const members = configuration.members.map((member) => ({
    ...member,
    storeId: storeId(`other-${member.node}`),
  }));
  story.node('n4').configuration = { ...configuration, epoch: epoch(500), members };
  chain.go(2);
  story.stop('n2');
  chain.go(40);
  expect(names(story)).toEqual(['n1', 'n3']);
});

test('an edit under way removes no slow member either that the chain is better off with', () => {
  const { story, chain } = serving(4, { chain: ['n1', 'n2', 'n3'], replicas: 3 });
  story.node('n2').ails = SLOW;
  story.node('n3').ails = SLOW;
  story.edit(topologyFile({ chain: ['n3', 'n2', 'n1'], replicas: 3 }, 4).topology);
  chain.go(200);
  expect(names(story)).toHaveLength(3);
});

test.each(['dies', 'restarts'])(
  'a read-only tail leaves at once when another member %s, or nothing could be chosen',
  (how) => {
    const { story, chain } = serving(3);
    story.node('n3').ails = FULL;
    story.stop('n1');
    if (how === 'restarts') story.start('n1');
    chain.go(40);
    expect(names(story)).not.toContain('n3');
    expect(names(story)).toContain('n2');
  },
);
