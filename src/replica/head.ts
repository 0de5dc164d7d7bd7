import { NO_SEQ, next, type RequestId, type Seq } from '../base/ids.ts';
import type { Now } from '../base/now.ts';
import { isPlanted } from '../base/planted.ts';
import type { Command } from '../protocol/command.ts';
import { headOf } from '../protocol/configuration.ts';
import { type Entry, weightOf } from '../protocol/entry.ts';
import { headRequestId } from '../protocol/request-id.ts';
import { growthOf } from './admission.ts';
import type { ReplicaEvent } from './events.ts';
import type { Log } from './log.ts';
import type { LogClock } from './log-clock.ts';
import type { Outbox } from './outbox.ts';
import type { Place } from './place.ts';
import type { Store } from './store.ts';
import { Tickets } from './tickets.ts';

/** Why a write is turned down before an entry is made of it. */
type Refusal = 'OVERLOADED' | 'STORE_FULL' | 'READ_ONLY';

/** What making entries needs of the replica that is the head. */
export interface HeadHost {
  readonly place: Place;
  readonly log: Log;
  /** As it is now: an installed snapshot replaces it. */
  store(): Store;
  /** The disk takes no more entries. */
  isReadOnly(): boolean;
  readonly clock: LogClock;
  readonly out: Outbox;
  /** A new entry: into the log, to the disk and down the chain. */
  take(entry: Entry): void;
}

/** A write that came while the epoch is sealed, and waits for the next one. */
type Held = Extract<ReplicaEvent, { kind: 'write' }>;

/** What a replica does for clients while it is the head: makes entries, and answers when they are applied. PROTOCOL.md §3, §8, §9. */
export class Head {
  readonly #host: HeadHost;
  readonly #tickets = new Tickets();
  /** Ids made in this epoch. */
  #requests = 0;
  /** In the order in which they came. */
  #held: Held[] = [];
  #heldBytes = 0;
  /** The last tick entry made; at most one is in flight. */
  #tickSeq: Seq = NO_SEQ;

  constructor(host: HeadHost) {
    this.#host = host;
  }

  enterEpoch(now: Now): void {
    const { place, log } = this.#host;
    this.#requests = 0;
    // A tick that another head had dropped is in flight no more.
    if (this.#tickSeq > log.received) this.#tickSeq = NO_SEQ;
    if (!place.isHead) this.turnAway();
    if (place.isHead && place.configuration.sealed) return;
    for (const held of this.#takeHeld()) this.onWrite(held, now);
  }

  onWrite(write: Extract<ReplicaEvent, { kind: 'write' }>, now: Now): void {
    const { place, out } = this.#host;
    const { ticket, command, deadlineMs } = write;
    if (!place.active || !place.isHead) {
      const to = place.active ? headOf(place.configuration).node : null;
      return out.answer(ticket, { kind: 'moved', to, epoch: place.epoch, requestId: write.requestId });
    }
    const refusal = this.#refusal(command, write.requestId);
    if (refusal) return out.answer(ticket, { kind: 'refused', code: refusal });
    if (place.configuration.sealed) return this.#hold(write);
    const requestId = write.requestId ?? this.#newRequestId(now);
    const { seq } = this.#make(command, requestId, now);
    this.#tickets.add(seq, { ticket, requestId, deadlineMs });
  }

  /** An entry was applied: its client, if one waits here, gets the outcome. */
  applied(seq: Seq, { outcome, replayed }: ReturnType<Store['apply']>): void {
    const waiting = this.#tickets.take(seq);
    if (waiting === undefined) return;
    const { ticket, requestId } = waiting;
    this.#host.out.answer(ticket, { kind: 'applied', outcome, replayed, requestId });
  }

  onTick(now: Now): void {
    for (const { ticket, requestId } of this.#tickets.takeExpired(now.monotonicMs)) {
      this.#host.out.answer(ticket, { kind: 'unknown', requestId });
    }
    this.#refuseHeld((held) => held.deadlineMs <= now.monotonicMs);
    this.#expireKeys(now);
  }

  /** This replica takes no further part: what is in flight may or may not take effect. */
  stop(): void {
    this.#refuseHeld(() => true);
    for (const { ticket, requestId } of this.#tickets.takeAll()) {
      this.#host.out.answer(ticket, { kind: 'unknown', requestId });
    }
  }

  /** No longer the head: the clients go to the one that is, with their ids, so that each write counts once. */
  turnAway(): void {
    const { configuration } = this.#host.place;
    const { epoch } = configuration;
    const to = headOf(configuration).node;
    for (const { ticket, requestId: known } of this.#tickets.takeAll()) {
      const requestId = isPlanted('redirect-without-id') ? null : known;
      this.#host.out.answer(ticket, { kind: 'moved', to, epoch, requestId });
    }
  }

  /** The chain gets quiet for a reorder: the client waits, and nothing is refused. PROTOCOL.md §6. */
  #hold(write: Held): void {
    this.#held.push(write);
    this.#heldBytes += weightOf(write.command);
  }

  #takeHeld(): Held[] {
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    return held;
  }

