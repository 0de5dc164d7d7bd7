import { NO_EPOCH } from '../../src/base/ids.ts';
import { LOST_EPOCHS } from '../../src/coordinator/membership.ts';
import { CoordinatorStory, chainOf, topologyFile } from '../support/coordinator-story.ts';

describe('the first start', () => {
  test('waits for every node of the chain, and says for which', () => {
    const story = new CoordinatorStory();
    story.start('n1', 'n3');
    story.go();
    expect(story.configuration).toBeNull();
    expect(story.core.waits).toEqual(['the first start needs all nodes of the chain: n2 is not heard']);
    story.start('n2');
    story.go();
    expect(story.configuration).toMatchObject({ epoch: 1, joiner: null, sealed: false, fence: 0 });
    expect(chainOf(story.configuration)).toEqual(['n1:1', 'n2:1', 'n3:1']);
    expect(story.core.waits).toEqual([]);
  });

  test('tells when, why and what in the history', () => {
    const story = new CoordinatorStory();
    story.start();
    story.go();
    expect(story.core.register.history).toEqual([
      {
        epoch: 1,
        time: new Date(1_000_050).toISOString(),
        reason: 'first start: n1, n2 and n3 were heard with empty stores',
        change: 'chain is n1, n2, n3',
        members: ['n1', 'n2', 'n3'],
      },
    ]);
  });

  test('takes the settings of the topology and the median of the clocks', () => {
    const story = new CoordinatorStory(topologyFile({ reads: 'any', timing: { leaseMs: 321 } }));
    story.start();
    // The coordinator's own clock shows 1000050 when it decides, 50 ms after it has heard them.
    for (const [name, wallMs] of [
      ['n1', 2_000_000_000_000],
      ['n2', 1_000_020.4],
      ['n3', 1_000_030.4],
    ] as const) {
      story.node(name).says = { wallMs };
    }
    story.go(1);
    expect(story.configuration).toMatchObject({ reads: 'any', leaseMs: 321, timeMs: 1_000_070 });
  });

  test('makes the chain of the first `replicas` nodes, all of them ready; the rest are spares', () => {
    const story = new CoordinatorStory(topologyFile({ replicas: 3 }, 5));
    story.start();
    story.go();
    expect(chainOf(story.configuration)).toEqual(['n1:1', 'n2:1', 'n3:1']);
    expect(story.core.register.ready).toEqual(['n1', 'n2', 'n3']);
  });

  test('needs no node that is not in the chain', () => {
    const story = new CoordinatorStory(topologyFile({ chain: ['n2', 'n1'], replicas: 2 }));
    story.start('n1', 'n2');
    story.go();
    expect(chainOf(story.configuration)).toEqual(['n2:1', 'n1:1']);
  });

  test('makes a chain of one', () => {
    const story = new CoordinatorStory(topologyFile({}, 1));
    story.start();
    story.go();
    expect(chainOf(story.configuration)).toEqual(['n1:1']);
  });

  test.each([
    [
      'is still reading its log',
      { phase: 'recovering', empty: false } as const,
      'n2 is still reading its log',
    ],
    ['is broken', { phase: 'broken', problem: 'bad disk' } as const, 'n2 is broken (bad disk)'],
  ])('waits for a node that %s', (_how, says, words) => {
    const story = new CoordinatorStory();
    story.start();
    story.node('n2').says = says;
    story.go();
    expect(story.configuration).toBeNull();
    expect(story.core.waits).toEqual([`the first start needs all nodes of the chain: ${words}`]);
    story.node('n2').says = {};
    story.go();
    expect(story.configuration?.epoch).toBe(1);
  });

  test('counts a node no more that has fallen silent', () => {
    const story = new CoordinatorStory();
    story.start();
    story.stop('n3');
    story.beat('n1');
    story.node('n1').frozen = true;
    story.go(10);
    story.start('n3');
    story.go();
    expect(story.core.waits).toEqual(['the first start needs all nodes of the chain: n1 is not heard']);
  });

  test('tells nobody of a topology before there is a configuration', () => {
    const story = new CoordinatorStory();
    story.start('n1');
    story.go();
    expect(story.told.map(({ answer }) => answer)).toEqual(
      Array.from({ length: 3 }, () => ({
        kind: 'heartbeat-answer',
        epoch: 0,
        configuration: null,
        topology: null,
        stop: false,
      })),
    );
  });
});

