import fc from 'fast-check';
import type { Configuration } from '../../src/protocol/configuration.ts';
import { FaithfulChain } from '../support/coordinator-chain.ts';
import { CoordinatorChecks } from '../support/coordinator-checks.ts';
import { CoordinatorStory, topologyFile } from '../support/coordinator-story.ts';

const NAMES = ['n1', 'n2', 'n3', 'n4', 'n5'];

type Move =
  | { readonly kind: 'start' | 'stop' | 'freeze' | 'thaw' | 'beat' | 'heal'; readonly node: string }
  | {
      readonly kind: 'ail';
      readonly node: string;
      readonly phase: 'sick' | 'broken' | 'stopping' | 'recovering';
    }
  | { readonly kind: 'cut'; readonly between: readonly string[] }
  | {
      readonly kind: 'edit';
      readonly chain: readonly string[];
      readonly replicas: number;
      readonly any: boolean;
    }
  | { readonly kind: 'tick' | 'go'; readonly turns: number }
  | { readonly kind: 'saved' | 'restart' | 'restart-landed' | 'mend' | 'wipe' };

const node = fc.constantFrom(...NAMES);
const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('go' as const), turns: fc.constantFrom(1, 2, 12, 30) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('tick' as const), turns: fc.constantFrom(1, 12) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'start' as const,
        'stop' as const,
        'freeze' as const,
        'thaw' as const,
        'beat' as const,
        'heal' as const,
      ),
      node,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('ail' as const),
      node,
      phase: fc.constantFrom('sick' as const, 'broken' as const, 'stopping' as const, 'recovering' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('cut' as const),
      between: fc.subarray(NAMES, { minLength: 2, maxLength: 2 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('edit' as const),
      chain: fc.shuffledSubarray(NAMES, { minLength: 1 }),
      replicas: fc.integer({ min: 1, max: 4 }),
      any: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'saved' as const,
        'saved' as const,
        'restart' as const,
        'restart-landed' as const,
        'mend' as const,
        'wipe' as const,
      ),
    }),
  },
);

/** A cluster of which all that can go wrong does, and what it may never do. */
class Ordeal {
  readonly story = new CoordinatorStory(topologyFile({ chain: ['n1', 'n2', 'n3', 'n4'] }, 5));
  readonly chain = new FaithfulChain(this.story);
  readonly #checks = new CoordinatorChecks(this.story);

  constructor() {
    this.story.refusing = true;
    this.story.start();
    this.chain.go(4);
    this.chain.writing = true;
    this.story.holdSaves = true;
  }

  make(move: Move): void {
    const { story } = this;
    switch (move.kind) {
      case 'go':
        return this.#turns(move.turns, () => this.chain.go(1));
      case 'tick':
        return this.#turns(move.turns, () => story.tick());
      case 'start':
        return story.start(move.node);
      case 'stop':
        return story.stop(move.node);
      case 'freeze':
      case 'thaw':
        story.node(move.node).frozen = move.kind === 'freeze';
        return;
      case 'beat':
        return story.beat(move.node);
      case 'ail':
        // Broken and stopping are for life.
        if (story.node(move.node).up && !isDoomed(story, move.node)) {
          story.node(move.node).ails = { phase: move.phase, problem: 'a fault' };
        }
        return;
      case 'heal':
        if (isDoomed(story, move.node)) story.start(move.node);
        story.node(move.node).ails = {};
        return;
      case 'cut':
        return this.chain.separate(move.between[0] ?? '', move.between[1] ?? '');
      case 'mend':
        this.chain.cut.clear();
        return;
      case 'edit':
        return this.#edit(move);
      case 'saved':
        return story.endSave();
      case 'wipe':
        return this.#wipe();
      default:
        return story.startCoordinator({ saveLanded: move.kind === 'restart-landed' });
    }
  }

  look(): void {
    this.#checks.look();
  }

