import type { NodeId } from '../base/ids.ts';
import type { Configuration } from '../protocol/configuration.ts';
import type { NodeReport } from '../protocol/messages.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import type { Chain } from './membership.ts';

/** What a coordinator knows when it decides. */
export interface View {
  /** `null` before the first configuration, and when the register was lost. */
  readonly configuration: Configuration | null;
  readonly ready: readonly NodeId[];
  readonly wanted: VersionedTopology;
  /** The nodes of the topology that are heard. */
  readonly heard: ReadonlyMap<NodeId, NodeReport>;
}

/** A new configuration, and why, in words. */
export interface Change {
  readonly chain: Chain;
  readonly ready: readonly NodeId[];
  /** The version that the topology gets with it, when that has to rise. */
  readonly topologyVersion?: number;
  readonly reason: string;
  readonly change: string;
}

/** What a rule says: the change it asks for, if it applies, and what it waits for, in words. */
export interface Ruling {
  readonly change: Change | null;
  readonly waits: readonly string[];
}

/** A rule of PROTOCOL.md §6. It looks at nothing but the view. */
export type Rule = (view: View) => Ruling;
