import type { Cancel, Clock } from '../ports/clock.ts';

/** Times asked for at once, at most; the latest of them make room, as ticks come every few ms anyway. */
const TIMES_MAX = 8;

/** Calls at the times that a replica asked for, to the ms: one timer, for the earliest. */
export class Waker {
  readonly #clock: Clock;
  readonly #call: () => void;
  /** By the monotonic clock, earliest first. */
  #times: number[] = [];
  #cancel: Cancel = () => {};

  constructor(call: () => void, { clock }: { clock: Clock }) {
    this.#call = call;
    this.#clock = clock;
  }

  /** Calls at this time by the monotonic clock, or at once if it is past. */
  at(atMs: number): void {
    const [first] = this.#times;
    if (this.#times.includes(atMs)) return;
    this.#times = [...this.#times, atMs].sort((a, b) => a - b).slice(0, TIMES_MAX);
    if (this.#times[0] !== first) this.#set();
  }

  stop(): void {
    this.#cancel();
    this.#times = [];
  }

  #set(): void {
    this.#cancel();
    const [first] = this.#times;
    if (first === undefined) return;
    const inMs = Math.max(0, first - this.#clock.now().monotonicMs);
    this.#cancel = this.#clock.after(inMs, () => this.#wake());
  }

  #wake(): void {
    const nowMs = this.#clock.now().monotonicMs;
    this.#times = this.#times.filter((atMs) => atMs > nowMs);
    this.#set();
    this.#call();
  }
}
