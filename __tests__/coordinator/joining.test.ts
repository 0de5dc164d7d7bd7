import { FaithfulChain } from '../support/coordinator-chain.ts';
import { CoordinatorStory, chainOf, lastOf, topologyFile } from '../support/coordinator-story.ts';

/** n1, n2, n3 serve, and n4, n5 are spares; n3 is lost. Nothing is reported that a test doesn't say. */
function bereft(): CoordinatorStory {
  const story = new CoordinatorStory(topologyFile({ replicas: 3 }, 5));
  story.refusing = true;
  story.start();
  story.go();
  story.stop('n3');
  story.go(2);
  expect(story.configuration).toMatchObject({ epoch: 2, joiner: null });
  return story;
}

/** n4 is the joiner. */
function joining(): CoordinatorStory {
  const story = bereft();
  story.go(1);
  expect(story.configuration).toMatchObject({ epoch: 3, joiner: { node: 'n4', boot: 1 } });
  return story;
}

const joinerOf = (story: CoordinatorStory) => story.configuration?.joiner?.node ?? null;

describe('a spare is named the joiner', () => {
  test('in the order of the chain, when the chain lacks a member', () => {
    const story = joining();
    expect(lastOf(story)).toEqual({
      reason: 'the chain has 2 of the 3 members that it should have',
      change: 'named n4 the joiner behind n2',
    });
    expect(chainOf(story.configuration)).toEqual(['n1:1', 'n2:1']);
    expect(story.core.plan).toEqual(['take n4 into the chain behind n2 (state transfer)']);
  });

  test('only while all members are ready', () => {
    const story = new CoordinatorStory(topologyFile({ replicas: 3 }, 4));
    story.start();
    story.go();
    story.loseRegister();
    story.go();
    story.node('n1').says = { ready: true };
    story.go(1);
    story.node('n3').says = { phase: 'broken' };
    story.go(5);
    expect(chainOf(story.configuration)).toEqual(['n1:1', 'n2:1']);
    expect(joinerOf(story)).toBeNull();
    expect(story.core.waits).toContain('n2 is not ready yet, so nobody joins');
    story.node('n2').says = { ready: true };
    story.go(1);
    expect(joinerOf(story)).toBe('n4');
  });

  test.each(['recovering', 'sick', 'broken', 'stopping'] as const)('but not one that is %s', (phase) => {
    const story = bereft();
    story.node('n4').says = { phase };
    story.go(1);
    expect(joinerOf(story)).toBe('n5');
  });

  test('but not one whose disk stands still, nor one that is not in the chain of the topology', () => {
    const story = new CoordinatorStory(topologyFile({ replicas: 3, chain: ['n1', 'n2', 'n3', 'n4'] }, 5));
    story.refusing = true;
    story.start();
    story.go();
    story.node('n4').says = { stalledMs: 6000 };
    story.stop('n3');
    story.go(10);
    expect(joinerOf(story)).toBeNull();
    expect(story.core.waits).toContain('n3 could join, but is not heard');
  });

  test('also the member that was lost, once it is back', () => {
    const story = new CoordinatorStory();
    story.refusing = true;
    story.start();
    story.go();
    story.stop('n2');
    story.go(3);
    story.start('n2');
    story.go();
    expect(story.configuration).toMatchObject({ joiner: { node: 'n2', boot: 2 } });
  });
});

describe('the joiner becomes the tail', () => {
  test('when it reports ready in the present epoch, and is not ready as a member before it says so', () => {
    const story = joining();
    story.node('n4').says = { ready: true };
    story.node('n4').behind = 0;
    story.go(1);
    expect(story.configuration).toMatchObject({ epoch: 4, joiner: null, fence: 2 });
    expect(chainOf(story.configuration)).toEqual(['n1:1', 'n2:1', 'n4:1']);
    expect(story.core.register.ready).toEqual(['n1', 'n2']);
    expect(lastOf(story)).toEqual({ reason: 'n4 has caught up', change: 'appended n4 at the tail' });
    story.go(1);
    expect(story.core.register.ready).toEqual(['n1', 'n2', 'n4']);
  });

  test('not by what it said in an earlier epoch', () => {
    const story = joining();
    const past = story.node('n1').configuration;
    story.start('n1');
    story.go(1);
    expect(story.configuration?.epoch).toBe(4);
    story.node('n4').says = { ready: true, configuration: past };
    story.go(3);
    expect(story.configuration?.epoch).toBe(4);
  });

  test('and a node that was ready before it was dropped is not so again', () => {
    const story = new CoordinatorStory();
    const chain = new FaithfulChain(story);
    story.start();
    chain.go();
    story.node('n3').frozen = true;
    chain.until(() => story.configuration?.members.length === 2, 'n3 is dropped');
    expect(story.core.register.ready).toEqual(['n1', 'n2']);
  });
});

