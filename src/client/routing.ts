import { messageOf } from '../base/errors.ts';
import type { AnswerHeaders, Call } from './caller.ts';
import { chainFrom, type KnownChain, newer } from './chain-view.ts';
import { exchange } from './exchange.ts';
import type { Transport } from './transport.ts';

/** A node that was asked for the topology and says nothing for so long isn't waited for, in ms. */
const ASK_MS = 1000;
/** For so long after it was asked for, the chain isn't asked for again because some answer is of a later one, in ms. */
const ASK_PAUSE_MS = 50;
/** So many are asked at a time: one that hangs must not hold up the others. */
const ASKED_AT_ONCE = 3;
/** After so many failures in a row a node is asked by way of another one, */
const FAILURES_MAX = 2;
/** until so long after the last of them, in ms. */
const FAILING_MS = 5000;
/** Addresses that are kept as ways in, beside those given. */
const WAYS_MAX = 256;

/** Where a request goes. */
export interface Way {
  /** Scheme, host and port. */
  readonly base: string;
  /** The node is to send it on itself, since the one that it is meant for can't be reached from here. */
  readonly forward: boolean;
}

interface Health {
  readonly failures: number;
  readonly atMs: number;
}

/** Knows the chain, and by which addresses it is reached from here. It learns both from any node that answers. */
export class Routing {
  readonly #transport: Transport;
  readonly #given: readonly string[];
  readonly #signal: AbortSignal;
  /** Everything that ever was an address of a node; what came last is last. */
  readonly #ways = new Set<string>();
  readonly #health = new Map<string, Health>();
  #known: KnownChain | null = null;
  #refreshing: Promise<boolean> | null = null;
  #turn = 0;
  /** When nodes were last asked. */
  #askedMs = Number.NEGATIVE_INFINITY;
  /** Why the last one that was asked did not say what the chain is. */
  #lastFailure = 'nobody was asked';

  /** `urls` without slashes behind; `signal` ends all that is under way. */
  constructor({
    transport,
    urls,
    signal,
  }: { readonly transport: Transport; readonly urls: readonly string[]; readonly signal: AbortSignal }) {
    this.#transport = transport;
    this.#given = urls;
    this.#signal = signal;
  }

  /** The chain as it was last heard of; `null` before anybody was. */
  get known(): KnownChain | null {
    return this.#known;
  }

  /** Why nobody said what the chain is, in words. */
  get trouble(): string {
    const others = this.#candidates().length - 1;
    return `nobody said what the chain is: ${this.#lastFailure}${others > 0 ? `, and ${others} more` : ''}`;
  }

