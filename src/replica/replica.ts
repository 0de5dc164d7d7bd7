import { assert, unreachable } from '../base/assert.ts';
import { type Epoch, earlier, type Seq } from '../base/ids.ts';
import type { Now } from '../base/now.ts';
import { isPlanted } from '../base/planted.ts';
import { type Configuration, type Incarnation, isMember, type Role } from '../protocol/configuration.ts';
import type { Entry } from '../protocol/entry.ts';
import type { LinkMessage } from '../protocol/messages.ts';
import type { SnapshotHeader } from '../protocol/snapshot.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import { Downstream } from './downstream.ts';
import type { Effect, LinkId, ReplicaEvent } from './events.ts';
import { Fence } from './fence.ts';
import { Head } from './head.ts';
import { checkInvariants } from './invariants.ts';
import { Log, type RecoveredLog } from './log.ts';
import { LogClock } from './log-clock.ts';
import { Outbox } from './outbox.ts';
import { Place, type PlaceOptions } from './place.ts';
import { type LeaseState, Reads } from './reads.ts';
import { Replacing } from './replacing.ts';
import type { Store } from './store.ts';
import { Upstream } from './upstream.ts';

/** What a replica is made from: all of it on disk. */
export interface ReplicaOptions extends PlaceOptions {
  readonly log: RecoveredLog;
  /** The store after `log.committed`; the replica alone applies entries to it from here on. */
  readonly store: Store;
}

/**
 * One replica: PROTOCOL.md §2-§4, §7, §8 and §9 as a state machine. `step` takes what happened and gives what to do; it does
 * no I/O, knows no clock but the one it is handed, and shares nothing with other replicas.
 */
export class Replica {
  #store: Store;
  readonly #out = new Outbox();
  readonly #clock = new LogClock();
  readonly #place: Place;
  readonly #log: Log;
  readonly #upstream: Upstream;
  readonly #downstream: Downstream;
  readonly #head: Head;
  readonly #reads: Reads;
  readonly #replacing: Replacing;
  readonly #fence = new Fence();
  #readOnly: string | null = null;
  /** In this epoch the own log is known to agree with all above it. */
  #agreed = false;
  /** Entries that are to be written to the log at the end of this turn. */
  #unwritten: Entry[] = [];
  #broken: string | null = null;
  #tickedAtMs: number;
  #now: Now;

