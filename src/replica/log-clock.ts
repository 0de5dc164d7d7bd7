import { defined } from '../base/assert.ts';
import type { Now } from '../base/now.ts';

/** While the wall clock is further off than this, it is not trusted and the log clock runs by itself. */
const LEAN_WITHIN_MS = 10_000;
/** The log clock leans toward the wall clock by at most this part of the time that has gone by. */
const LEAN_RATE = 0.1;

/**
 * The clock that stamps entries and expires keys. It goes on with the monotonic clock and leans toward the wall clock,
 * so no single wrong or jumping clock expires everything at once, or nothing for an hour. PROTOCOL.md §9.
 */
export class LogClock {
  #readingMs = 0;
  #atMonotonicMs: number | null = null;

  /** Starts anew, at adoption: from the later of the last entry's time and the configuration's. */
  start(baseMs: number, now: Now): void {
    this.#readingMs = baseMs;
    this.#atMonotonicMs = now.monotonicMs;
  }

  /** Notes that an entry with this time exists now. */
  seen(timeMs: number, now: Now): void {
    this.#advance(now);
    if (timeMs > this.#readingMs) this.#readingMs = timeMs;
  }

  /** The log time, in whole ms. */
  read(now: Now): number {
    this.#advance(now);
    return Math.floor(this.#readingMs);
  }

  #advance(now: Now): void {
    const sinceMs = defined(this.#atMonotonicMs, () => 'a log clock that was started');
    const elapsed = Math.max(0, now.monotonicMs - sinceMs);
    this.#atMonotonicMs = now.monotonicMs;
    const ahead = this.#readingMs + elapsed;
    const off = now.wallMs - ahead;
    const lean = Math.abs(off) <= LEAN_WITHIN_MS ? clamp(off, LEAN_RATE * elapsed) : 0;
    this.#readingMs = ahead + lean;
  }
}

function clamp(value: number, limit: number): number {
  return Math.max(-limit, Math.min(limit, value));
}
