import { RetryBudget } from './budget.ts';
import type { Answer, Call } from './caller.ts';
import { CatenaError } from './errors.ts';
import { Gate } from './gate.ts';
import { orAborted } from './pause.ts';
import { RequestIds } from './request-ids.ts';
import { retried } from './retry.ts';
import type { Routing } from './routing.ts';
import { Sending } from './sending.ts';
import type { Transport } from './transport.ts';
import { Tries } from './tries.ts';
import type { TryFailed } from './try-failed.ts';

/** Requests, each tried until it is answered: a write under one id. */
export class Requests {
  readonly #routing: Routing;
  readonly #tries: Tries;
  readonly #ids = new RequestIds();
  readonly #budget = new RetryBudget();

  constructor({ transport, routing }: { readonly transport: Transport; readonly routing: Routing }) {
    this.#routing = routing;
    this.#tries = new Tries({ transport, routing, gates: { read: new Gate(), write: new Gate() } });
  }

  /** Begins to keep account of a request. */
  sending(intent: Call['intent']): Sending {
    return new Sending({ intent, requestId: this.#ids.next() });
  }

  /**
   * Tries until there is an answer to it: 2xx, 304 or 4xx.
   *
   * @throws CatenaError of what no further try mends; the reason of the signal, which alone ends the tries.
   */
  async run(
    call: Call,
    { sending, signal }: { readonly sending: Sending; readonly signal: AbortSignal },
  ): Promise<Answer> {
    const startedMs = performance.now();
    const tryOnce = (): Promise<Answer> =>
      this.#tries.once(call, { sending, signal, elapsedMs: performance.now() - startedMs });
    const failed = async (error: TryFailed): Promise<void> => {
      sending.last = error;
      if (error.failure.chainMayDiffer) await orAborted(this.#routing.refresh(), signal);
    };
    try {
      const answer = await retried(tryOnce, { signal, budget: this.#budget, failed });
      this.#budget.answered();
      return answer;
    } catch (error) {
      signal.throwIfAborted();
      if (sending.inDoubt && !(error instanceof CatenaError)) throw sending.unknown(String(error), error);
      throw error;
    }
  }
}
