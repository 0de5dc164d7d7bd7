import { NO_EPOCH, NO_SEQ, type NodeId } from '../base/ids.ts';
import { type Incarnation, predecessorOf, successorOf } from '../protocol/configuration.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import type { Replica } from '../replica/replica.ts';
import type { Store } from '../replica/store.ts';
import type { Storage } from '../storage/storage.ts';
import type { Health, Intent, NodeStatus } from './node-service.ts';
import { routeOf, whatIsMissing } from './routing.ts';

/** All that can be said of a node at one instant. */
export interface NodeParts {
  readonly node: NodeId;
  /** `null` until the boot count is raised. */
  readonly self: Incarnation | null;
  /** `null` during recovery. */
  readonly replica: Replica | null;
  readonly store: Store;
  /** `null` during recovery. */
  readonly storage: ReturnType<Storage['stats']> | null;
  readonly topology: VersionedTopology;
  readonly coordinatorConnected: boolean;
  /** Clients that wait for a place to go or for their write, in number. */
  readonly waitingRequests: number;
  readonly stopped: boolean;
}

const RECOVERING = 'this node is still reading its log';
const STOPPING = 'this node is stopping';

/** What `GET /status` says. */
export function statusOf(parts: NodeParts): NodeStatus {
  const { node, self, replica, store, topology } = parts;
  const configuration = replica?.configuration ?? null;
  return {
    node,
    role: replica?.role ?? 'spare',
    epoch: configuration?.epoch ?? NO_EPOCH,
    phase: phaseOf(parts),
    problem: replica?.broken ?? null,
    ready: replica?.ready ?? false,
    incarnation: self,
    received: replica?.received ?? NO_SEQ,
    durable: replica?.durable ?? NO_SEQ,
    committed: replica?.committed ?? NO_SEQ,
    readFloor: replica?.readFloor ?? null,
    keys: store.keyCount,
    storeBytes: store.bytes,
    inFlightBytes: replica?.inFlightBytes ?? 0,
    lag: replica ? replica.received - replica.committed : 0,
    durability: topology.topology.durability,
    predecessor: (configuration && self && predecessorOf(configuration, self)?.node) ?? null,
    successor: (configuration && self && successorOf(configuration, self)?.node) ?? null,
    sessions: replica?.sessions ?? null,
    coordinator: { connected: parts.coordinatorConnected },
    // Leases and fences come with the removal of members; until then none is needed.
    lease: { leaseMs: configuration?.leaseMs ?? null, needed: false },
    fence: { epoch: configuration?.fence ?? NO_EPOCH, waitMs: 0 },
    waiting: { reads: waitsFor(parts, 'read'), writes: waitsFor(parts, 'write') },
    waitingRequests: parts.waitingRequests,
    storage: parts.storage,
  };
}

/** Is the process well? */
export function healthOf({ replica, stopped }: NodeParts): Health {
  const reason = replica?.broken ?? (stopped ? STOPPING : null);
  return { well: reason === null, reason };
}

/** Would a request now be answered or redirected? */
export function readinessOf(parts: NodeParts): Health {
  if (parts.stopped) return { well: false, reason: STOPPING };
  const reason = waitsFor(parts, 'read') ?? waitsFor(parts, 'write');
  return { well: reason === null, reason };
}

/** Numbers for `/metrics`, without the `catena_` prefix. */
export function gaugesOf({ replica, store, storage, waitingRequests }: NodeParts): Record<string, number> {
  return {
    epoch: replica?.configuration?.epoch ?? 0,
    received_seq: replica?.received ?? 0,
    durable_seq: replica?.durable ?? 0,
    committed_seq: replica?.committed ?? 0,
    keys: store.keyCount,
    store_bytes: store.bytes,
    in_flight_bytes: replica?.inFlightBytes ?? 0,
    waiting_requests: waitingRequests,
    ready: replica?.ready ? 1 : 0,
    log_bytes: storage?.logBytes ?? 0,
    log_syncs_total: storage?.syncs ?? 0,
    log_written_bytes_total: storage?.writtenBytes ?? 0,
  };
}

function phaseOf({ replica, stopped }: NodeParts): 'stopping' | 'recovering' | 'broken' | 'running' {
  if (stopped) return 'stopping';
  if (replica === null) return 'recovering';
  return replica.broken === null ? 'running' : 'broken';
}

/** What a request would wait for now, in words; `null` when it would be answered or redirected. */
function waitsFor({ replica }: NodeParts, intent: Intent): string | null {
  if (replica === null) return RECOVERING;
  const route = routeOf(replica, intent, NO_EPOCH);
  if (route === null) return whatIsMissing(replica, intent, NO_EPOCH);
  if (route.kind === 'here' && intent === 'write' && !replica.flowsOn) {
    return `the chain is not whole: the successor does not answer (session: ${replica.sessions.downstream})`;
  }
  return route.kind === 'unavailable' ? route.reason : null;
}