  /** Where a request of this kind goes now; `null` while no chain is known. */
  wayFor(intent: Call['intent']): Way | null {
    if (this.#known === null) return null;
    const base = this.#baseFor(intent, this.#known);
    if (base === undefined) return this.#wayByAnother();
    if (!this.#isFailing(base)) return { base, forward: false };
    const another = this.#wayByAnother();
    return another === null ? { base, forward: false } : { ...another, forward: true };
  }

  /** Where a stream that any member serves is opened: at each in turn, those that fail last. */
  wayForStream(): Way | null {
    const known = this.#known;
    if (known === null) return null;
    const bases = known.members.flatMap((member) => known.urls[member] ?? []);
    const base = this.#inTurn(bases.filter((one) => !this.#isDoubtful(one))) ?? this.#inTurn(bases);
    return base === undefined ? this.#wayByAnother() : { base, forward: false };
  }

  /** Whether requests of this kind go elsewhere now. */
  isElsewhere(intent: Call['intent'], { base, forward }: Way): boolean {
    const known = this.#known;
    if (known === null || forward) return false;
    const wanted = this.#wanted(intent, known);
    const bases = wanted.flatMap((member) => known.urls[member] ?? []);
    return bases.length > 0 && !bases.includes(base);
  }

  /** A node answered: it is well, and may know of a later configuration. */
  answered(base: string, headers: AnswerHeaders): void {
    this.#health.delete(base);
    const epoch = Number(headers.get('catena-epoch') ?? 0);
    const asked = performance.now() - this.#askedMs < ASK_PAUSE_MS;
    if (this.#known !== null && epoch > this.#known.epoch && !asked) void this.refresh();
  }

  /** A node did not answer. */
  failed(base: string): void {
    const failures = (this.#health.get(base)?.failures ?? 0) + 1;
    this.#health.set(base, { failures, atMs: performance.now() });
  }

  /** Asks nodes what the chain is, until one says it. @returns whether one did. Never rejects. */
  refresh(): Promise<boolean> {
    this.#refreshing ??= this.#askAround().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #askAround(): Promise<boolean> {
    const ways = this.#candidates();
    this.#askedMs = performance.now();
    for (let from = 0; from < ways.length && !this.#signal.aborted; from += ASKED_AT_ONCE) {
      const asked = ways.slice(from, from + ASKED_AT_ONCE).map((base) => this.#learnFrom(base));
      // The others go on: what they say later counts too.
      const heard = await Promise.any(asked).catch(() => null);
      if (heard !== null) return true;
    }
    return false;
  }

  async #learnFrom(base: string): Promise<KnownChain> {
    try {
      const answer = await exchange(
        this.#transport,
        { origin: base, path: '/topology', method: 'GET', headers: {}, body: undefined },
        { quietMs: ASK_MS, signal: this.#signal },
      );
      const heard = chainFrom(answer, base);
      if (heard === null) throw new Error(`answered ${answer.status}, and not as a node of catena does`);
      this.#health.delete(base);
      this.#learn(heard);
      return heard;
    } catch (error) {
      this.failed(base);
      this.#lastFailure = `${base}: ${messageOf(error)}`;
      throw error;
    }
  }

  #learn(heard: KnownChain): void {
    this.#known = newer(this.#known, heard);
    for (const url of Object.values(heard.urls)) {
      this.#ways.delete(url);
      this.#ways.add(url);
    }
    for (const url of this.#ways) if (this.#ways.size > WAYS_MAX) this.#ways.delete(url);
  }

  /** All ways in: those that answered last time first, and each time another of them. */
  #candidates(): readonly string[] {
    const all = [...new Set([...Object.values(this.#known?.urls ?? {}), ...this.#given, ...this.#ways])];
    const from = all.length === 0 ? 0 : this.#turn++ % all.length;
    const turned = [...all.slice(from), ...all.slice(0, from)];
    return [
      ...turned.filter((way) => !this.#isDoubtful(way)),
      ...turned.filter((way) => this.#isDoubtful(way)),
    ];
  }

  #wanted(intent: Call['intent'], { members, reads }: KnownChain): readonly string[] {
    if (intent === 'write') return members.slice(0, 1);
    return reads === 'any' ? members : members.slice(-1);
  }

  #baseFor(intent: Call['intent'], known: KnownChain): string | undefined {
    const bases = this.#wanted(intent, known).flatMap((member) => known.urls[member] ?? []);
    const well = bases.filter((base) => !this.#isDoubtful(base));
    return this.#inTurn(well) ?? this.#inTurn(bases);
  }

  #wayByAnother(): Way | null {
    const bases = Object.values(this.#known?.urls ?? {});
    const base =
      this.#inTurn(bases.filter((one) => !this.#isDoubtful(one))) ??
      this.#inTurn(bases.filter((one) => !this.#isFailing(one))) ??
      this.#inTurn(this.#given);
    return base === undefined ? null : { base, forward: false };
  }

  #inTurn(bases: readonly string[]): string | undefined {
    return bases.length < 2 ? bases[0] : bases[this.#turn++ % bases.length];
  }

  /** It failed lately. */
  #isDoubtful(base: string): boolean {
    const health = this.#health.get(base);
    return health !== undefined && performance.now() - health.atMs < FAILING_MS;
  }

  /** It failed lately, and more than once: it is not reached from here. */
  #isFailing(base: string): boolean {
    return this.#isDoubtful(base) && (this.#health.get(base)?.failures ?? 0) >= FAILURES_MAX;
  }
}
