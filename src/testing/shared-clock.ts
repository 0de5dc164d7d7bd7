import type { Now } from '../base/now.ts';
import { systemClock } from '../platform/clock.ts';
import type { Cancel, Clock } from '../ports/clock.ts';

/** A longer time without a look at the clock counts as this much, in ms: every node looks each 20 ms, if it can. */
const GAP_MS_MAX = 50;

/**
 * The clock of all processes of a test chain, which stands still while none of them gets a turn. They live in the process of a
 * test, which may hold its event loop up for seconds to load modules, say: on machines of their own none of them would have noticed.
 */
export class SharedClock implements Clock {
  /** By the machine's clock, when this one was looked at last. */
  #seenMs: number;
  #timeMs: number;
  readonly #wallLeadMs: number;

  constructor() {
    const { monotonicMs, wallMs } = systemClock.now();
    this.#seenMs = monotonicMs;
    this.#timeMs = monotonicMs;
    this.#wallLeadMs = wallMs - monotonicMs;
  }

  now(): Now {
    const { monotonicMs } = systemClock.now();
    this.#timeMs += Math.min(monotonicMs - this.#seenMs, GAP_MS_MAX);
    this.#seenMs = monotonicMs;
    return { monotonicMs: this.#timeMs, wallMs: this.#timeMs + this.#wallLeadMs };
  }

  after(delayMs: number, call: () => void): Cancel {
    const dueMs = this.now().monotonicMs + delayMs;
    let cancel: Cancel;
    const look = (): void => {
      const leftMs = dueMs - this.now().monotonicMs;
      if (leftMs <= 0) call();
      else cancel = systemClock.after(leftMs, look);
    };
    cancel = systemClock.after(delayMs, look);
    return () => cancel();
  }

  defer(call: () => void): void {
    systemClock.defer(call);
  }
}
