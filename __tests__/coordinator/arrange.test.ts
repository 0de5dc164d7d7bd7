import { Coordinator } from '../../src/coordinator/coordinator.ts';
import { FaithfulChain } from '../support/coordinator-chain.ts';
import { CoordinatorStory, topologyFile } from '../support/coordinator-story.ts';

function serving(file = topologyFile({}, 4)) {
  const story = new CoordinatorStory(file);
  const chain = new FaithfulChain(story);
  story.start();
  chain.go(5);
  expect(story.configuration?.epoch).toBe(1);
  chain.writing = true;
  return { story, chain };
}

const names = (story: CoordinatorStory) => story.configuration?.members.map(({ node }) => String(node)) ?? [];

/** What was done since the first configuration, and that the number of members never sank below both ends. */
function courseOf(story: CoordinatorStory): string[] {
  return story.core.register.history.slice(1).map(({ change }) => change);
}

const settled = (story: CoordinatorStory) => () =>
  !story.core.register.arranging &&
  story.core.plan.length === 0 &&
  (story.core.register.topology?.version ?? 0) >= 2;

describe('an edit is carried out one safe step at a time:', () => {
  test('a node is added', () => {
    const { story, chain } = serving();
    story.edit(topologyFile({ replicas: 4 }, 4).topology);
    chain.until(settled(story), 'the edit is carried out');
    expect(names(story)).toEqual(['n1', 'n2', 'n3', 'n4']);
    expect(courseOf(story)).toEqual(['named n4 the joiner behind n3', 'appended n4 at the tail']);
    expect(story.configuration).toMatchObject({ fence: 0, sealed: false, joiner: null });
  });

  test.each([
    ['the head', 'n1', ['n2', 'n3']],
    ['a middle', 'n2', ['n1', 'n3']],
    ['the tail', 'n3', ['n1', 'n2']],
  ])(
    '%s is removed from the topology, without a fence, and is found until it has left',
    (_what, gone, left) => {
      const { story, chain } = serving(topologyFile());
      const { topology } = topologyFile();
      const nodes = Object.fromEntries(Object.entries(topology.nodes).filter(([name]) => name !== gone));
      story.edit(topologyFile({ chain: left, replicas: 2, nodes }).topology);
      story.tick();
      expect(Object.keys(story.core.topology?.departing ?? {})).toEqual([gone]);
      chain.until(settled(story), 'the edit is carried out');
      expect(names(story)).toEqual(left);
      expect(story.configuration?.fence).toBe(0);
      expect(story.core.register.ready).toEqual(left);
      expect(story.said).not.toContain(`${gone} is heard, but is no node of the topology`);
    },
  );

  test('the tail is asked to stop before it is removed, and nobody else is', () => {
    const { story, chain } = serving();
    story.edit(topologyFile({ replicas: 2 }, 4).topology);
    chain.until(settled(story), 'the edit is carried out');
    const asked = story.told.filter(({ answer }) => answer.stop).map(({ node }) => node);
    expect(new Set(asked)).toEqual(new Set(['n3']));
    expect(courseOf(story)).toEqual(['removed n3']);
  });

  test('a node is replaced by one that is not started yet: it joins first, so redundancy never sinks', () => {
    const { story, chain } = serving(topologyFile());
    story.edit(topologyFile({ chain: ['n1', 'n4', 'n3'] }, 4).topology);
    chain.go(20);
    expect(names(story)).toEqual(['n1', 'n2', 'n3']);
    expect(story.core.waits).toContain('the edit waits for n4, which is not there yet');
    expect(story.core.plan).toEqual([
      'take n4 into the chain behind n3 (state transfer), once it is heard',
      'remove n2',
      'reorder to n1, n4, n3 (sealed)',
    ]);
    story.start('n4');
    chain.until(settled(story), 'the edit is carried out');
    expect(names(story)).toEqual(['n1', 'n4', 'n3']);
    expect(courseOf(story)).toEqual([
      'named n4 the joiner behind n3',
      'appended n4 at the tail',
      'removed n2',
      'sealed, to be reordered to n1, n4, n3',
      'reordered to n1, n4, n3',
    ]);
    expect(story.configuration?.fence).toBe(0);
  });

  test('the order is turned round, sealed until the chain is quiet', () => {
    const { story, chain } = serving(topologyFile());
    story.edit(topologyFile({ chain: ['n3', 'n2', 'n1'] }).topology);
    chain.until(() => story.configuration?.sealed === true, 'it is sealed');
    expect(names(story)).toEqual(['n1', 'n2', 'n3']);
    chain.until(settled(story), 'the edit is carried out');
    expect(names(story)).toEqual(['n3', 'n2', 'n1']);
    expect(story.configuration).toMatchObject({ epoch: 3, fence: 0, sealed: false });
    expect(story.core.register.ready).toHaveLength(3);
    expect(story.said).toContain('the chain is as it was edited: n3, n2, n1');
  });

  test('all nodes but one are exchanged at once', () => {
    const { story, chain } = serving(topologyFile({ chain: ['n1', 'n2', 'n3'] }, 5));
    story.edit(topologyFile({ chain: ['n5', 'n4', 'n1'] }, 5).topology);
    let fewest = 3;
    chain.until(() => {
      fewest = Math.min(fewest, names(story).length);
      return settled(story)();
    }, 'the edit is carried out');
    expect(names(story)).toEqual(['n5', 'n4', 'n1']);
    expect(fewest).toBe(3);
    expect(story.configuration?.fence).toBe(0);
  });

  test('an edit of something else in the midst does not end it', () => {
    const { story, chain } = serving();
    story.edit(topologyFile({ replicas: 4 }, 4).topology);
    chain.go(1);
    story.edit(topologyFile({ replicas: 4, name: 'other' }, 4).topology);
    chain.go(1);
    expect(story.core.register).toMatchObject({ arranging: true, topology: { version: 3 } });
  });

  test('a joiner that is not heard for a moment stays the joiner', () => {
    const { story, chain } = serving();
    story.node('n4').behind = 10_000;
    story.edit(topologyFile({ chain: ['n1', 'n2', 'n4', 'n3'] }, 4).topology);
    chain.go(120);
    const { link } = story.node('n4');
    story.step({ kind: 'closed', link });
    story.node('n4').link = 0;
    story.tick(100);
    expect(story.configuration?.joiner?.node).toBe('n4');
  });

  test('a joiner that the edit does not want any more is struck out', () => {
    const { story, chain } = serving(topologyFile({ replicas: 3 }, 5));
    story.node('n4').behind = 10_000;
    story.refusing = true;
    story.stop('n2');
    chain.until(() => story.configuration?.joiner?.node === 'n4', 'n4 joins');
    story.edit(topologyFile({ replicas: 3, chain: ['n1', 'n3', 'n5'] }, 5).topology);
    chain.until(settled(story), 'the edit is carried out');
    expect(names(story)).toEqual(['n1', 'n3', 'n5']);
  });
});

