import { pause } from './pause.ts';

/** So many retries at once: more than requests are under way (gate.ts), so that the loss of a node uses up no more than it holds. */
const RETRIES_MAX = 100;
/** What comes back by itself: a cluster that answers nothing sees so many requests a second of this client at most, beside new ones. */
const RETRIES_PER_SECOND = 20;
/** What each answer adds: where some are answered, retries make a fifth more requests at most. */
const RETRIES_PER_ANSWER = 0.2;

/**
 * How often requests may be tried again, over all of a client, so that a cluster which can't keep up isn't asked more often
 * for that. Without a budget a retry waits for it rather than fail: its deadline says when to give up.
 */
export class RetryBudget {
  #tokens = RETRIES_MAX;
  #countedMs = performance.now();

  /** Takes one from the budget, when there is one. @throws the reason of the signal. */
  async take(signal: AbortSignal): Promise<void> {
    for (;;) {
      this.#add(((performance.now() - this.#countedMs) / 1000) * RETRIES_PER_SECOND);
      this.#countedMs = performance.now();
      if (this.#tokens >= 1) {
        this.#tokens -= 1;
        return;
      }
      await pause(Math.max(1, ((1 - this.#tokens) / RETRIES_PER_SECOND) * 1000), signal);
    }
  }

  answered(): void {
    this.#add(RETRIES_PER_ANSWER);
  }

  #add(tokens: number): void {
    this.#tokens = Math.min(RETRIES_MAX, this.#tokens + tokens);
  }
}
