import { unreachable } from '../base/assert.ts';
import type { Prng } from '../base/prng.ts';
import { type Keys, ownCounter, planKeys } from './workload-keys.ts';

/** What must hold of the key: `seen` is the version that the client last saw there, 0 if it saw none. */
export type PlannedCondition = 'seen' | 'exists' | 'absent';

/** An `Operation` as far as it is known before the run: versions are those that the client will have seen. */
export type PlannedOperation =
  | {
      readonly op: 'set';
      readonly key: string;
      /** No other operation of the plan stores it, so a read tells who wrote. */
      readonly text: string;
      /** The value is filled up to so many bytes; `text` alone if that is as long. */
      readonly bytesMin: number;
      readonly ttlMs: number | null;
      readonly condition: PlannedCondition | null;
    }
  | { readonly op: 'delete'; readonly key: string; readonly condition: PlannedCondition | null }
  | { readonly op: 'increment'; readonly key: string; readonly by: number }
  | { readonly op: 'expire'; readonly key: string; readonly ttlMs: number | null }
  | { readonly op: 'get'; readonly key: string }
  | { readonly op: 'check'; readonly key: string };

/** What a client will ask. */
export type Wish =
  | { readonly kind: 'single'; readonly operation: PlannedOperation }
  | { readonly kind: 'batch'; readonly atomic: boolean; readonly operations: readonly PlannedOperation[] }
  /** With `goesOn` it begins where the client's last page of this prefix ended, if more followed there. */
  | { readonly kind: 'page'; readonly prefix: string; readonly limit: number; readonly goesOn: boolean };

/** One call of a client. */
export interface PlannedAsk {
  /** Its own among the client's, whatever else is dropped from the plan: ids are made of it. */
  readonly number: number;
  /** How long the client thinks before, in ms. */
  readonly pauseMs: number;
  /** The node to ask first, as a place in the list of nodes, counted round; `null`: the one that answered last. */
  readonly place: number | null;
  /** Sent under the id of an earlier write that was answered: it must be rejected. */
  readonly reusesId: boolean;
  readonly wish: Wish;
}

/** A client and all that it will ask. Plain data: it can be kept as JSON, and with calls dropped it is a plan still. */
export interface ClientPlan {
  /** Its own among the clients. */
  readonly name: string;
  /** How long it waits for the answer to an attempt, redirects included, in ms. */
  readonly patienceMs: number;
  /** After so many it gives up, for the time being. */
  readonly attemptsMax: number;
  /** Whether its writes carry ids of its own. Without, it does not repeat what may have had an effect. */
  readonly givesIds: boolean;
  /** What a message takes about, each way, in ms. */
  readonly latencyMs: number;
  /** How often a request or an answer never arrives. */
  readonly lossRate: number;
  /** How often a request arrives seconds late. */
  readonly lateRate: number;
  readonly asks: readonly PlannedAsk[];
}

/** How much is asked, and of how many keys. */
export interface WorkloadOptions {
  readonly clients: number;
  /** The time that the calls of each client about fill, in ms. */
  readonly durationMs: number;
  /** At least 6, 8 to 14 if not said; each client has a counter of its own besides. */
  readonly keys?: number;
}

/** What a call of a healthy chain takes about, thinking included, in ms. */
const CALL_MS = 100;
const THINK_MS_MAX = 80;
/** Now and then a client does something else for a while. */
const AWAY_RATE = 0.12;
const AWAY_MS_MAX = 600;

/** How often each kind of call is made, of 100. */
const WEIGHTS = {
  get: 30,
  set: 19,
  'set-seen': 8,
  'set-absent': 4,
  'set-exists': 2,
  delete: 4,
  'delete-seen': 2,
  increment: 13,
  passing: 3,
  expire: 3,
  batch: 8,
  page: 4,
} as const;
type Kind = keyof typeof WEIGHTS;
const KINDS = Object.keys(WEIGHTS) as readonly Kind[];

/** Makes up what clients will ask; the same `prng` gives the same. */
export function planClients(prng: Prng, options: WorkloadOptions): ClientPlan[] {
  const random = prng.fork('keys');
  const keys = planKeys(random, options.keys ?? 8 + random.below(7));
  return Array.from({ length: options.clients }, (_, index) => {
    const own = prng.fork(`client ${index}`);
    return new ClientPlanner(own, { keys, index }).plan(options.durationMs);
  });
}

/** Makes up one client. */
class ClientPlanner {
  readonly #prng: Prng;
  readonly #keys: Keys;
  readonly #index: number;
  readonly #name: string;
  readonly #asks: PlannedAsk[] = [];

  constructor(prng: Prng, { keys, index }: { keys: Keys; index: number }) {
    this.#prng = prng;
    this.#keys = keys;
    this.#index = index;
    this.#name = `c${index + 1}`;
  }

  plan(durationMs: number): ClientPlan {
    const prng = this.#prng;
    const [patienceFrom, patienceTo] = prng.pick([
      [50, 150],
      [150, 600],
      [600, 1500],
    ] as const);
    const calls = Math.ceil((durationMs / CALL_MS) * prng.between(0.5, 1));
    const traits = {
      name: this.#name,
      patienceMs: Math.round(prng.between(patienceFrom, patienceTo)),
      attemptsMax: 2 + prng.below(5),
      givesIds: prng.chance(0.75),
      latencyMs: rounded(prng.between(0.1, 4)),
      lossRate: prng.chance(0.3) ? 0 : rounded(prng.between(0, 0.05)),
      lateRate: prng.chance(0.5) ? 0 : rounded(prng.between(0, 0.04)),
    };
    while (this.#asks.length < calls) this.#plan(this.#kind());
    return { ...traits, asks: this.#asks };
  }

  #kind(): Kind {
    let left = this.#prng.below(KINDS.reduce((sum, kind) => sum + WEIGHTS[kind], 0));
    for (const kind of KINDS) {
      left -= WEIGHTS[kind];
      if (left < 0) return kind;
    }
    return 'get';
  }

  #plan(kind: Kind): void {
    const wish = this.#wish(kind);
    const isSeen = kind === 'set-seen' || kind === 'delete-seen';
    // Else the version seen last would hardly ever be the present one.
    if (isSeen && wish.kind === 'single' && this.#prng.chance(0.6)) {
      const { key } = wish.operation;
      this.#add({ kind: 'single', operation: { op: 'get', key } }, this.#thinkMs());
      this.#add(wish, rounded(this.#prng.between(0, 5)));
    } else {
      this.#add(wish, this.#thinkMs());
    }
  }