describe('a node that the edit asks for', () => {
  test('and that does not come up within stallAfterMs is done without, and joins when it does', () => {
    const { story, chain } = serving(topologyFile());
    story.edit(topologyFile({ chain: ['n4', 'n1', 'n2', 'n3'] }, 4).topology);
    chain.go(90);
    expect(story.core.register.arranging).toBe(true);
    chain.until(settled(story), 'the edit is carried out');
    expect(names(story)).toEqual(['n1', 'n2', 'n3']);
  });

  test('and that dies in the midst is done without: the target is worked out anew', () => {
    const { story, chain } = serving(topologyFile({ chain: ['n1', 'n2', 'n3'] }, 5));
    story.refusing = true;
    story.node('n4').behind = 10_000;
    story.edit(topologyFile({ chain: ['n4', 'n1', 'n5', 'n2'] }, 5).topology);
    chain.until(() => story.configuration?.joiner?.node === 'n4', 'n4 joins');
    chain.go(100);
    story.stop('n4');
    chain.until(settled(story), 'the edit is carried out');
    expect(names(story)).toEqual(['n1', 'n5', 'n2']);
  });

  test('and that fails to join is tried again: nobody is removed meanwhile', () => {
    const { story, chain } = serving(topologyFile());
    story.edit(topologyFile({ chain: ['n1', 'n2', 'n4'] }, 4).topology);
    story.start('n4');
    story.node('n4').behind = 10_000;
    chain.until(() => story.configuration?.joiner?.node === 'n4', 'n4 joins');
    chain.go(10);
    story.start('n4');
    chain.go(10);
    expect(names(story)).toEqual(['n1', 'n2', 'n3']);
    expect(story.core.waits).toContain(
      'n4 could join, but was struck out as joiner: it is tried again after a while',
    );
    story.node('n4').behind = 1;
    chain.until(settled(story), 'the edit is carried out');
    expect(names(story)).toEqual(['n1', 'n2', 'n4']);
  });
});

