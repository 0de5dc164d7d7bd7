import { assert } from '../base/assert.ts';
import type { RequestId } from '../base/ids.ts';
import type { Prng } from '../base/prng.ts';
import { Attempt, type AttemptListener, type Failure, type Way } from './client-attempt.ts';
import type { Asked, Told } from './history.ts';
import { changes, type Doors } from './request.ts';
import type { Scheduler } from './scheduler.ts';

/** The longest wait between attempts, in ms. */
const BACKOFF_MS_MAX = 1000;
const BACKOFF_MS = 20;
/** The longest wait of one that wants its answer, in ms: a node keeps a write for 5 s. */
const PATIENCE_MS_MAX = 6000;

/** How a call stands for its client. */
export type CallEnd =
  | { readonly kind: 'answered'; readonly told: Told; readonly node: string }
  /** It may have taken effect, and nobody will say whether. */
  | { readonly kind: 'unknown' }
  /** It took no effect, or was a read. */
  | { readonly kind: 'nothing' }
  /** Given up for now: `persist` goes on, and the answer to an attempt under way may still come. Another end follows. */
  | { readonly kind: 'left' };

/** What a call needs of the client that makes it. */
export interface Caller {
  readonly doors: Doors;
  readonly scheduler: Scheduler;
  /** Where the first attempt goes, or the next after one at `last`; `null` when the client has heard of no node. */
  node(call: ClientCall, last: string | null, prng: Prng): string | null;
  ended(call: ClientCall, end: CallEnd): void;
  attempted(call: ClientCall, attempts: number): void;
  redirected(): void;
  sent: AttemptListener['sent'];
}

/** What is to be called, and how. */
export interface CallOptions {
  readonly asked: Asked;
  /** `null`: the head is to make one. */
  readonly requestId: RequestId | null;
  /** The id belongs to a write of another kind that was answered: this one must be rejected. */
  readonly reusesId: boolean;
  readonly place: number | null;
  readonly patienceMs: number;
  readonly attemptsMax: number;
  readonly way: Way;
}

/** A call with all its attempts, under one id. */
export class ClientCall {
  readonly options: CallOptions;
  readonly calledAtMs: number;
  readonly changes: boolean;
  readonly #caller: Caller;
  readonly #prng: Prng;
  #requestId: RequestId | null;
  #attempts = 0;
  #node: string | null = null;
  #uncertain = false;
  #persists = false;
  #left = false;
  #over = false;

  constructor(options: CallOptions, { caller, prng }: { caller: Caller; prng: Prng }) {
    this.options = options;
    this.changes = changes(options.asked);
    this.calledAtMs = caller.scheduler.nowMs;
    this.#caller = caller;
    this.#prng = prng;
    this.#requestId = options.requestId;
  }

  get requestId(): RequestId | null {
    return this.#requestId;
  }

  /** Begins an attempt. */
  attempt(): void {
    if (this.#over) return;
    const node = this.#caller.node(this, this.#node, this.#prng);
    if (node === null) return this.#again();
    this.#node = node;
    this.#attempts += 1;
    this.#caller.attempted(this, this.#attempts);
    const { asked, way } = this.options;
    const request = {
      asked,
      requestId: this.#requestId,
      patienceMs: this.#patienceMs(),
      way: this.#persists ? { ...way, lossRate: 0, lateRate: 0 } : way,
    };
    const { doors, scheduler } = this.#caller;
    new Attempt(request, { doors, scheduler, prng: this.#prng, listener: this.#listener() }).send(node);
  }

  /** Goes on until there is an answer, with nothing lost or late on the way any more. */
  persist(): void {
    if (this.#over || this.#persists) return;
    this.#persists = true;
    if (this.#left) this.attempt();
  }

  #listener(): AttemptListener {
    return {
      answered: (told, node) => this.#answered(told, node),
      rejected: (code) => this.#rejected(code),
      failed: (failure) => this.#failed(failure),
      redirected: () => this.#caller.redirected(),
      sent: (afterMs, arrive) => this.#caller.sent(afterMs, arrive),
    };
  }

  #answered(told: Told, node: string): void {
    assert(!this.options.reusesId, () => `I5: ${this.#requestId} was taken for another command too`);
    if (!this.#over) this.#end({ kind: 'answered', told, node });
  }

  #rejected(code: 'REQUEST_ID_REUSED' | 'REQUEST_ID_EXPIRED'): void {
    const { reusesId } = this.options;
    // Clients' own ids are remembered for far longer than a run lasts.
    const forgotten = code === 'REQUEST_ID_EXPIRED' && this.options.requestId === null;
    assert(reusesId || forgotten, () => `I5: ${this.#requestId} was of no other command (${code})`);
    // Its outcome was forgotten, not that it had one.
    if (!this.#over) this.#end({ kind: reusesId ? 'nothing' : 'unknown' });
  }

  #failed({ uncertain, requestId, code }: Failure): void {
    if (this.#over) return;
    if (uncertain) this.#uncertain = true;
    this.#requestId ??= requestId;
    const patient = this.#attempts < this.options.attemptsMax;
    if (!this.#isRepeatable()) this.#end({ kind: 'unknown' });
    else if (code === 'STORE_FULL' && !patient) this.#end({ kind: this.#uncertain ? 'unknown' : 'nothing' });
    else if (patient || this.#persists) this.#again();
    else this.#leave();
  }

  #leave(): void {
    if (!this.changes || !this.#uncertain) return this.#end({ kind: 'nothing' });
    this.#left = true;
    this.#caller.ended(this, { kind: 'left' });
  }

  /** Once more would not be twice. */
  #isRepeatable(): boolean {
    return !this.changes || !this.#uncertain || this.#requestId !== null;
  }

  #again(): void {
    const backoffMs = Math.min(BACKOFF_MS * 1.5 ** this.#attempts, BACKOFF_MS_MAX);
    this.#caller.scheduler.after(backoffMs * this.#prng.between(0.2, 1), () => this.attempt());
  }

  #patienceMs(): number {
    const { patienceMs, attemptsMax } = this.options;
    const more = this.#persists ? Math.max(0, this.#attempts - attemptsMax) : 0;
    return Math.max(patienceMs, Math.min(patienceMs * 2 ** more, PATIENCE_MS_MAX));
  }

  #end(end: CallEnd): void {
    this.#over = true;
    this.#caller.ended(this, end);
  }
}
