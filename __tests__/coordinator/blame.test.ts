import { FaithfulChain } from '../support/coordinator-chain.ts';
import { CoordinatorStory, chainOf, lastRemovalOf, topologyFile } from '../support/coordinator-story.ts';

/** A chain of `count`, in which nobody else could take a lost one's place for a while. */
function serving(count = 4): CoordinatorStory {
  const story = new CoordinatorStory(topologyFile({ replicas: count }, count));
  story.start();
  story.go();
  expect(story.configuration?.epoch).toBe(1);
  return story;
}

function blames(story: CoordinatorStory, by: string, ...of: string[]): void {
  story.node(by).says = { ...story.node(by).says, unreachable: of.map((name) => story.node(name).name) };
}

const names = (story: CoordinatorStory) => story.configuration?.members.map(({ node }) => node);

test('a member that its neighbour can not reach leaves, though the coordinator hears it', () => {
  const story = serving();
  blames(story, 'n1', 'n2');
  story.go(4);
  expect(names(story)).toEqual(['n1', 'n3', 'n4']);
  expect(lastRemovalOf(story)).toEqual({ reason: "n2 can't be reached by n1", change: 'removed n2' });
});

test('one that is silent itself is not given the time to blame others', () => {
  const story = serving();
  story.node('n2').frozen = true;
  story.go(4);
  blames(story, 'n3', 'n2');
  story.go(1);
  expect(names(story)).toEqual(['n1', 'n3', 'n4']);
  expect(lastRemovalOf(story)?.reason).toBe("n2 can't be reached by n3");
});

test('nor is one that went silent while the coordinator was cut off itself, when its neighbours miss it', () => {
  const story = serving();
  story.tick(600);
  story.node('n2').frozen = true;
  blames(story, 'n1', 'n2');
  blames(story, 'n3', 'n2');
  story.go(5);
  expect(names(story)).toEqual(['n1', 'n3', 'n4']);
});

test('what a node says of others than its neighbours counts for nothing', () => {
  const story = serving();
  blames(story, 'n1', 'n3', 'n4');
  story.go(30);
  expect(story.configuration?.epoch).toBe(1);
});

test('what is said in an earlier epoch counts for nothing', () => {
  const story = serving();
  const past = story.node('n1').configuration;
  story.start('n3');
  story.go();
  story.node('n1').says = { configuration: past, unreachable: [story.node('n2').name] };
  story.go(30);
  expect(names(story)).toEqual(['n1', 'n2', 'n3', 'n4']);
});

test('what passes at once counts for nothing', () => {
  const story = serving();
  for (let round = 0; round < 10; round++) {
    blames(story, 'n1', 'n2');
    story.go(1);
    story.node('n1').says = {};
    story.go(1);
  }
  expect(story.configuration?.epoch).toBe(1);
});

describe('of two that blame each other', () => {
  test.each([
    ['whichever speaks first', 'n2', 'n3'],
    ['the other way round', 'n3', 'n2'],
  ])('the one nearer the tail goes, %s', (_how, first, second) => {
    const story = serving();
    blames(story, first, second);
    story.go(1);
    blames(story, second, first);
    story.go(4);
    expect(names(story)).toEqual(['n1', 'n2', 'n4']);
  });

  test('the one that more neighbours blame goes, though it is nearer the head', () => {
    const story = serving();
    blames(story, 'n1', 'n2');
    blames(story, 'n2', 'n1', 'n3');
    blames(story, 'n3', 'n2');
    story.go(4);
    expect(names(story)).toEqual(['n1', 'n3', 'n4']);
    expect(lastRemovalOf(story)?.reason).toBe("n2 can't be reached by n1 and n3");
  });

  test('also when the third one has only just said so', () => {
    const story = serving();
    blames(story, 'n2', 'n3');
    blames(story, 'n3', 'n2');
    story.go(2);
    blames(story, 'n1', 'n2');
    story.go(1);
    expect(names(story)).toEqual(['n1', 'n3', 'n4']);
  });

  test('the one that stayed goes when it can not reach its next neighbour either', () => {
    const story = serving();
    blames(story, 'n2', 'n3');
    blames(story, 'n3', 'n2');
    story.go(4);
    expect(names(story)).toEqual(['n1', 'n2', 'n4']);
    for (const name of ['n2', 'n3', 'n4']) story.node(name).says = {};
    story.go(4);
    blames(story, 'n2', 'n4');
    blames(story, 'n4', 'n2');
    story.go(4);
    expect(names(story)).toEqual(['n1', 'n4']);
  });

  test('one that accuses one neighbour after the other, and is accused by none, is the cause', () => {
    const story = serving();
    blames(story, 'n1', 'n2');
    story.go(4);
    story.node('n1').says = {};
    story.go(4);
    blames(story, 'n1', 'n3');
    story.go(4);
    expect(names(story)).toEqual(['n3', 'n4']);
    expect(lastRemovalOf(story)?.reason).toBe(
      "n1 can't reach n3, as it could not reach its neighbour before",
    );
  });

  test('but a neighbour that is silent does not make it the cause', () => {
    const story = serving();
    blames(story, 'n1', 'n2');
    story.go(4);
    story.node('n1').says = {};
    story.node('n3').frozen = true;
    story.go(4);
    blames(story, 'n1', 'n3');
    story.go(4);
    expect(names(story)).toEqual(['n1', 'n4']);
  });
});

test('of several that are blamed all leave, each for what was said of it', () => {
  const story = serving();
  blames(story, 'n1', 'n2');
  blames(story, 'n3', 'n2', 'n4');
  story.go(4);
  expect(names(story)).toEqual(['n1', 'n3']);
  expect(lastRemovalOf(story)?.reason).toBe("n2 can't be reached by n1 and n3; n4 can't be reached by n3");
});

test('blame of a member that leaves for another reason is ignored, and so is what that one says', () => {
  const story = serving();
  story.node('n3').says = { phase: 'broken', problem: 'x' };
  blames(story, 'n3', 'n2', 'n4');
  blames(story, 'n2', 'n3');
  story.go(1);
  expect(names(story)).toEqual(['n1', 'n2', 'n4']);
  expect(lastRemovalOf(story)?.reason).toBe('n3 is broken: x');
});

test('a member that restarted is named in place, though its neighbours could not reach it', () => {
  const story = serving();
  blames(story, 'n1', 'n2');
  story.start('n2');
  story.go(1);
  expect(chainOf(story.configuration)).toEqual(['n1:1', 'n2:2', 'n3:1', 'n4:1']);
});

test('nobody is dropped on a blame when nobody ready would be left', () => {
  const story = serving(2);
  story.loseRegister();
  story.go();
  blames(story, 'n1', 'n2');
  story.go(30);
  expect(names(story)).toEqual(['n1', 'n2']);
});

test('a member that can reach nobody, though it is heard, is the one that leaves, wherever it stands', () => {
  for (const lost of ['n1', 'n2', 'n3', 'n4']) {
    const story = serving();
    const chain = new FaithfulChain(story);
    for (const other of ['n1', 'n2', 'n3', 'n4']) if (other !== lost) chain.separate(lost, other);
    const others = ['n1', 'n2', 'n3', 'n4'].filter((it) => it !== lost);
    const whole = () => {
      const ready = story.core.register.ready.length === 3;
      return ready && [...(names(story) ?? [])].sort().join() === others.join();
    };
    chain.until(whole, `${lost} leaves, and the others are ready`, 200);
  }
});