  /** No entry was made of these, so they had no effect. */
  #refuseHeld(refused: (held: Held) => boolean): void {
    if (this.#held.length === 0) return;
    for (const held of this.#takeHeld()) {
      if (refused(held)) this.#host.out.answer(held.ticket, { kind: 'refused', code: 'NOT_READY' });
      else this.#hold(held);
    }
  }

  #refusal(command: Command, requestId: RequestId | null): Refusal | null {
    const { place, log } = this.#host;
    if (this.#host.isReadOnly()) return 'READ_ONLY';
    const store = this.#host.store();
    const { inFlightBytes, storeBytes } = place.topology.topology.limits;
    if (this.#heldBytes > 0 && this.#heldBytes + weightOf(command) > inFlightBytes) return 'OVERLOADED';
    // One alone is always taken: a limit below it would never let it pass.
    if (log.pendingBytes > 0 && log.pendingBytes + weightOf(command) > inFlightBytes) return 'OVERLOADED';
    // What is in flight counts as growth in full: near the limit that is a little early, never late.
    if (store.bytes + log.pendingBytes + weightOf(command) <= storeBytes) return null;
    const growth = growthOf(command, store);
    if (growth <= 0 || store.bytes + log.pendingBytes + growth <= storeBytes) return null;
    return this.#mayBeRetry(requestId) ? null : 'STORE_FULL';
  }

  /** A retry of a write that took effect must get its outcome, however full the store is by now. */
  #mayBeRetry(id: RequestId | null): boolean {
    return id !== null && (this.#host.store().remembers(id) || this.#host.log.hasPending(id));
  }

  #newRequestId(now: Now): RequestId {
    this.#requests += 1;
    return headRequestId({
      epoch: this.#host.place.epoch,
      count: this.#requests,
      bornMs: this.#timeMs(now),
    });
  }

  #make(command: Command, requestId: RequestId | null, now: Now): Entry {
    const { log, place } = this.#host;
    const entry: Entry = {
      epoch: place.epoch,
      seq: next(log.received),
      timeMs: this.#timeMs(now),
      requestId,
      command,
      encoded: null,
    };
    this.#host.take(entry);
    return entry;
  }

  #timeMs(now: Now): number {
    return Math.max(this.#host.log.lastTimeMs, this.#host.clock.read(now));
  }

  /** Keys that are due are removed by an entry like any other: of a bounded size, one at a time. */
  #expireKeys(now: Now): void {
    const { place, log, store, isReadOnly } = this.#host;
    if (!place.active || !place.isHead || this.#tickSeq > log.committed) return;
    if (place.configuration.sealed || isReadOnly()) return;
    const dueMs = store().nextExpiryMs();
    if (dueMs === null || dueMs > this.#timeMs(now)) return;
    this.#tickSeq = this.#make({ kind: 'tick' }, null, now).seq;
  }
}
