import type { Epoch, NodeId, Seq } from '../base/ids.ts';
import type { Configuration, Incarnation } from './configuration.ts';
import type { Entry, Run } from './entry.ts';
import type { VersionedTopology } from './topology.ts';

/** Raised when a message changes its meaning; neighbours of different versions refuse each other. */
export const PROTOCOL_VERSION = 1;

/** Predecessor to successor, first on a new connection: opens a session in the sender's epoch. */
export interface Hello {
  readonly kind: 'hello';
  readonly protocolVersion: number;
  readonly configuration: Configuration;
  readonly topology: VersionedTopology;
  readonly sender: Incarnation;
  /** The sender's last entry: half of the receiver's `readFloor`. */
  readonly received: Seq;
  /** How long the sender's fence still stands, in ms. */
  readonly fenceMs: number;
}
/** Successor's answer to a `Hello` of an epoch below its own; it closes the connection behind it. */
export interface Stale {
  readonly kind: 'stale';
  readonly configuration: Configuration;
  readonly topology: VersionedTopology;
}
/** Successor's answer to a `Hello`: what it holds. From a member `committed` counts as an `Ack`. */
export interface Welcome {
  readonly kind: 'welcome';
  readonly committed: Seq;
  /** The epoch of the entry at `committed`: two logs that end alike may still differ there; 0 for none. */
  readonly committedEpoch: Epoch;
  /** Its log above `committed`, oldest first. */
  readonly runs: readonly Run[];
}
/** Predecessor: the last entry that both logs share; the successor drops what it holds beyond. */
export interface Resume {
  readonly kind: 'resume';
  readonly after: Seq;
}
/** Predecessor: entries that follow what was sent before without a gap, and the watermarks; also without entries. */
export interface Append {
  readonly kind: 'append';
  readonly entries: readonly Entry[];
  /** Every replica from the head down to the sender has its log durable up to here, as told in this session. */
  readonly upstreamDurable: Seq;
  readonly committed: Seq;
}
/** Successor: everything up to here is committed. */
export interface Ack {
  readonly kind: 'ack';
  readonly committed: Seq;
}

/** What flows between neighbours, in both directions. PROTOCOL.md §4. */
export type LinkMessage = Hello | Stale | Welcome | Resume | Append | Ack;

/** What a node tells the coordinator every `heartbeatMs`. PROTOCOL.md §6. */
export interface NodeReport {
  readonly incarnation: Incarnation;
  /** `recovering`: still reading its log; `broken`: takes no part until somebody mends it, see `problem`. */
  readonly phase: 'recovering' | 'running' | 'broken';
  readonly problem: string | null;
  /** The store has neither an entry nor a configuration. */
  readonly empty: boolean;
  /** The configuration that it holds on disk. */
  readonly configuration: Configuration | null;
  readonly received: Seq;
  readonly durable: Seq;
  readonly committed: Seq;
  /** In the epoch of `configuration`: its session is reconciled and `committed >= readFloor`. */
  readonly ready: boolean;
  readonly unreachable: readonly NodeId[];
  /** Its version of the topology, 0 for none from a coordinator. */
  readonly topologyVersion: number;
  /** Its wall clock, in ms since 1970. */
  readonly wallMs: number;
}
/** A node to the coordinator, every `heartbeatMs`. */
export interface Heartbeat {
  readonly kind: 'heartbeat';
  readonly protocolVersion: number;
  readonly report: NodeReport;
}
/** The coordinator's answer: what the node lacks of the present configuration and topology. */
export interface HeartbeatAnswer {
  readonly kind: 'heartbeat-answer';
  /** The epoch that the coordinator has chosen last. */
  readonly epoch: Epoch;
  /** `null` when the node holds it already, or there is none yet. */
  readonly configuration: Configuration | null;
  /** `null` when the node has this version already. */
  readonly topology: VersionedTopology | null;
}

/** What flows between a node and the coordinator. */
export type CoordinatorMessage = Heartbeat | HeartbeatAnswer;

/** Everything that travels on a peer connection. */
export type Message = LinkMessage | CoordinatorMessage;
