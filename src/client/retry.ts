import pRetry from 'p-retry';
import type { RetryBudget } from './budget.ts';
import { pause } from './pause.ts';
import { TryFailed } from './try-failed.ts';

/** The first pause, in ms; each is twice the one before, and up to as much longer, so that clients don't come back together. */
const PAUSE_MS = 20;
/** The longest pause, in ms, beside what a node asks for. */
const PAUSE_MS_MAX = 500;
/** A pause is stretched by up to so much of it, as those at the limit would all be of one length. */
const JITTER = 0.5;

/**
 * Tries until a try succeeds, or fails of something that is no `TryFailed`. `failed` is called between two tries.
 *
 * @throws what a try threw; the reason of the signal, which alone ends the tries.
 */
export function retried<T>(
  tryOnce: () => Promise<T>,
  {
    signal,
    budget,
    failed,
  }: {
    readonly signal: AbortSignal;
    readonly budget: RetryBudget;
    readonly failed: (error: TryFailed) => Promise<void>;
  },
): Promise<T> {
  return pRetry(tryOnce, {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: PAUSE_MS,
    factor: 2,
    maxTimeout: PAUSE_MS_MAX,
    randomize: true,
    signal,
    shouldRetry: ({ error }) => error instanceof TryFailed,
    onFailedAttempt: async ({ error, retryDelay }) => {
      if (!(error instanceof TryFailed)) return;
      const { retryAfterMs, costs } = error.failure;
      const askedForMs = retryAfterMs - retryDelay;
      const restMs = Math.max(askedForMs, 0) + Math.random() * JITTER * Math.max(retryAfterMs, retryDelay);
      await Promise.all([failed(error), pause(restMs, signal), costs ? budget.take(signal) : null]);
    },
  });
}
