import { assert } from '../../src/base/assert.ts';
import { requestId } from '../../src/base/ids.ts';
import type { Command } from '../../src/protocol/command.ts';
import { increment, set, single } from './builders.ts';
import type { Chain } from './chain.ts';
import type { Write } from './chain-node.ts';

/** The counters that the clients' increments add up in. */
const NAMED = 'named';
const UNNAMED = 'unnamed';

interface Call {
  readonly id: string | null;
  readonly command: Command;
  /** Every attempt: an earlier one may still be under way. */
  readonly attempts: Write[];
}

/**
 * Clients that count: each call adds 1, so an effect that is lost or happens twice shows in the counter, and every
 * outcome (the counter after it) must be another. They know nothing of the protocol.
 */
export class ChainClients {
  readonly #chain: Chain;
  readonly #waitMs: number;
  readonly #named: Call[] = [];
  readonly #unnamed: Call[] = [];

  /** @param options.waitMs how long each attempt waits for its answer. */
  constructor(chain: Chain, { waitMs }: { waitMs: number }) {
    this.#chain = chain;
    this.#waitMs = waitMs;
  }

  /** A write with an id of the client's, repeated until answered. */
  named(node: string): void {
    const call = { id: `call ${this.#named.length}`, command: single(increment(NAMED)), attempts: [] };
    this.#named.push(call);
    this.#attempt(call, node);
  }

  /** A write without one. */
  unnamed(node: string): void {
    const call = { id: null, command: single(increment(UNNAMED)), attempts: [] };
    this.#unnamed.push(call);
    this.#attempt(call, node);
  }

  /** A write that a tick will take back. */
  passing(node: string, ttlMs: number): void {
    const call = { id: null, command: single(set(`passing ${ttlMs}`, 'x', { ttlMs })), attempts: [] };
    this.#attempt(call, node);
  }

  /** Repeats one of the calls that have no answer yet, though an earlier attempt may still be under way. */
  retry(at: number, node: string): void {
    const open = [...this.#named, ...this.#unnamed].filter((call) => answerOf(call) === null && idOf(call));
    const call = open[at % open.length];
    if (call) this.#attempt(call, node);
  }

  /** Repeats every call by id until it is answered, as patient clients do; asserts that each took effect once. */
  finish(): void {
    const open = () => this.#named.filter((call) => answerOf(call) === null);
    for (let round = 0; open().length > 0; round++) {
      if (round > 20) throw new Error(`${open().length} calls get no answer:\n${this.#chain.describe()}`);
      for (const call of open()) this.#attempt(call, this.#chain.head.name);
      this.#chain.until('every attempt has its reply', () =>
        this.#chain.nodes.every(({ waiting }) => waiting === 0),
      );
    }
    this.#chain.until('the chain is whole', () => this.#chain.whole);
    this.#check();
  }

  #check(): void {
    const values = this.#named.map(answerOf).sort((a, b) => Number(a) - Number(b));
    expect(values).toEqual(values.map((_, at) => at + 1));
    expect(this.#counter(NAMED)).toBe(this.#named.length);
    const told = this.#unnamed.map(answerOf).filter((value) => value !== null);
    expect(new Set(told).size).toBe(told.length);
    expect(this.#counter(UNNAMED)).toBeGreaterThanOrEqual(Math.max(0, ...told));
    expect(this.#counter(UNNAMED)).toBeLessThanOrEqual(this.#unnamed.length);
    const digests = this.#chain.nodes.map(({ up }) => up.store.digest());
    expect(new Set(digests).size).toBe(1);
  }

  #counter(key: string): number {
    return Number(this.#chain.tail.up.store.get(key)?.value.bytes ?? 0);
  }

  #attempt(call: Call, node: string): void {
    if (this.#chain.node(node).replica === null) return;
    const id = idOf(call);
    const requested = { requestId: id === null ? null : requestId(id), waitMs: this.#waitMs };
    call.attempts.push(this.#chain.node(node).write(call.command, requested));
  }
}

/** Its own id, or the one that a head gave it. */
function idOf({ id, attempts }: Call): string | null {
  if (id !== null) return id;
  for (const { reply } of attempts) {
    if (reply !== null && reply !== 'lost' && reply.kind !== 'refused' && reply.requestId)
      return reply.requestId;
  }
  return null;
}

/** What the call was answered with; asserts that all its answers are the same. */
function answerOf({ attempts }: Call): number | null {
  const values = attempts.flatMap(({ reply }) => {
    if (reply === null || reply === 'lost' || reply.kind !== 'applied' || reply.outcome.kind !== 'done')
      return [];
    const [result] = reply.outcome.results;
    return result?.kind === 'incremented' ? [result.value] : [];
  });
  assert(new Set(values).size <= 1, () => `one call was answered with ${values}`);
  return values[0] ?? null;
}
