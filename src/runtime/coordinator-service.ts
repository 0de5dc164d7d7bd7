import type { Epoch, NodeId } from '../base/ids.ts';
import type { Configuration } from '../protocol/configuration.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import type { Health } from './node-service.ts';

/** One configuration that was chosen: when, why and what changed. */
export interface HistoryItem {
  readonly epoch: Epoch;
  /** ISO 8601, by the coordinator's wall clock. */
  readonly time: string;
  readonly reason: string;
  readonly change: string;
  readonly members: readonly NodeId[];
}

/** A coordinator as its HTTP side sees it. */
export interface CoordinatorService {
  readonly node: NodeId;
  topology(): VersionedTopology;
  configuration(): Configuration | null;
  /** The edit of the topology that was refused last, in words, until the next good one. */
  problem(): string | null;
  /** Newest last, the latest thousand. */
  history(): readonly HistoryItem[];
  /** What it sees of each node, and what it waits for, for `/status`. */
  status(): Readonly<Record<string, unknown>>;
  health(): Health;
  readiness(): Health;
  gauges(): Readonly<Record<string, number>>;
}
