import fc from 'fast-check';
import type { Configuration } from '../../src/protocol/configuration.ts';
import { CoordinatorStory, topologyFile } from '../support/coordinator-story.ts';

const NAMES = ['n1', 'n2', 'n3', 'n4'];

type Move =
  | { readonly kind: 'start' | 'stop' | 'beat' | 'ready'; readonly node: string }
  | { readonly kind: 'tick'; readonly afterMs: number }
  | { readonly kind: 'go' | 'saved' | 'restart' | 'restart-landed' | 'lose' };

const onNode = fc.record({
  kind: fc.constantFrom(
    'start' as const,
    'stop' as const,
    'beat' as const,
    'beat' as const,
    'ready' as const,
  ),
  node: fc.constantFrom(...NAMES),
});
const onTime = fc.record({ kind: fc.constant('tick' as const), afterMs: fc.constantFrom(50, 50, 50, 600) });
const onDisk = fc.record({
  kind: fc.constantFrom('saved' as const, 'saved' as const, 'restart' as const, 'restart-landed' as const),
});
const onAll = fc.record({ kind: fc.constant('go' as const) });
const move: fc.Arbitrary<Move> = fc.oneof(onNode, onTime, onDisk, onAll);

function make(story: CoordinatorStory, done: Move): void {
  switch (done.kind) {
    case 'start':
      return story.start(done.node);
    case 'stop':
      return story.stop(done.node);
    case 'beat':
      return story.beat(done.node);
    case 'ready':
      story.node(done.node).says = { ready: true };
      return;
    case 'tick':
      return story.tick(done.afterMs);
    case 'go':
      return story.go(1);
    case 'saved':
      return story.endSave();
    case 'lose':
      return story.loseRegister();
    default:
      return story.startCoordinator({ saveLanded: done.kind === 'restart-landed' });
  }
}

/** Every node comes up, is heard, and the disk works: whatever happened, the chain must be whole again. */
function calm(story: CoordinatorStory): void {
  story.endSave();
  story.holdSaves = false;
  for (const [name, node] of story.nodes) if (!node.up) story.start(name);
  story.go(6);
}

function one(perEpoch: Map<number, string>, configuration: Configuration): void {
  const text = JSON.stringify(configuration);
  expect(perEpoch.get(configuration.epoch) ?? text).toBe(text);
  perEpoch.set(configuration.epoch, text);
}

function newStory(): CoordinatorStory {
  const story = new CoordinatorStory(topologyFile({ chain: ['n1', 'n2', 'n3'] }, 4));
  story.holdSaves = true;
  story.start();
  return story;
}

function expectWhole(story: CoordinatorStory): void {
  const named = story.configuration?.members.map(({ node, boot }) => [node, boot]);
  expect(named).toEqual(['n1', 'n2', 'n3'].map((name) => [name, story.node(name).boot]));
  for (const node of story.nodes.values()) expect(node.configuration?.epoch).toBe(story.configuration?.epoch);
}

test('whatever dies when: one configuration per epoch is ever told, after it is on disk, and epochs only rise', () => {
  fc.assert(
    fc.property(fc.array(move, { maxLength: 150 }), (moves) => {
      const story = newStory();
      const perEpoch = new Map<number, string>();
      let highest = 0;
      for (const done of moves) {
        const before = story.told.length;
        make(story, done);
        for (const { answer, onDisk } of story.told.slice(before)) {
          expect(answer.epoch).toBe(onDisk.configuration?.epoch ?? 0);
          expect(answer.epoch).toBeGreaterThanOrEqual(highest);
          highest = answer.epoch;
          if (answer.configuration === null) continue;
          expect(answer.configuration).toEqual(onDisk.configuration);
          one(perEpoch, answer.configuration);
        }
      }
      calm(story);
      expectWhole(story);
    }),
    { numRuns: 300 },
  );
});

test('the members of the first configuration are ready from the start, and stay so whatever restarts', () => {
  fc.assert(
    fc.property(fc.array(move, { maxLength: 100 }), (moves) => {
      const story = newStory();
      for (const done of moves) {
        make(story, done);
        const { configuration, ready } = story.core.register;
        expect(ready).toEqual(configuration === null ? [] : ['n1', 'n2', 'n3']);
      }
    }),
    { numRuns: 100 },
  );
});

test('a register that is lost at any moment never leads two nodes to hold different chains of one epoch', () => {
  fc.assert(
    fc.property(fc.array(move, { maxLength: 100 }), fc.array(move, { maxLength: 100 }), (before, after) => {
      const story = newStory();
      const perEpoch = new Map<number, string>();
      for (const done of [...before, { kind: 'lose' } as const, ...after]) {
        make(story, done);
        for (const { configuration } of story.nodes.values()) {
          if (configuration !== null) one(perEpoch, configuration);
        }
      }
      calm(story);
      expectWhole(story);
    }),
    { numRuns: 300 },
  );
});
