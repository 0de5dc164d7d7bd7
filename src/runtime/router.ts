import { type Epoch, NO_EPOCH } from '../base/ids.ts';
import type { Now } from '../base/now.ts';
import type { ReplicaEvent, Ticket } from '../replica/events.ts';
import type { Replica } from '../replica/replica.ts';
import type { Intent, Route } from './node-service.ts';
import { hasToAsk, routeOf, WAIT_MS, whatIsMissing } from './routing.ts';

/** Requests that wait for a place to go, at most; one more is sent away at once. */
const WAITERS_MAX = 4096;

/** What routing needs of the driver. */
export interface RouterHost {
  /** `null` while there is none to ask: during recovery, or when it failed. */
  replica(): Replica | null;
  now(): Now;
  /** Why nobody can be answered here, while there is no replica; `null` if it is still recovering. */
  broken(): string | null;
  newTicket(): Ticket;
  happened(event: ReplicaEvent): void;
}

interface Waiter {
  readonly intent: Intent;
  readonly minEpoch: Epoch;
  readonly keys: readonly string[] | null;
  readonly deadlineMs: number;
  readonly resolve: (route: Route) => void;
  /** The question to the tail that it waits for, if it asked one; and in which epoch. */
  ticket: Ticket | null;
  askedIn: Epoch;
}

/** Says of each request where it is to be answered, lets it wait until that can be said, and asks the tail where it must. */
export class Router {
  readonly #host: RouterHost;
  readonly #waiters = new Set<Waiter>();
  readonly #asked = new Map<Ticket, Waiter>();
  /** Reads that were answered here: as they came, or only after the tail was asked about their keys. */
  readonly reads = { clean: 0, dirty: 0 };

  constructor(host: RouterHost) {
    this.#host = host;
  }

  /** How many requests wait. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /** See `NodeService.routeNow`. */
  routeNow(intent: Intent, minEpoch: Epoch, keys: readonly string[] | null): Route | null {
    const route = this.#look(intent, minEpoch, keys, this.#host.now());
    if (route?.kind === 'here' && intent === 'read') this.reads.clean += 1;
    return route;
  }

  /** See `NodeService.route`. */
  route(intent: Intent, minEpoch: Epoch, keys: readonly string[] | null): Promise<Route> {
    const route = this.routeNow(intent, minEpoch, keys);
    if (route) return Promise.resolve(route);
    if (this.#waiters.size >= WAITERS_MAX) return Promise.resolve(TOO_MANY);
    return new Promise((resolve) => {
      const now = this.#host.now();
      // Nobody may be there to take the place of a read-only head: its clients are not kept for long.
      const readOnly = intent === 'write' && this.#host.replica()?.readOnly != null;
      const deadlineMs = now.monotonicMs + WAIT_MS[readOnly ? 'read' : intent];
      const waiter = { intent, minEpoch, keys, deadlineMs, resolve, ticket: null, askedIn: NO_EPOCH };
      this.#waiters.add(waiter);
      this.#askIfDue(waiter, now);
    });
  }

  /**
   * Lets those go who can be answered now, and those who have waited long enough; asks anew for those whose question ended
   * with its epoch. To be called when something has changed that a request may wait for, and every few ms.
   */
  look(): void {
    if (this.#waiters.size === 0) return;
    const now = this.#host.now();
    for (const waiter of this.#waiters) {
      const route = this.#look(waiter.intent, waiter.minEpoch, waiter.keys, now);
      if (route) this.#release(waiter, route);
      else if (now.monotonicMs >= waiter.deadlineMs) this.#release(waiter, this.#tooLate(waiter, now));
      else this.#askIfDue(waiter, now);
    }
  }

  /** The own `committed` has reached what the tail had when it was asked: the read is served, if the lease still holds. */
  settled(ticket: Ticket): void {
    const waiter = this.#asked.get(ticket);
    if (waiter === undefined) return;
    this.#asked.delete(ticket);
    waiter.ticket = null;
    const replica = this.#host.replica();
    // Without the lease it goes on waiting, and asks again when there is one.
    if (replica?.servesReads(this.#host.now())) this.#release(waiter, { kind: 'here' }, { wasDirty: true });
  }

  /** Sends everybody away: the node stops. */
  endAll(reason: string): void {
    for (const waiter of this.#waiters) {
      this.#release(waiter, { kind: 'unavailable', code: 'NOT_READY', reason });
    }
  }

  #look(intent: Intent, minEpoch: Epoch, keys: readonly string[] | null, now: Now): Route | null {
    const replica = this.#host.replica();
    if (replica !== null) return routeOf(replica, intent, minEpoch, keys, now);
    const reason = this.#host.broken();
    return reason === null ? null : { kind: 'unavailable', code: 'BROKEN', reason };
  }

  #askIfDue(waiter: Waiter, now: Now): void {
    const replica = this.#host.replica();
    if (replica === null || waiter.intent !== 'read') return;
    if (!hasToAsk(replica, waiter.minEpoch, waiter.keys, now)) return;
    const epoch = replica.configuration?.epoch ?? NO_EPOCH;
    if (waiter.ticket !== null && waiter.askedIn === epoch) return;
    this.#forget(waiter);
    waiter.ticket = this.#host.newTicket();
    waiter.askedIn = epoch;
    this.#asked.set(waiter.ticket, waiter);
    this.#host.happened({ kind: 'ask', ticket: waiter.ticket });
  }

  #tooLate({ intent, minEpoch }: Waiter, now: Now): Route {
    const replica = this.#host.replica();
    if (replica === null) {
      return { kind: 'unavailable', code: 'RECOVERING', reason: 'this node is still reading its log' };
    }
    const readOnly = intent === 'write' && replica.takesWrites && replica.readOnly !== null;
    const code = readOnly ? 'READ_ONLY' : 'NOT_READY';
    return { kind: 'unavailable', code, reason: whatIsMissing(replica, intent, minEpoch, now) };
  }

  #release(waiter: Waiter, route: Route, { wasDirty = waiter.ticket !== null } = {}): void {
    if (route.kind === 'here' && waiter.intent === 'read') this.reads[wasDirty ? 'dirty' : 'clean'] += 1;
    this.#waiters.delete(waiter);
    this.#forget(waiter);
    waiter.resolve(route);
  }

  #forget(waiter: Waiter): void {
    if (waiter.ticket !== null) this.#asked.delete(waiter.ticket);
    waiter.ticket = null;
  }
}

const TOO_MANY: Route = {
  kind: 'unavailable',
  code: 'OVERLOADED',
  reason: `${WAITERS_MAX} requests wait here already`,
};
