import { defined } from '../base/assert.ts';
import { later, NO_EPOCH, NO_SEQ, type Seq } from '../base/ids.ts';
import { isPlanted } from '../base/planted.ts';
import {
  type Incarnation,
  predecessorOf,
  sameConfiguration,
  sameIncarnation,
} from '../protocol/configuration.ts';
import type { Entry } from '../protocol/entry.ts';
import {
  type Append,
  type Hello,
  type LinkMessage,
  PROTOCOL_VERSION,
  type Resume,
  type SnapshotData,
  type SnapshotEnd,
  type SnapshotStart,
} from '../protocol/messages.ts';
import type { LinkId } from './events.ts';
import type { Log } from './log.ts';
import type { Outbox } from './outbox.ts';
import type { Place } from './place.ts';
import { SnapshotReceiving } from './snapshot-receiving.ts';

/** What the session with the predecessor needs of the replica that it belongs to. */
export interface UpstreamHost {
  readonly place: Place;
  readonly log: Log;
  readonly out: Outbox;
  /** Takes up a configuration that the predecessor holds, if it is newer. */
  adopt(hello: Hello): void;
  /** An entry from above: into the log, to the disk and down the chain. */
  take(entry: Entry): void;
  /** Drops what the log holds beyond `after`. */
  truncate(after: Seq): void;
  /** What was taken goes to the disk now, not at the end of the turn. */
  writeOut(): void;
  /** What this replica knows to be committed is not what the chain does: it must not serve. */
  corrupt(reason: string): void;
  /** The log agrees with all above it: the session with the successor may open. */
  agreed(): void;
  /** The predecessor has to wait so long for its fence, in ms: so has this replica. */
  fence(ms: number): void;
}

interface Session {
  readonly link: LinkId;
  /** `welcomed`: waiting for `Resume`; `reconciled`: the two logs agree and entries flow. */
  stage: 'welcomed' | 'reconciled';
  /** The least durable watermark from the head down to the predecessor, as told in this session. */
  durable: Seq;
  /** The `committed` that the predecessor told last; `null` until it has. */
  told: Seq | null;
  /** What the predecessor had told when this was set: it is to be on disk within a lease. */
  goal: { readonly through: Seq; readonly sinceMs: number } | null;
  /** The last such goal was reached in time. */
  keepsUp: boolean;
  /** The `committed` that the predecessor was told last. */
  acked: Seq;
  heardAtMs: number;
  sentAtMs: number;
}

/** A replica's side toward its predecessor, one session at a time. PROTOCOL.md §4. */
export class Upstream {
  readonly #host: UpstreamHost;
  readonly #receiving: SnapshotReceiving;
  #session: Session | null = null;
  /** A `Hello` that can't be answered yet: its configuration, or what of a snapshot was received, is not on disk. */
  #early: { readonly link: LinkId; readonly hello: Hello } | null = null;
  /** `received` at adoption, lowered when `Resume` drops entries. */
  #ownFloor: Seq = NO_SEQ;
  /** The predecessor's `received` at this epoch's first `Hello`; `null` until then. */
  #toldFloor: Seq | null = null;
  /** Since when there has been no reconciled session though there should be one; `null` while all is well. */
  #lostAtMs: number | null = null;

  constructor(host: UpstreamHost) {
    this.#host = host;
    this.#receiving = new SnapshotReceiving(host);
  }

  get stage(): 'none' | Session['stage'] {
    return this.#session?.stage ?? 'none';
  }

  /** What the present session has told of the disks above; 0 until it has. */
  get durable(): Seq {
    return this.#session?.durable ?? NO_SEQ;
  }

  /** What the predecessor knows to be committed, as told in the present session; 0 until it has. The joiner commits by it. */
  get toldCommitted(): Seq {
    return this.#session?.told ?? NO_SEQ;
  }

  /**
   * Whether what the predecessor says to be committed in the present session comes to the own disk within a lease. Not all of it
   * at one moment: under a steady load there may never be such a one.
   */
  get isCaughtUp(): boolean {
    const session = this.#session;
    return session?.stage === 'reconciled' && !this.isReceiving && session.keepsUp;
  }

