import { Prng } from '../../src/base/prng.ts';
import type { Call } from '../../src/simulator/history.ts';
import { Client, type ClientOptions } from '../torture/client.ts';
import { Recorder } from '../torture/recorder.ts';
import { writes } from '../torture/requests.ts';
import { type Work, Workload } from '../torture/workload.ts';
import { KeptWrites } from './kept.ts';
import { Readers } from './readers.ts';

/** Clients that ask for anything, and clients that write what stays. */
const MIXED = 8;
const KEEPING = 4;
/** How long they wait for an answer. The longest time without a write is to be the chain's, not that of clients who wait for a lost host. */
const TIMEOUTS_MS = { mixed: [150, 300, 600, 2000], keeping: [150, 300] };
/** For so long a client asks others than the node that gave it no answer. */
const SHUNNED_MS = 1000;
const LAST_ANSWER_MS_MAX = 15_000;
const PREFIX = 'all/';

/** All clients of a run: those on a host of their own, which call any node, and one beside each node. */
export class Crowd {
  readonly workload = new Workload(PREFIX);
  readonly kept = new KeptWrites('kept/');
  readonly #recorder = new Recorder();
  readonly #clients: readonly Client[];
  readonly #readers: Readers;
  /** Up to here the calls have been counted as reads or not. */
  #countedReads = { calls: 0, atMs: [] as number[] };

  constructor(options: { folder: string; seed: number; urls: ReadonlyMap<string, string> }) {
    const { folder, seed, urls } = options;
    const random = new Prng(seed);
    const client = (name: string, workload: Work, timeoutsMs: readonly number[]): Client =>
      new Client({
        name,
        random: random.fork(name),
        workload,
        recorder: this.#recorder,
        timeoutsMs,
        ...sensible([...urls.values()]),
      });
    this.#clients = [
      ...Array.from({ length: MIXED }, (_, at) => client(`client-${at}`, this.workload, TIMEOUTS_MS.mixed)),
      ...Array.from({ length: KEEPING }, (_, at) => client(`keeper-${at}`, this.kept, TIMEOUTS_MS.keeping)),
    ];
    this.#readers = new Readers({ folder, seed, prefix: PREFIX, urlOf: (node) => urls.get(node) ?? '' });
  }

  /** What the clients of its own host did so far. */
  get calls(): readonly Call[] {
    return this.#recorder.calls;
  }

  start(): void {
    for (const client of this.#clients) client.start();
  }

  /** Writes that were acknowledged since then; times are those of `performance.now()`. */
  writesSince(fromMs: number): number {
    return countFrom(this.#recorder.writesAtMs, fromMs);
  }

  /** The same of reads. */
  readsSince(fromMs: number): number {
    const { calls } = this.#recorder;
    const counted = this.#countedReads;
    for (; counted.calls < calls.length; counted.calls++) {
      const { asked, answer } = calls[counted.calls] ?? {};
      if (asked !== undefined && answer && !writes(asked)) counted.atMs.push(answer.atMs);
    }
    return countFrom(counted.atMs, fromMs);
  }

  /** The longest time without an acknowledged write. */
  longestGapMs(fromMs: number, toMs: number): number {
    return this.#recorder.longestGapMs(fromMs, toMs);
  }

  /** Ends them. @returns all calls, and what is wrong with what they were told, in words. */
  async stop(): Promise<{ readonly calls: readonly Call[]; readonly wrong: readonly string[] }> {
    const ended = await Promise.all(this.#clients.map((client) => client.stop(LAST_ANSWER_MS_MAX)));
    const stuck = ended.filter((inTime) => !inTime).length;
    const seen = await this.#readers.stop();
    const wrong = [...this.#recorder.wrong, ...seen.wrong].map((it) => `an answer that may not be: ${it}`);
    if (stuck > 0) wrong.push(`${stuck} calls got no answer within ${LAST_ANSWER_MS_MAX} ms of calm`);
    return { calls: [...this.#recorder.calls, ...seen.calls], wrong };
  }

  /** Ends the processes among them without waiting. */
  endNow(): void {
    this.#readers.endNow();
  }
}

/** Whom a client asks that does not run into the same wall again and again. */
function sensible(urls: readonly string[]): Required<Pick<ClientOptions, 'targets' | 'unanswered'>> {
  const shunnedUntilMs = new Map<string, number>();
  return {
    targets: () => {
      const open = urls.filter((url) => (shunnedUntilMs.get(url) ?? 0) < performance.now());
      return open.length > 0 ? open : urls;
    },
    unanswered: (url) => shunnedUntilMs.set(url, performance.now() + SHUNNED_MS),
  };
}

/** How many of these ascending times are later. */
function countFrom(timesMs: readonly number[], fromMs: number): number {
  return timesMs.length - 1 - timesMs.findLastIndex((atMs) => atMs <= fromMs);
}
