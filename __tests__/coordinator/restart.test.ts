import { seq } from '../../src/base/ids.ts';
import { CoordinatorStory, chainOf, lastOf, topologyFile } from '../support/coordinator-story.ts';

function serving(file = topologyFile()): CoordinatorStory {
  const story = new CoordinatorStory(file);
  story.start();
  story.go();
  expect(story.configuration?.epoch).toBe(1);
  return story;
}

describe('restart in place', () => {
  test('a member that restarted gets its place back in the next epoch, without a fence', () => {
    const story = serving();
    story.start('n2');
    story.go();
    expect(story.configuration).toMatchObject({ epoch: 2, fence: 0 });
    expect(chainOf(story.configuration)).toEqual(['n1:1', 'n2:2', 'n3:1']);
    expect(story.core.register.history.at(-1)).toMatchObject({
      reason: 'n2 restarted',
      change: 'n2 named in place',
    });
  });

  test('several that restarted are named in one change', () => {
    const story = serving();
    story.start('n1', 'n3');
    story.go();
    expect(story.configuration?.epoch).toBe(2);
    expect(chainOf(story.configuration)).toEqual(['n1:2', 'n2:1', 'n3:2']);
    expect(story.core.register.history.at(-1)).toMatchObject({
      reason: 'n1 and n3 restarted',
      change: 'n1 and n3 named in place',
    });
  });

  test('needs nobody else to be heard, nor ready', () => {
    const story = serving();
    for (const name of ['n1', 'n2', 'n3']) story.stop(name);
    story.start('n3');
    story.go();
    expect(chainOf(story.configuration)).toEqual(['n1:1', 'n2:1', 'n3:2']);
    expect(story.core.waits).toEqual(['n1 is not heard', 'n2 is not heard']);
  });

  test('keeps who is ready', () => {
    const story = serving();
    story.start('n1', 'n2', 'n3');
    story.go();
    expect(story.core.register.ready).toEqual(['n1', 'n2', 'n3']);
  });

  test('follows a member that restarts again and again', () => {
    const story = serving();
    for (let boot = 2; boot <= 5; boot++) {
      story.start('n2');
      story.go();
      expect(story.configuration?.epoch).toBe(boot);
      expect(chainOf(story.configuration)[1]).toBe(`n2:${boot}`);
    }
  });

  test('waits until the member has read its log', () => {
    const story = serving();
    story.node('n2').says = { phase: 'recovering' };
    story.start('n2');
    story.go();
    expect(story.configuration?.epoch).toBe(1);
    expect(story.core.waits).toEqual(['n2 restarted and is reading its log']);
    story.node('n2').says = {};
    story.go();
    expect(chainOf(story.configuration)[1]).toBe('n2:2');
  });

  test.each([
    [
      'is broken',
      { says: { phase: 'broken', problem: 'record 7 is damaged' } as const },
      'n2 is broken: record 7 is damaged',
    ],
    [
      'came back with another data directory',
      { store: 'another' },
      'n2 came back with another data directory',
    ],
    [
      'came back with an old copy of its data directory',
      { boot: -1 },
      'n2 came back with an old copy of its data directory',
    ],
  ])('a member that %s is not named: it leaves, and the history says why', (_how, change, words) => {
    const story = serving();
    story.stop('n2');
    Object.assign(story.node('n2'), change);
    story.start('n2');
    story.go(1);
    expect(chainOf(story.configuration)).toEqual(['n1:1', 'n3:1']);
    expect(lastOf(story)).toEqual({ reason: expect.stringContaining(words), change: 'removed n2' });
  });

  test('what can not be named stays a member while nobody else could serve, and it says so', () => {
    const story = serving();
    for (const name of ['n1', 'n2', 'n3']) story.stop(name);
    story.node('n2').store = 'another';
    story.start('n2');
    story.go();
    expect(story.configuration?.epoch).toBe(1);
    expect(story.core.waits).toEqual([
      'n1 is not heard',
      expect.stringContaining('n2 came back with another data directory'),
      'n3 is not heard',
      expect.stringContaining('no member is removed: none of the others is ready, heard and running'),
    ]);
  });
});

