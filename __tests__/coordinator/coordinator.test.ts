import { HISTORY_MAX } from '../../src/coordinator/register.ts';
import { CoordinatorStory, chainOf, topologyFile } from '../support/coordinator-story.ts';

function serving(file = topologyFile()): CoordinatorStory {
  const story = new CoordinatorStory(file);
  story.start();
  story.go();
  expect(story.configuration?.epoch).toBe(1);
  return story;
}

describe('saving', () => {
  test('nothing of a register is told before it is saved, and then it is told at once', () => {
    const story = new CoordinatorStory();
    story.holdSaves = true;
    story.start();
    story.go(10);
    expect(story.saving).toBe(true);
    expect(story.told.every(({ answer }) => answer.epoch === 0 && answer.configuration === null)).toBe(true);
    const before = story.told.length;
    story.endSave();
    story.tick();
    story.endSave();
    const told = story.told.slice(before);
    expect(
      told.map(({ node, answer }) => [node, answer.configuration?.epoch, answer.topology?.version]),
    ).toEqual([
      ['n1', 1, 1],
      ['n2', 1, 1],
      ['n3', 1, 1],
    ]);
  });

  test('while a change is on its way to the disk, the one before is told, and nothing else is decided', () => {
    const story = serving();
    story.holdSaves = true;
    story.start('n1');
    story.go(1);
    expect(story.saving).toBe(true);
    story.start('n2');
    story.go(5);
    expect(story.told.at(-1)?.answer).toMatchObject({ epoch: 1 });
    story.endSave();
    expect(chainOf(story.configuration)).toEqual(['n1:2', 'n2:1', 'n3:1']);
    story.go(1);
    story.endSave();
    expect(chainOf(story.configuration)).toEqual(['n1:2', 'n2:2', 'n3:1']);
  });

  test('a coordinator that dies with its register on disk and nobody told tells it when it is back', () => {
    const story = serving();
    story.holdSaves = true;
    story.start('n2');
    story.go(1);
    story.startCoordinator({ saveLanded: true });
    story.beat('n1');
    expect(story.told.at(-1)?.answer.configuration).toMatchObject({ epoch: 2 });
  });

  test('a coordinator that dies before its register is on disk may choose otherwise: nobody was told', () => {
    const story = serving();
    story.holdSaves = true;
    story.start('n2');
    story.go(1);
    story.startCoordinator();
    story.holdSaves = false;
    story.start('n3');
    story.go();
    expect(story.configuration?.epoch).toBe(2);
    expect(chainOf(story.configuration)).toEqual(['n1:1', 'n2:2', 'n3:2']);
  });

  test('nothing is saved when nothing changes', () => {
    const story = serving();
    story.holdSaves = true;
    story.go(20);
    expect(story.saving).toBe(false);
  });
});

describe('heartbeats', () => {
  test('a node is told only what it lacks', () => {
    const story = serving();
    story.beat('n1');
    expect(story.told.at(-1)?.answer).toEqual({
      kind: 'heartbeat-answer',
      epoch: 1,
      configuration: null,
      topology: null,
      stop: false,
    });
    story.node('n1').topologyVersion = 0;
    story.beat('n1');
    expect(story.told.at(-1)?.answer).toMatchObject({ configuration: null, topology: { version: 1 } });
  });

  test('heard twice, they change nothing', () => {
    const story = serving();
    story.start('n2');
    for (let times = 0; times < 5; times++) story.beat('n2');
    story.go();
    expect(story.configuration?.epoch).toBe(2);
  });

  test('by a newer connection, the older one is closed and counts for nothing', () => {
    const story = serving();
    const { link } = story.node('n2');
    const late = story.node('n2').report();
    story.node('n2').link = story.newLink();
    story.beat('n2');
    expect(story.hungUp).toEqual([link]);
    story.step({
      kind: 'heartbeat',
      link,
      report: { ...late, incarnation: { ...late.incarnation, boot: 9 } },
    });
    story.tick();
    expect(story.configuration?.epoch).toBe(1);
  });

  test('of an earlier start count for nothing once the later one is heard', () => {
    const story = serving();
    const late = story.node('n2').report();
    story.start('n2');
    story.go();
    const link = story.newLink();
    story.step({ kind: 'heartbeat', link, report: late });
    story.go();
    expect(story.hungUp).toEqual([link]);
    expect(chainOf(story.configuration)).toEqual(['n1:1', 'n2:2', 'n3:1']);
    expect(story.core.waits).toEqual([]);
  });

  test('of two nodes by one connection end it', () => {
    const story = serving();
    const { link } = story.node('n1');
    story.step({ kind: 'heartbeat', link, report: story.node('n2').report() });
    expect(story.hungUp).toEqual([link]);
  });

  test('of a node that the topology lacks are answered, and count for nothing', () => {
    const story = serving();
    const stranger = { ...story.node('n1').report(), configuration: null, topologyVersion: 0 };
    const report = {
      ...stranger,
      incarnation: { ...stranger.incarnation, node: 'n9' as typeof stranger.incarnation.node },
    };
    story.step({ kind: 'heartbeat', link: story.newLink(), report });
    expect(story.told.at(-1)?.answer).toMatchObject({
      configuration: { epoch: 1 },
      topology: { version: 1 },
    });
    story.tick();
    expect(story.configuration?.epoch).toBe(1);
    expect(story.said.at(-1)).toBe('n9 is heard, but is no node of the topology');
  });
});

