import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';

/** A call that has not succeeded by then has failed. */
const GIVE_UP_MS = 10_000;
/** A node that says nothing for so long is left for another. */
const ATTEMPT_MS = 2000;
const RETRY_MS = 20;
const TICK_MS = 5;
const REDIRECTS_MAX = 6;
/** What is due beyond this many calls at once is not made, and counted. */
const IN_FLIGHT_MAX = 4000;

/** How much a load asks for. */
export interface LoadOptions {
  readonly writesPerSecond: number;
  readonly readsPerSecond: number;
  /** How many counters the increments are spread over. */
  readonly counters: number;
}

/** What the counters held at the end, beside what was acknowledged. All must be 0. */
export interface Tally {
  /** Increments that were acknowledged and are not there. */
  readonly lost: number;
  /** Increments that are there more often than they were asked for. */
  readonly doubled: number;
  /** Reads that showed less than was acknowledged before they began. */
  readonly stale: number;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

interface Counter {
  /** The highest value that an acknowledged increment gave: no later read may show less. */
  newest: number;
  acknowledged: number;
  asked: number;
}

/** The calls of one kind. */
class Track {
  /** When each success came, in ms of `performance.now()`, ascending. */
  readonly #endsMs: number[] = [];
  /** What made attempts fail that were made again, with how often. */
  readonly reasons = new Map<string, number>();
  worstMs = 0;
  failed = 0;
  inFlight = 0;
  begun = 0;
  /** Calls that were due and not made, as too many were under way. */
  skipped = 0;

  get succeeded(): number {
    return this.#endsMs.length;
  }

  /** When the last success came. */
  get lastMs(): number {
    return this.#endsMs.at(-1) ?? 0;
  }

  took(sinceMs: number): void {
    const nowMs = performance.now();
    this.worstMs = Math.max(this.worstMs, nowMs - sinceMs);
    this.#endsMs.push(nowMs);
  }

  missed(reason: string): void {
    this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1);
  }

  /** The longest time between two successive successes, the earlier before `toMs`, the later behind `fromMs`. */
  longestGapMs(fromMs: number, toMs: number): number {
    let longest = 0;
    for (let at = this.#firstAfter(fromMs); at < this.#endsMs.length; at++) {
      const before = this.#endsMs[at - 1];
      if (before === undefined) continue;
      if (before > toMs) break;
      longest = Math.max(longest, (this.#endsMs[at] ?? before) - before);
    }
    return longest;
  }

  #firstAfter(timeMs: number): number {
    const found = this.#endsMs.findLastIndex((endMs) => endMs <= timeMs);
    return found + 1;
  }
}

/**
 * Clients that call at a steady rate, however slow the answers are: increments under an `Idempotency-Key` each, at any node,
 * redirects followed, tried again until they succeed; and reads of the same counters, each held against what was
 * acknowledged before it began.
 */
export class Load {
  readonly writes = new Track();
  readonly reads = new Track();
  readonly #options: LoadOptions;
  readonly #targets: () => readonly string[];
  readonly #counters: Counter[];
  readonly #agent = new Agent({ connections: 256, pipelining: 1, connectTimeout: ATTEMPT_MS });
  readonly #underWay = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #stale = 0;
  #over = false;

