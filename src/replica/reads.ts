import { type Epoch, NO_EPOCH } from '../base/ids.ts';
import type { Now } from '../base/now.ts';
import { isPlanted } from '../base/planted.ts';
import type { Entry } from '../protocol/entry.ts';
import type { CommittedAnswer, CommittedQuery, Confirm, Grant, Probe } from '../protocol/messages.ts';
import type { Downstream } from './downstream.ts';
import type { LinkId, Ticket } from './events.ts';
import { Lease } from './lease.ts';
import type { Log } from './log.ts';
import type { Outbox } from './outbox.ts';
import { PendingKeys } from './pending-keys.ts';
import type { Place } from './place.ts';
import { Queries } from './queries.ts';
import type { Store } from './store.ts';
import type { Upstream } from './upstream.ts';

/** What serving reads needs of the replica. */
export interface ReadsHost {
  readonly place: Place;
  readonly log: Log;
  readonly out: Outbox;
  readonly upstream: Upstream;
  readonly downstream: Downstream;
  store(): Store;
}

/** A replica's lease, for people. */
export interface LeaseState {
  /** Whether reads here need one: a chain of one, or a place that serves no reads, needs none. */
  readonly needed: boolean;
  /** How long it still holds, in ms; 0 when it does not. */
  readonly leftMs: number;
}

/** When a replica may answer a read from its store: leases, and questions to the tail. PROTOCOL.md §7. */
export class Reads {
  readonly #host: ReadsHost;
  readonly #lease = new Lease();
  readonly #queries: Queries;
  readonly #pendingKeys = new PendingKeys();
  /** Pending keys are kept only where a read may have to ask the tail. */
  #tracksKeys = false;
  #probedAtMs = Number.NEGATIVE_INFINITY;
  #stoppedEpoch = NO_EPOCH;

  constructor(host: ReadsHost) {
    this.#host = host;
    this.#queries = new Queries({ ...host, committed: () => host.log.committed });
  }

  /** It was asked to serve no read in the epoch that it holds, and does not. */
  get stopped(): boolean {
    return this.#stoppedEpoch !== NO_EPOCH && this.#stoppedEpoch === this.#host.place.epoch;
  }

  /** Whether a read answered from the store now is linearizable, as far as the place goes; see `isClean` for its keys. */
  serves(now: Now): boolean {
    const { place, log, upstream } = this.#host;
    if (!place.active || !place.servesReads) return false;
    if (this.stopped && !isPlanted('stopped-still-serves')) return false;
    const { readFloor } = upstream;
    if (readFloor === null || log.committed < readFloor) return false;
    const { needed, leftMs } = this.lease(now);
    return !needed || leftMs > 0 || isPlanted('no-lease');
  }

  /** The lease that reads here hang on. */
  lease(now: Now): LeaseState {
    const { place } = this.#host;
    const needed = place.servesReads && place.role !== 'only';
    return { needed, leftMs: needed ? this.#lease.leftMs(now, place.configuration.leaseMs) : 0 };
  }

  /** Whether none of these keys (`null`: of all) has an entry that may be committed without this replica's knowing it. */
  isClean(keys: readonly string[] | null): boolean {
    if (!this.#tracksKeys || isPlanted('dirty-read-not-asked')) return true;
    if (keys === null) return this.#pendingKeys.none;
    return keys.every((key) => {
      const expiresAtMs = this.#host.store().get(key)?.expiresAtMs ?? null;
      return !this.#pendingKeys.touches(key, expiresAtMs !== null);
    });
  }

  leaveEpoch(): void {
    this.#lease.end();
    this.#queries.leaveEpoch();
  }

  /** The coordinator asks for it: a configuration without this replica needs no fence then. */
  stopServing(inEpoch: Epoch): void {
    if (inEpoch === this.#host.place.epoch) this.#stoppedEpoch = inEpoch;
  }

  /** What is pending has changed as a whole: another epoch, a truncation, another store. */
  trackKeys(): void {
    const { place, log } = this.#host;
    // The tail decides what is committed, so it always knows.
    this.#tracksKeys = place.active && place.isMember && !place.isTail && place.servesReads;
    const pending = this.#tracksKeys ? log.entriesAfter(log.committed, Number.POSITIVE_INFINITY) : [];
    this.#pendingKeys.reset(pending);
  }

  received(entry: Entry): void {
    if (this.#tracksKeys) this.#pendingKeys.add(entry);
  }

  committed(entry: Entry): void {
    if (this.#tracksKeys) this.#pendingKeys.remove(entry);
  }

  /** The tail, in agreement with all above it, asks for a lease. A chain of one needs none. */
  probe(now: Now): void {
    const { place, upstream } = this.#host;
    if (!place.active || place.role !== 'tail') return;
    this.#probedAtMs = now.monotonicMs;
    upstream.sendUp({ kind: 'probe', id: this.#lease.probe(now) });
  }

  onTick(now: Now): void {
    this.#queries.askIfDue();
    if (now.monotonicMs - this.#probedAtMs >= this.#host.place.configuration.leaseMs / 5) this.probe(now);
  }

  /** A message is passed on only from a session of this epoch to another of it: everybody on its way is in it still. */
  onProbe(link: LinkId, probe: Probe, now: Now): void {
    const { place, upstream, downstream } = this.#host;
    if (!downstream.isStreamingOn(link)) return;
    this.#lease.note(probe.id, now);
    if (place.isHead && isPlanted('lease-without-confirm')) this.#lease.grant(probe.id);
    if (place.isHead) downstream.sendDown({ kind: 'grant', id: probe.id });
    else upstream.sendUp(probe);
  }

  onGrant(link: LinkId, grant: Grant, now: Now): void {
    const { place, upstream, downstream } = this.#host;
    if (!upstream.isReconciledOn(link)) return;
    if (!place.isTail) {
      if (isPlanted('lease-without-confirm')) this.#lease.grant(grant.id);
      return void downstream.sendDown(grant);
    }
    this.#granted(grant.id, now);
    if (place.configuration.reads === 'any') upstream.sendUp({ kind: 'confirm', id: grant.id });
  }

  onConfirm(link: LinkId, confirm: Confirm, now: Now): void {
    const { place, upstream, downstream } = this.#host;
    if (!downstream.isStreamingOn(link)) return;
    this.#granted(confirm.id, now);
    if (!place.isHead) upstream.sendUp(confirm);
  }

  onAsk(ticket: Ticket): void {
    this.#queries.onAsk(ticket);
  }

  onQuery(link: LinkId, query: CommittedQuery): void {
    this.#queries.onQuery(link, query);
  }

  /** To be called once the answer has been taken as the `Ack` that it also is. */
  onAnswer(link: LinkId, answer: CommittedAnswer): void {
    this.#queries.onAnswer(link, answer);
  }

  #granted(id: number, now: Now): void {
    if (isPlanted('lease-from-grant')) {
      this.#lease.end();
      this.#lease.note(id, now);
    }
    this.#lease.grant(id);
  }
}