describe('a lost register', () => {
  const served = () => {
    const story = new CoordinatorStory();
    story.start();
    story.go();
    story.start('n2');
    story.go();
    expect(story.configuration?.epoch).toBe(2);
    return story;
  };

  test('goes on far above the highest configuration that the nodes hold, with nobody ready until it says so', () => {
    const story = served();
    story.loseRegister();
    story.go();
    const lifted = 2 + LOST_EPOCHS;
    expect(story.configuration).toMatchObject({ epoch: lifted, fence: lifted, joiner: null, sealed: false });
    expect(chainOf(story.configuration)).toEqual(['n1:1', 'n2:2', 'n3:1']);
    expect(story.core.register.ready).toEqual([]);
    story.node('n2').says = { ready: true };
    story.go();
    expect(story.core.register.ready).toEqual(['n2']);
  });

  test('waits until all nodes of the topology are heard, and says why', () => {
    const story = served();
    story.stop('n3');
    story.loseRegister();
    story.go();
    expect(story.configuration).toBeNull();
    expect(story.core.waits).toEqual([
      "the coordinator's register is empty though n1 and n2 hold data, so it was lost; taking the chain up again needs " +
        'all nodes of the topology: n3 is not heard',
    ]);
    story.start('n3');
    story.go();
    expect(chainOf(story.configuration)).toEqual(['n1:1', 'n2:2', 'n3:2']);
  });

  test('waits for spares too: one of them may hold a later configuration', () => {
    const story = new CoordinatorStory(topologyFile({}, 4));
    story.start();
    story.go();
    story.stop('n4');
    story.loseRegister();
    story.go();
    expect(story.configuration).toBeNull();
    expect(story.core.waits[0]).toContain('n4 is not heard');
  });

  test('is what one node with data among empty ones means', () => {
    const story = new CoordinatorStory();
    story.holdSaves = true;
    story.start();
    story.go();
    story.stop('n2');
    story.stop('n3');
    story.endSave();
    expect([...story.nodes.values()].map(({ configuration }) => configuration?.epoch)).toEqual([
      1,
      undefined,
      undefined,
    ]);
    story.holdSaves = false;
    story.start('n2', 'n3');
    story.loseRegister();
    story.go();
    expect(story.configuration?.epoch).toBe(2 + LOST_EPOCHS);
    expect(chainOf(story.configuration)).toEqual(['n1:1', 'n2:2', 'n3:2']);
  });

  test('gives the topology a version above all that the nodes have', () => {
    const story = served();
    story.offer(topologyFile({ reads: 'any' }));
    story.go();
    expect(story.core.topology?.version).toBe(2);
    story.loseRegister();
    story.go();
    expect(story.core.topology?.version).toBe(3);
    expect([...story.nodes.values()].map(({ topologyVersion }) => topologyVersion)).toEqual([3, 3, 3]);
  });

  test('does not go on with a node that the topology lacks', () => {
    const story = served();
    story.file = topologyFile({ chain: ['n1', 'n2'], replicas: 2 }, 2);
    story.loseRegister();
    story.go();
    expect(story.configuration).toBeNull();
    expect(story.core.waits[0]).toContain('configuration 2 has n3: put n3 back into the topology file');
  });

  test('needs no node that was taken out of the file and knows no more than the others', () => {
    const story = served();
    story.file = topologyFile({ chain: ['n1', 'n2', 'n3'], replicas: 3 }, 3);
    story.addNodes(topologyFile({}, 4));
    story.node('n4').configuration = story.node('n1').configuration;
    story.loseRegister();
    story.start('n4');
    story.go();
    expect(chainOf(story.configuration)).toHaveLength(3);
  });

  test('does not take a broken node that can not say what it held for one that held nothing', () => {
    const story = served();
    story.node('n3').says = { phase: 'broken', problem: 'bad disk', configuration: null, empty: false };
    story.loseRegister();
    story.go();
    expect(story.configuration).toBeNull();
    expect(story.core.waits[0]).toContain('n3 is broken (bad disk)');
  });
});

test('a register that is older than the cluster changes nothing, and says so', () => {
  const story = new CoordinatorStory();
  story.start();
  story.go();
  const { configuration } = story.node('n1');
  if (configuration === null) throw new Error('n1 was not told');
  story.node('n1').configuration = {
    ...configuration,
    epoch: (configuration.epoch + 3) as typeof configuration.epoch,
  };
  story.start('n2');
  story.go();
  expect(story.configuration?.epoch).toBe(1);
  expect(story.core.waits).toEqual([expect.stringContaining('n1 holds configuration 4')]);
});

test.each([
  [
    { phase: 'broken', empty: true },
    'the first start needs all nodes of the chain: n2 is broken (it does not say why)',
  ],
  [
    { phase: 'running', empty: false },
    "the coordinator's register is empty though n2 holds data, so it was lost; taking the chain up again needs all " +
      'nodes of the topology: n2 holds entries but no configuration',
  ],
] as const)('a node that says %j keeps the chain from being made, and it is said why', (says, wait) => {
  const story = new CoordinatorStory();
  story.start();
  story.node('n2').says = { ...says, configuration: null };
  story.go();
  expect(story.configuration).toBeNull();
  expect(story.core.waits).toEqual([wait]);
});

test('a configuration of no epoch, which no coordinator chose, is none to take the chain up from', () => {
  const made = new CoordinatorStory();
  made.start();
  made.go();
  const { configuration } = made;
  if (configuration === null) throw new Error('there is no chain');
  const story = new CoordinatorStory();
  story.start();
  story.node('n2').configuration = { ...configuration, epoch: NO_EPOCH };
  story.go();
  expect(story.configuration).toBeNull();
  expect(story.core.waits).toEqual([
    expect.stringContaining('no node holds a configuration to take the chain up from'),
  ]);
});