  /** `targets` gives the URLs of the nodes that clients call at that moment. */
  constructor(options: LoadOptions, targets: () => readonly string[]) {
    this.#options = options;
    this.#targets = targets;
    this.#counters = Array.from({ length: options.counters }, () => ({
      newest: 0,
      acknowledged: 0,
      asked: 0,
    }));
  }

  start(): void {
    const startMs = performance.now();
    let [writes, reads] = [0, 0];
    this.#timer = setInterval(() => {
      const seconds = (performance.now() - startMs) / 1000;
      for (; writes < seconds * this.#options.writesPerSecond; writes++)
        this.#begin(this.writes, () => this.#write());
      for (; reads < seconds * this.#options.readsPerSecond; reads++)
        this.#begin(this.reads, () => this.#read());
    }, TICK_MS);
  }

  /** Begins nothing more, waits for what is under way, and reads what became of all. */
  async stop(): Promise<Tally> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
    let [lost, doubled] = [0, 0];
    for (const [at, { acknowledged, asked }] of this.#counters.entries()) {
      const value = await this.#value(at);
      lost += Math.max(0, acknowledged - value);
      doubled += Math.max(0, value - asked);
    }
    await this.#agent.close();
    return { lost, doubled, stale: this.#stale };
  }

  /** Ends at once, whatever is under way: for a test that failed. Nothing happens behind `stop`. */
  async abandon(): Promise<void> {
    this.#over = true;
    clearInterval(this.#timer);
    if (!this.#agent.destroyed) await this.#agent.destroy();
    await Promise.all(this.#underWay);
  }

  #begin(track: Track, call: () => Promise<void>): void {
    if (track.inFlight >= IN_FLIGHT_MAX) {
      track.skipped += 1;
      return;
    }
    track.inFlight += 1;
    const underWay = call().finally(() => {
      track.inFlight -= 1;
      this.#underWay.delete(underWay);
    });
    this.#underWay.add(underWay);
  }

  async #write(): Promise<void> {
    const [at, counter] = this.#next(this.writes);
    counter.asked += 1;
    const answer = await this.#succeed(this.writes, 'POST', `/increment/counter-${at}`);
    if (answer === null) return;
    counter.acknowledged += 1;
    counter.newest = Math.max(counter.newest, (JSON.parse(answer.body) as { value: number }).value);
  }

  async #read(): Promise<void> {
    const [at, counter] = this.#next(this.reads);
    const atLeast = counter.newest;
    const answer = await this.#succeed(this.reads, 'GET', `/get/counter-${at}`);
    if (answer !== null && shownBy(answer) < atLeast) this.#stale += 1;
  }

  async #value(at: number): Promise<number> {
    const answer = await this.#succeed(new Track(), 'GET', `/get/counter-${at}`);
    if (answer === null) throw new Error(`counter-${at} can't be read`);
    return shownBy(answer);
  }

  /** Reads and writes each go round all counters. */
  #next(track: Track): [number, Counter] {
    track.begun += 1;
    const at = track.begun % this.#counters.length;
    const counter = this.#counters[at];
    if (counter === undefined) throw new Error('a load needs a counter');
    return [at, counter];
  }

  /** Tries it at one node after the other; `null` when it has not succeeded in time. */
  async #succeed(track: Track, method: 'GET' | 'POST', path: string): Promise<Answer | null> {
    const id = randomUUID();
    const sinceMs = performance.now();
    for (let attempt = track.begun; performance.now() - sinceMs < GIVE_UP_MS && !this.#over; attempt++) {
      const targets = this.#targets();
      const answer = await this.#ask(method, `${targets[attempt % targets.length]}${path}`, id);
      if (typeof answer !== 'string') {
        track.took(sinceMs);
        return answer;
      }
      track.missed(answer);
      await sleep(RETRY_MS);
    }
    track.failed += 1;
    return null;
  }

  /** The answer to one attempt, or why it is none, in a few words. */
  async #ask(method: 'GET' | 'POST', first: string, id: string): Promise<Answer | string> {
    let url = first;
    try {
      for (let hops = 0; hops < REDIRECTS_MAX; hops++) {
        const answer = await request(url, {
          method,
          headers: method === 'POST' ? { 'idempotency-key': id } : { accept: 'text/plain' },
          dispatcher: this.#agent,
          signal: AbortSignal.timeout(ATTEMPT_MS),
        });
        const body = await answer.body.text();
        const { statusCode: status, headers } = answer;
        if (status === 200 || (status === 404 && method === 'GET')) return { status, body };
        if (status !== 307) return `${status} ${/problem:([a-z-]+)/.exec(body)?.[1] ?? ''}`;
        url = new URL(String(headers.location), url).href;
      }
      return 'redirected in a circle';
    } catch (error) {
      return reasonOf(error);
    }
  }
}

function shownBy({ status, body }: Answer): number {
  return status === 404 ? 0 : Number(body);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
