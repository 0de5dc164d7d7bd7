import { type Epoch, epoch } from '../../src/base/ids.ts';
import type { Now } from '../../src/base/now.ts';
import type { Configuration, Incarnation, Reads } from '../../src/protocol/configuration.ts';
import type { VersionedTopology } from '../../src/protocol/topology.ts';
import { configuration, versionedTopology } from './chain-builders.ts';
import { ChainChecks } from './chain-checks.ts';
import { Lanes } from './chain-lanes.ts';
import { ChainNode, type World } from './chain-node.ts';

/** How often the driver ticks, in ms. */
const TICK_MS = 20;
/** More than any quiet chain has under way: it is going round in circles. */
const ITEMS_MAX = 100_000;

/** What of a configuration changes with it, beside its members. */
export interface Change {
  readonly reads?: Reads;
  readonly leaseMs?: number;
  readonly sealed?: boolean;
  readonly joiner?: string;
  /** Somebody was dropped who has not confirmed it. */
  readonly fenced?: boolean;
}

export interface ChainOptions {
  readonly topology?: VersionedTopology;
  readonly congestedAbove?: number;
}

/**
 * A chain of pure replicas over disks and a network in memory, with a clock moved by hand. Nothing happens by itself: what
 * is under way waits in `lanes` until `settle`, `run`, `once` or a scheduler lets it happen. After every step the
 * invariants are checked. A stand-in for the coordinator names the members and keeps them.
 *
 * Lanes: `disk n1` (a sync completes), `save n1`, `read n1`, `snap n1` (a snapshot is read for a successor), `store n1` (one that
 * comes is stored and put in force), `flush n1` (a turn ends), `dial n1`, `drain n1`,
 * `tell n1` and `hear n1` (between it and the coordinator), `n1>n2` (a connection in that direction).
 */
export class Chain {
  readonly lanes = new Lanes();
  readonly checks = new ChainChecks();
  readonly nodes: readonly ChainNode[];
  /** Every configuration chosen, in order. */
  readonly configurations: Configuration[] = [];
  nowMs = 1000;
  readonly #topology: VersionedTopology;
  readonly #apart = new Set<string>();
  readonly #known = new Map<string, Incarnation>();
  readonly #counted: Set<string>;
  #course: string[] = [];
  #connections = 0;

  /** Nothing is started yet. */
  constructor(names: readonly string[], options: ChainOptions = {}) {
    this.#topology = options.topology ?? versionedTopology(names);
    this.#counted = new Set(names);
    const chain = this;
    const world: World = {
      lanes: this.lanes,
      checks: this.checks,
      get nodes() {
        return chain.nodes;
      },
      get counted() {
        return chain.#countedNodes;
      },
      congestedAbove: options.congestedAbove ?? Number.POSITIVE_INFINITY,
      topology: this.#topology,
      now: (node) => this.#now(node),
      newConnection: () => ++this.#connections,
      reaches: (from, to) => this.node(to).replica !== null && !this.#apart.has(pair(from.name, to)),
      note: (line) => this.#course.push(line),
      heard: (who) => this.#heard(who),
    };
    this.nodes = names.map((name) => new ChainNode(name, world));
  }

  /** A chain that serves, at rest in its first epoch. */
  static serving(names: readonly string[], options: ChainOptions = {}): Chain {
    const chain = new Chain(names, options);
    for (const node of chain.nodes) node.start();
    chain.settle();
    chain.course();
    return chain;
  }

  node(name: string): ChainNode {
    const node = this.nodes.find((one) => one.name === name);
    if (node === undefined) throw new Error(`there is no ${name}`);
    return node;
  }

  /** The nodes in their present order, head first. */
  get order(): ChainNode[] {
    return (this.configurations.at(-1)?.members ?? []).map(({ node }) => this.node(node));
  }
  get head(): ChainNode {
    return this.order[0] ?? this.node('nobody');
  }
  get tail(): ChainNode {
    return this.order.at(-1) ?? this.node('nobody');
  }
  get epoch(): Epoch {
    return this.configurations.at(-1)?.epoch ?? epoch(0);
  }

  /** What has happened since this was asked last, line by line. */
  course(): string[] {
    const course = this.#course;
    this.#course = [];
    return course;
  }

  /** Lets the next thing in a lane of this name happen, held or not. */
  once(name: string): void {
    const [lane] = this.lanes.next(name);
    if (lane === undefined) throw new Error(`nothing is under way in ${name}`);
    this.lanes.take(lane);
  }

  /** Lets happen, oldest first, all that is under way or comes of it, but for held lanes. The clock stands still. */
  settle(): void {
    for (let count = 0; count < ITEMS_MAX; count++) {
      const [lane] = this.lanes.next();
      if (lane === undefined) return;
      this.lanes.take(lane);
    }
    throw new Error(`the chain does not come to rest:\n${this.#course.slice(-20).join('\n')}`);
  }

