import { unreachable } from '../base/assert.ts';
import { earlier, type Seq } from '../base/ids.ts';
import type { Now } from '../base/now.ts';
import type { Configuration, Incarnation, Role } from '../protocol/configuration.ts';
import type { Entry } from '../protocol/entry.ts';
import type { LinkMessage } from '../protocol/messages.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import { Downstream } from './downstream.ts';
import type { Effect, LinkId, ReplicaEvent } from './events.ts';
import { Head } from './head.ts';
import { checkInvariants } from './invariants.ts';
import { Log, type RecoveredLog } from './log.ts';
import { LogClock } from './log-clock.ts';
import { Outbox } from './outbox.ts';
import { Place, type PlaceOptions } from './place.ts';
import type { Store } from './store.ts';
import { Upstream } from './upstream.ts';

/** What a replica is made from: all of it on disk. */
export interface ReplicaOptions extends PlaceOptions {
  readonly log: RecoveredLog;
  /** The store after `log.committed`; the replica alone applies entries to it from here on. */
  readonly store: Store;
}

/**
 * One replica: PROTOCOL.md §2-§4, §8 and §9 as a state machine. `step` takes what happened and gives what to do; it does
 * no I/O, knows no clock but the one it is handed, and shares nothing with other replicas.
 */
export class Replica {
  readonly store: Store;
  readonly #out = new Outbox();
  readonly #clock = new LogClock();
  readonly #place: Place;
  readonly #log: Log;
  readonly #upstream: Upstream;
  readonly #downstream: Downstream;
  readonly #head: Head;
  /** In this epoch the own log is known to agree with all above it. */
  #agreed = false;
  /** Entries that are to be written to the log at the end of this turn. */
  #unwritten: Entry[] = [];
  #broken: string | null = null;
  #tickedAtMs: number;
  #now: Now;

