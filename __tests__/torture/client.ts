import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent } from 'undici';
import type { Prng } from '../../src/base/prng.ts';
import type { Asked, Told } from '../../src/simulator/history.ts';
import { readAnswer, versionsIn } from './answers.ts';
import { attempt } from './attempt.ts';
import type { Recorder } from './recorder.ts';
import { requestFor, writes } from './requests.ts';
import type { Work } from './workload.ts';

const RETRY_MS = 25;
const REST_MS = 30;
const TIMEOUTS_MS = [150, 500, 1000, 2000, 6000];
/** Clients that lose patience: this part of all calls, after up to so long. */
const IMPATIENT = 0.4;
const PATIENCE_MS = 600;
/** Writes without an id: only an id that the cluster gave them is ever tried again. */
const WITHOUT_ID = 0.25;

/** What a client needs. */
export interface ClientOptions {
  readonly name: string;
  readonly random: Prng;
  readonly workload: Work;
  readonly recorder: Recorder;
  /** The URLs of the nodes that may be called. */
  readonly targets: () => readonly string[];
  /** Told the URL from `targets` at which an attempt began that got no answer. */
  readonly unanswered?: (target: string) => void;
  /** How long an attempt may take: each draws one of these. */
  readonly timeoutsMs?: readonly number[];
}

/** One client: calls one after the other, at any node, each tried again until it is answered or the client has had enough. */
export class Client {
  readonly #options: ClientOptions;
  readonly #agent = new Agent({ connections: 4, pipelining: 1, connectTimeout: 2000 });
  readonly #abandoned = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #over = false;
  /** Who leaves a call unanswered goes on as somebody else, as it may take effect later. */
  #lives = 0;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Begins no further call, and waits for the last one. @returns whether that was answered, or given up, in time. */
  async stop(withinMs: number): Promise<boolean> {
    this.#over = true;
    const late = Symbol('late');
    const timer = new AbortController();
    const ended = await Promise.race([
      this.#running,
      sleep(withinMs, late, { signal: timer.signal }).catch(() => late),
    ]);
    timer.abort();
    this.#abandoned.abort();
    await this.#running;
    await this.#agent.destroy();
    return ended !== late;
  }

  async #run(): Promise<void> {
    const { random, workload } = this.#options;
    while (!this.#over) {
      const asked = workload.next(random);
      const name = this.#lives === 0 ? this.#options.name : `${this.#options.name}.${this.#lives}`;
      const certain = await new CallUnderWay(asked, name, {
        ...this.#options,
        agent: this.#agent,
        abandoned: this.#abandoned.signal,
      }).run();
      if (!certain) this.#lives += 1;
      await sleep(random.between(0, REST_MS));
    }
  }
}

type CallOptions = ClientOptions & { readonly agent: Agent; readonly abandoned: AbortSignal };

/** One call with all its attempts. */
class CallUnderWay {
  readonly #asked: Asked;
  readonly #name: string;
  readonly #options: CallOptions;
  readonly #calledAtMs = performance.now();
  readonly #untilMs: number;
  readonly #givenId: string | null;
  /** An id that the cluster gave to a write that had none. */
  #foundId: string | null = null;
  /** An attempt may have had an effect. */
  #uncertain = false;

  constructor(asked: Asked, name: string, options: CallOptions) {
    this.#asked = asked;
    this.#name = name;
    this.#options = options;
    const { random } = options;
    const impatient = random.chance(IMPATIENT);
    this.#untilMs = impatient ? this.#calledAtMs + random.between(0, PATIENCE_MS) : Number.POSITIVE_INFINITY;
    this.#givenId = writes(asked) && !random.chance(WITHOUT_ID) ? randomUUID() : null;
  }

  /** Whether it is known what became of it. */
  async run(): Promise<boolean> {
    const { abandoned } = this.#options;
    while (!(await this.#attempt())) {
      await sleep(RETRY_MS);
      if (abandoned.aborted || performance.now() > this.#untilMs || this.#cantRepeat()) {
        return this.#leave();
      }
    }
    return true;
  }

  /** Whether the call has come to its end by it. */
  async #attempt(): Promise<boolean> {
    const {
      random,
      targets,
      unanswered,
      timeoutsMs = TIMEOUTS_MS,
      agent,
      abandoned,
      recorder,
    } = this.#options;
    const base = random.pick(targets());
    const done = await attempt(requestFor(this.#asked), {
      base,
      headers: this.#givenId === null ? {} : { 'idempotency-key': this.#givenId },
      requestIdInQuery: this.#foundId,
      timeoutMs: random.pick(timeoutsMs),
      signal: abandoned,
      dispatcher: agent,
    });
    if (this.#givenId === null && done.requestId !== null) this.#foundId = done.requestId;
    if (done.kind === 'failed') {
      // A redirect that names an id comes from a node where the write may go on.
      this.#uncertain ||= done.sent || done.requestId !== null;
      recorder.missed(done.why);
      unanswered?.(base);
      return false;
    }
    const reading = readAnswer(this.#asked, done.answer);
    if (reading.kind === 'told') {
      this.#answered(reading.told, done.askedAtMs);
      return true;
    }
    recorder.missed(reading.why.replace(/:.*/s, ''));
    if (reading.kind === 'wrong') recorder.wrong.push(`${JSON.stringify(this.#asked)}: ${reading.why}`);
    if (reading.kind === 'unknown' && this.#givenId === null) this.#foundId = reading.requestId;
    this.#uncertain ||= reading.kind !== 'no-effect' || done.requestId !== null;
    return false;
  }

  /** A read happens within its last attempt, as those before changed nothing. */
  #answered(told: Told, askedAtMs: number): void {
    const { recorder, workload } = this.#options;
    const atMs = performance.now();
    const isWrite = writes(this.#asked);
    const calledAtMs = isWrite ? this.#calledAtMs : askedAtMs;
    recorder.calls.push({ client: this.#name, asked: this.#asked, calledAtMs, answer: { told, atMs } });
    if (isWrite && told.kind === 'done') recorder.writesAtMs.push(atMs);
    for (const [key, version] of versionsIn(this.#asked, told)) workload.seen(key, version);
  }

  /** A write without an id must not be asked for twice, as both may take effect. */
  #cantRepeat(): boolean {
    return writes(this.#asked) && this.#uncertain && this.#givenId === null && this.#foundId === null;
  }

  #leave(): boolean {
    const { recorder } = this.#options;
    if (!writes(this.#asked) || !this.#uncertain) {
      recorder.leftOut += 1;
      return true;
    }
    const { calls } = recorder;
    calls.push({ client: this.#name, asked: this.#asked, calledAtMs: this.#calledAtMs, answer: null });
    return false;
  }
}