  /** So much time goes by, and all that can happens. */
  run(ms: number): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; ) {
      this.pass(Math.min(TICK_MS, endMs - this.nowMs));
      this.settle();
    }
  }

  /** Time goes by at once, and every node ticks. */
  pass(ms: number): void {
    this.nowMs += ms;
    for (const node of this.nodes) node.tick();
  }

  /** Lets time go by until something holds. */
  until(what: string, holds: () => boolean, limitMs = 20_000): void {
    for (const endMs = this.nowMs + limitMs; !holds(); this.run(TICK_MS)) {
      if (this.nowMs >= endMs) throw new Error(`in ${limitMs} ms not: ${what}\n${this.describe()}`);
    }
  }

  /** Every member is up, ready, idle, and knows the same to be committed. */
  get whole(): boolean {
    return this.nodes.every(({ replica, waiting }) => {
      if (!replica?.ready || waiting > 0 || replica.configuration?.epoch !== this.epoch) return false;
      return replica.committed === this.head.replica?.received;
    });
  }

  /** Every connection between two nodes breaks; of what is under way `sent` messages each way still arrive. */
  breakLinks(a: string, b: string, { sent = 0 }: { sent?: number } = {}): void {
    this.node(a).breakLinks(b, sent);
  }

  /** Neither reaches the other: nothing under way arrives before `heal`, and no new connection comes about. */
  partition(a: string, b: string): void {
    this.#apart.add(pair(a, b));
    this.lanes.hold(`${a}>${b}`, `${b}>${a}`);
  }

  heal(a: string, b: string): void {
    this.#apart.delete(pair(a, b));
    this.lanes.release(`${a}>${b}`, `${b}>${a}`);
  }

  /** Nothing is held and nobody apart any more. */
  healAll(): void {
    this.#apart.clear();
    this.lanes.release();
  }

  /** The coordinator chooses another order of the same members. */
  reorder(names: readonly string[]): void {
    this.choose(names);
  }

  /** The coordinator chooses a configuration of these, head first: what `change` leaves out is as it was, unsealed, without a joiner. */
  choose(names: readonly string[], change: Change = {}): void {
    const members = names.map((name) => this.#known.get(name)).filter((who) => who !== undefined);
    const last = this.configurations.at(-1);
    const number = this.epoch + 1;
    const chosen = {
      ...configuration(number, members, { timeMs: this.nowMs }),
      reads: change.reads ?? last?.reads ?? 'tail',
      leaseMs: change.leaseMs ?? last?.leaseMs ?? 200,
      sealed: change.sealed ?? false,
      joiner: change.joiner === undefined ? null : (this.#known.get(change.joiner) ?? null),
      fence: change.fenced ? epoch(number) : (last?.fence ?? epoch(0)),
    };
    this.configurations.push(chosen);
    if (last) for (const name of this.#counted) if (!names.includes(name)) this.#counted.delete(name);
    for (const node of this.nodes) if (node.replica) node.tell(chosen, this.#topology);
  }

  /** The joiner, if there is one. */
  get joiner(): ChainNode | null {
    const joiner = this.configurations.at(-1)?.joiner;
    return joiner ? this.node(joiner.node) : null;
  }

  /** Those that hold no place at all. */
  get spares(): ChainNode[] {
    return this.nodes.filter((node) => node !== this.joiner && !this.order.includes(node));
  }

  /** Whether all members have been ready, so that none of them lacks what is committed. */
  get allReady(): boolean {
    return this.order.every(({ name }) => this.#counted.has(name));
  }

  /** Whether, without this one, a member is up that lacks nothing that is committed. PROTOCOL.md §6. */
  mayDrop(node: ChainNode): boolean {
    return this.#countedNodes.some((other) => other !== node && other.replica?.broken === null);
  }

  /** Those whose disks hold all that is committed (I3): members, once they have been ready. */
  get #countedNodes(): ChainNode[] {
    for (const node of this.nodes) {
      const { replica } = node;
      if (replica?.ready && replica.role !== 'joiner' && replica.configuration?.epoch === this.epoch) {
        this.#counted.add(node.name);
      }
    }
    return this.nodes.filter(({ name }) => this.#counted.has(name));
  }

  /** A node is told a configuration once more, however old. */
  tell(name: string, told: Configuration): void {
    if (this.node(name).replica) this.node(name).tell(told, this.#topology);
  }

  /** The state of all, for the message of a failed test. */
  describe(): string {
    const lines = this.nodes.map(({ name, replica, waiting, disk }) => {
      if (replica === null) return `${name} is down, synced ${disk.syncedThrough}`;
      const { role, configuration: held, received, durable, committed, readFloor, sessions } = replica;
      const state = {
        role,
        epoch: held?.epoch,
        received,
        durable,
        committed,
        readFloor,
        ...sessions,
        waiting,
      };
      return `${name} ${JSON.stringify(state)}`;
    });
    return [...lines, `held: ${this.lanes.held.join(', ')}`, ...this.#course.slice(-30)].join('\n');
  }

  #now(node: ChainNode): Now {
    return { monotonicMs: this.nowMs, wallMs: this.nowMs + node.wallOffMs };
  }

  /** A heartbeat came: the first of all members, or of one that has restarted, makes a configuration. */
  #heard(who: Incarnation): void {
    const known = this.#known.get(who.node);
    if (known && known.boot >= who.boot) return;
    this.#known.set(who.node, who);
    if (this.#known.size === this.nodes.length)
      this.choose((known ? this.order : this.nodes).map(({ name }) => name));
  }
}

function pair(a: string, b: string): string {
  return [a, b].sort().join(' ');
}