  #add(wish: Wish, pauseMs: number): void {
    const prng = this.#prng;
    const anywhere = prng.chance(reads(wish) ? 0.5 : 0.15);
    this.#asks.push({
      number: this.#asks.length + 1,
      pauseMs,
      place: anywhere ? prng.below(12) : null,
      reusesId: wish.kind === 'single' && wish.operation.op === 'set' && prng.chance(0.02),
      wish,
    });
  }

  #thinkMs(): number {
    const away = this.#prng.chance(AWAY_RATE);
    return rounded(this.#prng.between(0, away ? AWAY_MS_MAX : THINK_MS_MAX));
  }

  #wish(kind: Kind): Wish {
    const key = this.#key();
    switch (kind) {
      case 'get':
        return single({ op: 'get', key: this.#prng.chance(0.15) ? this.#counter() : key });
      case 'set':
        return single(this.#set(key));
      case 'set-seen':
        return single(this.#set(key, { condition: 'seen' }));
      case 'set-absent':
        return single(this.#set(key, { condition: 'absent' }));
      case 'set-exists':
        return single(this.#set(key, { condition: 'exists' }));
      case 'delete':
        return single({ op: 'delete', key, condition: null });
      case 'delete-seen':
        return single({ op: 'delete', key, condition: 'seen' });
      case 'increment':
        return single(this.#increment(this.#counter()));
      case 'passing':
        return single(this.#set(this.#prng.pick(this.#keys.passing), { ttlMs: this.#ttlMs() }));
      case 'expire':
        return single(this.#expire(this.#prng.pick(this.#keys.passing)));
      case 'batch':
        return this.#batch();
      case 'page':
        return this.#page();
      default:
        return unreachable(kind);
    }
  }

  #key(): string {
    return this.#prng.pick(this.#prng.chance(0.6) ? this.#keys.hot : this.#keys.all);
  }

  #counter(): string {
    return this.#prng.chance(0.6) ? ownCounter(this.#name) : this.#keys.counter;
  }

  #set(
    key: string,
    more: { place?: number; ttlMs?: number; condition?: PlannedCondition } = {},
  ): PlannedOperation {
    const prng = this.#prng;
    const { place = 0, ttlMs = null, condition = null } = more;
    const number = this.#asks.length;
    // Some are integers, so that an increment may build on them.
    const integer = (this.#index + 1) * 1_000_000 + number * 1_000 + place * 100;
    return {
      op: 'set',
      key,
      text: prng.chance(0.3) ? String(integer) : `${this.#name}.${number}.${place}`,
      bytesMin: prng.chance(0.03) ? Math.round(prng.between(20_000, 60_000)) : 0,
      ttlMs,
      condition,
    };
  }

  #increment(key: string): PlannedOperation {
    return { op: 'increment', key, by: this.#prng.pick([1, 1, 1, 2, 7, -3]) };
  }

  #expire(key: string): PlannedOperation {
    return { op: 'expire', key, ttlMs: this.#prng.chance(0.3) ? null : this.#ttlMs() };
  }

  #ttlMs(): number {
    return Math.round(this.#prng.between(50, 3000));
  }

  #batch(): Wish {
    const prng = this.#prng;
    const keys = prng.shuffled(prng.pick(this.#keys.groups)).slice(0, 2 + prng.below(3));
    const readsOnly = prng.chance(0.3);
    return {
      kind: 'batch',
      atomic: prng.chance(0.7),
      operations: keys.map((key, place) => this.#batched(key, { place, readsOnly })),
    };
  }

  #batched(key: string, { place, readsOnly }: { place: number; readsOnly: boolean }): PlannedOperation {
    const prng = this.#prng;
    const op = readsOnly
      ? prng.pick(['get', 'get', 'get', 'check'] as const)
      : prng.pick(['get', 'set', 'set', 'set-seen', 'delete', 'increment', 'check'] as const);
    switch (op) {
      case 'get':
      case 'check':
        return { op, key };
      case 'set':
        return this.#set(key, { place });
      case 'set-seen':
        return this.#set(key, { place, condition: 'seen' });
      case 'delete':
        return { op, key, condition: null };
      case 'increment':
        return this.#increment(key);
      default:
        return unreachable(op);
    }
  }

  #page(): Wish {
    const prefix = this.#prng.pick(this.#keys.prefixes);
    return { kind: 'page', prefix, limit: 1 + this.#prng.below(5), goesOn: this.#prng.chance(0.5) };
  }
}

function single(operation: PlannedOperation): Wish {
  return { kind: 'single', operation };
}

function reads(wish: Wish): boolean {
  switch (wish.kind) {
    case 'page':
      return true;
    case 'single':
      return wish.operation.op === 'get';
    case 'batch':
      return wish.operations.every(({ op }) => op === 'get' || op === 'check');
    default:
      return unreachable(wish);
  }
}

/** To a thousandth: plans are read by people. */
function rounded(number: number): number {
  return Math.round(number * 1000) / 1000;
}