  constructor(options: ReplicaOptions, now: Now) {
    this.store = options.store;
    this.#now = now;
    this.#tickedAtMs = now.monotonicMs;
    this.#place = new Place(options, this.#out);
    this.#log = new Log(options.log);
    const parts = { place: this.#place, log: this.#log, out: this.#out };
    this.#upstream = new Upstream({
      ...parts,
      adopt: (hello) => this.#adopt(hello.configuration, hello.topology),
      take: (entry) => this.#take(entry),
      truncate: (after) => this.#truncate(after),
      agreed: () => this.#agree(),
    });
    this.#downstream = new Downstream({
      ...parts,
      durableToHere: () => this.#durableToHere(),
      commitThrough: (through) => this.#commitThrough(through),
      corrupt: (reason) => this.#fail('CORRUPT', reason),
    });
    this.#head = new Head({
      ...parts,
      store: this.store,
      clock: this.#clock,
      take: (entry) => this.#take(entry),
    });
    this.#clock.start(Math.max(this.#log.lastTimeMs, this.#place.held?.timeMs ?? 0), now);
    checkInvariants(this);
  }

  get self(): Incarnation {
    return this.#place.self;
  }
  get received(): Seq {
    return this.#log.received;
  }
  get durable(): Seq {
    return this.#log.durable;
  }
  get committed(): Seq {
    return this.#log.committed;
  }
  /** How often this log was truncated: what is appended to it on disk belongs to this generation. */
  get generation(): number {
    return this.#log.generation;
  }
  /** What the entries in flight weigh, in bytes. */
  get inFlightBytes(): number {
    return this.#log.pendingBytes;
  }
  get topology(): VersionedTopology {
    return this.#place.topology;
  }
  /** The highest configuration adopted, or being adopted. */
  get configuration(): Configuration | null {
    return this.#place.held;
  }
  /** Whether that configuration is on disk, so that this replica acts in it. */
  get active(): boolean {
    return this.#place.active;
  }
  get role(): Role {
    return this.#place.role;
  }
  /** Why this replica takes no further part, or `null`. */
  get broken(): string | null {
    return this.#broken;
  }
  /** A read at the tail shows nothing older than this; `null` until the predecessor has said its half. PROTOCOL.md §7. */
  get readFloor(): Seq | null {
    return this.#upstream.readFloor;
  }
  /** Whether a read answered from the store now is linearizable. */
  get servesReads(): boolean {
    return this.#place.active && this.#place.isTail && this.#isPastFloor();
  }
  /** Whether a write can be taken here now. */
  get takesWrites(): boolean {
    return this.#place.active && this.#place.isHead;
  }
  /** In this epoch: reconciled, and caught up to its readFloor. PROTOCOL.md §5. */
  get ready(): boolean {
    return this.#place.active && this.#place.isMember && this.#agreed && this.#isPastFloor();
  }
  /** Whether entries flow on: the session with the successor, if there is one, is reconciled. */
  get flowsOn(): boolean {
    return this.#place.successor === null || this.#downstream.stage === 'streaming';
  }
  /** The stages of both sessions, for people. */
  get sessions(): { readonly upstream: string; readonly downstream: string } {
    return { upstream: this.#upstream.stage, downstream: this.#downstream.stage };
  }
  /** Whether something waits for the end of the turn. */
  get wantsFlush(): boolean {
    return this.#unwritten.length > 0 || this.#upstream.ackDue || this.#downstream.appendDue;
  }

  /** The neighbours with which there has been no reconciled session for `suspectAfterMs`. */
  unreachable(now: Now): Incarnation[] {
    const { suspectAfterMs } = this.topology.topology.timing;
    const above = this.#upstream.unreachable(now.monotonicMs, suspectAfterMs);
    const below = this.#downstream.unreachable(now.monotonicMs, suspectAfterMs);
    return [above, below].filter((who) => who !== null);
  }

  /** The log clock as this replica reads it, in ms. */
  logTimeMs(now: Now): number {
    return this.#clock.read(now);
  }

  /** Takes one event and says what to do, in order. It throws only for bugs of its own. */
  step(event: ReplicaEvent, now: Now): readonly Effect[] {
    this.#now = now;
    if (this.#broken === null) this.#handle(event);
    else this.#turnAway(event, this.#broken);
    checkInvariants(this);
    return this.#out.take();
  }

  #handle(event: ReplicaEvent): void {
    const nowMs = this.#now.monotonicMs;
    switch (event.kind) {
      case 'told':
        return this.#adopt(event.configuration, event.topology);
      case 'saved':
        return this.#onSaved(event.save);
      case 'synced':
        this.#log.synced(event.through, event.generation);
        return this.#commitAtTail();
      case 'connected':
        return this.#downstream.onConnected(event.link, event.to, nowMs);
      case 'message':
        return this.#onMessage(event.link, event.message);
      case 'heard':
        this.#upstream.onHeard(event.link, nowMs);
        return this.#downstream.onHeard(event.link, nowMs);
      case 'disconnected':
        this.#upstream.onDisconnected(event.link, nowMs);
        return this.#downstream.onDisconnected(event.link, nowMs);
      case 'congested':
        return this.#downstream.setCongested(event.link, true);
      case 'drained':
        return this.#downstream.setCongested(event.link, false);
      case 'read':
        return this.#downstream.onRead(event.link, event.entries, nowMs);
      case 'write':
        return this.#head.onWrite(event, this.#now);
      case 'failed':
        return this.#fail('BROKEN', event.reason);
      case 'stopped':
        return this.#break(event.reason);
      case 'flush':
        return this.#flush();
      case 'tick':
        return this.#onTick();
      default:
        return unreachable(event);
    }
  }

  #turnAway(event: ReplicaEvent, reason: string): void {
    if (event.kind === 'write') this.#out.answer(event.ticket, { kind: 'refused', code: 'BROKEN' });
    if (event.kind === 'message') this.#out.hangUp(event.link, reason);
  }

  #onMessage(link: LinkId, message: LinkMessage): void {
    const nowMs = this.#now.monotonicMs;
    switch (message.kind) {
      case 'hello':
        return this.#upstream.onHello(link, message, nowMs);
      case 'resume':
        return this.#upstream.onResume(link, message, nowMs);
      case 'append':
        this.#upstream.onAppend(link, message, nowMs);
        return this.#commitAtTail();
      case 'stale':
        this.#downstream.onStale(link, nowMs);
        return this.#adopt(message.configuration, message.topology);
      case 'welcome':
        return this.#downstream.onWelcome(link, message, nowMs);
      case 'ack':
        return this.#downstream.onAck(link, message, nowMs);
      default:
        return unreachable(message);
    }
  }

  // --- epochs (§2)

  /** Adopting ends all sessions; nothing is done in the new epoch before it is on disk. */
  #adopt(configuration: Configuration | null, topology: VersionedTopology | null): void {
    const { version } = this.#place.topology;
    if (this.#place.adopt(configuration, topology)) this.#leaveEpoch(`took up epoch ${this.#place.epoch}`);
    if (this.#place.topology.version !== version) this.#downstream.redial();
  }

  #leaveEpoch(reason: string): void {
    this.#agreed = false;
    this.#upstream.leaveEpoch(reason);
    this.#downstream.leaveEpoch(reason);
  }

  #onSaved(save: number): void {
    if (!this.#place.saved(save)) return;
    const { configuration, role, epoch } = this.#place;
    this.#agreed = this.#place.isHead;
    this.#clock.start(Math.max(this.#log.lastTimeMs, configuration.timeMs), this.#now);
    const chain = configuration.members.map((member) => member.node).join(', ');
    this.#out.say('info', `is ${role} in epoch ${epoch}: ${chain}`);
    this.#head.enterEpoch();
    this.#upstream.enterEpoch(this.#now.monotonicMs);
    this.#dialIfDue();
    this.#commitAtTail();
  }

  #agree(): void {
    this.#agreed = true;
    this.#dialIfDue();
  }

  /** Agreement runs from head to tail: nobody speaks to its successor before it agrees with all above. */
  #dialIfDue(): void {
    if (this.#place.active && this.#agreed) this.#downstream.dialIfDue(this.#now.monotonicMs);
  }

  // --- the log and its two watermarks (§3)

  #take(entry: Entry): void {
    this.#log.append(entry);
    this.#clock.seen(entry.timeMs, this.#now);
    this.#unwritten.push(entry);
  }

  /** What is dropped was never on every disk: never committed, never shown. */
  #truncate(after: Seq): void {
    this.#out.say('info', `drops the uncommitted entries ${after + 1} to ${this.#log.received}`);
    this.#writeOut();
    this.#log.truncate(after);
    this.#out.push({ kind: 'truncate', after, generation: this.#log.generation });
  }

  #durableToHere(): Seq {
    return this.#place.isHead ? this.#log.durable : earlier(this.#log.durable, this.#upstream.durable);
  }

  /** The tail decides what is committed; everybody else is told. */
  #commitAtTail(): void {
    if (this.#place.active && this.#place.isTail) this.#commitThrough(this.#durableToHere());
  }

  #commitThrough(through: Seq): void {
    while (this.#log.committed < through) {
      const entry = this.#log.commitNext();
      this.#clock.seen(entry.timeMs, this.#now);
      this.#head.applied(entry.seq, this.store.apply(entry));
    }
  }

  #isPastFloor(): boolean {
    const floor = this.#upstream.readFloor;
    return floor !== null && this.#log.committed >= floor;
  }

  // --- the end of a turn, the passing of time, the end

  #flush(): void {
    const nowMs = this.#now.monotonicMs;
    this.#writeOut();
    this.#downstream.flush(nowMs);
    this.#upstream.flush(nowMs);
  }

  #writeOut(): void {
    if (this.#unwritten.length === 0) return;
    const { committed, generation } = this.#log;
    this.#out.push({ kind: 'append', entries: this.#unwritten, committed, generation });
    this.#unwritten = [];
  }

  #onTick(): void {
    const nowMs = this.#now.monotonicMs;
    this.#head.onTick(this.#now);
    const sinceMs = nowMs - this.#tickedAtMs;
    this.#tickedAtMs = nowMs;
    if (!this.#place.active) return;
    // Each link carries something both ways at least every lease/5.
    const { suspectAfterMs } = this.topology.topology.timing;
    const quietMs = Math.min(this.#place.configuration.leaseMs, suspectAfterMs) / 5;
    // After a pause what the neighbours said meanwhile is still to be read: it was this process that was silent.
    if (sinceMs <= suspectAfterMs / 2) {
      this.#upstream.onTick(nowMs, { quietMs, suspectAfterMs });
      this.#downstream.onTick(nowMs, { quietMs, suspectAfterMs });
    }
    this.#dialIfDue();
  }

  #fail(code: 'CORRUPT' | 'BROKEN', reason: string): void {
    this.#out.push({ kind: 'fail', code, reason });
    this.#break(reason);
  }

  #break(reason: string): void {
    this.#broken = reason;
    this.#place.leave();
    this.#leaveEpoch(reason);
    this.#upstream.stop(reason);
    this.#head.stop();
    this.#unwritten = [];
  }
}
