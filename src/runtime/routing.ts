import type { Epoch } from '../base/ids.ts';
import type { Now } from '../base/now.ts';
import { headOf, isMember, tailOf } from '../protocol/configuration.ts';
import type { Replica } from '../replica/replica.ts';
import type { Intent, Route } from './node-service.ts';
import { whyNotWatched } from './watching.ts';

/** How long a request waits for an answer to be possible at all, in ms. */
export const WAIT_MS: Readonly<Record<Intent, number>> = { read: 1000, write: 5000, watch: 1000 };

const HERE: Route = { kind: 'here' };

/**
 * Where a request is to be answered as far as this replica knows; `null` while it can't say: it has no configuration, is
 * behind the epoch that the caller was redirected with, is the right place but not ready yet, or has to ask the tail about
 * one of `keys` first. PROTOCOL.md §7. Builds nothing where the answer is `here`.
 */
export function routeOf(
  replica: Replica,
  intent: Intent,
  minEpoch: Epoch,
  keys: readonly string[] | null,
  now: Now,
): Route | null {
  if (replica.broken !== null) return { kind: 'unavailable', code: 'BROKEN', reason: replica.broken };
  const { configuration } = replica;
  if (configuration === null || configuration.epoch < minEpoch) return null;
  if (intent === 'write') {
    // A sealed head answers too: it holds the write. A read-only one waits, as another may be about to take its place.
    if (replica.takesWrites) return replica.readOnly === null ? HERE : null;
  } else if (intent === 'watch') {
    if (isMember(configuration, replica.self)) return whyNotWatched(replica, now) === null ? HERE : null;
  } else {
    if (replica.servesReads(now)) return replica.isClean(keys) ? HERE : null;
    // With reads at any replica a member that can't serve now will again, and the tail would not know more.
    if (configuration.reads === 'any' && isMember(configuration, replica.self) && !replica.stopped)
      return null;
  }
  const to = intent === 'write' ? headOf(configuration) : tailOf(configuration);
  // This node itself, in its present incarnation or an earlier one: it will be able to answer, or learn who is.
  if (to.node === replica.self.node) return null;
  return { kind: 'elsewhere', node: to.node, epoch: configuration.epoch };
}

/** Whether all that such a read waits for is what the tail has committed of its keys: then the tail has to be asked. */
export function hasToAsk(
  replica: Replica,
  minEpoch: Epoch,
  keys: readonly string[] | null,
  now: Now,
): boolean {
  const { configuration } = replica;
  if (configuration === null || configuration.epoch < minEpoch) return false;
  return replica.servesReads(now) && !replica.isClean(keys);
}

/** What a request waits for, in words. */
export function whatIsMissing(replica: Replica, intent: Intent, minEpoch: Epoch, now: Now): string {
  const { configuration } = replica;
  if (configuration === null) return 'this node has not heard from the coordinator yet: is it running?';
  if (configuration.epoch < minEpoch) {
    return `this node is at epoch ${configuration.epoch} and has not learned epoch ${minEpoch} yet`;
  }
  if (intent === 'watch' && isMember(configuration, replica.self)) {
    return whyNotWatched(replica, now) ?? 'this node is about to go on';
  }
  if (!replica.active && replica.readOnly !== null) {
    return `this node can't take up epoch ${configuration.epoch}: ${replica.readOnly}`;
  }
  if (!replica.active || replica.role === 'spare') {
    return `this node waits for the coordinator to name it in the chain (epoch ${configuration.epoch})`;
  }
  if (intent === 'write') return replica.readOnly ?? 'this node is not the head';
  if (replica.stopped) return `this node was asked to serve no more reads in epoch ${configuration.epoch}`;
  return whatReadsLack(replica, now);
}

function whatReadsLack(replica: Replica, now: Now): string {
  const floor = replica.readFloor;
  if (floor === null) return 'the predecessor has not opened its session yet: is it running?';
  if (replica.committed < floor) {
    const known = `entries up to ${floor} may have been shown and ${replica.committed} is known to be committed`;
    return `${known}: ${fenceWords(replica, now) ?? 'the chain is not whole yet'}`;
  }
  const { needed, leftMs } = replica.lease(now);
  if (needed && leftMs === 0) return 'the lease: not every member of the chain has answered in time';
  return 'the tail: it is asked whether a write of this key is committed';
}

/** What a write at the head waits for beside the disks, in words; `null` for nothing. */
export function whatHoldsWrites(replica: Replica, now: Now): string | null {
  if (!replica.flowsOn) {
    return `the chain is not whole: the successor does not answer (session: ${replica.sessions.downstream})`;
  }
  if (replica.configuration?.sealed) return 'a seal: writes are held until the chain is quiet for a reorder';
  return fenceWords(replica, now);
}

function fenceWords(replica: Replica, now: Now): string | null {
  const leftMs = replica.fenceLeftMs(now);
  if (leftMs <= 0) return null;
  return `a fence: leases of a dropped node may hold for another ${Math.max(1, Math.round(leftMs))} ms`;
}
