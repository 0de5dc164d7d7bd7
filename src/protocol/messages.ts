import type { Epoch, NodeId, Seq, StoreId } from '../base/ids.ts';
import type { Configuration, Incarnation } from './configuration.ts';
import type { Entry, Run } from './entry.ts';
import type { SnapshotHeader, SnapshotPart } from './snapshot.ts';
import type { VersionedTopology } from './topology.ts';

/** Raised when a message changes its meaning; neighbours of different versions refuse each other. */
export const PROTOCOL_VERSION = 2;

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
  /** The longest lease of any configuration that the sender has held, in ms: a store made later must know of it too. */
  readonly leaseMsMax: number;
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
  /** A snapshot that it holds the first parts of, so that a transfer goes on from there; `null` for none. */
  readonly partial: PartialSnapshot | null;
}
/** The beginning of a snapshot that was interrupted. */
export interface PartialSnapshot {
  /** Whose snapshot it is. */
  readonly of: StoreId;
  readonly seq: Seq;
  /** The part that is wanted next; those before it are held. */
  readonly next: number;
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

/**
 * Predecessor, after `Resume`: its log no longer reaches back to there, so a snapshot comes instead, in parts from `from` on.
 * Then entries follow from `header.seq`, once the successor has answered `installed`.
 */
export interface SnapshotStart {
  readonly kind: 'snapshot-start';
  readonly of: StoreId;
  readonly header: SnapshotHeader;
  /** The first part that will be sent: 0, or the `next` of the receiver's `partial`. */
  readonly from: number;
  /** About the size of all parts, for showing progress. */
  readonly bytes: number;
}
/** Predecessor: the next part of the snapshot under way. At most `SNAPSHOT_WINDOW_PARTS` are on their way unstored. */
export interface SnapshotData extends SnapshotPart {
  readonly kind: 'snapshot-part';
}
/** Predecessor: that was the last part; there were this many in all. */
export interface SnapshotEnd {
  readonly kind: 'snapshot-end';
  readonly parts: number;
}
/** Successor: it holds all parts before `next`. */
export interface SnapshotStored {
  readonly kind: 'snapshot-stored';
  readonly next: number;
}
/** Successor: the snapshot is its store now, on disk, and its log begins behind it. */
export interface SnapshotInstalled {
  readonly kind: 'snapshot-installed';
  readonly seq: Seq;
}

/** Tail, passed up to the head: asks for a lease that begins where the tail sent this. PROTOCOL.md §7. */
export interface Probe {
  readonly kind: 'probe';
  readonly id: number;
}
/** Head, passed down to the tail: every member is still in this epoch. */
export interface Grant {
  readonly kind: 'grant';
  readonly id: number;
}
/** Tail, passed up to the head, with reads at any replica: the grant came down, so all above may hold a lease as well. */
export interface Confirm {
  readonly kind: 'confirm';
  readonly id: number;
}
/** A replica that was asked for a key with entries above its `committed`: what has the tail committed? The id is the asker's. */
export interface CommittedQuery {
  readonly kind: 'committed-query';
  readonly id: number;
}
/** The answer, passed up: everything up to `committed` is, and counts as an `Ack`. */
export interface CommittedAnswer {
  readonly kind: 'committed-answer';
  readonly id: number;
  readonly committed: Seq;
}

/** What flows between neighbours, in both directions. PROTOCOL.md §4, §7. */
export type LinkMessage =
  | Hello
  | Stale
  | Welcome
  | Resume
  | Append
  | Ack
  | SnapshotStart
  | SnapshotData
  | SnapshotEnd
  | SnapshotStored
  | SnapshotInstalled
  | Probe
  | Grant
  | Confirm
  | CommittedQuery
  | CommittedAnswer;

/** How many parts of a snapshot may be on their way without being stored: what bounds both sides' memory. */
export const SNAPSHOT_WINDOW_PARTS = 8;

/** How far a state transfer to this node has come. */
export interface TransferProgress {
  readonly bytes: number;
  /** About. */
  readonly bytesTotal: number;
  readonly keys: number;
  readonly keysTotal: number;
}

/** What a node tells the coordinator every `heartbeatMs`. PROTOCOL.md §6. */
export interface NodeReport {
  readonly incarnation: Incarnation;
  /**
   * `recovering`: still reading its log. `sick`: takes part as well as it can, but another should take its place: see `problem`.
   * `broken`: takes no part and serves no read for as long as this incarnation lives. `stopping`: the same, on purpose.
   */
  readonly phase: 'recovering' | 'running' | 'sick' | 'broken' | 'stopping';
  /** Why it is sick or broken, in words; else `null`. */
  readonly problem: string | null;
  /** The store has neither an entry nor a configuration. */
  readonly empty: boolean;
  /** The configuration that it holds on disk. */
  readonly configuration: Configuration | null;
  readonly received: Seq;
  readonly durable: Seq;
  readonly committed: Seq;
  /**
   * In the epoch of `configuration`. A member: its session is reconciled and `committed >= readFloor`. The joiner: it holds on
   * disk all that it knows to be committed, and no state transfer is under way.
   */
  readonly ready: boolean;
  /** It was asked to stop, and serves no read until it adopts a later epoch. */
  readonly stopped: boolean;
  /** Its disk takes nothing any more: it serves what it holds, and can't act in a later configuration. */
  readonly readOnly: boolean;
  /** How long the oldest write that the disk has not finished has been waiting for it, in ms; 0 for none. */
  readonly stalledMs: number;
  /** The state transfer to it that is under way. */
  readonly transfer: TransferProgress | null;
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
  /** Serve no read any more in `epoch`: a configuration without this node is to follow, and needs no fence then. */
  readonly stop: boolean;
}

/** What flows between a node and the coordinator. */
export type CoordinatorMessage = Heartbeat | HeartbeatAnswer;

/** Everything that travels on a peer connection. */
export type Message = LinkMessage | CoordinatorMessage;