describe('a member that is to be removed', () => {
  test('is not, before all that stay are ready', () => {
    const { story, chain } = serving();
    story.loseRegister();
    story.refusing = true;
    for (const name of ['n1', 'n2', 'n3', 'n4']) story.node(name).says = {};
    story.go(2);
    story.edit(topologyFile({ replicas: 2 }, 4).topology);
    for (const name of ['n1', 'n3']) story.node(name).says = { ready: true };
    story.go(3);
    expect(names(story)).toEqual(['n1', 'n2', 'n3']);
    expect(story.core.waits).toContain('n3 is removed once the others are ready and one of them is well');
    chain.until(settled(story), 'the edit is carried out');
    expect(names(story)).toEqual(['n1', 'n2']);
  });

  test('and gives no answer leaves with a fence after suspectAfterMs', () => {
    const { story, chain } = serving();
    story.edit(topologyFile({ replicas: 2 }, 4).topology);
    for (let turn = 0; turn < 20; turn++) {
      story.node('n3').stoppedIn = 0;
      chain.go(1);
    }
    expect(names(story)).toEqual(['n1', 'n2']);
    expect(story.configuration?.fence).toBe(story.configuration?.epoch);
  });

  test('and stopped for a coordinator that died is dropped by the next one, without a fence', () => {
    const { story, chain } = serving();
    story.edit(topologyFile({ replicas: 2 }, 4).topology);
    chain.until(() => story.node('n3').stoppedIn > 0, 'n3 has stopped');
    expect(names(story)).toEqual(['n1', 'n2', 'n3']);
    story.startCoordinator();
    chain.until(settled(story), 'the edit is carried out');
    expect(names(story)).toEqual(['n1', 'n2']);
    expect(story.configuration?.fence).toBe(0);
  });

  test('and stopped is set free when the edit is taken back', () => {
    const { story, chain } = serving();
    story.edit(topologyFile({ replicas: 2 }, 4).topology);
    story.tick();
    expect(story.node('n3').stoppedIn).toBe(1);
    story.edit(topologyFile({}, 4).topology);
    chain.until(() => !story.core.register.arranging, 'the edit is taken back');
    chain.go(2);
    expect(names(story)).toEqual(['n1', 'n2', 'n3']);
    expect(story.configuration?.epoch).toBe(2);
    expect(story.node('n3').report().stopped).toBe(false);
  });
});

