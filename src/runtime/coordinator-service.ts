import type { Epoch, NodeId } from '../base/ids.ts';
import type { EditReply, ForceReply } from '../coordinator/events.ts';
import type { Configuration } from '../protocol/configuration.ts';
import type { Topology, VersionedTopology } from '../protocol/topology.ts';
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
  /** The steps from the present chain to the one wanted that are still to be taken, in words. */
  plan(): readonly string[];
  /**
   * Takes an edit of the topology, which was checked. Resolves when it is on disk, or refused; the steps are taken afterwards.
   * `ifVersion`: only if the present version is this one. `dryRun`: only says what would be done.
   *
   * @throws CatenaError NOT_READY, OVERLOADED; OUTCOME_UNKNOWN when it can't be saved for 5 s, or the coordinator stops.
   */
  edit(
    topology: Topology,
    options: { readonly ifVersion: number | null; readonly dryRun: boolean },
  ): Promise<EditReply>;
  /**
   * An operator's way out: makes this node the whole chain, whatever the others hold. Resolves when that is on disk, or refused.
   *
   * @throws CatenaError as `edit` does.
   */
  force(survivor: NodeId): Promise<ForceReply>;
  /** Newest last, the latest thousand. */
  history(): readonly HistoryItem[];
  /** What it sees of each node, and what it waits for, for `/status`. */
  status(): Readonly<Record<string, unknown>>;
  health(): Health;
  readiness(): Health;
  gauges(): Readonly<Record<string, number>>;
}