  /** To be called when entries came, were synced, and at every tick. */
  notePace(nowMs: number): void {
    const session = this.#session;
    if (session?.stage !== 'reconciled' || session.told === null) return;
    session.goal ??= { through: session.told, sinceMs: nowMs };
    const inTime = nowMs - session.goal.sinceMs <= this.#host.place.configuration.leaseMs;
    if (this.#host.log.durable < session.goal.through) {
      if (!inTime) session.keepsUp = false;
      return;
    }
    session.keepsUp = inTime || this.#host.log.durable >= session.told;
    session.goal = session.told > session.goal.through ? { through: session.told, sinceMs: nowMs } : null;
  }

  /** Whether a snapshot comes in place of the log, or the disk is still busy with one. */
  get isReceiving(): boolean {
    return this.#receiving.underWay || this.#receiving.unsettled;
  }

  /** Whether log and store are about to be replaced by a snapshot: nothing may be begun with them. */
  get isInstalling(): boolean {
    return this.#receiving.installing;
  }

  /** A read shows nothing older than this; `null` until the predecessor has said its half. PROTOCOL.md §7. */
  get readFloor(): Seq | null {
    if (isPlanted('no-floor')) return NO_SEQ;
    if (isPlanted('own-floor-only')) return this.#ownFloor;
    if (isPlanted('told-floor-only')) return this.#toldFloor;
    return this.#toldFloor === null ? null : later(this.#ownFloor, this.#toldFloor);
  }

  /** The predecessor, if it has been out of reach for `suspectAfterMs`. */
  unreachable(nowMs: number, suspectAfterMs: number): Incarnation | null {
    return this.#lostAtMs !== null && nowMs - this.#lostAtMs > suspectAfterMs
      ? this.#host.place.predecessor
      : null;
  }

  /** Whether this link carries the reconciled session: what came by another belongs to the past. */
  isReconciledOn(link: LinkId): boolean {
    return this.#session?.stage === 'reconciled' && this.#session.link === link;
  }