describe('the joiner is struck out', () => {
  test('when it restarts', () => {
    const story = joining();
    story.start('n4');
    story.go(1);
    expect(joinerOf(story)).toBeNull();
    expect(lastOf(story)).toEqual({ reason: 'n4 restarted', change: 'struck out the joiner n4' });
  });

  test('when its port refuses connections, or it is silent', () => {
    const refused = joining();
    refused.stop('n4');
    refused.go(2);
    expect(lastOf(refused)?.reason).toBe('n4 refused connections for 50 ms');
    const silent = joining();
    silent.node('n4').frozen = true;
    silent.go(9);
    expect(lastOf(silent)?.reason).toBe('n4 was silent for 500 ms');
  });

  test.each([
    [{ phase: 'broken', problem: 'x' } as const, 'n4 is broken: x'],
    [{ phase: 'sick', problem: 'x' } as const, 'n4 is sick: x'],
    [{ phase: 'stopping' } as const, 'n4 is stopping'],
  ])('when it reports %j', (says, reason) => {
    const story = joining();
    story.node('n4').says = says;
    story.go(1);
    expect(lastOf(story)).toEqual({ reason, change: 'struck out the joiner n4' });
  });

  test('when it and the tail can not reach each other, whoever says so, and no member leaves for it', () => {
    for (const [by, of, reason] of [
      ['n2', 'n4', "n4 can't be reached by n2"],
      ['n4', 'n2', "n4 can't reach n2"],
    ] as const) {
      const story = joining();
      story.node(by).says = { unreachable: [story.node(of).name] };
      story.go(1);
      expect(lastOf(story)?.reason).toBe(reason);
      expect(chainOf(story.configuration)).toEqual(['n1:1', 'n2:1']);
    }
  });

  test('when it gets nowhere for stallAfterMs, but never for taking long', () => {
    const story = joining();
    for (let turn = 0; turn < 400; turn++) {
      const bytes = Math.floor(turn / 90);
      story.node('n4').says = { transfer: { bytes, bytesTotal: 1000, keys: 0, keysTotal: 0 } };
      story.go(1);
    }
    expect(joinerOf(story)).toBe('n4');
    story.go(100);
    const struck = story.core.register.history.findLast(({ change }) => change.startsWith('struck'));
    expect(struck?.reason).toBe('n4 got nowhere for 5,000 ms while it was catching up');
    expect(joinerOf(story)).toBe('n5');
  });

  test('with any drop of a member, and may then be named again at once', () => {
    const story = joining();
    story.start('n3');
    story.stop('n1');
    story.go(2);
    expect(story.configuration).toMatchObject({ epoch: 4, joiner: null });
    expect(lastOf(story)?.change).toBe('removed n1, struck out the joiner n4');
    story.go(1);
    expect(joinerOf(story)).toBe('n3');
  });

  test('not when a member restarts in place', () => {
    const story = joining();
    story.start('n1');
    story.go(1);
    expect(story.configuration).toMatchObject({ epoch: 4, joiner: { node: 'n4' } });
  });

  test('and is tried again after a second, twice as long each time, up to a minute; another may be tried before', () => {
    const story = bereft();
    const rests: number[] = [];
    let struckAtMs = story.monotonicMs;
    let named: string | null = null;
    for (let turn = 0; turn < 10_000 && rests.length < 9; turn++) {
      story.go(1);
      const now = joinerOf(story);
      if (now === 'n4' && named !== 'n4') rests.push(story.monotonicMs - struckAtMs);
      if (named === 'n4' && now !== 'n4') struckAtMs = story.monotonicMs;
      if (now !== null) story.start(now);
      named = now;
      // Only n4 is left to try.
      if (rests.length === 2) story.node('n5').says = { phase: 'sick' };
    }
    expect(rests.slice(1)).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    expect(story.core.register.history.some(({ change }) => change.includes('n5'))).toBe(true);
  });
});

test('a joiner that a new coordinator never heard is struck out once it has been silent for as long as all are waited for', () => {
  const story = joining();
  story.stop('n4');
  story.startCoordinator();
  const { stallAfterMs } = story.file.topology.timing;
  story.go(Math.floor(stallAfterMs / 50) - 5);
  expect(joinerOf(story)).toBe('n4');
  story.go(20);
  expect(story.core.register.history.map(({ change }) => change)).toContain('struck out the joiner n4');
});

test('a joiner that restarted and is lost again is judged by its silence, as any other', () => {
  const story = joining();
  story.refusing = false;
  story.start('n4');
  story.beat('n4');
  story.stop('n4');
  story.tick();
  expect(joinerOf(story)).toBe('n4');
  story.go(20);
  expect(story.core.register.history.map(({ change }) => change)).toContain('struck out the joiner n4');
});
