import type { Epoch } from '../base/ids.ts';
import type { Now } from '../base/now.ts';
import { medianMs } from './membership.ts';
import type { Register } from './register.ts';

/** The least that has gone by when the monotonic clock says so much: clocks run at rates within 10 % of each other. */
const SLOWEST = 0.9;

/**
 * The times of configurations, from which log clocks start (PROTOCOL.md §9). The first has the median of all wall clocks; each
 * later one is later than the last by what has gone by, and not by what the clocks differ: whose clocks are known changes with
 * every failure, and were they an hour apart, keys would expire an hour early with one of those.
 */
export class ConfigurationTime {
  /** When this process chose the last one, by its monotonic clock. */
  #chosen: { readonly epoch: Epoch; readonly monotonicMs: number } | null = null;

  /**
   * The time of the next configuration, in ms. It goes ahead of what the monotonic clock says, as it must when this process or its machine
   * was away, only as far as both the coordinator's wall clock and the median of all say that time has gone by.
   *
   * @param clocksMs - what the wall clocks of the nodes show, as far as they are known.
   */
  next(register: Register, clocksMs: readonly number[], now: Now): number {
    const median = medianMs([...clocksMs, now.wallMs]);
    const { configuration, history } = register;
    const item = history.at(-1);
    if (configuration === null || item?.epoch !== configuration.epoch) return median;
    const lastMs = configuration.timeMs;
    const sinceMs =
      this.#chosen?.epoch === configuration.epoch ? now.monotonicMs - this.#chosen.monotonicMs : 0;
    const leastMs = lastMs + SLOWEST * sinceMs;
    const byOwnClock = lastMs + now.wallMs - Date.parse(item.time);
    return Math.round(Math.max(leastMs, Math.min(median, byOwnClock)));
  }

  /** That configuration was chosen now. */
  chose(epoch: Epoch, { monotonicMs }: Now): void {
    this.#chosen = { epoch, monotonicMs };
  }
}
