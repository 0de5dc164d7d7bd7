import type { Epoch } from '../base/ids.ts';
import { headOf, tailOf } from '../protocol/configuration.ts';
import type { Replica } from '../replica/replica.ts';
import type { Intent, Route } from './node-service.ts';

/** How long a request waits for an answer to be possible at all, in ms. */
export const WAIT_MS: Readonly<Record<Intent, number>> = { read: 1000, write: 5000 };

/**
 * Where a request is to be answered as far as this replica knows; `null` while it can't say: it has no configuration, is
 * behind the epoch that the caller was redirected with, or is the right place but not ready yet.
 */
export function routeOf(replica: Replica, intent: Intent, minEpoch: Epoch): Route | null {
  if (replica.broken !== null) return { kind: 'unavailable', code: 'BROKEN', reason: replica.broken };
  const { configuration } = replica;
  if (configuration === null || configuration.epoch < minEpoch) return null;
  if (intent === 'read' ? replica.servesReads : replica.takesWrites) return HERE;
  const to = intent === 'read' ? tailOf(configuration) : headOf(configuration);
  // This node itself, in its present incarnation or an earlier one: it will be able to answer, or learn who is.
  if (to.node === replica.self.node) return null;
  return { kind: 'elsewhere', node: to.node, epoch: configuration.epoch };
}

/** What a request waits for, in words. */
export function whatIsMissing(replica: Replica, intent: Intent, minEpoch: Epoch): string {
  const { configuration } = replica;
  if (configuration === null) return 'this node has not heard from the coordinator yet: is it running?';
  if (configuration.epoch < minEpoch) {
    return `this node is at epoch ${configuration.epoch} and has not learned epoch ${minEpoch} yet`;
  }
  if (!replica.active || replica.role === 'spare') {
    return `this node waits for the coordinator to name it in the chain (epoch ${configuration.epoch})`;
  }
  if (intent === 'write') return 'this node is not the head';
  const floor = replica.readFloor;
  if (floor === null) return 'the predecessor has not opened its session yet: is it running?';
  return `entries up to ${floor} may have been shown and ${replica.committed} is known to be committed: the chain is not whole yet`;
}

const HERE: Route = { kind: 'here' };

interface Waiter {
  readonly intent: Intent;
  readonly minEpoch: Epoch;
  readonly deadlineMs: number;
  readonly resolve: (route: Route) => void;
}

/** Requests that wait until this node can say where they are to be answered. */
export class RouteWaiters {
  readonly #waiters = new Set<Waiter>();

  get count(): number {
    return this.#waiters.size;
  }

  wait(intent: Intent, minEpoch: Epoch, nowMs: number): Promise<Route> {
    return new Promise((resolve) => {
      this.#waiters.add({ intent, minEpoch, deadlineMs: nowMs + WAIT_MS[intent], resolve });
    });
  }

  /** Lets those go who can be answered now, and those who have waited long enough. `replica` is `null` during recovery. */
  look(replica: Replica | null, nowMs: number): void {
    for (const waiter of this.#waiters) {
      const { intent, minEpoch } = waiter;
      const route = replica && routeOf(replica, intent, minEpoch);
      if (route) this.#release(waiter, route);
      else if (nowMs >= waiter.deadlineMs) this.#release(waiter, tooLate(replica, intent, minEpoch));
    }
  }

  /** Sends everybody away: the node stops. */
  endAll(reason: string): void {
    for (const waiter of this.#waiters) {
      this.#release(waiter, { kind: 'unavailable', code: 'NOT_READY', reason });
    }
  }

  #release(waiter: Waiter, route: Route): void {
    this.#waiters.delete(waiter);
    waiter.resolve(route);
  }
}

function tooLate(replica: Replica | null, intent: Intent, minEpoch: Epoch): Route {
  if (replica === null) {
    return { kind: 'unavailable', code: 'RECOVERING', reason: 'this node is still reading its log' };
  }
  return { kind: 'unavailable', code: 'NOT_READY', reason: whatIsMissing(replica, intent, minEpoch) };
}
