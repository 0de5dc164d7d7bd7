import { defined } from '../base/assert.ts';
import { earlier, NO_SEQ, type Seq, seq } from '../base/ids.ts';
import { isPlanted } from '../base/planted.ts';
import { type Incarnation, sameIncarnation } from '../protocol/configuration.ts';
import type { Entry } from '../protocol/entry.ts';
import {
  type Ack,
  type LinkMessage,
  type PartialSnapshot,
  PROTOCOL_VERSION,
  type SnapshotInstalled,
  type SnapshotStored,
  type Welcome,
} from '../protocol/messages.ts';
import type { LinkId, ReplicaEvent } from './events.ts';
import type { Log } from './log.ts';
import type { Outbox } from './outbox.ts';
import type { Place } from './place.ts';
import { SnapshotSending } from './snapshot-sending.ts';

/** Most bytes of entries in one `Append`, so that a long catch-up never builds one huge frame. */
const APPEND_BYTES_MAX = 1_048_576;
/** The longest rest between two lots of old entries for a joiner, in ms. */
const CATCH_UP_REST_MS_MAX = 200;
/** How long after a lost session the successor is dialled again, in ms; doubled until a session is reconciled. */
const REDIAL_MS_MIN = 20;
const REDIAL_MS_MAX = 1000;

/** What the session with the successor needs of the replica that it belongs to. */
export interface DownstreamHost {
  readonly place: Place;
  readonly log: Log;
  readonly out: Outbox;
  /** Every replica from the head down to this one has its log durable up to here. */
  durableToHere(): Seq;
  /** The successor knows everything up to here to be committed. */
  commitThrough(through: Seq): void;
  /** How long the own fence still stands, in ms: handed down with each `Hello`. */
  fenceMs(nowMs: number): number;
  /** This replica's log has lost what it had synced: it must not serve. */
  corrupt(reason: string): void;
}

type Session =
  | { readonly stage: 'idle'; readonly dialAtMs: number }
  | { readonly stage: 'dialling' }
  /** `Hello` is sent, `Welcome` is awaited. */
  | { readonly stage: 'greeted'; readonly link: LinkId; heardAtMs: number }
  | Streaming;

/** Entries flow down. */
interface Streaming {
  readonly stage: 'streaming';
  readonly link: LinkId;
  heardAtMs: number;
  sentAtMs: number;
  /** Last entry sent. */
  sentThrough: Seq;
  /** The `upstreamDurable` sent last. */
  toldDurable: Seq;
  /** The `committed` sent last. */
  toldCommitted: Seq;
  /** Too much is queued on the link: nothing more is sent until it has drained. */
  congested: boolean;
  /** Entries that are no longer in memory are being read from the disk for this session. */
  reading: boolean;
  /**
   * A joiner gets what it lacks in lots, and rests after each for as long as it took to apply: a flood would hold up its event
   * loop, so that it is taken for dead, and would take the machine from those that serve.
   */
  catchUp:
    | { readonly stage: 'free' }
    | { readonly stage: 'applying'; readonly through: Seq; readonly sentAtMs: number }
    | { readonly stage: 'resting'; readonly untilMs: number };
  /** What of a snapshot the successor held when the session began. */
  readonly partial: PartialSnapshot | null;
  /** A snapshot goes first, as the log no longer reaches back; kept until the log behind it has been read, too. */
  sending: SnapshotSending | null;
}

/** A replica's side toward its successor, one session at a time. PROTOCOL.md §4. */
export class Downstream {
  readonly #host: DownstreamHost;
  #session: Session = { stage: 'idle', dialAtMs: 0 };
  /** Since when there has been no reconciled session though there should be one; `null` while all is well. */
  #lostAtMs: number | null = null;
  #redialMs = REDIAL_MS_MIN;

  constructor(host: DownstreamHost) {
    this.#host = host;
  }

  get stage(): Session['stage'] {
    return this.#session.stage;
  }

  /** The successor, if it has been out of reach for `suspectAfterMs`. */
  unreachable(nowMs: number, suspectAfterMs: number): Incarnation | null {
    return this.#lostAtMs !== null && nowMs - this.#lostAtMs > suspectAfterMs
      ? this.#host.place.successor
      : null;
  }

