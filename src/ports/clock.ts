import type { Now } from '../base/now.ts';

/** Takes back what was asked of the clock; harmless once it has happened. */
export type Cancel = () => void;

/** The clocks and timers of a machine, or of a simulated one. */
export interface Clock {
  now(): Now;
  /** Calls once, not before `delayMs` have gone by. */
  after(delayMs: number, call: () => void): Cancel;
  /** Calls once, when everything that has arrived by now has been dealt with: the end of this turn. */
  defer(call: () => void): void;
}