  /** Sends to the predecessor, if the session with it is reconciled. */
  sendUp(message: LinkMessage): void {
    if (this.#session?.stage === 'reconciled') this.#host.out.send(this.#session.link, message);
  }

  /** The configuration held has become active. */
  enterEpoch(nowMs: number): void {
    const { place, log } = this.#host;
    this.#ownFloor = log.received;
    this.#toldFloor = place.isHead ? NO_SEQ : null;
    this.#lostAtMs = place.predecessor ? nowMs : null;
    this.#takeEarly(nowMs);
  }

  leaveEpoch(reason: string): void {
    if (this.#session) this.#host.out.hangUp(this.#session.link, reason);
    this.#endSession();
    this.#lostAtMs = null;
  }

  /** This replica takes no further part. */
  stop(reason: string): void {
    if (this.#early) this.#host.out.hangUp(this.#early.link, reason);
    this.#early = null;
  }

  onHello(link: LinkId, hello: Hello, nowMs: number): void {
    const { place, out } = this.#host;
    const offered = hello.configuration.epoch;
    if (hello.protocolVersion !== PROTOCOL_VERSION) {
      return this.#refuse(
        link,
        `it speaks protocol version ${hello.protocolVersion}, this node ${PROTOCOL_VERSION}`,
      );
    }
    if (place.held && offered < place.epoch) {
      return out.send(link, { kind: 'stale', configuration: place.held, topology: place.topology });
    }
    // Also what a stranger says, of another cluster say, is not taken up: no configuration of its names this store.
    if (!sameIncarnation(predecessorOf(hello.configuration, place.self), hello.sender)) {
      return this.#refuse(link, `${hello.sender.node} is not the predecessor in its epoch ${offered}`);
    }
    if (place.held && offered === place.epoch && !sameConfiguration(hello.configuration, place.held)) {
      return this.#refuse(
        link,
        `${hello.sender.node} holds another configuration ${offered}: two clusters, or two registers?`,
      );
    }
    this.#host.adopt(hello);
    if (place.epoch !== offered)
      return this.#refuse(link, `the disk here takes nothing, so epoch ${offered} neither`);
    place.learnLease(hello.leaseMsMax);
    if (!place.active || this.#receiving.unsettled) return this.#keepForLater(link, hello, nowMs);
    this.#welcome(link, hello, nowMs);
  }

  onResume(link: LinkId, { after }: Resume, nowMs: number): void {
    const session = this.#session;
    if (session?.link !== link) return;
    const { log, place } = this.#host;
    if (session.stage === 'welcomed' && after < log.committed && place.role === 'joiner') {
      return this.#host.corrupt(
        `this log has ${log.committed} entries committed, of which the chain has ${after} at most: it holds another history`,
      );
    }
    if (session.stage !== 'welcomed' || after > log.received || after < log.committed) {
      return this.#lose(`Resume after ${after} is out of place`, nowMs);
    }
    if (after < log.received) {
      this.#host.truncate(after);
      if (this.#ownFloor > after && !isPlanted('floor-above-cut-log')) this.#ownFloor = after;
    }
    session.stage = 'reconciled';
    session.heardAtMs = nowMs;
    this.#lostAtMs = null;
    this.#host.agreed();
  }

  onAppend(link: LinkId, append: Append, nowMs: number): void {
    const session = this.#session;
    if (session === null || session.link !== link) return;
    if (session.stage !== 'reconciled') return this.#lose('Append came before Resume', nowMs);
    const { log, place } = this.#host;
    session.heardAtMs = nowMs;
    if (append.entries.length > 0 && this.isReceiving)
      return this.#lose('entries came within a snapshot', nowMs);
    for (const entry of append.entries) {
      // A gap hidden by a later cumulative acknowledgement would lose data for good.
      if (!log.follows(entry) || entry.epoch > place.epoch) {
        return this.#lose(`entry ${entry.epoch}/${entry.seq} does not follow ${log.received}`, nowMs);
      }
      this.#host.take(entry);
    }
    if (append.entries.length > 0) this.#receiving.forgetThrough(log.received);
    session.durable = append.upstreamDurable;
    session.told = later(session.told ?? NO_SEQ, append.committed);
  }

  /** Something of a snapshot that comes in place of the log. */
  onSnapshot(link: LinkId, what: SnapshotStart | SnapshotData | SnapshotEnd, nowMs: number): void {
    const session = this.#session;
    if (session?.link !== link) return;
    session.heardAtMs = nowMs;
    if (session.stage !== 'reconciled') return this.#lose('a snapshot came before Resume', nowMs);
    if (what.kind === 'snapshot-start') this.#onSnapshotStart(link, what, nowMs);
    else if (what.kind === 'snapshot-part') this.#loseIf(this.#receiving.onPart(link, what), nowMs);
    else this.#loseIf(this.#receiving.onEnd(what), nowMs);
  }

  /** It counts also when the session that it came by is over: then the next goes on behind it. */
  onPartStored(link: LinkId, place: number, nowMs: number): void {
    const next = this.#receiving.onPartStored(link, place);
    if (next === null) return;
    if (this.isReconciledOn(link)) this.sendUp({ kind: 'snapshot-stored', next });
    this.#receiving.installIfComplete();
    this.#takeEarly(nowMs);
  }

  /** The snapshot is in force, and the log restarted behind it, whatever became of the session that it came by. */
  onInstalled(link: LinkId, seq: Seq, nowMs: number): void {
    this.#receiving.onInstalled();
    if (this.isReconciledOn(link)) this.sendUp({ kind: 'snapshot-installed', seq });
    this.#takeEarly(nowMs);
  }

  /** What came by this link is no snapshot: nothing of it is kept. */
  onBadSnapshot(link: LinkId, reason: string, nowMs: number): void {
    if (!this.#receiving.onBad(link)) return;
    if (this.#session?.link === link) this.#lose(reason, nowMs);
    this.#takeEarly(nowMs);
  }

  onHeard(link: LinkId, nowMs: number): void {
    if (this.#session?.link === link) this.#session.heardAtMs = nowMs;
  }

  onDisconnected(link: LinkId, nowMs: number): void {
    if (this.#early?.link === link) this.#early = null;
    if (this.#session?.link !== link) return;
    this.#endSession();
    this.#lostAtMs ??= nowMs;
  }

  get ackDue(): boolean {
    return this.#session?.stage === 'reconciled' && this.#session.acked < this.#host.log.committed;
  }

  /** At the end of a turn: what has been committed goes up. */
  flush(nowMs: number): void {
    if (this.#session && this.ackDue) this.#ack(this.#session, nowMs);
  }

  /** Keeps the link alive, and gives up one that is silent. */
  onTick(nowMs: number, limits: { quietMs: number; suspectAfterMs: number }): void {
    this.#receiving.onTick(nowMs);
    const session = this.#session;
    if (!session) return;
    if (nowMs - session.heardAtMs > limits.suspectAfterMs) {
      this.#lose(`it was silent for ${limits.suspectAfterMs} ms`, nowMs);
    } else if (session.stage === 'reconciled' && nowMs - session.sentAtMs >= limits.quietMs) {
      this.#ack(session, nowMs);
    }
  }

  #welcome(link: LinkId, hello: Hello, nowMs: number): void {
    const { out, log } = this.#host;
    this.#replaceSession(link, nowMs);
    this.#receiving.forgetThrough(log.received);
    const { committed } = log;
    this.#session = {
      link,
      stage: 'welcomed',
      durable: NO_SEQ,
      told: null,
      goal: null,
      keepsUp: false,
      acked: committed,
      heardAtMs: nowMs,
      sentAtMs: nowMs,
    };
    this.#host.fence(hello.fenceMs);
    this.#toldFloor ??= hello.received;
    const committedEpoch = log.epochAt(committed) ?? NO_EPOCH;
    out.send(link, {
      kind: 'welcome',
      committed,
      committedEpoch,
      runs: log.runsAbove(committed),
      partial: this.#receiving.partial,
    });
  }

  /** A new `Hello` ends the session before it. */
  #replaceSession(link: LinkId, nowMs: number): void {
    if (this.#session && this.#session.link !== link)
      this.#host.out.hangUp(this.#session.link, 'a new Hello came');
    this.#endSession();
    this.#lostAtMs ??= nowMs;
  }

  #keepForLater(link: LinkId, hello: Hello, nowMs: number): void {
    if (this.#host.place.active) this.#replaceSession(link, nowMs);
    if (this.#early && this.#early.link !== link)
      this.#host.out.hangUp(this.#early.link, 'a later Hello came');
    this.#early = { link, hello };
  }

  #takeEarly(nowMs: number): void {
    const early = this.#early;
    if (early === null || !this.#host.place.active || this.#receiving.unsettled) return;
    this.#early = null;
    this.onHello(early.link, early.hello, nowMs);
  }

  #ack(session: Session, nowMs: number): void {
    const { committed } = this.#host.log;
    const known = session.acked === committed && isPlanted('last-ack-lost');
    session.acked = committed;
    session.sentAtMs = nowMs;
    this.#host.out.send(session.link, { kind: 'ack', committed: known ? NO_SEQ : committed });
  }

  #onSnapshotStart(link: LinkId, start: SnapshotStart, nowMs: number): void {
    const { log } = this.#host;
    const { seq } = start.header;
    if (seq < log.committed) {
      return this.#host.corrupt(
        `it was sent a snapshot that ends at ${seq}, below committed ${log.committed}`,
      );
    }
    if (seq <= log.received)
      return this.#lose(`a snapshot that ends at ${seq} brings nothing that is lacked`, nowMs);
    this.#loseIf(this.#receiving.onStart(link, start), nowMs);
  }

  #loseIf(reason: string | null, nowMs: number): void {
    if (reason !== null) this.#lose(reason, nowMs);
  }

  #lose(reason: string, nowMs: number): void {
    const { link } = defined(this.#session, () => 'the session that is ended');
    this.#host.out.say('warn', `ended the session with the predecessor: ${reason}`);
    this.#host.out.hangUp(link, reason);
    this.#endSession();
    this.#lostAtMs ??= nowMs;
  }

  #endSession(): void {
    this.#session = null;
    this.#receiving.endSession();
  }

  #refuse(link: LinkId, reason: string): void {
    this.#host.out.say('warn', `refused a session from above: ${reason}`);
    this.#host.out.hangUp(link, reason);
  }
}
