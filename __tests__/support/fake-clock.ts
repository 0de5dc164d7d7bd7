import type { Now } from '../../src/base/now.ts';
import type { Cancel, Clock } from '../../src/ports/clock.ts';

interface Timer {
  readonly atMs: number;
  readonly call: () => void;
}

/** A clock that stands still until it is told to go on. */
export class FakeClock implements Clock {
  #nowMs = 0;
  #timers: Timer[] = [];

  now(): Now {
    return { monotonicMs: this.#nowMs, wallMs: 1_700_000_000_000 + this.#nowMs };
  }

  after(delayMs: number, call: () => void): Cancel {
    const timer = { atMs: this.#nowMs + delayMs, call };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  defer(call: () => void): void {
    queueMicrotask(call);
  }

  /** Goes on by so many ms and calls what is due, in order. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (let due = this.#firstDue(untilMs); due; due = this.#firstDue(untilMs)) {
      this.#nowMs = due.atMs;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      due.call();
    }
    this.#nowMs = untilMs;
  }

  #firstDue(untilMs: number): Timer | undefined {
    return this.#timers.filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
  }
}
