import { assert } from '../../src/base/assert.ts';
import { isMember } from '../../src/protocol/configuration.ts';
import { Chain, type Change } from './chain.ts';
import { ChainClients } from './chain-clients.ts';
import type { ChainNode } from './chain-node.ts';

/** What a chaotic run does how often: each stands in as many places as it has weight. */
const WEIGHTS = {
  deliver: 60,
  settleSome: 16,
  passTime: 8,
  writeNamed: 10,
  writeUnnamed: 4,
  writePassing: 2,
  retry: 4,
  release: 8,
  start: 6,
  heal: 4,
  breakLinks: 3,
  stall: 8,
  kill: 3,
  partition: 1,
  jumpWallClock: 1,
  cutAllPower: 1,
  reorder: 2,
  tellOld: 1,
  takeSnapshot: 8,
  nameJoiner: 6,
  appendJoiner: 8,
  drop: 3,
  wipe: 5,
  flipReads: 3,
  setLease: 1,
  seal: 2,
  stopServing: 4,
  dropHarmless: 8,
  pause: 4,
  ask: 3,
} as const;

type Action = keyof typeof WEIGHTS;

const ACTIONS: readonly Action[] = Object.entries(WEIGHTS).flatMap(([action, weight]) =>
  Array<Action>(weight).fill(action as Action),
);
const FAULTS: ReadonlySet<Action> = new Set([
  'pause',
  'breakLinks',
  'stall',
  'kill',
  'partition',
  'jumpWallClock',
  'cutAllPower',
  'reorder',
  'tellOld',
  'drop',
  'wipe',
]);

export interface ChaosSetup {
  readonly nodes: number;
  readonly congestedAbove: number;
  /** How long each attempt of a client waits, in ms. */
  readonly waitMs: number;
  /** One fault in so many happens: between them the chain gets to work. */
  readonly calm: number;
}

/** The largest number that a schedule holds. */
export const CHOICE_MAX = 2 ** 24 - 1;

/** A schedule is a list of numbers: what to do next, and to whom. */
export class Chaos {
  readonly chain: Chain;
  readonly clients: ChainClients;
  readonly #calm: number;

  constructor(setup: ChaosSetup) {
    this.#calm = setup.calm;
    const names = ['n1', 'n2', 'n3', 'n4'].slice(0, setup.nodes);
    this.chain = new Chain(names, { congestedAbove: setup.congestedAbove });
    this.clients = new ChainClients(this.chain, setup);
    for (const node of this.chain.nodes) node.start();
  }

  /** Does what a schedule says. */
  play(schedule: readonly number[]): void {
    for (const choice of schedule) {
      const action = ACTIONS[choice % ACTIONS.length] ?? 'deliver';
      const rest = Math.floor(choice / ACTIONS.length);
      if (!FAULTS.has(action)) this.#act(action, rest);
      else if (rest % this.#calm === 0) this.#act(action, Math.floor(rest / this.#calm));
      else this.#act('settleSome', rest);
      for (const { name, replica } of this.chain.nodes) {
        assert(!replica?.broken, () => `${name} is broken: ${replica?.broken}`);
      }
    }
  }

  /** The faults end: everything held goes on, everything dead starts, and every client gets its answer. */
  end(): void {
    const { chain } = this;
    chain.healAll();
    for (const node of chain.nodes) node.pause(0);
    if (chain.configurations.at(-1)?.sealed) chain.choose(chain.order.map(({ name }) => name));
    for (const node of chain.nodes) if (node.replica === null) node.start();
    // A start that is heard of strikes the joiner out.
    chain.settle();
    chain.until('the members are ready', () => chain.order.every(({ replica }) => replica?.ready));
    while (chain.order.length < chain.nodes.length) this.#takeIn();
    chain.until('the chain is whole', () => chain.whole);
    this.clients.finish();
  }

  /** A node without a place becomes the tail. */
  #takeIn(): void {
    const { chain } = this;
    const names = chain.order.map(({ name }) => name);
    const joiner = chain.joiner ?? chain.spares[0];
    if (!joiner) return;
    if (chain.joiner === null) chain.choose(names, { joiner: joiner.name });
    chain.until('the joiner has caught up', () => joiner.replica?.ready === true);
    chain.choose([...names, joiner.name]);
    chain.until('the new member is ready', () => chain.order.every(({ replica }) => replica?.ready));
  }

