import type { NodeReport } from '../../src/protocol/messages.ts';
import { FaithfulChain } from '../support/coordinator-chain.ts';
import { CoordinatorStory, chainOf, lastOf, topologyFile } from '../support/coordinator-story.ts';

function serving(file = topologyFile()): CoordinatorStory {
  const story = new CoordinatorStory(file);
  story.start();
  story.go();
  expect(story.configuration?.epoch).toBe(1);
  return story;
}

const members = (story: CoordinatorStory) => chainOf(story.configuration);

describe('a member leaves', () => {
  test('when its port refuses connections for a heartbeat: no waiting for silence', () => {
    const story = serving();
    story.refusing = true;
    story.stop('n2');
    story.go(2);
    expect(members(story)).toEqual(['n1:1', 'n3:1']);
    expect(lastOf(story)).toEqual({ reason: 'n2 refused connections for 50 ms', change: 'removed n2' });
    expect(story.core.register.ready).toEqual(['n1', 'n3']);
  });

  test('not by one refusal, nor when a knock in between was answered', () => {
    const story = serving();
    story.stop('n2');
    const knock = (refused: boolean) => {
      story.step({ kind: 'knocked', node: story.node('n2').name, refused });
      story.go(1);
    };
    for (const refused of [true, false, true]) knock(refused);
    expect(story.configuration?.epoch).toBe(1);
    expect(story.core.unlinked).toEqual(['n2']);
    knock(true);
    expect(members(story)).toEqual(['n1:1', 'n3:1']);
  });

  test('not by refusals that a heartbeat lies between', () => {
    const story = serving();
    const refusedOnce = () => {
      story.stop('n2');
      story.step({ kind: 'knocked', node: story.node('n2').name, refused: true });
      story.go(1);
    };
    refusedOnce();
    story.node('n2').up = true;
    story.go(1);
    refusedOnce();
    expect(story.configuration?.epoch).toBe(1);
  });

  test('not when it is back before the second refusal', () => {
    const story = serving();
    story.refusing = true;
    story.stop('n2');
    story.go(1);
    story.start('n2');
    story.go();
    expect(members(story)).toEqual(['n1:1', 'n2:2', 'n3:1']);
  });

  test('when it was silent for suspectAfterMs, though its connection is open', () => {
    const story = serving();
    story.node('n2').frozen = true;
    story.go(8);
    expect(story.configuration?.epoch).toBe(1);
    story.go(1);
    expect(members(story)).toEqual(['n1:1', 'n3:1']);
    expect(lastOf(story)?.reason).toBe('n2 was silent for 500 ms');
  });

  const said = (says: Partial<NodeReport>, words: string) => ({ says, words });
  test.each([
    said({ phase: 'broken', problem: 'a sync failed' }, 'n2 is broken: a sync failed'),
    said({ phase: 'stopping' }, 'n2 is stopping'),
    said({ stalledMs: 5000 }, "n2's disk has not finished a write for 5,000 ms"),
    said({ phase: 'sick', problem: 'the disk is full' }, 'n2 says: the disk is full'),
  ])('when $words', ({ says, words }) => {
    const story = serving();
    story.node('n2').says = says;
    story.go(1);
    expect(members(story)).toEqual(['n1:1', 'n3:1']);
    expect(lastOf(story)).toEqual({ reason: words, change: 'removed n2' });
  });

  test('together with others that are lost, and with those named in place that restarted', () => {
    const story = serving(topologyFile({ replicas: 4 }, 4));
    story.node('n1').says = { phase: 'stopping' };
    story.node('n2').says = { phase: 'broken', problem: 'x' };
    story.start('n3');
    story.go(1);
    expect(story.configuration?.epoch).toBe(2);
    expect(members(story)).toEqual(['n3:2', 'n4:1']);
    expect(lastOf(story)).toEqual({
      reason: 'n1 is stopping; n2 is broken: x; n3 restarted',
      change: 'removed n1 and n2, n3 named in place',
    });
  });
});

