import { NO_SEQ, type NodeId } from '../base/ids.ts';
import type { Now } from '../base/now.ts';
import type { Incarnation } from '../protocol/configuration.ts';
import type { NodeReport, TransferProgress } from '../protocol/messages.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import type { Replica } from '../replica/replica.ts';
import type { Store } from '../replica/store.ts';
import type { Storage } from '../storage/storage.ts';
import type { TransferStatus } from './snapshot-receiver.ts';
import { isSickness, type Trouble } from './trouble.ts';
import type { WellnessState } from './wellness.ts';

/** Why a node takes no further part, once it doesn't. */
export interface Ended {
  /** `broken`: it could not start. */
  readonly phase: 'stopping' | 'broken';
  readonly reason: string;
}

/** All that can be said of a node at one instant. */
export interface NodeParts {
  readonly node: NodeId;
  /** `null` until the boot count is raised. */
  readonly self: Incarnation | null;
  /** `null` during recovery, and for ever when that failed. */
  readonly replica: Replica | null;
  readonly store: Store;
  /** `null` while there is no replica. */
  readonly storage: ReturnType<Storage['stats']> | null;
  readonly topology: VersionedTopology;
  readonly coordinatorConnected: boolean;
  /** Clients that wait for a place to go or for their write, in number. */
  readonly waitingRequests: number;
  /** Reads answered here: as they came, or after the tail was asked. */
  readonly reads: { readonly clean: number; readonly dirty: number };
  /** Those who watch now, and those who were cut off as they read too slowly. */
  readonly watching: { readonly watchers: number; readonly cut: number };
  /** The state transfer to this node that is under way. */
  readonly transfer: TransferStatus | null;
  /** How long the oldest write that the disk has not finished has been waiting for it, in ms. */
  readonly stalledMs: number;
  readonly trouble: Trouble | null;
  readonly wellness: WellnessState;
  readonly ended: Ended | null;
  readonly now: Now;
}

/** What a node is about, as `/status` and its reports call it. */
export function phaseOf({ replica, trouble, wellness, ended }: NodeParts): NodeReport['phase'] {
  if (ended) return ended.phase;
  if (replica?.broken != null || (trouble && !isSickness(trouble))) return 'broken';
  if (replica === null) return 'recovering';
  return trouble || replica.readOnly !== null || wellness.sick !== null ? 'sick' : 'running';
}

/** Why it is sick or broken, in words; `null` when it is neither. */
export function problemOf({ replica, trouble, wellness, ended }: NodeParts): string | null {
  if (ended) return ended.phase === 'broken' ? ended.reason : null;
  return trouble?.reason ?? replica?.broken ?? replica?.readOnly ?? wellness.sick;
}

/** What the coordinator is told, once it is known who this is. PROTOCOL.md §6. */
export function reportOf(parts: NodeParts, self: Incarnation): NodeReport {
  const { replica, now, transfer } = parts;
  return {
    incarnation: self,
    phase: phaseOf(parts),
    problem: problemOf(parts),
    empty: replica !== null && replica.received === NO_SEQ && replica.configuration === null,
    configuration: replica?.configuration ?? null,
    received: replica?.received ?? NO_SEQ,
    durable: replica?.durable ?? NO_SEQ,
    committed: replica?.committed ?? NO_SEQ,
    ready: replica?.ready ?? false,
    stopped: replica?.stopped ?? false,
    readOnly: parts.replica?.readOnly != null,
    stalledMs: parts.stalledMs,
    transfer: transfer && progressOf(transfer),
    unreachable: replica?.unreachable(now).map((who) => who.node) ?? [],
    topologyVersion: parts.topology.version,
    wallMs: now.wallMs,
  };
}

function progressOf({ bytes, bytesTotal, keys, keysTotal }: TransferProgress): TransferProgress {
  return { bytes, bytesTotal, keys, keysTotal };
}
