import type { NodeId } from '../base/ids.ts';
import { type Incarnation, sameIncarnation } from '../protocol/configuration.ts';
import type { NodeReport } from '../protocol/messages.ts';

/** So many heartbeats tell how a clock goes. */
const READINGS = 8;

interface Readings {
  readonly of: Incarnation;
  /** By how much the wall clock was ahead of the monotonic clock here when a heartbeat came, in ms; newest first. */
  readonly aheadMs: readonly number[];
}

/**
 * The wall clocks of the nodes, as their heartbeats tell. One that was on its way for long, or lay unread while the coordinator
 * got no turn, makes a clock look late; so that which came most quickly counts.
 */
export class NodeClocks {
  readonly #readings = new Map<NodeId, Readings>();

  /** A heartbeat came. @param monotonicMs - the coordinator's own clock. */
  heard({ incarnation, wallMs }: NodeReport, monotonicMs: number): void {
    const last = this.#readings.get(incarnation.node);
    // Of another process they tell nothing: its machine may have been set right meanwhile.
    const before = last && sameIncarnation(last.of, incarnation) ? last.aheadMs : [];
    const aheadMs = [wallMs - monotonicMs, ...before].slice(0, READINGS);
    this.#readings.set(incarnation.node, { of: incarnation, aheadMs });
  }

  /** What the wall clocks of those nodes show now that were ever heard, in ms since 1970. */
  read(nodes: Iterable<NodeId>, monotonicMs: number): ReadonlyMap<NodeId, number> {
    const walls = new Map<NodeId, number>();
    for (const node of nodes) {
      const readings = this.#readings.get(node);
      if (readings !== undefined) walls.set(node, monotonicMs + Math.max(...readings.aheadMs));
    }
    return walls;
  }
}