describe('nobody is dropped', () => {
  test('when no ready member would be left that is heard and running, and it says so', () => {
    const story = serving();
    story.refusing = true;
    story.loseRegister();
    story.go();
    story.stop('n2');
    story.go(5);
    expect(members(story)).toHaveLength(3);
    expect(story.core.waits).toContain(
      'no member is removed: none of the others is ready, heard and running, so an acknowledged write could be lost',
    );
    story.node('n3').says = { ready: true };
    story.go(1);
    expect(members(story)).toEqual(['n1:1', 'n3:1']);
  });

  test('when the only other one is sick: the last ready member is never dropped', () => {
    const story = serving();
    story.refusing = true;
    story.node('n1').says = { phase: 'sick', problem: 'the disk is full', readOnly: true };
    story.stop('n2');
    story.stop('n3');
    story.go(40);
    expect(members(story)).toEqual(['n1:1', 'n2:1', 'n3:1']);
    story.start('n3');
    story.go(2);
    expect(members(story)).toEqual(['n3:2']);
  });

  test('but one that is slow and takes writes is better than none, and goes when there is a better one', () => {
    const story = serving();
    story.refusing = true;
    story.node('n1').says = { phase: 'sick', problem: 'it is held up' };
    story.stop('n2');
    story.stop('n3');
    story.go(40);
    expect(members(story)).toEqual(['n1:1']);
  });

  test('but one that has just restarted with a sound log can serve', () => {
    const story = serving();
    story.refusing = true;
    for (const name of ['n1', 'n2', 'n3']) story.stop(name);
    story.go(4);
    expect(story.configuration?.epoch).toBe(1);
    story.start('n2');
    story.go(2);
    expect(members(story)).toEqual(['n2:2']);
  });

  test('for being silent while no node at all was heard: the coordinator was cut off', () => {
    const story = serving();
    story.tick(3000);
    story.beat('n1');
    story.tick();
    story.beat('n3');
    story.tick(100);
    expect(story.configuration?.epoch).toBe(1);
    for (const name of ['n1', 'n2', 'n3']) story.beat(name);
    story.tick();
    expect(story.configuration?.epoch).toBe(1);
  });

  test('for finding the way back later than another when the coordinator was cut off', () => {
    const story = serving();
    story.tick(3000);
    for (let beats = 0; beats < 40; beats++) {
      story.beat('n1');
      story.tick();
    }
    expect(story.configuration?.epoch).toBe(1);
    for (const name of ['n2', 'n3']) story.beat(name);
    story.tick();
    expect(story.configuration?.epoch).toBe(1);
  });

  test('for being silent while the coordinator itself stood still', () => {
    const story = serving();
    story.monotonicMs += 60_000;
    story.step({ kind: 'tick' });
    story.beat('n1');
    story.step({ kind: 'tick' });
    expect(story.configuration?.epoch).toBe(1);
  });
});

describe('a coordinator that has just started', () => {
  test('drops nobody that it never heard before stallAfterMs: after a power cut all are named in place', () => {
    const story = serving();
    story.refusing = true;
    for (const name of ['n1', 'n2', 'n3']) story.stop(name);
    story.startCoordinator();
    story.start('n1');
    story.go(60);
    expect(members(story)).toEqual(['n1:2', 'n2:1', 'n3:1']);
    story.start('n2');
    story.go(20);
    story.start('n3');
    story.go();
    expect(members(story)).toEqual(['n1:2', 'n2:2', 'n3:2']);
  });

  test('drops it then', () => {
    const story = serving();
    story.refusing = true;
    story.stop('n2');
    story.startCoordinator();
    story.go(105);
    expect(members(story)).toEqual(['n1:1', 'n3:1']);
    expect(lastOf(story)?.reason).toMatch(/^n2 refused connections for/);
  });

  test('drops it as soon as a neighbour in the present epoch says that it is out of reach', () => {
    const story = serving();
    story.stop('n2');
    story.startCoordinator();
    story.go(3);
    story.node('n1').says = { unreachable: [story.node('n2').name] };
    story.go(1);
    expect(members(story)).toEqual(['n1:1', 'n3:1']);
    expect(lastOf(story)?.reason).toBe("n2 can't be reached by n1");
  });
});

