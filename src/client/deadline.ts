import { CatenaError, InvalidRequest } from './errors.ts';
import type { CallOptions } from './types.ts';

/** Calls are tried again for so long unless told otherwise, in ms. */
const DEADLINE_MS = 10_000;
/**
 * The longest deadline, in ms. Nodes remember the ids of clients for 10 minutes: a try later than that would write twice.
 * Half of it leaves time for a try that is held up on its way.
 */
const DEADLINE_MS_MAX = 300_000;

/** Why a call that is under way ends: it is the reason of its signal. */
export const DEADLINE_PASSED = Symbol('the deadline has passed');

/**
 * When a call began and how long it may take. By the monotonic clock; a machine that slept, whose monotonic clock may have
 * stood still, is past every deadline by the wall clock once ids may be forgotten.
 */
export class Deadline {
  readonly ms: number;
  readonly #startedMs = performance.now();
  readonly #startedWallMs = Date.now();

  constructor(ms: number) {
    this.ms = ms;
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedMs;
  }

  /** What is left of it; 0 when it has passed. */
  get leftMs(): number {
    if (Date.now() - this.#startedWallMs > DEADLINE_MS_MAX) return 0;
    return Math.max(0, this.ms - this.elapsedMs);
  }
}

/** The deadline of a call. @throws InvalidRequest. */
export function deadlineOf({ deadlineMs }: CallOptions, defaultMs = DEADLINE_MS): Deadline {
  return new Deadline(deadlineMs === undefined ? defaultMs : checkedDeadline(deadlineMs));
}

/** @throws InvalidRequest when it is none. */
export function checkedDeadline(ms: unknown): number {
  if (typeof ms === 'number' && ms > 0 && ms <= DEADLINE_MS_MAX) return ms;
  throw new InvalidRequest(
    'BAD_PARAMETER',
    `deadlineMs is ${String(ms)}: give milliseconds above 0 and at most ${DEADLINE_MS_MAX}; beyond that nodes may forget the id under which a write is tried again`,
  );
}

/** What ends a call before it is answered: its signal, its deadline, or the end of the client. */
export class Ending {
  readonly deadline: Deadline;
  readonly #controller = new AbortController();
  readonly #given: AbortSignal | undefined;
  readonly #client: AbortSignal;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor({
    deadline,
    signal,
    client,
  }: {
    readonly deadline: Deadline;
    readonly signal: AbortSignal | undefined;
    readonly client: AbortSignal;
  }) {
    this.deadline = deadline;
    this.#given = signal;
    this.#client = client;
    if (signal?.aborted) this.#byGiven();
    if (client.aborted) this.#byClient();
    signal?.addEventListener('abort', this.#byGiven, { once: true });
    client.addEventListener('abort', this.#byClient, { once: true });
    this.#watch();
  }

  /** Aborted when the call has to end. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The reason of the signal that was given, `DEADLINE_PASSED`, or the error of a closed client. */
  get reason(): unknown {
    return this.#controller.signal.reason;
  }

  /** Whether the caller itself gave the call up. */
  get byCaller(): boolean {
    return this.#given?.aborted === true && this.reason === this.#given.reason;
  }

  /** To be called when the call is over, however it ended. */
  done(): void {
    clearTimeout(this.#timer);
    this.#given?.removeEventListener('abort', this.#byGiven);
    this.#client.removeEventListener('abort', this.#byClient);
  }

  readonly #byGiven = (): void => this.#controller.abort(this.#given?.reason);
  readonly #byClient = (): void => this.#controller.abort(this.#client.reason);

  #watch(): void {
    this.#timer = setTimeout(() => {
      if (this.deadline.leftMs === 0) this.#controller.abort(DEADLINE_PASSED);
      else this.#watch();
    }, Math.ceil(this.deadline.leftMs));
  }
}

/** What calls reject with once `close` was called. */
export function closedError(): CatenaError {
  return new CatenaError('CLOSED', 'this client was closed; connect again for a new one');
}