describe('a power cut of everything', () => {
  test('before the first write, when only some had learned of the first configuration', () => {
    const story = new CoordinatorStory();
    story.holdSaves = true;
    story.start();
    story.go();
    story.stop('n2');
    story.stop('n3');
    story.endSave();
    expect(story.node('n2').configuration).toBeNull();
    story.holdSaves = false;
    story.startCoordinator();
    story.start();
    story.go();
    expect(story.configuration).toMatchObject({ epoch: 2, fence: 0 });
    expect(chainOf(story.configuration)).toEqual(['n1:2', 'n2:2', 'n3:2']);
    expect(story.core.register.ready).toEqual(['n1', 'n2', 'n3']);
  });

  test('when the register had reached the disk and nobody had been told', () => {
    const story = new CoordinatorStory();
    story.holdSaves = true;
    story.start();
    story.go();
    story.holdSaves = false;
    story.startCoordinator({ saveLanded: true });
    story.start();
    story.go();
    expect(story.configuration?.epoch).toBe(2);
    expect(chainOf(story.configuration)).toEqual(['n1:2', 'n2:2', 'n3:2']);
  });

  test('again before anybody came far', () => {
    const story = serving();
    for (let round = 0; round < 3; round++) {
      story.startCoordinator();
      story.start('n1');
      story.go(1);
      story.start();
      story.go();
    }
    expect(chainOf(story.configuration)).toEqual(['n1:7', 'n2:4', 'n3:4']);
  });
});

describe('with durability "memory"', () => {
  const memory = () => serving(topologyFile({ durability: 'memory' }));

  test('a member that restarted leaves while another lives on, without a fence', () => {
    const story = memory();
    story.start('n3');
    story.go(1);
    expect(story.configuration).toMatchObject({ epoch: 2, fence: 0 });
    expect(chainOf(story.configuration)).toEqual(['n1:1', 'n2:1']);
    expect(lastOf(story)).toEqual({
      reason: 'n3 restarted, and may lack writes that n1 and n2 may still hold, since durability is "memory"',
      change: 'removed n3',
    });
  });

  test('it is not named in place', () => {
    const story = memory();
    story.stop('n1');
    story.stop('n3');
    story.start('n2');
    story.go(1);
    expect(story.configuration?.epoch).toBe(1);
    expect(story.core.waits).toContain(
      'n2 restarted, and may lack writes that n1 and n3 may still hold, since durability is "memory": not named in place ' +
        'unless all members have restarted',
    );
  });

  test('nor while only one is silent, which may live on', () => {
    const story = memory();
    for (const name of ['n1', 'n2', 'n3']) story.stop(name);
    story.start('n1', 'n2');
    story.go();
    expect(story.configuration?.epoch).toBe(1);
  });

  test('after a power cut of all, all are named at once, however far apart they come back', () => {
    const story = memory();
    for (const name of ['n1', 'n2', 'n3']) story.stop(name);
    for (const name of ['n2', 'n3', 'n1']) {
      expect(story.configuration?.epoch).toBe(1);
      story.start(name);
      story.go();
    }
    expect(story.configuration?.epoch).toBe(2);
    expect(chainOf(story.configuration)).toEqual(['n1:2', 'n2:2', 'n3:2']);
  });

  test('after it the longest log leads, since each disk was behind the memory by something else', () => {
    const story = memory();
    for (const name of ['n1', 'n2', 'n3']) story.stop(name);
    story.node('n1').says = { received: seq(1206), durable: seq(1206) };
    story.node('n2').says = { received: seq(1209), durable: seq(1209), committed: seq(1203) };
    story.node('n3').says = { received: seq(1209), durable: seq(1209), committed: seq(1209) };
    story.start('n1', 'n2', 'n3');
    story.go();
    expect(chainOf(story.configuration)).toEqual(['n2:2', 'n3:2', 'n1:2']);
  });
});