describe('a member that is reading its log', () => {
  test('is waited for, and leaves after stallAfterMs when another can serve', () => {
    const story = serving();
    story.node('n2').says = { phase: 'recovering' };
    story.start('n2');
    story.go(99);
    expect(story.configuration?.epoch).toBe(1);
    story.go(2);
    expect(members(story)).toEqual(['n1:1', 'n3:1']);
    expect(lastOf(story)?.reason).toBe('n2 has been reading its log for 5,000 ms');
  });

  test('is waited for as long as it takes when nobody else could serve', () => {
    const story = serving();
    story.refusing = true;
    for (const name of ['n1', 'n2', 'n3']) story.stop(name);
    story.node('n2').says = { phase: 'recovering' };
    story.start('n2');
    story.go(300);
    expect(story.configuration?.epoch).toBe(1);
    story.node('n2').says = {};
    story.go(1);
    expect(members(story)).toEqual(['n2:2']);
  });
});

describe('the fence', () => {
  const dropped = (name: string, story: CoordinatorStory) => {
    story.refusing = true;
    story.stop(name);
    story.go(2);
    expect(story.configuration?.epoch).toBe(2);
    return story.configuration?.fence;
  };

  test('rises when the tail is lost, which may still answer reads', () => {
    expect(dropped('n3', serving())).toBe(2);
  });

  test('does not rise for a head or a middle that had the present epoch', () => {
    expect(dropped('n1', serving())).toBe(0);
    expect(dropped('n2', serving())).toBe(0);
  });

  test('rises for any member when all answer reads', () => {
    expect(dropped('n1', serving(topologyFile({ reads: 'any' })))).toBe(2);
  });

  test('rises for a middle that was last known in an earlier epoch, where it may have been the tail', () => {
    const story = serving();
    const past = story.node('n2').configuration;
    story.start('n1');
    story.go();
    story.node('n2').configuration = past;
    story.beat('n2');
    story.node('n2').frozen = true;
    story.go(12);
    expect(story.configuration).toMatchObject({ epoch: 3, fence: 3 });
  });

  test('does not rise for a tail that is broken or stopping, says so, and so serves nothing', () => {
    for (const phase of ['broken', 'stopping'] as const) {
      const story = serving();
      story.node('n3').says = { phase };
      story.beat('n3');
      expect(dropped('n3', story)).toBe(0);
    }
  });

  test('does not rise for a tail that has restarted since, and can not be named', () => {
    const story = serving();
    story.node('n3').says = { phase: 'broken', problem: 'its log is damaged' };
    story.start('n3');
    story.go(1);
    expect(story.configuration).toMatchObject({ epoch: 2, fence: 0 });
  });

  test('rises for a tail whose name came back on another directory: the old process may live', () => {
    const story = serving();
    story.stop('n3');
    story.node('n3').store = 'another';
    story.start('n3');
    story.go(1);
    expect(story.configuration).toMatchObject({ epoch: 2, fence: 2 });
  });

  test('rises for a tail whose name came back on another directory, whatever that one says of itself', () => {
    const story = serving();
    story.stop('n3');
    story.node('n3').store = 'another';
    story.node('n3').says = { phase: 'broken' };
    story.start('n3');
    story.go(1);
    expect(story.configuration).toMatchObject({ epoch: 2, fence: 2 });
  });

  test('rises when only one of several that leave at once may still be read', () => {
    const story = serving();
    story.node('n1').says = { phase: 'stopping' };
    story.node('n3').frozen = true;
    story.startCoordinator();
    story.node('n1').frozen = true;
    story.node('n1').says = {};
    story.go(99);
    expect(story.configuration?.epoch).toBe(1);
    story.node('n1').frozen = false;
    story.node('n1').says = { phase: 'stopping' };
    for (const name of ['n1', 'n2']) story.beat(name);
    story.tick(150);
    expect(members(story)).toEqual(['n2:1']);
    expect(story.configuration).toMatchObject({ epoch: 2, fence: 2 });
  });

  test('rises for a member that this coordinator has never heard', () => {
    const story = serving();
    story.refusing = true;
    story.stop('n2');
    story.startCoordinator();
    story.go(105);
    expect(story.configuration).toMatchObject({ epoch: 2, fence: 2 });
  });

  test('never falls', () => {
    const story = serving(topologyFile({ replicas: 4 }, 4));
    story.refusing = true;
    story.stop('n4');
    story.go(3);
    expect(story.configuration?.fence).toBe(2);
    story.stop('n1');
    story.go(3);
    expect(story.configuration).toMatchObject({ epoch: 3, fence: 2 });
  });
});

