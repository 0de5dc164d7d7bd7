import { NO_EPOCH, NO_SEQ } from '../base/ids.ts';
import { predecessorOf, successorOf } from '../protocol/configuration.ts';
import { type NodeParts, phaseOf, problemOf } from './node-parts.ts';
import type { Health, Intent, NodeStatus } from './node-service.ts';
import { routeOf, whatHoldsWrites, whatIsMissing } from './routing.ts';

const RECOVERING = 'this node is still reading its log';

/** What `GET /status` says. */
export function statusOf(parts: NodeParts): NodeStatus {
  const { node, self, replica, store, topology } = parts;
  const configuration = replica?.configuration ?? null;
  return {
    node,
    role: replica?.role ?? 'spare',
    epoch: configuration?.epoch ?? NO_EPOCH,
    phase: phaseOf(parts),
    problem: problemOf(parts),
    lately: parts.wellness.lately,
    ready: replica?.ready ?? false,
    stopped: replica?.stopped ?? false,
    readOnly: replica?.readOnly != null,
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
    lease: leaseOf(parts),
    fence: { epoch: configuration?.fence ?? NO_EPOCH, waitMs: rounded(replica?.fenceLeftMs(parts.now) ?? 0) },
    waiting: { reads: waitsFor(parts, 'read'), writes: waitsFor(parts, 'write') },
    waitingRequests: parts.waitingRequests,
    reads: { clean: parts.reads.clean, dirty: parts.reads.dirty },
    watchers: parts.watching.watchers,
    oldestChange: store.changes.oldest,
    transfer: parts.transfer,
    stalledMs: rounded(parts.stalledMs),
    storage: parts.storage,
  };
}

/** Is the process well? What is over, and did no harm, is said for a while too. */
export function healthOf(parts: NodeParts): Health {
  const problem = parts.ended?.reason ?? problemOf(parts);
  return { well: problem === null, reason: problem ?? parts.wellness.lately };
}

/** Would a request now be answered or redirected? A refusal that says why is an answer, so a node that is only sick is ready. */
export function readinessOf(parts: NodeParts): Health {
  if (parts.ended) return { well: false, reason: parts.ended.reason };
  // A read-only head answers too, if only to say that it takes no writes.
  const refuses = parts.replica?.takesWrites === true && parts.replica.readOnly !== null;
  const reason = unanswered(parts, 'read') ?? (refuses ? null : unanswered(parts, 'write'));
  return { well: reason === null, reason };
}

/** Numbers for `/metrics`, without the `catena_` prefix. */
export function gaugesOf(parts: NodeParts): Record<string, number> {
  const { replica, store, storage, reads } = parts;
  return {
    epoch: replica?.configuration?.epoch ?? 0,
    received_seq: replica?.received ?? 0,
    durable_seq: replica?.durable ?? 0,
    committed_seq: replica?.committed ?? 0,
    keys: store.keyCount,
    store_bytes: store.bytes,
    in_flight_bytes: replica?.inFlightBytes ?? 0,
    waiting_requests: parts.waitingRequests,
    reads_clean_total: reads.clean,
    reads_dirty_total: reads.dirty,
    watchers: parts.watching.watchers,
    watch_cut_total: parts.watching.cut,
    ready: replica?.ready ? 1 : 0,
    sick: phaseOf(parts) === 'sick' ? 1 : 0,
    lease_left_ms: replica?.lease(parts.now).leftMs ?? 0,
    fence_wait_ms: replica?.fenceLeftMs(parts.now) ?? 0,
    stalled_ms: parts.stalledMs,
    log_bytes: storage?.logBytes ?? 0,
    log_syncs_total: storage?.syncs ?? 0,
    log_written_bytes_total: storage?.writtenBytes ?? 0,
  };
}

function leaseOf({ replica, now }: NodeParts): object {
  const { needed, leftMs } = replica?.lease(now) ?? { needed: false, leftMs: 0 };
  const waits = needed && leftMs === 0 ? 'the answer of every other member of the chain' : null;
  const leaseMs = replica?.configuration?.leaseMs ?? null;
  return { needed, held: needed && leftMs > 0, leaseMs, leftMs: rounded(leftMs), waits };
}

/** What a request would wait for now, in words; `null` when it would be answered or redirected at once. */
function waitsFor(parts: NodeParts, intent: Intent): string | null {
  const { replica, now } = parts;
  const unready = unanswered(parts, intent);
  if (unready !== null || replica === null || intent === 'read') return unready;
  return replica.takesWrites ? whatHoldsWrites(replica, now) : null;
}

/** Why a request would get no answer here, nor be sent on; a seal or a fence is over in a moment and does not count. */
function unanswered(parts: NodeParts, intent: Intent): string | null {
  const { replica, now } = parts;
  if (replica === null) return problemOf(parts) ?? RECOVERING;
  // No keys: how the node is, not whether somebody writes just now.
  const route = routeOf(replica, intent, NO_EPOCH, [], now);
  if (route === null) return whatIsMissing(replica, intent, NO_EPOCH, now);
  if (route.kind === 'here' && intent === 'write' && !replica.flowsOn) return whatHoldsWrites(replica, now);
  return route.kind === 'unavailable' ? route.reason : null;
}

/** To a tenth of a ms. */
function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}