describe('a seal', () => {
  const sealed = () => {
    const { story, chain } = serving(topologyFile());
    story.edit(topologyFile({ chain: ['n3', 'n2', 'n1'] }).topology);
    chain.until(() => story.configuration?.sealed === true, 'it is sealed');
    return { story, chain };
  };

  test('that does not get quiet within suspectAfterMs is lifted, and tried again after 1 s, doubling to 30 s', () => {
    const { story } = sealed();
    const attempts: number[] = [];
    let before = true;
    let liftedAtMs = 0;
    for (let turn = 0; turn < 3000; turn++) {
      for (const node of story.nodes.values()) {
        node.says = { ready: true, ...(node.name === 'n2' ? { received: 9 as never } : {}) };
      }
      story.go(1);
      const now = story.configuration?.sealed === true;
      if (before && !now) liftedAtMs = story.monotonicMs;
      if (!before && now) attempts.push(story.monotonicMs - liftedAtMs);
      before = now;
    }
    expect(attempts.slice(0, 7)).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    expect(names(story)).toEqual(['n1', 'n2', 'n3']);
    const lifted = story.core.register.history.find(({ change }) => change.startsWith('lifted'));
    expect(lifted).toMatchObject({
      change: 'lifted the seal: the order stays n1, n2 and n3',
      reason: 'the sealed chain did not get quiet within 500 ms',
    });
  });

  test('is not taken for quiet by reports of an earlier epoch, or that differ', () => {
    const { story } = sealed();
    for (const node of story.nodes.values()) node.says = { ready: true };
    story.node('n2').says = { ready: true, durable: 4 as never, received: 4 as never, committed: 4 as never };
    story.go(2);
    expect(story.configuration?.sealed).toBe(true);
    const past = story.node('n2').configuration;
    if (past === null) throw new Error('n2 was told nothing');
    story.node('n2').says = { ready: true, configuration: { ...past, epoch: 1 as never } };
    story.go(2);
    expect(story.configuration?.sealed).toBe(true);
    story.node('n2').says = { ready: true };
    story.go(1);
    expect(names(story)).toEqual(['n3', 'n2', 'n1']);
  });

  test('is lifted when a member is lost, and the order changed afterwards', () => {
    const { story, chain } = sealed();
    story.refusing = true;
    story.stop('n2');
    story.go(2);
    expect(story.configuration?.sealed).toBe(false);
    story.start('n2');
    chain.until(settled(story), 'the edit is carried out');
    expect(names(story)).toEqual(['n3', 'n2', 'n1']);
  });

  test('is lifted or used by a coordinator that finds it when it starts', () => {
    const { story, chain } = sealed();
    story.startCoordinator();
    chain.until(settled(story), 'the edit is carried out');
    expect(names(story)).toEqual(['n3', 'n2', 'n1']);
    expect(story.configuration?.sealed).toBe(false);
  });

  test('is lifted when the edit is taken back', () => {
    const { story, chain } = sealed();
    chain.writing = true;
    story.edit(topologyFile({ name: 'other' }).topology);
    chain.until(() => !story.core.register.arranging, 'the edit is taken back');
    expect(names(story)).toEqual(['n1', 'n2', 'n3']);
    expect(story.configuration?.sealed).toBe(false);
  });
});

test('without an edit the order stands: a member that was lost comes back at the tail', () => {
  const { story, chain } = serving(topologyFile());
  story.refusing = true;
  story.stop('n1');
  chain.go(3);
  story.start('n1');
  chain.until(() => story.core.register.ready.length === 3, 'n1 is back');
  chain.go(50);
  expect(names(story)).toEqual(['n2', 'n3', 'n1']);
});

test('a member that is to be removed and is not heard is waited for, since it may still serve reads', () => {
  const { story, chain } = serving();
  story.stop('n3');
  story.edit(topologyFile({ replicas: 2 }, 4).topology);
  chain.go(2);
  expect(names(story)).toEqual(['n1', 'n2', 'n3']);
  expect(story.core.waits).toContain('n3 is to be removed, and is not heard');
  expect(story.told.some(({ answer }) => answer.stop)).toBe(false);
});

describe('a seal is lifted at once', () => {
  function sealed() {
    const { story, chain } = serving();
    story.edit(topologyFile({ chain: ['n2', 'n1', 'n3', 'n4'] }, 4).topology);
    chain.until(() => story.configuration?.sealed === true, 'the chain is sealed');
    return { story, chain };
  }

  test('when another edit asks for a member that is not there', () => {
    const { story } = sealed();
    story.edit(topologyFile({ chain: ['n2', 'n1', 'n4', 'n3'], replicas: 4 }, 4).topology);
    story.tick();
    expect(story.configuration?.sealed).toBe(false);
    expect(story.core.register.history.at(-1)).toMatchObject({
      reason: 'another change comes first',
      change: 'lifted the seal: the order stays n1, n2 and n3',
    });
  });

  test('when the register no longer says what it was for', () => {
    const { story } = sealed();
    const core = new Coordinator({ ...story.core.register, arranging: false });
    const register = story.core.register;
    expect(register.arranging).toBe(true);
    for (const [place, node] of [...story.nodes.values()].entries()) {
      core.step({ kind: 'heartbeat', link: place + 1, report: node.report() }, { monotonicMs: 0, wallMs: 0 });
    }
    expect(core.step({ kind: 'tick' }, { monotonicMs: 50, wallMs: 50 })).toContainEqual(
      expect.objectContaining({
        kind: 'save',
        register: expect.objectContaining({ configuration: expect.objectContaining({ sealed: false }) }),
      }),
    );
  });
});