  /** The joiner's session does not count: nothing waits for it, and what it says commits nothing. */
  get #isToJoiner(): boolean {
    return this.#host.place.isTail;
  }

  /** Whether this link carries the reconciled session with the next member: what comes by another counts for nothing. */
  isStreamingOn(link: LinkId): boolean {
    return !this.#isToJoiner && this.#streamingOn(link) !== null;
  }

  /** Sends to the next member, if the session with it is reconciled; never to the joiner. @returns the link, or `null`. */
  sendDown(message: LinkMessage): LinkId | null {
    const session = this.#session;
    if (session.stage !== 'streaming' || !this.isStreamingOn(session.link)) return null;
    this.#host.out.send(session.link, message);
    return session.link;
  }

  leaveEpoch(reason: string): void {
    this.#close(reason);
    this.#session = { stage: 'idle', dialAtMs: 0 };
    this.#lostAtMs = null;
    this.#redialMs = REDIAL_MS_MIN;
  }

  /** Opens a session if there is a successor and none is open; called only when the own log agrees with all above it. */
  dialIfDue(nowMs: number): void {
    const to = this.#host.place.successor;
    if (to === null || this.#session.stage !== 'idle' || nowMs < this.#session.dialAtMs) return;
    this.#session = { stage: 'dialling' };
    this.#lostAtMs ??= nowMs;
    this.#host.out.push({ kind: 'dial', to });
  }

  /** The successor may have another address now. */
  redial(): void {
    if (this.#session.stage !== 'dialling') return;
    const to = defined(this.#host.place.successor, () => 'the successor that is dialled');
    this.#host.out.push({ kind: 'dial', to });
  }

  onConnected(link: LinkId, to: Incarnation, nowMs: number): void {
    const { place, log, out } = this.#host;
    if (this.#session.stage !== 'dialling' || !sameIncarnation(to, place.successor)) {
      return out.hangUp(link, 'no longer wanted');
    }
    this.#session = { stage: 'greeted', link, heardAtMs: nowMs };
    out.send(link, {
      kind: 'hello',
      protocolVersion: PROTOCOL_VERSION,
      configuration: place.configuration,
      topology: place.topology,
      sender: place.self,
      received: log.received,
      fenceMs: isPlanted('hello-without-fence') ? 0 : this.#host.fenceMs(nowMs),
      leaseMsMax: place.leaseMsMax,
    });
  }

  onWelcome(link: LinkId, welcome: Welcome, nowMs: number): void {
    if (this.#session.stage !== 'greeted' || this.#session.link !== link) return;
    if (!this.#isToJoiner && this.#isBeyond(welcome)) return;
    const { log, out } = this.#host;
    const after =
      this.#isToJoiner && isDivergent(log, welcome) ? below(log, welcome) : lastShared(log, welcome);
    out.send(link, { kind: 'resume', after });
    this.#session = {
      stage: 'streaming',
      link,
      heardAtMs: nowMs,
      sentAtMs: nowMs,
      sentThrough: after,
      toldDurable: NO_SEQ,
      toldCommitted: NO_SEQ,
      congested: false,
      reading: false,
      catchUp: { stage: 'free' },
      partial: welcome.partial,
      sending: null,
    };
    this.#lostAtMs = null;
    this.#redialMs = REDIAL_MS_MIN;
    // The last Ack of the session before may have been lost with its connection.
    if (!this.#isToJoiner && !isPlanted('last-ack-lost')) this.#host.commitThrough(welcome.committed);
  }

  onAck(link: LinkId, ack: Ack, nowMs: number): void {
    const session = this.#heardOn(link, nowMs);
    if (session === null) return;
    if (this.#isToJoiner) {
      if (ack.committed > session.sentThrough)
        return this.#lose(`it knows ${ack.committed} to be committed, which it was not sent`, nowMs);
      return this.#restIfApplied(session, ack.committed, nowMs);
    }
    if (ack.committed > this.#host.log.durable) return this.#lacks(ack.committed);
    this.#host.commitThrough(ack.committed);
  }

  /** The successor holds a later epoch: this session is over. */
  onStale(link: LinkId, nowMs: number): void {
    if (this.#isOn(link)) this.#lose('it holds a later epoch', nowMs);
  }

  onRead(link: LinkId, entries: readonly Entry[] | null, nowMs: number): void {
    const session = this.#streamingOn(link);
    if (!session?.reading) return;
    session.reading = false;
    if (entries === null) return this.#beginSending(session);
    const committed = entries.filter((entry) => entry.seq <= this.#host.log.committed);
    if (committed.length > 0) return this.#appendFromDisk(session, committed, nowMs);
    this.#lose(`it lacks entries after ${session.sentThrough}, which this log does not give`, nowMs);
  }

  /** The disk has opened the snapshot that the successor needs, or read a part of it. */
  onSnapshotRead(
    event: Extract<ReplicaEvent, { kind: 'snapshot-opened' | 'part-read' }>,
    nowMs: number,
  ): void {
    const session = this.#streamingOn(event.link);
    if (!session?.sending) return;
    if (event.kind === 'part-read') session.sending.onPartRead(event);
    else if (!session.sending.onOpened(event, session.sentThrough)) {
      return this.#lose(`the snapshot on disk ends before entry ${session.sentThrough}, which it has`, nowMs);
    }
    session.sentAtMs = nowMs;
    session.sending.pump(session.congested);
  }

  /** The successor has taken parts of the snapshot, or all of it: then the log follows behind it. */
  onSnapshotTaken(link: LinkId, taken: SnapshotStored | SnapshotInstalled, nowMs: number): void {
    const session = this.#heardOn(link, nowMs);
    if (session === null) return;
    const { sending } = session;
    const sound = taken.kind === 'snapshot-stored' ? sending?.onStored(taken) : sending?.onInstalled(taken);
    if (!sound) return this.#lose('it has taken parts of a snapshot that it was not sent', nowMs);
    if (taken.kind === 'snapshot-installed') session.sentThrough = taken.seq;
    this.#endSendingIfDone(session);
    session.sending?.pump(session.congested);
  }

  setCongested(link: LinkId, congested: boolean): void {
    const session = this.#streamingOn(link);
    if (session === null) return;
    session.congested = congested;
    session.sending?.pump(congested);
  }

  onHeard(link: LinkId, nowMs: number): void {
    const session = this.#session;
    if ((session.stage === 'greeted' || session.stage === 'streaming') && session.link === link) {
      session.heardAtMs = nowMs;
    }
  }

  onDisconnected(link: LinkId, nowMs: number): void {
    if (this.#isOn(link)) this.#idle(nowMs);
  }

  /** Whether there is something to send. A change of `upstreamDurable` alone is: the tail waits for it. */
  get appendDue(): boolean {
    const session = this.#session;
    if (session.stage !== 'streaming' || session.congested || session.reading) return false;
    if (session.sending && !session.sending.installed) return false;
    const { log } = this.#host;
    if (session.sentThrough < log.committed && session.catchUp.stage !== 'free') return false;
    if (session.sentThrough < log.received || session.toldDurable !== this.#host.durableToHere()) return true;
    // A joiner learns in no other way what it may apply.
    return this.#isToJoiner && session.toldCommitted !== log.committed;
  }

  /** At the end of a turn: entries and watermarks go down. */
  flush(nowMs: number): void {
    const session = this.#session;
    if (session.stage !== 'streaming' || !this.appendDue) return;
    const { log, out } = this.#host;
    if (session.sentThrough >= log.committed) {
      return this.#append(session, log.entriesAfter(session.sentThrough, APPEND_BYTES_MAX), nowMs);
    }
    session.reading = true;
    out.push({ kind: 'read', link: session.link, after: session.sentThrough, bytesMax: APPEND_BYTES_MAX });
  }

  /** A joiner that has rested gets more. To be called at every tick. */
  endRest(nowMs: number): void {
    const session = this.#session;
    if (session.stage !== 'streaming' || session.catchUp.stage !== 'resting') return;
    if (nowMs >= session.catchUp.untilMs) session.catchUp = { stage: 'free' };
  }

  /** Keeps the link alive, and gives up one that is silent. */
  onTick(nowMs: number, limits: { quietMs: number; suspectAfterMs: number }): void {
    const session = this.#session;
    if (session.stage !== 'greeted' && session.stage !== 'streaming') return;
    if (nowMs - session.heardAtMs > limits.suspectAfterMs) {
      this.#lose(`it was silent for ${limits.suspectAfterMs} ms`, nowMs);
    } else if (
      session.stage === 'streaming' &&
      !session.congested &&
      nowMs - session.sentAtMs >= limits.quietMs
    ) {
      this.#append(session, [], nowMs);
    }
  }

  #append(session: Streaming, entries: readonly Entry[], nowMs: number): void {
    const upstreamDurable = this.#host.durableToHere();
    const { committed } = this.#host.log;
    this.#host.out.send(session.link, { kind: 'append', entries, upstreamDurable, committed });
    session.sentThrough = entries.at(-1)?.seq ?? session.sentThrough;
    session.toldDurable = upstreamDurable;
    session.toldCommitted = committed;
    session.sentAtMs = nowMs;
    this.#endSendingIfDone(session);
  }

  #appendFromDisk(session: Streaming, entries: readonly Entry[], nowMs: number): void {
    this.#append(session, entries, nowMs);
    if (!this.#isToJoiner) return;
    session.catchUp = { stage: 'applying', through: session.sentThrough, sentAtMs: nowMs };
  }

  #restIfApplied(session: Streaming, committed: Seq, nowMs: number): void {
    const { catchUp } = session;
    if (catchUp.stage !== 'applying' || committed < catchUp.through) return;
    const restMs = Math.min(nowMs - catchUp.sentAtMs, CATCH_UP_REST_MS_MAX);
    session.catchUp = restMs > 0 ? { stage: 'resting', untilMs: nowMs + restMs } : { stage: 'free' };
    if (restMs > 0) this.#host.out.wakeAt(nowMs + restMs);
  }

  /** The log on disk begins too late for this successor. */
  #beginSending(session: Streaming): void {
    session.sending?.close();
    session.sending = new SnapshotSending({ link: session.link, wanted: session.partial }, this.#host);
  }

  /** The log behind a snapshot may be cut only once it has been read, or the next would have to be sent, for ever. */
  #endSendingIfDone(session: Streaming): void {
    if (!session.sending?.installed || session.sentThrough < this.#host.log.committed) return;
    session.sending.close();
    session.sending = null;
  }

  /** Whether a member knows more, or another entry, to be committed than this log holds: then it is this log that is damaged. */
  #isBeyond(welcome: Welcome): boolean {
    const { log } = this.#host;
    if (welcome.committed > log.durable) {
      this.#lacks(welcome.committed);
      return true;
    }
    if (welcome.committed <= log.committed || log.epochAt(welcome.committed) === welcome.committedEpoch)
      return false;
    this.#host.corrupt(
      `the successor knows another entry ${welcome.committed} to be committed than the one in this log: ` +
        'this log has lost what it had synced',
    );
    return true;
  }

  /** What is committed was on the disk of every member, this one's too. */
  #lacks(committed: Seq): void {
    this.#host.corrupt(
      `the successor knows entry ${committed} to be committed, but this log is on disk up to ${this.#host.log.durable} ` +
        'only: it has lost what it had synced',
    );
  }

  #lose(reason: string, nowMs: number): void {
    this.#host.out.say('warn', `ended the session with the successor: ${reason}`);
    this.#close(reason);
    this.#idle(nowMs);
  }

  #close(reason: string): void {
    const session = this.#session;
    this.#stopSending();
    if (session.stage === 'dialling') this.#host.out.hangUp(null, reason);
    if (session.stage === 'greeted' || session.stage === 'streaming')
      this.#host.out.hangUp(session.link, reason);
  }

  #stopSending(): void {
    if (this.#session.stage !== 'streaming') return;
    this.#session.sending?.close();
    this.#session.sending = null;
  }

  #idle(nowMs: number): void {
    this.#stopSending();
    this.#session = { stage: 'idle', dialAtMs: nowMs + this.#redialMs };
    this.#redialMs = Math.min(this.#redialMs * 2, REDIAL_MS_MAX);
    this.#lostAtMs ??= nowMs;
  }

  #streamingOn(link: LinkId): Streaming | null {
    return this.#session.stage === 'streaming' && this.#session.link === link ? this.#session : null;
  }

  /** The same, and notes that something came. */
  #heardOn(link: LinkId, nowMs: number): Streaming | null {
    const session = this.#streamingOn(link);
    if (session) session.heardAtMs = nowMs;
    return session;
  }

  #isOn(link: LinkId): boolean {
    const session = this.#session;
    return (session.stage === 'greeted' || session.stage === 'streaming') && session.link === link;
  }
}

