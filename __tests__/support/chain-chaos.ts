import { Chain } from './chain.ts';
import { ChainClients } from './chain-clients.ts';

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
} as const;

type Action = keyof typeof WEIGHTS;

const ACTIONS: readonly Action[] = Object.entries(WEIGHTS).flatMap(([action, weight]) =>
  Array<Action>(weight).fill(action as Action),
);
const FAULTS: ReadonlySet<Action> = new Set([
  'breakLinks',
  'stall',
  'kill',
  'partition',
  'jumpWallClock',
  'cutAllPower',
  'reorder',
  'tellOld',
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
    }
  }

  /** The faults end: everything held goes on, everything dead starts, and every client gets its answer. */
  end(): void {
    const { chain } = this;
    chain.healAll();
    for (const node of chain.nodes) if (node.replica === null) node.start();
    chain.until('the chain is whole', () => chain.whole);
    this.clients.finish();
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
        if (chain.configurations.length > 0)
          chain.reorder(
            permutation(
              chain.nodes.map(({ name }) => name),
              choice,
            ),
          );
        return;
      case 'tellOld': {
        const old = chain.configurations[choice % chain.configurations.length];
        if (old) chain.tell(node.name, old);
        return;
      }
    }
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
    return [`${a}>${b}`, `${b}>${a}`, `disk ${a}`, `save ${a}`, `tell ${a}`][choice % 5] ?? '';
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
