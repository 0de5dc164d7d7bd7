import type { NodeId } from '../base/ids.ts';
import type { Configuration, Incarnation } from '../protocol/configuration.ts';
import type { NodeReport } from '../protocol/messages.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import type { Chain } from './membership.ts';

/** What is known of a node now. Durations count only while the coordinator itself was awake. */
export interface Sight {
  /** What it said last, however long ago; `null` if it was never heard since this coordinator started. */
  readonly last: NodeReport | null;
  /** By an open connection, and less than `suspectAfterMs` ago. */
  readonly heard: boolean;
  /** Whether its connection to the coordinator is open. */
  readonly linked: boolean;
  /** Since it was heard last, or since the coordinator started. */
  readonly silentMs: number;
  /** From the first to the last of the knocks at its port that were refused, one after another; `null` for none. */
  readonly refusedMs: number | null;
  /** For how long its present incarnation has been reading its log. */
  readonly recoveringMs: number;
  /** How long it may be silent before it is taken for lost. */
  readonly silentMsMax: number;
  /** The same by its own past alone, whatever the coordinator missed: that by which its neighbours' complaints count. */
  readonly patienceMs: number;
  /** It was struck out as joiner a short while ago, and is not to be tried yet. */
  readonly resting: boolean;
}

/** A neighbour that can't be reached by another one, as that reports in the present epoch. */
export interface Blame {
  readonly by: NodeId;
  readonly of: NodeId;
  readonly forMs: number;
}

/** What a coordinator knows when it decides. */
export interface View {
  /** `null` before the first configuration, and when the register was lost. */
  readonly configuration: Configuration | null;
  readonly ready: readonly NodeId[];
  readonly wanted: VersionedTopology;
  /** The chain is still to be made what an edit of the topology asks for. */
  readonly arranging: boolean;
  /** The nodes of the topology, the members and the joiner, as far as they are heard. */
  readonly heard: ReadonlyMap<NodeId, NodeReport>;
  /** What other nodes say that have a connection: they are none of the topology, and may have been taken out of it. */
  readonly strangers: readonly NodeReport[];
  /** All nodes of the topology, the members and the joiner. */
  readonly sights: ReadonlyMap<NodeId, Sight>;
  readonly blames: readonly Blame[];
  /** A member that kept its place a short while ago when it and a neighbour could not reach each other. */
  readonly doubted: Incarnation | null;
  /** The member that was asked to stop in the present epoch, and how long ago. */
  readonly asked: { readonly node: NodeId; readonly forMs: number } | null;
  /** How long this coordinator has known the present configuration. */
  readonly epochMs: number;
  /** How long it has been `arranging` by this topology. */
  readonly arrangingMs: number;
  /** For how long the joiner has got nowhere. */
  readonly joinerStuckMs: number;
  /** A seal did not get quiet a short while ago, and none is to be tried yet. */
  readonly sealResting: boolean;
}

/** What a coordinator keeps in mind of a change for its later ones. None of it has to survive its process. */
export type Lesson =
  /** Removed for what may not have been its fault: if it is heard again it was alive, and is waited for longer. */
  | { readonly kind: 'suspected'; readonly who: Incarnation }
  /** It kept its place when two could not reach each other: if it can't reach the next one either, it was the cause. */
  | { readonly kind: 'doubted'; readonly who: Incarnation }
  | { readonly kind: 'struck-out'; readonly node: NodeId }
  | { readonly kind: 'joined'; readonly node: NodeId }
  | { readonly kind: 'seal-failed' }
  | { readonly kind: 'reordered' };

/** A new configuration, and why, in words. */
export interface Change {
  readonly chain: Chain;
  readonly ready: readonly NodeId[];
  /** The version that the topology gets with it, when that has to rise. */
  readonly topologyVersion?: number;
  /** Whether the chain is still to be arranged after it, when that changes. */
  readonly arranging?: boolean;
  readonly reason: string;
  readonly change: string;
  readonly lessons?: readonly Lesson[];
}

/** What a rule says: the change it asks for, if it applies, and what it waits for, in words that stay the same meanwhile. */
export interface Ruling {
  readonly change: Change | null;
  readonly waits: readonly string[];
  /** A member that is to serve no read any more in this epoch, before it is removed. Nothing else is changed meanwhile. */
  readonly stop?: NodeId;
  /** The chain is what the edit asked for. */
  readonly arranged?: boolean;
}

/** A rule of PROTOCOL.md §6. It looks at nothing but the view. */
export type Rule = (view: View) => Ruling;

/** The rule does not apply. */
export const NOTHING: Ruling = { change: null, waits: [] };

/** Nothing can be done yet, and why. */
export function waitFor(...waits: readonly string[]): Ruling {
  return { change: null, waits };
}
