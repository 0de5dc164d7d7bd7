import type { Now } from '../base/now.ts';
import type { Cancel, Clock } from '../ports/clock.ts';

/** The longest that a Node timer can wait; it fires at once when asked for more. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** This machine's clocks and timers. */
export const systemClock: Clock = {
  now(): Now {
    return { monotonicMs: performance.now(), wallMs: Date.now() };
  },
  after(delayMs: number, call: () => void): Cancel {
    return callAt(performance.now() + delayMs, call);
  },
  defer(call: () => void): void {
    setImmediate(call);
  },
};

/** Node's timers count whole ms and may fire a fraction early, which would break a lease's or a fence's promise. */
function callAt(dueMs: number, call: () => void): Cancel {
  let timer: NodeJS.Timeout;
  const wait = (): void => {
    const leftMs = Math.max(1, Math.ceil(dueMs - performance.now()));
    timer = setTimeout(() => (performance.now() < dueMs ? wait() : call()), Math.min(leftMs, TIMER_MS_MAX));
  };
  wait();
  return () => clearTimeout(timer);
}
