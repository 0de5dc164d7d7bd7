import { CatenaError } from '../base/errors.ts';
import type { RequestTicket } from '../coordinator/events.ts';
import type { Cancel, Clock } from '../ports/clock.ts';

/** Most requests of one kind that wait for their answers at once; the core keeps twice as many, for edits and forces. */
const WAITING_MAX = 8;
/** How long a request waits: longer only when the disk takes nothing, in ms. */
const WAIT_MS_MAX = 5000;

interface Waiting<Reply> {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: CatenaError) => void;
  readonly cancel: Cancel;
}

/** Operators' requests on their way through the core: each is answered, in time, whatever becomes of the coordinator. */
export class CoordinatorTickets<Reply> {
  readonly #clock: Clock;
  readonly #waiting = new Map<RequestTicket, Waiting<Reply>>();

  constructor({ clock }: { clock: Clock }) {
    this.#clock = clock;
  }

  /**
   * `ask` is called at once, unless too many wait; the answer to that ticket may come within the call. `whyLate` says in words what
   * an answer that is late waits for.
   *
   * @throws CatenaError OVERLOADED; OUTCOME_UNKNOWN when no answer comes in time, or the coordinator stops first.
   */
  open(ticket: RequestTicket, { ask, whyLate }: { ask: () => void; whyLate: () => string }): Promise<Reply> {
    if (this.#waiting.size >= WAITING_MAX) return Promise.reject(overloaded());
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(WAIT_MS_MAX, () => this.#take(ticket)?.reject(unknown(whyLate())));
      this.#waiting.set(ticket, { resolve, reject, cancel });
      ask();
    });
  }

  /** An answer that comes too late is dropped. */
  answer(ticket: RequestTicket, reply: Reply): void {
    this.#take(ticket)?.resolve(reply);
  }

  /** Answers all, as the coordinator stops. */
  stop(): void {
    for (const ticket of this.#waiting.keys())
      this.#take(ticket)?.reject(unknown('the coordinator is stopping'));
  }

  #take(ticket: RequestTicket): Waiting<Reply> | undefined {
    const waiting = this.#waiting.get(ticket);
    this.#waiting.delete(ticket);
    waiting?.cancel();
    return waiting;
  }
}

function overloaded(): CatenaError {
  return new CatenaError(
    'OVERLOADED',
    `${WAITING_MAX} requests wait for their answers; try again in a moment`,
  );
}

function unknown(why: string): CatenaError {
  return new CatenaError(
    'OUTCOME_UNKNOWN',
    `${why}: it may still be done. Look at GET /topology, and try again if it was not`,
  );
}