  #act(action: Action, choice: number): void {
    const { chain, clients } = this;
    const node = chain.nodes[choice % chain.nodes.length] ?? chain.head;
    const other = chain.nodes[(choice >> 2) % chain.nodes.length] ?? chain.head;
    // Most clients know where the head is.
    const asked = choice % 8 < 6 && chain.configurations.length > 0 ? chain.head.name : node.name;
    switch (action) {
      case 'deliver':
        return this.#deliver(choice);
      case 'settleSome':
        for (let count = choice % 24; count > 0; count--) this.#deliver(0);
        return;
      case 'passTime':
        return chain.pass((choice % 6) ** 2 * 5 + 1);
      case 'writeNamed':
        return clients.named(asked);
      case 'writeUnnamed':
        return clients.unnamed(asked);
      case 'writePassing':
        return clients.passing(asked, choice % 200);
      case 'retry':
        return clients.retry(choice >> 3, asked);
      case 'breakLinks':
        return chain.breakLinks(node.name, other.name, { sent: (choice >> 4) % 4 });
      case 'stall':
        return chain.lanes.hold(this.#someLane(choice, node.name, other.name));
      case 'release':
        return chain.lanes.release(chain.lanes.held[choice % chain.lanes.held.length] ?? '');
      case 'kill':
        return this.#kill(node.name, choice >> 2);
      case 'start':
        if (node.replica === null) node.start();
        return;
      case 'partition':
        return chain.partition(node.name, other.name);
      case 'heal':
        return chain.heal(node.name, other.name);
      case 'jumpWallClock':
        node.wallOffMs = (choice % 2001) * 30 - 30_000;
        return;
      case 'cutAllPower':
        for (const [at, { name }] of chain.nodes.entries()) this.#kill(name, choice >> at);
        return;
      case 'reorder':
        if (chain.configurations.length > 0 && chain.allReady)
          chain.reorder(
            permutation(
              chain.order.map(({ name }) => name),
              choice,
            ),
          );
        return;
      case 'takeSnapshot':
        return node.replica ? node.takeSnapshot({ keep: (choice >> 3) % 4 }) : undefined;
      case 'nameJoiner':
        return this.#nameJoiner(choice);
      case 'appendJoiner':
        return this.#appendJoiner(choice);
      case 'drop':
        return this.#drop(node);
      case 'wipe':
        if (chain.configurations.length > 0 && !chain.order.includes(node)) {
          this.#kill(node.name, choice >> 2);
          node.disk.wipe();
        }
        return;
      case 'flipReads':
      case 'setLease':
      case 'seal':
        return this.#change(action, choice);
      case 'stopServing':
        if (node.replica) node.happened({ kind: 'stop-serving', epoch: chain.epoch });
        return;
      case 'dropHarmless':
        return this.#dropHarmless(node);
      case 'pause':
        return node.pause((choice % 7) * 100);
      case 'ask':
        if (node.replica) node.ask();
        return;
      case 'tellOld': {
        const old = chain.configurations[choice % chain.configurations.length];
        if (old) chain.tell(node.name, old);
        return;
      }
    }
  }

  #change(what: 'flipReads' | 'setLease' | 'seal', choice: number): void {
    const { chain } = this;
    const last = chain.configurations.at(-1);
    if (!last || chain.joiner) return;
    const changes: Record<typeof what, Change> = {
      flipReads: { reads: last.reads === 'any' ? 'tail' : 'any' },
      setLease: { leaseMs: [100, 200, 1000][choice % 3] ?? 200 },
      seal: { sealed: true },
    };
    chain.choose(
      chain.order.map(({ name }) => name),
      changes[what],
    );
  }

  /** Without a fence, by what the node itself would report: it was asked to stop, or its place serves no reads. §6. */
  #dropHarmless(node: ChainNode): void {
    const { chain } = this;
    const { replica } = node;
    const last = chain.configurations.at(-1);
    if (!last || !replica || !chain.order.includes(node) || !chain.mayDrop(node)) return;
    const reports = replica.configuration?.epoch === chain.epoch && isMember(last, replica.self);
    const harmless = replica.stopped || (last.reads === 'tail' && chain.tail !== node);
    if (!reports || !harmless) return;
    chain.choose(chain.order.filter((other) => other !== node).map(({ name }) => name));
  }

  #nameJoiner(choice: number): void {
    const { chain } = this;
    const spare = chain.spares[choice % chain.spares.length];
    if (!spare?.replica || chain.joiner || chain.configurations.length === 0 || !chain.allReady) return;
    chain.choose(
      chain.order.map(({ name }) => name),
      { joiner: spare.name },
    );
  }

  /** Mostly when it is ready; the coordinator's word of that may be old, so sometimes when it no longer is. */
  #appendJoiner(choice: number): void {
    const { chain } = this;
    const { joiner } = chain;
    if (!joiner?.replica || (!joiner.replica.ready && choice % 8 > 0) || !chain.allReady) return;
    chain.choose([...chain.order, joiner].map(({ name }) => name));
  }

  #drop(node: ChainNode): void {
    const { chain } = this;
    if (!chain.order.includes(node) || !chain.mayDrop(node)) return;
    const names = chain.order.filter((other) => other !== node).map(({ name }) => name);
    chain.choose(names, { fenced: true });
  }

  #deliver(choice: number): void {
    const open = this.chain.lanes.next();
    const lane = open[choice % open.length];
    if (lane) this.chain.lanes.take(lane);
  }

  #kill(name: string, choice: number): void {
    const node = this.chain.node(name);
    if (node.replica === null) return;
    const kept = { jobs: choice % 4, saves: (choice >> 2) % 2 };
    const silent = (choice >> 3) % 3 === 0;
    node.kill({ kept, sent: (choice >> 5) % 4, silent });
  }

  #someLane(choice: number, a: string, b: string): string {
    const own = ['disk', 'save', 'tell', 'store', 'snap'].map((lane) => `${lane} ${a}`);
    return [`${a}>${b}`, `${b}>${a}`, ...own][choice % 7] ?? '';
  }
}

/** One of the orders of `names`. */
function permutation(names: readonly string[], choice: number): string[] {
  const left = [...names];
  const order: string[] = [];
  for (let rest = choice; left.length > 0; rest = Math.floor(rest / 4)) {
    order.push(...left.splice(rest % left.length, 1));
  }
  return order;
}
