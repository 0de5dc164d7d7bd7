import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { HttpLimits } from './limits.ts';
import type { HttpMetrics } from './metrics.ts';

/** The log says so at most this often: who is dropped tries again at once. */
const WARN_EVERY_MS = 10_000;

/** Counts the connections that were closed because there were too many, and says so in the log. */
export class DropLog {
  readonly #parts: { logger: Logger; clock: Clock; metrics: HttpMetrics; limits: HttpLimits };
  #unsaid = 0;
  #saidAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: { logger: Logger; clock: Clock; metrics: HttpMetrics; limits: HttpLimits }) {
    this.#parts = parts;
  }

  /** One more was dropped. */
  dropped(): void {
    const { logger, clock, metrics, limits } = this.#parts;
    metrics.dropped();
    this.#unsaid++;
    const nowMs = clock.now().monotonicMs;
    if (nowMs - this.#saidAtMs < WARN_EVERY_MS) return;
    logger.warn(
      { dropped: this.#unsaid, connectionsMax: limits.connectionsMax },
      'connections were dropped unanswered: too many are open',
    );
    this.#saidAtMs = nowMs;
    this.#unsaid = 0;
  }
}