describe('a sick tail', () => {
  const sick = () => {
    const story = serving();
    story.node('n3').says = { phase: 'sick', problem: 'the disk is full' };
    return story;
  };

  test('is asked to stop at once, by its epoch, and leaves without a fence when it has', () => {
    const story = sick();
    story.go(1);
    expect(story.told.at(-1)).toMatchObject({ node: 'n3', answer: { stop: true, epoch: 1 } });
    expect(story.told.filter(({ node, answer }) => node !== 'n3' && answer.stop)).toEqual([]);
    expect(story.configuration?.epoch).toBe(1);
    story.go(1);
    expect(story.configuration).toMatchObject({ epoch: 2, fence: 0 });
    expect(members(story)).toEqual(['n1:1', 'n2:1']);
  });

  test('leaves with a fence when it gives no answer within suspectAfterMs', () => {
    const story = sick();
    for (let turn = 0; turn < 12; turn++) {
      story.node('n3').stoppedIn = 0;
      story.go(1);
    }
    expect(story.configuration).toMatchObject({ epoch: 2, fence: 2 });
    expect(members(story)).toEqual(['n1:1', 'n2:1']);
  });

  test('is not asked when the fence rises for another anyway', () => {
    const story = serving(topologyFile({ replicas: 4, reads: 'any' }, 4));
    story.refusing = true;
    story.stop('n2');
    story.go(1);
    story.node('n4').says = { phase: 'sick', problem: 'x' };
    story.go(1);
    expect(story.configuration).toMatchObject({ epoch: 2, fence: 2 });
    expect(members(story)).toEqual(['n1:1', 'n3:1']);
  });

  test('that stopped and is well again is set free by a new epoch', () => {
    const story = sick();
    story.go(1);
    story.node('n3').says = {};
    story.go(1);
    expect(members(story)).toEqual(['n1:1', 'n2:1', 'n3:1']);
    expect(story.configuration).toMatchObject({ epoch: 2, fence: 0 });
    expect(lastOf(story)).toEqual({
      reason: 'n3 had stopped serving reads, and stays a member',
      change: 'set n3 free',
    });
    expect(story.node('n3').report().stopped).toBe(false);
  });

  test('that stopped for a coordinator that is no more is set free by the next one', () => {
    const story = sick();
    story.go(1);
    expect(story.node('n3').stoppedIn).toBe(1);
    story.startCoordinator();
    story.node('n3').says = {};
    story.go();
    expect(story.configuration?.epoch).toBe(2);
    expect(members(story)).toHaveLength(3);
  });
});

describe('suspicion backs off', () => {
  /** n2 stands still until it is dropped, and comes back into the chain. @returns how long it was waited for, in ms. */
  const flap = (story: CoordinatorStory, chain: FaithfulChain) => {
    const { epoch } = story.configuration ?? { epoch: 0 };
    const node = story.node('n2');
    node.frozen = true;
    // It was heard last at the turn before.
    const before = story.monotonicMs - 50;
    chain.until(() => story.configuration?.epoch !== epoch, 'n2 is dropped');
    const waitedMs = story.monotonicMs - before;
    node.frozen = false;
    node.behind = 2;
    chain.until(() => story.core.register.ready.length === 3, 'n2 is back');
    return waitedMs;
  };

  test('for a member that was dropped though alive, up to 10 s', () => {
    const story = serving();
    const chain = new FaithfulChain(story);
    const waits = Array.from({ length: 7 }, () => flap(story, chain));
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  });

  test('and comes back by half after each minute without trouble', () => {
    const story = serving();
    const chain = new FaithfulChain(story);
    expect([flap(story, chain), flap(story, chain)]).toEqual([500, 1000]);
    chain.go(1200);
    expect(flap(story, chain)).toBe(1000);
  });

  test('but not for one that was dead', () => {
    const story = serving();
    const chain = new FaithfulChain(story);
    story.refusing = true;
    story.stop('n2');
    chain.go(5);
    story.start('n2');
    chain.until(() => story.core.register.ready.length === 3, 'n2 is back');
    expect(flap(story, chain)).toBe(500);
  });
});