  constructor(options: ReplicaOptions, now: Now) {
    this.#store = options.store;
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
      writeOut: () => this.#writeOut(),
      corrupt: (reason) => this.#fail('CORRUPT', reason),
      agreed: () => this.#agree(),
      fence: (ms) => this.#fence.extend(this.#now.monotonicMs, ms),
    });
    this.#downstream = new Downstream({
      ...parts,
      durableToHere: () => this.#durableToHere(),
      commitThrough: (through) => this.#commitThrough(through),
      fenceMs: (nowMs) => this.#fence.leftMs(nowMs),
      corrupt: (reason) => this.#fail('CORRUPT', reason),
    });
    this.#head = new Head({
      ...parts,
      store: () => this.store,
      clock: this.#clock,
      isReadOnly: () => this.#readOnly !== null,
      take: (entry) => this.#take(entry),
    });
    this.#reads = new Reads({
      ...parts,
      upstream: this.#upstream,
      downstream: this.#downstream,
      store: () => this.store,
    });
    this.#replacing = new Replacing({
      ...parts,
      upstream: this.#upstream,
      replaced: (store, header) => this.#replaced(store, header),
      saved: (save) => this.#onSaved(save),
      goOn: () => this.#commitAtTail(),
    });
    // Who knows what this store's last incarnation granted; a store that never held a configuration granted nothing.
    this.#fence.raise(now.monotonicMs, isPlanted('no-fence-at-start') ? 0 : this.#place.leaseMsMax);
    this.#clock.start(Math.max(this.#log.lastTimeMs, this.#place.held?.timeMs ?? 0), now);
    checkInvariants(this);
  }

  get self(): Incarnation {
    return this.#place.self;
  }
  /** What is committed, applied; another object once a snapshot has taken its place. */
  get store(): Store {
    return this.#store;
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
  /** How often this log was truncated or replaced: what is appended to it on disk belongs to this generation. */
  get generation(): number {
    return this.#log.generation;
  }
  /** The epoch of the entry at `seq`; `null` beyond the end of the log, and before what it remembers. */
  epochAt(at: Seq): Epoch | null {
    return this.#log.epochAt(at);
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
  /** Whether a read answered from the store now is linearizable, as far as the place goes; see `isClean` for its keys. */
  servesReads(now: Now): boolean {
    return this.#reads.serves(now);
  }
  /** Whether none of these keys (`null`: of all) has an entry that may be committed without this replica's knowing it: else `ask`. */
  isClean(keys: readonly string[] | null): boolean {
    return this.#reads.isClean(keys);
  }
  /** The lease that reads here hang on. */
  lease(now: Now): LeaseState {
    return this.#reads.lease(now);
  }
  /** How long leases of dropped nodes may still hold, so that a tail here commits nothing, in ms. */
  fenceLeftMs(now: Now): number {
    return this.#fence.leftMs(now.monotonicMs);
  }
  /** It was asked to serve no read in this epoch, and does not. */
  get stopped(): boolean {
    return this.#reads.stopped;
  }
  /** Why its disk takes nothing any more, or `null`. It still serves what it holds. */
  get readOnly(): string | null {
    return this.#readOnly;
  }
  /** Whether a write can be taken here now. */
  get takesWrites(): boolean {
    return this.#place.active && this.#place.isHead;
  }
  /**
   * In this epoch, a member: reconciled, and caught up to its readFloor. The joiner: in session, and holding on disk all that
   * it was told to be committed. PROTOCOL.md §5.
   */
  get ready(): boolean {
    if (!this.#place.active) return false;
    if (this.#place.role === 'joiner') return this.#upstream.isCaughtUp;
    return this.#place.isMember && this.#agreed && this.#isPastFloor();
  }
  /** Whether entries flow on: the session with the next member, if there is one, is reconciled. The joiner does not count. */
  get flowsOn(): boolean {
    return this.#place.isTail || this.#place.successor === null || this.#downstream.stage === 'streaming';
  }
  /** The stages of both sessions, for people. */
  get sessions(): { readonly upstream: string; readonly downstream: string } {
    return { upstream: this.#upstream.stage, downstream: this.#downstream.stage };
  }
  /** Whether something waits for the end of the turn. */
  get wantsFlush(): boolean {
    return this.#unwritten.length > 0 || this.#upstream.ackDue || this.#downstream.appendDue;
  }

  /** The neighbours with which there has been no reconciled session for so long, in ms: `suspectAfterMs` unless given. */
  unreachable(now: Now, afterMs = this.topology.topology.timing.suspectAfterMs): Incarnation[] {
    return [this.#upstream, this.#downstream]
      .map((side) => side.unreachable(now.monotonicMs, afterMs))
      .filter((who) => who !== null);
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
      case 'ask':
        return this.#reads.onAsk(event.ticket);
      case 'stop-serving':
        return this.#reads.stopServing(event.epoch);
      case 'snapshot-opened':
      case 'part-read':
        return this.#downstream.onSnapshotRead(event, nowMs);
      case 'part-stored':
        return this.#upstream.onPartStored(event.link, event.place, nowMs);
      case 'installed':
        return this.#replacing.onInstalled(event, nowMs);
      case 'bad-snapshot':
        return this.#replacing.onBad(event.link, event.reason, nowMs);
      case 'disk-failed':
        return this.#onDiskFailed(event.reason);
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
    if (event.kind === 'installed') this.#replacing.replace(event.header, event.store);
  }

  #onMessage(link: LinkId, message: LinkMessage): void {
    const nowMs = this.#now.monotonicMs;
    switch (message.kind) {
      case 'hello':
        return this.#upstream.onHello(link, message, nowMs);
      case 'resume':
        return this.#upstream.onResume(link, message, nowMs);
      case 'append':
        // What the disk does not take is not held: the watermarks and the leases go on without it.
        this.#upstream.onAppend(link, this.#readOnly === null ? message : { ...message, entries: [] }, nowMs);
        return this.#commitAtTail();
      case 'stale':
        this.#downstream.onStale(link, nowMs);
        return this.#adopt(message.configuration, message.topology);
      case 'welcome':
        return this.#downstream.onWelcome(link, message, nowMs);
      case 'ack':
        return this.#downstream.onAck(link, message, nowMs);
      case 'snapshot-start':
      case 'snapshot-part':
      case 'snapshot-end':
        return this.#upstream.onSnapshot(link, message, nowMs);
      case 'snapshot-stored':
      case 'snapshot-installed':
        return this.#downstream.onSnapshotTaken(link, message, nowMs);
      case 'probe':
        return this.#reads.onProbe(link, message, this.#now);
      case 'grant':
        return this.#reads.onGrant(link, message, this.#now);
      case 'confirm':
        return this.#reads.onConfirm(link, message, this.#now);
      case 'committed-query':
        return this.#reads.onQuery(link, message);
      case 'committed-answer':
        this.#downstream.onAck(link, { kind: 'ack', committed: message.committed }, nowMs);
        return this.#reads.onAnswer(link, message);
      default:
        return unreachable(message);
    }
  }

  // --- epochs (§2)

  /** Adopting ends all sessions; nothing is done in the new epoch before it is on disk. */
  #adopt(configuration: Configuration | null, topology: VersionedTopology | null): void {
    // It could never act in a configuration that it can't save, and as long as it has not adopted one nothing commits there.
    if (this.#readOnly !== null && configuration && isMember(configuration, this.self)) return;
    const { version } = this.#place.topology;
    const { epoch } = this.#place;
    if (this.#place.adopt(configuration, topology)) {
      this.#leaveEpoch(`took up epoch ${this.#place.epoch}`);
      // It will never be on a disk that takes nothing more, but what it says of the head holds.
      if (this.#readOnly !== null && !this.#place.isHead) this.#head.turnAway();
      // Counted from here, where this replica grants nothing more, though the configuration is not on disk yet.
      if (this.#place.isFencedSince(epoch)) this.#fence.raise(this.#now.monotonicMs, this.#place.leaseMsMax);
    }
    if (this.#place.topology.version !== version) this.#downstream.redial();
  }

  #leaveEpoch(reason: string): void {
    this.#agreed = false;
    this.#reads.leaveEpoch();
    this.#upstream.leaveEpoch(reason);
    this.#downstream.leaveEpoch(reason);
  }

  #onSaved(save: number): void {
    if (this.#replacing.holdsBack(save)) return;
    if (!this.#place.saved(save)) return;
    const { configuration, role, epoch } = this.#place;
    this.#agreed = this.#place.isHead;
    this.#clock.start(Math.max(this.#log.lastTimeMs, configuration.timeMs), this.#now);
    const chain = configuration.members.map((member) => member.node).join(', ');
    this.#out.say('info', `is ${role} in epoch ${epoch}: ${chain}`);
    this.#reads.trackKeys();
    this.#head.enterEpoch(this.#now);
    this.#upstream.enterEpoch(this.#now.monotonicMs);
    this.#dialIfDue();
    this.#commitAtTail();
  }

  #agree(): void {
    this.#agreed = true;
    this.#dialIfDue();
    this.#reads.probe(this.#now);
  }

  /** Agreement runs from head to tail: nobody speaks to its successor before it agrees with all above. */
  #dialIfDue(): void {
    // Before its floor a tail may lack what a joiner rightly knows to be committed.
    const known = !this.#place.isTail || this.#isPastFloor();
    if (this.#place.active && this.#agreed && known) this.#downstream.dialIfDue(this.#now.monotonicMs);
  }

  // --- the log and its two watermarks (§3)

  #take(entry: Entry): void {
    this.#log.append(entry);
    this.#clock.seen(entry.timeMs, this.#now);
    this.#unwritten.push(entry);
    this.#reads.received(entry);
  }

  /** What is dropped was never on every disk: never committed, never shown. */
  #truncate(after: Seq): void {
    this.#out.say('info', `drops the uncommitted entries ${after + 1} to ${this.#log.received}`);
    this.#writeOut();
    this.#log.truncate(after);
    this.#reads.trackKeys();
    this.#out.push({ kind: 'truncate', after, generation: this.#log.generation });
  }

  #durableToHere(): Seq {
    return this.#place.isHead ? this.#log.durable : earlier(this.#log.durable, this.#upstream.durable);
  }

  #replaced(store: Store, header: SnapshotHeader): void {
    assert(this.#unwritten.length === 0, () => 'entries of the log that was replaced are not written yet');
    this.#store = store;
    this.#clock.seen(header.timeMs, this.#now);
    this.#reads.trackKeys();
  }

  /** The tail decides what is committed; everybody else is told, the joiner from above. */
  #commitAtTail(): void {
    if (!this.#place.active) return;
    if (this.#place.role === 'joiner') {
      this.#upstream.notePace(this.#now.monotonicMs);
      return this.#commitThrough(earlier(this.#log.durable, this.#upstream.toldCommitted));
    }
    if (!this.#place.isTail && !(isPlanted('head-answers-alone') && this.#place.isHead)) return;
    const through = isPlanted('commit-without-upstream') ? this.#log.durable : this.#durableToHere();
    if (this.#fence.leftMs(this.#now.monotonicMs) === 0) return this.#commitThrough(through);
    if (through > this.#log.committed) this.#out.wakeAt(this.#fence.untilMs);
  }

  #commitThrough(through: Seq): void {
    while (this.#log.committed < through) {
      const entry = this.#log.commitNext();
      this.#reads.committed(entry);
      this.#clock.seen(entry.timeMs, this.#now);
      this.#head.applied(entry.seq, this.#store.apply(entry, this.#now.wallMs));
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
    this.#downstream.endRest(nowMs);
    // Each link carries something both ways at least every lease/5.
    const { suspectAfterMs } = this.topology.topology.timing;
    const quietMs = Math.min(this.#place.configuration.leaseMs, suspectAfterMs) / 5;
    // After a pause what the neighbours said meanwhile is still to be read: it was this process that was silent.
    if (sinceMs <= suspectAfterMs / 2) {
      this.#upstream.onTick(nowMs, { quietMs, suspectAfterMs });
      this.#downstream.onTick(nowMs, { quietMs, suspectAfterMs });
    }
    this.#dialIfDue();
    this.#commitAtTail();
    this.#reads.onTick(this.#now);
  }

  /** Nothing is written any more. Sessions, leases and reads go on: there may be nobody else to serve them. */
  #onDiskFailed(reason: string): void {
    if (this.#readOnly !== null) return;
    // What the disk holds in place of log and store is not known any more.
    if (this.#upstream.isReceiving) return this.#fail('BROKEN', reason);
    this.#readOnly = reason;
    this.#unwritten = [];
    this.#out.say('warn', `takes no more writes: ${reason}`);
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
