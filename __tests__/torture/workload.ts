import { type Seq, seq } from '../../src/base/ids.ts';
import type { Prng } from '../../src/base/prng.ts';
import type { Condition, Operation, Value } from '../../src/protocol/command.ts';
import type { Asked } from '../../src/simulator/history.ts';

const TEXTS = 14;
const COUNTERS = 5;
const FLEETING = 4;
const GROUPS = 3;
const GROUP_KEYS = 4;
/** The first of each kind of key get this part of all calls. */
const HOT = 0.5;
const HOT_KEYS = 3;
const TTL_MS = { least: 300, most: 5000 };

type Draw = (random: Prng) => Asked;

/** What clients are to do. */
export interface Work {
  next(random: Prng): Asked;
  /** A client was told that this key has, or had, this version. */
  seen(key: string, version: number): void;
}

/**
 * What clients ask for in one round, on keys of its own. Keys that a batch or a page ties together are few and apart from
 * the others: the checker has to judge them at once.
 */
export class Workload implements Work {
  readonly groups: readonly string[];
  readonly keys: readonly string[];
  readonly #texts: readonly string[];
  readonly #counters: readonly string[];
  readonly #fleeting: readonly string[];
  /** The newest version of each key that any client was told. */
  readonly #versions = new Map<string, number>();
  #values = 0;

  constructor(prefix: string) {
    this.#texts = names(TEXTS, (at) => `${prefix}/text é${at}`);
    this.#counters = names(COUNTERS, (at) => `${prefix}/counter-${at}`);
    this.#fleeting = names(FLEETING, (at) => `${prefix}/fleeting-${at}`);
    this.groups = names(GROUPS, (at) => `${prefix}/group-${at}/`);
    const grouped = this.groups.flatMap((group) => names(GROUP_KEYS, (at) => `${group}${at}`));
    this.keys = [...this.#texts, ...this.#counters, ...this.#fleeting, ...grouped];
  }

  next(random: Prng): Asked {
    const draws: readonly (readonly [number, Draw])[] = [
      [38, (r) => single({ op: 'get', key: this.#key(r) })],
      [14, (r) => single(this.#set(hot(r, this.#texts), null))],
      [9, (r) => this.#conditional(r)],
      [7, (r) => this.#remove(r)],
      [12, (r) => single({ op: 'increment', key: this.#number(r), by: r.below(9) - 2 })],
      [6, (r) => this.#fleetingCall(r)],
      [10, (r) => this.#batch(r)],
      [4, (r) => this.#page(r)],
    ];
    let at = random.below(draws.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, draw] of draws) {
      if (at < weight) return draw(random);
      at -= weight;
    }
    return this.#page(random);
  }

  /** Takes note of a version, for conditions that hold now and then. */
  seen(key: string, version: number): void {
    if (version >= (this.#versions.get(key) ?? 0)) this.#versions.set(key, version);
  }

  #key(random: Prng): string {
    if (random.chance(0.2)) return random.pick(this.keys);
    return hot(random, random.pick([this.#texts, this.#texts, this.#counters, this.#fleeting]));
  }

  /** Mostly a counter; a text now and then, which is no integer. */
  #number(random: Prng): string {
    return random.chance(0.05) ? random.pick(this.#texts) : hot(random, this.#counters);
  }

  #set(key: string, condition: Condition | null, ttlMs: number | null = null): Operation {
    return { op: 'set', key, value: this.#value(), ttlMs, condition };
  }

  #conditional(random: Prng): Asked {
    const key = hot(random, this.#texts);
    return single(this.#set(key, this.#condition(random, key)));
  }

  #remove(random: Prng): Asked {
    const key = hot(random, random.chance(0.3) ? this.#counters : this.#texts);
    return single({ op: 'delete', key, condition: random.chance(0.3) ? this.#condition(random, key) : null });
  }

  #fleetingCall(random: Prng): Asked {
    const key = hot(random, this.#fleeting);
    const ttlMs = Math.round(random.between(TTL_MS.least, TTL_MS.most));
    switch (random.below(4)) {
      case 0:
        return single({ op: 'expire', key, ttlMs: random.chance(0.3) ? null : ttlMs });
      case 1:
        return single({ op: 'increment', key, by: 1 });
      default:
        return single(this.#set(key, null, ttlMs));
    }
  }

  #batch(random: Prng): Asked {
    const group = random.pick(this.groups);
    const keys = random.shuffled(names(GROUP_KEYS, (at) => `${group}${at}`)).slice(0, 2 + random.below(2));
    const reads = random.chance(0.3);
    const operations = keys.map((key): Operation => (reads ? { op: 'get', key } : this.#part(random, key)));
    return { kind: 'operations', atomic: random.chance(0.75), operations };
  }

  #part(random: Prng, key: string): Operation {
    switch (random.below(6)) {
      case 0:
        return { op: 'get', key };
      case 1:
        return { op: 'check', key, version: this.#version(key) };
      case 2:
        return { op: 'delete', key, condition: null };
      case 3:
        return { op: 'increment', key, by: 1 };
      case 4:
        return this.#set(key, { kind: 'version', version: this.#version(key) });
      default:
        return this.#set(key, null);
    }
  }

  #page(random: Prng): Asked {
    const prefix = random.pick(this.groups);
    const after = random.chance(0.3) ? `${prefix}${random.below(GROUP_KEYS)}` : null;
    return { kind: 'page', prefix, after, limit: random.chance(0.3) ? 2 : 100 };
  }

  #condition(random: Prng, key: string): Condition {
    const kind = random.pick(['version', 'version', 'exists', 'absent'] as const);
    const version = this.#version(key);
    if (kind !== 'version' || version === 0) return { kind: kind === 'version' ? 'absent' : kind };
    return { kind, version };
  }

  #version(key: string): Seq {
    return seq(this.#versions.get(key) ?? 0);
  }

  /** Never the same twice, so that a read says which write it saw; some are bytes, some numbers. */
  #value(): Value {
    const number = this.#values++;
    if (number % 7 === 3) return { bytes: `\xff\0${number}`, contentType: 'application/octet-stream' };
    return { bytes: number % 3 === 0 ? String(1_000_000 * number) : `value ${number}`, contentType: '' };
  }
}

function single(operation: Operation): Asked {
  return { kind: 'operations', atomic: true, operations: [operation] };
}

function hot(random: Prng, keys: readonly string[]): string {
  return random.pick(random.chance(HOT) ? keys.slice(0, HOT_KEYS) : keys);
}

function names(count: number, name: (at: number) => string): string[] {
  return Array.from({ length: count }, (_, at) => name(at));
}
