import { isPlanted } from '../base/planted.ts';

/** How far the rates of two clocks may be apart: PROTOCOL.md's ε. */
const CLOCK_RATES = 0.1;

/**
 * How long a tail must commit nothing, so that every lease of a node that was dropped without confirming it has run out by
 * the time that something is committed which that node does not have. Measured by the monotonic clock alone. PROTOCOL.md §7.
 */
export class Fence {
  #untilMs = Number.NEGATIVE_INFINITY;

  /** From now on a whole lease has to pass, by the slowest clock; never shortens a fence that stands. */
  raise(nowMs: number, leaseMs: number): void {
    this.extend(nowMs, leaseMs * (1 + CLOCK_RATES));
  }

  /** The predecessor has so long to wait still. */
  extend(nowMs: number, forMs: number): void {
    if (forMs > 0 && !isPlanted('no-fence')) this.#untilMs = Math.max(this.#untilMs, nowMs + forMs);
  }

  /** How long it still stands, in ms; 0 when it does not. */
  leftMs(nowMs: number): number {
    return Math.max(0, this.#untilMs - nowMs);
  }

  /** When it ends, by the monotonic clock. */
  get untilMs(): number {
    return this.#untilMs;
  }
}
