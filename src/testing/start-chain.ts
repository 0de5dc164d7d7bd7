/// <reference lib="esnext.disposable" preserve="true" />

import { CatenaError } from '../base/errors.ts';
import type { ConnectOptions } from '../client/connect.ts';
import { connect } from '../client/node.ts';
import type { Catena } from '../client/types.ts';
import { systemClock } from '../platform/clock.ts';
import { type ChainOptions, planChain } from './chain-options.ts';
import type { LocalProcess } from './local-process.ts';
import { makeProcesses, type Processes } from './processes.ts';
import { newestConfiguration, whatIsNotMembers, whatIsNotWhole, whoIsNotReady } from './standing.ts';

/** How often ports are picked: another program may hold one of them. */
const PORT_PICKS_MAX = 5;
/** How long something is waited for unless `withinMs` says else. */
const WITHIN_MS = 10_000;
/** How often what is waited for is looked at, in ms. */
const LOOK_MS = 2;

/**
 * Starts a chain and its coordinator in this very process, for a test: real nodes with real HTTP and TCP on free ports of
 * the loopback, and with disks in memory. It is whole and serving when this resolves. End it with `stop`, or declare it with
 * `await using`.
 *
 * @throws CatenaError BAD_PARAMETER for an option that makes no sense; nothing is left running then, nor after any other error.
 */
export async function startChain(options: ChainOptions = {}): Promise<TestChain> {
  for (let pick = 1; ; pick++) {
    const processes = makeProcesses(planChain(options), options.log);
    try {
      return await TestChain.start(processes);
    } catch (error) {
      const taken = error instanceof CatenaError && error.code === 'PORT_IN_USE';
      if (!taken || pick === PORT_PICKS_MAX) throw error;
    }
  }
}

const PLACES = ['head', 'middle', 'tail'] as const;
type Place = (typeof PLACES)[number];
/** A process by its name, or a member by its place in the newest configuration. */
type Who = Place | (string & {});

/** How long to wait for something, in ms; 10,000 unless given. */
interface Patience {
  readonly withinMs?: number;
}

/** A chain for a test, in the process of that test. `startChain` starts one. */
export class TestChain {
  readonly #processes: Processes;
  readonly #clients: Catena[] = [];
  #stopping: Promise<void> | null = null;

  private constructor(processes: Processes) {
    this.#processes = processes;
  }

  /** For `startChain`: starts all of these, and waits until any of them may be asked. When it rejects, all of them are dead. */
  static async start(processes: Processes): Promise<TestChain> {
    const chain = new TestChain(processes);
    try {
      await Promise.all(processes.all.map((process) => process.start()));
      const missing = () => whatIsNotWhole(processes) ?? whoIsNotReady(processes);
      await chain.#until('whole', missing, WITHIN_MS);
      return chain;
    } catch (error) {
      await chain.stop();
      throw error;
    }
  }

  /** Of a node that lives, whichever: any node takes any request. */
  get url(): string {
    const { nodes } = this.#processes;
    return (nodes.find(({ alive }) => alive) ?? nodes[0])?.url ?? '';
  }

  /** Of all nodes, dead or alive, in the order of `names`. */
  get urls(): readonly string[] {
    return this.#processes.nodes.map(({ url }) => url);
  }

  /** Where the coordinator answers HTTP. */
  get coordinatorUrl(): string {
    return this.#processes.coordinator.url;
  }

  /** Of all nodes: `n1`, `n2`, … The coordinator is called `coordinator`. */
  get names(): readonly string[] {
    return this.#processes.nodes.map(({ name }) => name);
  }

  /** A client that knows all nodes; `stop` closes it. */
  client(options: ConnectOptions = {}): Catena {
    this.#goOn();
    const client = connect(this.urls, options);
    this.#clients.push(client);
    return client;
  }