describe('readiness', () => {
  /** A register of which nobody is known to be ready. */
  const unready = () => {
    const story = serving();
    story.loseRegister();
    story.go();
    expect(story.core.register.ready).toEqual([]);
    return story;
  };

  test('is remembered once a member reports it in the present epoch, and kept through restarts in place', () => {
    const story = unready();
    story.node('n3').says = { ready: true };
    story.go();
    expect(story.core.register.ready).toEqual(['n3']);
    story.node('n3').says = {};
    story.start('n3', 'n1');
    story.go();
    story.startCoordinator();
    expect(story.core.register.ready).toEqual(['n3']);
  });

  test('does not count when it is of an earlier epoch, or of an incarnation that is not named', () => {
    const story = unready();
    const { configuration } = story.node('n1');
    if (configuration === null) throw new Error('n1 was not told');
    const past = { ...configuration, epoch: (configuration.epoch - 1) as typeof configuration.epoch };
    story.node('n1').says = { ready: true, configuration: past };
    story.node('n2').says = { ready: true, phase: 'recovering' };
    story.start('n2');
    story.go();
    expect(story.core.register.ready).toEqual([]);
  });
});

describe('edits of the topology file', () => {
  test('of addresses, limits and timing are taken, and told', () => {
    const story = serving();
    story.offer(topologyFile({ limits: { keyBytes: 2048 } }));
    story.go();
    expect(story.core.topology).toMatchObject({ version: 2, topology: { limits: { keyBytes: 2048 } } });
    expect(story.node('n1').topologyVersion).toBe(2);
    expect(story.configuration?.epoch).toBe(1);
    expect(story.core.problem).toBeNull();
  });

  test('of the lease and of who answers reads make a new configuration', () => {
    const story = serving();
    story.offer(topologyFile({ reads: 'any', timing: { leaseMs: 300 } }));
    story.go();
    expect(story.configuration).toMatchObject({ epoch: 2, fence: 0, reads: 'any', leaseMs: 300 });
    expect(story.core.register.history.at(-1)).toMatchObject({
      reason: 'the topology was edited (version 2)',
      change: 'a lease lasts 300 ms, any member answers reads',
    });
  });

  test('of who answers reads are said in the history, whichever way', () => {
    const story = serving();
    story.offer(topologyFile({ reads: 'any' }));
    story.go(1);
    story.offer(topologyFile({ reads: 'tail' }));
    story.go(1);
    expect(story.configuration?.reads).toBe('tail');
    expect(story.core.register.history.slice(1).map(({ change }) => change)).toEqual([
      'any member answers reads',
      'the tail alone answers reads',
    ]);
  });

  test('that a running cluster can not take change nothing, and say so until the file is good again', () => {
    const story = serving();
    const { file } = story;
    story.offer(topologyFile({ durability: 'memory' }));
    story.go();
    expect(story.core.topology?.version).toBe(1);
    expect(story.core.problem).toContain('durability can not be changed from sync to memory');
    story.startCoordinator();
    story.go();
    expect(story.core.problem).toContain('durability can not be changed from sync to memory');
    story.offer(file);
    story.go();
    expect(story.core.problem).toBeNull();
    expect(story.core.topology?.version).toBe(1);
  });

  test('that are bad keep the topology, and say so until the file is good again', () => {
    const story = serving();
    story.step({ kind: 'bad-topology', problem: 't.json:1:1: expected a value' });
    story.go();
    expect(story.core.problem).toBe('t.json:1:1: expected a value');
    story.offer(story.file);
    story.go();
    expect(story.core.problem).toBeNull();
  });

  test('before the first start are taken as they are', () => {
    const story = new CoordinatorStory();
    story.go();
    story.offer(topologyFile({ chain: ['n3', 'n1'], replicas: 2 }));
    story.start();
    story.go();
    expect(chainOf(story.configuration)).toEqual(['n3:1', 'n1:1']);
  });

  test('a file that is what was taken last is not taken again when the coordinator starts', () => {
    const story = serving();
    story.startCoordinator();
    story.go();
    expect(story.core.topology?.version).toBe(1);
  });
});

test('the history keeps the latest thousand', () => {
  const story = serving();
  for (let times = 0; times < HISTORY_MAX; times++) {
    story.start('n1');
    story.go(1);
  }
  const { history } = story.core.register;
  expect(history).toHaveLength(HISTORY_MAX);
  expect(history.at(-1)?.epoch).toBe(HISTORY_MAX + 1);
});
