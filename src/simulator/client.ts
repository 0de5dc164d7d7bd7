import { unreachable } from '../base/assert.ts';
import { type RequestId, requestId } from '../base/ids.ts';
import type { Prng } from '../base/prng.ts';
import type { Cancel } from '../ports/clock.ts';
import { type CallEnd, type Caller, ClientCall } from './client-call.ts';
import { ClientMemory } from './client-memory.ts';
import type { Call } from './history.ts';
import { changes, type Doors } from './request.ts';
import type { Scheduler } from './scheduler.ts';
import type { ClientPlan, PlannedAsk } from './workload.ts';

/** What clients see of the world. */
export interface ClientHost extends Doors {
  /** The nodes that clients have heard of; perhaps one that is none any more. */
  nodes(): readonly string[];
}

/** What a client did, counted. */
export interface Tally {
  /** Calls begun. */
  reads: number;
  writes: number;
  answered: number;
  /** Writes of which nobody said whether they took effect. */
  unknown: number;
  /** Writes without effect and reads without an answer. */
  nothing: number;
  attempts: number;
  retries: number;
  redirects: number;
}

/** Of nobody yet. */
export function emptyTally(): Tally {
  return {
    reads: 0,
    writes: 0,
    answered: 0,
    unknown: 0,
    nothing: 0,
    attempts: 0,
    retries: 0,
    redirects: 0,
  };
}

/** A request on its way to a node. */
interface Underway {
  readonly arrive: () => void;
  cancel: Cancel;
}

/** What a client plays in. */
export interface ClientDeps {
  readonly host: ClientHost;
  readonly scheduler: Scheduler;
  readonly prng: Prng;
  /** Takes each call that belongs into the history, when it ends. */
  readonly record: (call: Call) => void;
}

/** A simulated client: plays its plan, one call after another, and tells what it was told. */
export class SimClient {
  readonly tally = emptyTally();
  readonly #plan: ClientPlan;
  readonly #deps: ClientDeps;
  readonly #prng: Prng;
  readonly #caller: Caller;
  readonly #memory = new ClientMemory();
  /** The node that answered the last read, and that which answered the last write. */
  readonly #answeredBy: { read: string | null; write: string | null } = { read: null, write: null };
  /** Without an end yet, the ones left too. */
  readonly #open = new Set<ClientCall>();
  #current: ClientCall | null = null;
  /** Asks of the plan that were begun. */
  #asked = 0;
  #next: Cancel | null = null;
  readonly #underway = new Set<Underway>();
  #finishing = false;
  /** Of the write with an id of this client's that was answered last. */
  #answeredId: RequestId | null = null;

  constructor(plan: ClientPlan, deps: ClientDeps) {
    this.#plan = plan;
    this.#deps = deps;
    this.#prng = deps.prng.fork(plan.name);
    this.#caller = {
      doors: deps.host,
      scheduler: deps.scheduler,
      node: (call, last, prng) => this.#node(call, last, prng),
      ended: (call, end) => this.#ended(call, end),
      attempted: (_, attempts) => {
        this.tally.attempts += 1;
        if (attempts > 1) this.tally.retries += 1;
      },
      redirected: () => {
        this.tally.redirects += 1;
      },
      sent: (afterMs, arrive) => this.#sent(afterMs, arrive),
    };
  }

  get plan(): ClientPlan {
    return this.#plan;
  }

  /** Nothing is under way or due. */
  get idle(): boolean {
    return this.#next === null && this.#open.size === 0 && this.#underway.size === 0;
  }

  start(): void {
    this.#askNext();
  }

  /** Asks nothing new; what has no answer yet is repeated until it has one, unless that might do it twice. */
  finish(): void {
    this.#finishing = true;
    this.#next?.();
    this.#next = null;
    for (const call of [...this.#open]) call.persist();
    for (const request of [...this.#underway]) this.#hurry(request);
  }

  #askNext(): void {
    const ask = this.#plan.asks[this.#asked];
    if (this.#finishing || ask === undefined) return;
    this.#asked += 1;
    this.#next = this.#deps.scheduler.after(ask.pauseMs, () => {
      this.#next = null;
      this.#ask(ask);
    });
  }

  #ask({ number, place, reusesId, wish }: PlannedAsk): void {
    const { name, givesIds, patienceMs, attemptsMax, latencyMs, lossRate, lateRate } = this.#plan;
    const asked = this.#memory.asked(wish);
    const isWrite = changes(asked);
    const reused = reusesId ? this.#answeredId : null;
    const own = isWrite && givesIds ? requestId(`${name}-${number}`) : null;
    const way = { latencyMs, lossRate, lateRate };
    const call = new ClientCall(
      {
        asked,
        requestId: reused ?? own,
        reusesId: reused !== null,
        place,
        patienceMs,
        attemptsMax,
        way,
      },
      { caller: this.#caller, prng: this.#prng.fork(`call ${number}`) },
    );
    this.tally[isWrite ? 'writes' : 'reads'] += 1;
    this.#current = call;
    this.#open.add(call);
    call.attempt();
  }

  #node({ options, changes: isWrite }: ClientCall, last: string | null, prng: Prng): string | null {
    const nodes = this.#deps.host.nodes();
    if (nodes.length === 0) return null;
    if (last !== null) {
      const others = nodes.filter((node) => node !== last);
      return prng.pick(others.length === 0 ? nodes : others);
    }
    if (options.place !== null) return nodes[options.place % nodes.length] ?? null;
    const known = this.#answeredBy[isWrite ? 'write' : 'read'];
    return known !== null && nodes.includes(known) ? known : prng.pick(nodes);
  }

  #sent(afterMs: number, arrive: () => void): void {
    const request: Underway = { arrive, cancel: () => {} };
    this.#underway.add(request);
    this.#deliver(request, afterMs);
  }

  /** Nobody waits seconds at the end for what is late. */
  #hurry(request: Underway): void {
    request.cancel();
    this.#deliver(request, this.#plan.latencyMs);
  }

  #deliver(request: Underway, afterMs: number): void {
    request.cancel = this.#deps.scheduler.after(afterMs, () => {
      this.#underway.delete(request);
      request.arrive();
    });
  }

  #ended(call: ClientCall, end: CallEnd): void {
    if (end.kind !== 'left') {
      this.#open.delete(call);
      this.#keep(call, end);
    }
    if (call !== this.#current) return;
    this.#current = null;
    this.#askNext();
  }

  #keep(call: ClientCall, end: Exclude<CallEnd, { kind: 'left' }>): void {
    this.tally[end.kind] += 1;
    switch (end.kind) {
      case 'answered': {
        const { options, requestId: id } = call;
        this.#memory.learn(options.asked, end.told);
        this.#answeredBy[call.changes ? 'write' : 'read'] = end.node;
        if (call.changes && options.requestId !== null) this.#answeredId = id;
        this.#record(call, { told: end.told, atMs: this.#deps.scheduler.nowMs });
        return;
      }
      case 'unknown':
        this.#record(call, null);
        return;
      case 'nothing':
        return;
      default:
        unreachable(end);
    }
  }

  #record({ options, calledAtMs }: ClientCall, answer: Call['answer']): void {
    this.#deps.record({ client: this.#plan.name, asked: options.asked, calledAtMs, answer });
  }
}