  /** The members as the newest configuration has them, head first; one that has just died may still be among them. */
  members(): readonly string[] {
    return newestConfiguration(this.#processes)?.members.map(({ node }) => node) ?? [];
  }

  /** Who takes the writes. */
  head(): string {
    return this.#process('head').name;
  }

  /** One between head and tail. @throws CatenaError BAD_PARAMETER when there is none. */
  middle(): string {
    return this.#process('middle').name;
  }

  /** Who answers the reads. */
  tail(): string {
    return this.#process('tail').name;
  }

  /** The URL of a node, or of `coordinator`. */
  urlOf(who: Who): string {
    return this.#process(who).url;
  }

  /**
   * Ends a node or `coordinator` as `kill -9` does: its connections break and its ports refuse at once, it says nothing to
   * anybody, and what it had written stays for `start`. @returns its name.
   *
   * @throws CatenaError BAD_PARAMETER when it is dead already.
   */
  async kill(who: Who): Promise<string> {
    this.#goOn();
    const process = this.#process(who);
    if (!process.alive) {
      const todo = `start it with start('${process.name}'), or wait with untilMembers([…]) for the chain to go on without it`;
      throw refused(`${process.name} is dead already: ${todo}`);
    }
    await process.kill();
    return process.name;
  }

  /**
   * Starts a process that was killed, with its data. It has recovered when this resolves; `untilWhole` waits until the chain has
   * taken it in again.
   *
   * @throws CatenaError BAD_PARAMETER when it runs, PORT_IN_USE when another program has taken its port meanwhile.
   */
  async start(name: string): Promise<void> {
    this.#goOn();
    const process = this.#process(name);
    if (process.alive) throw refused(`${process.name} runs already: kill it first`);
    await process.start();
  }

  /**
   * Cuts a process off from another one, or without `b` from all others, like a pulled cable: what they send each other is
   * lost, and nobody is told. HTTP reaches all of them as before. It adds to what is cut already.
   */
  partition(a: Who, b?: Who): void {
    const one = this.#process(a);
    const others = b === undefined ? this.#processes.all : [this.#process(b)];
    for (const other of others) {
      if (other !== one) this.#processes.network.cut(one.name, other.name);
      else if (b !== undefined) throw refused(`${one.name} can't be cut off from itself`);
    }
  }

  /** Joins all that was cut. Connections that lost something meanwhile end, and are made anew. */
  heal(): void {
    this.#processes.network.heal();
  }

  /**
   * Makes the chain what it was, for the next test: joins what was cut, starts who is dead, and waits until it is whole. The
   * keys and the order of its members stay as they are.
   *
   * @throws CatenaError as `start` and `untilWhole` do.
   */
  async mend(patience: Patience = {}): Promise<void> {
    this.#goOn();
    this.heal();
    const dead = this.#processes.all.filter(({ alive }) => !alive);
    await Promise.all(dead.map((process) => process.start()));
    await this.untilWhole(patience);
  }

  /**
   * Waits until the chain has as many members as it should, each of them alive and serving.
   *
   * @throws CatenaError NOT_READY when it takes longer, saying what is missing.
   */
  async untilWhole({ withinMs = WITHIN_MS }: Patience = {}): Promise<void> {
    await this.#until('whole', () => whatIsNotWhole(this.#processes), withinMs);
  }

  /**
   * Waits until these are the members, head first, and all of them serve.
   *
   * @throws CatenaError NOT_READY when it takes longer, saying what is missing; BAD_PARAMETER for a name that nobody has.
   */
  async untilMembers(names: readonly string[], { withinMs = WITHIN_MS }: Patience = {}): Promise<void> {
    for (const name of names) this.#process(name);
    await this.#until(names.join(', '), () => whatIsNotMembers(this.#processes, names), withinMs);
  }

  /** Closes the clients, ends all processes and lets go of everything: no port, timer or connection is left. Harmless when called again. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await Promise.all(this.#processes.all.map((process) => process.kill()));
    // Connections that broke in a cut are kept there until it is healed.
    this.#processes.network.heal();
    // What was closed is let go of at the end of the turn, and at its other end in the next.
    for (let turns = 0; turns < 2; turns++) await new Promise<void>((resolve) => systemClock.defer(resolve));
  }

  #process(who: Who): LocalProcess {
    const { all } = this.#processes;
    const place = PLACES.find((one) => one === who);
    const name = place === undefined ? who : this.#nameAt(place);
    const found = all.find((process) => process.name === name);
    if (found !== undefined) return found;
    const known = all.map((process) => process.name);
    throw refused(`there is no "${name}": give one of ${[...PLACES, ...known].join(', ')}`);
  }

  #nameAt(place: Place): string {
    const members = this.members();
    if (place === 'middle' && members.length < 3) {
      throw refused(`a chain of ${members.length} has no middle: give head, tail or a name`);
    }
    const at = { head: 0, middle: Math.floor(members.length / 2), tail: members.length - 1 }[place];
    const name = members[at];
    if (name === undefined) throw refused(`nobody is the ${place}: no process lives that knows the chain`);
    return name;
  }

  #goOn(): void {
    if (this.#stopping !== null) throw refused('the chain was stopped: start another one with startChain');
  }

  async #until(what: string, missing: () => string | null, withinMs: number): Promise<void> {
    const endMs = systemClock.now().monotonicMs + withinMs;
    for (let reason = missing(); reason !== null; reason = missing()) {
      this.#goOn();
      if (systemClock.now().monotonicMs > endMs) {
        throw new CatenaError('NOT_READY', `after ${withinMs} ms the chain is not ${what}: ${reason}`);
      }
      await new Promise<void>((resolve) => systemClock.after(LOOK_MS, resolve));
    }
  }
}

function refused(what: string): CatenaError {
  return new CatenaError('BAD_PARAMETER', what);
}
