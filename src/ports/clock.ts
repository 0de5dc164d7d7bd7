/** Both clocks at one instant. */
export interface Now {
  /** Never goes back; its zero means nothing outside this process. A suspended machine may stop it. In ms, with fractions. */
  readonly monotonicMs: number;
  /** ms since 1970 by the machine's clock, which may jump. */
  readonly wallMs: number;
}

/** Takes back what was asked of the clock; harmless once it has happened. */
export type Cancel = () => void;

export interface Clock {
  now(): Now;
  /** Calls once, not before `delayMs` have gone by. */
  after(delayMs: number, call: () => void): Cancel;
  /** Calls once, when everything that has arrived by now has been dealt with: the end of this turn. */
  defer(call: () => void): void;
}