  /** Saves end after a turn or two, so that some of what is heard comes while one is under way. */
  #turns(count: number, turn: () => void): void {
    for (let done = 0; done < count; done++) {
      turn();
      this.look();
      if (done % 2 === 1) this.story.endSave();
      this.look();
    }
  }

  #edit({ chain, replicas, any }: Extract<Move, { kind: 'edit' }>): void {
    const edit = {
      chain,
      replicas: Math.min(replicas, chain.length),
      reads: any ? 'any' : 'tail',
    };
    this.story.edit(topologyFile(edit, 5).topology);
  }

  /** n2 loses its disk, and comes back with an empty one; but not when it alone has all data. */
  #wipe(): void {
    const { configuration, ready } = this.story.onDisk;
    const others = configuration?.members.filter((it) => it.node !== 'n2' && ready.includes(it.node)) ?? [];
    if (this.story.saving || others.length === 0) return;
    this.story.stop('n2');
    const node = this.story.node('n2');
    Object.assign(node, {
      store: `${node.store}'`,
      boot: 0,
      configuration: null,
      topologyVersion: 0,
      ails: {},
    });
    this.story.start('n2');
  }

  /** Every node runs, is heard and reaches every other, and the disk works. */
  calm(): void {
    const { story } = this;
    story.endSave();
    story.holdSaves = false;
    this.chain.cut.clear();
    for (const [name, node] of story.nodes) {
      if (!node.up || isDoomed(story, name)) story.start(name);
      node.frozen = false;
      node.ails = {};
      node.behind = 2;
    }
    this.chain.until(() => {
      this.look();
      return this.#isWhole();
    }, 'the chain is whole, arranged and unsealed');
  }

  #isWhole(): boolean {
    const { configuration, ready, topology, arranging } = this.story.core.register;
    if (configuration === null || topology === null || arranging) return false;
    const { members, joiner, sealed } = configuration;
    const all = members.length === topology.topology.replicas && ready.length === members.length;
    const named = members.every(({ node, boot }) => this.story.node(node).boot === boot);
    const told = [...this.story.nodes.values()].every(
      (node) => node.configuration?.epoch === configuration.epoch,
    );
    return all && named && told && joiner === null && !sealed && this.story.core.plan.length === 0;
  }
}

function isDoomed(story: CoordinatorStory, name: string): boolean {
  const { phase } = story.node(name).ails;
  return phase === 'broken' || phase === 'stopping';
}

test('whatever happens when: one configuration per epoch, told after it is saved, one change at a time, no drop without a ' +
  'member that stays, fences where they are needed; and when the faults end the chain is whole again', () => {
  fc.assert(
    fc.property(fc.array(move, { maxLength: 80, size: 'max' }), (moves) => {
      const ordeal = new Ordeal();
      for (const one of moves) {
        ordeal.make(one);
        ordeal.look();
      }
      ordeal.calm();
    }),
    { numRuns: 200 },
  );
}, 120_000);

test('a register that is lost at any moment never leads two nodes to hold different chains of one epoch, and all comes back', () => {
  fc.assert(
    fc.property(
      fc.array(move, { maxLength: 40, size: 'max' }),
      fc.array(move, { maxLength: 40, size: 'max' }),
      (before, after) => {
        const ordeal = new Ordeal();
        const perEpoch = new Map<number, string>();
        for (const one of [...before, null, ...after]) {
          // With a disk lost as well nobody is known to hold all data: an operator has to say who does.
          if (one === null) ordeal.story.loseRegister();
          else if (one.kind !== 'edit' && one.kind !== 'wipe') ordeal.make(one);
          for (const { configuration } of ordeal.story.nodes.values()) {
            if (configuration !== null) onlyOne(perEpoch, configuration);
          }
        }
        ordeal.calm();
      },
    ),
    { numRuns: 100 },
  );
}, 120_000);

function onlyOne(perEpoch: Map<number, string>, configuration: Configuration): void {
  const text = JSON.stringify(configuration);
  expect(perEpoch.get(configuration.epoch) ?? text).toBe(text);
  perEpoch.set(configuration.epoch, text);
}
