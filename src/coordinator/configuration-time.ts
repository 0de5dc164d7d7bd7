import type { Epoch, NodeId } from '../base/ids.ts';
import type { Now } from '../base/now.ts';
import { medianMs } from './membership.ts';
import type { Register, WallClocks } from './register.ts';

/** The least that has gone by when the monotonic clock says so much: clocks run at rates within 10 % of each other. */
const SLOWEST = 0.9;

/**
 * The times of configurations, from which log clocks start (PROTOCOL.md §9). The first has the median of all wall clocks. Each
 * later one is later than the last by what has gone by, in which every clock is compared with itself: whose clocks are known changes
 * with every failure, and were they an hour apart, a median of what they show would leap by an hour.
 */
export class ConfigurationTime {
  /** When this process chose the last one, by its monotonic clock. */
  #chosen: { readonly epoch: Epoch; readonly monotonicMs: number } | null = null;

  /**
   * The time of the next configuration, in ms: no less than what the monotonic clock says, and as much more, when this process or its
   * machine was away, as the median of the wall clocks says.
   */
  next({ configuration, clocks }: Register, now: WallClocks, monotonicMs: number): number {
    if (configuration === null || clocks === null) return medianMs([...Object.values(now.nodes), now.own]);
    const sinceMs = this.#chosen?.epoch === configuration.epoch ? monotonicMs - this.#chosen.monotonicMs : 0;
    const goneByMs = Math.max(SLOWEST * sinceMs, medianMs(goneByOf(clocks, now)));
    return Math.round(configuration.timeMs + goneByMs);
  }

  /** That configuration was chosen now. */
  chose(epoch: Epoch, { monotonicMs }: Now): void {
    this.#chosen = { epoch, monotonicMs };
  }
}

/** What has gone by from one moment to another by each of the clocks that are known of both, in ms. */
function goneByOf(then: WallClocks, now: WallClocks): number[] {
  const nodes = Object.keys(now.nodes) as NodeId[];
  const byNodes = nodes.flatMap((node) => {
    const before = then.nodes[node];
    const after = now.nodes[node];
    return before === undefined || after === undefined ? [] : [after - before];
  });
  return [...byNodes, now.own - then.own];
}