/**
 * Whether a joiner knows something to be committed that this log does not hold: more, or another entry. What is committed in
 * this chain is right, so it is the joiner that must stop; below where this log remembers epochs nothing can be said.
 */
function isDivergent(log: Log, { committed, committedEpoch }: Welcome): boolean {
  if (committed === NO_SEQ) return false;
  const ours = log.epochAt(committed);
  return committed > log.received || (ours !== null && ours !== committedEpoch);
}

/** Somewhere below what a divergent joiner knows to be committed: the rest is not to be gone into. */
function below(log: Log, { committed }: Welcome): Seq {
  return earlier(log.received, seq(committed - 1));
}

/**
 * The last entry that this log and a successor's share: the same epoch at the same seq, which names one entry for ever,
 * and with it all before it. The successor's entries up to its `committed` are shared by definition.
 */
function lastShared(log: Log, welcome: Welcome): Seq {
  for (let at = welcome.runs.length - 1; at >= 0; at--) {
    const theirs = defined(welcome.runs[at], () => `run ${at} of a Welcome`);
    const ours = log.lastOfEpoch(theirs.epoch);
    if (ours === null) continue;
    const candidate = earlier(ours, theirs.lastSeq);
    const theirsBegin = welcome.runs[at - 1]?.lastSeq ?? welcome.committed;
    // One head made both, so what this log no longer remembers of that stretch is the same as well.
    const known = log.epochAt(candidate) ?? theirs.epoch;
    if (candidate > theirsBegin && known === theirs.epoch) return candidate;
  }
  return welcome.committed;
}
