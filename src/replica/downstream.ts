import { earlier, NO_SEQ, type Seq } from '../base/ids.ts';
import { type Incarnation, sameIncarnation } from '../protocol/configuration.ts';
import type { Entry } from '../protocol/entry.ts';
import { type Ack, PROTOCOL_VERSION, type Welcome } from '../protocol/messages.ts';
import type { LinkId } from './events.ts';
import type { Log } from './log.ts';
import type { Outbox } from './outbox.ts';
import type { Place } from './place.ts';

/** Most bytes of entries in one `Append`, so that a long catch-up never builds one huge frame. */
const APPEND_BYTES_MAX = 1_048_576;
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
  /** Too much is queued on the link: nothing more is sent until it has drained. */
  congested: boolean;
  /** Entries that are no longer in memory are being read from the disk for this session. */
  reading: boolean;
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
    const to = this.#host.place.successor;
    if (this.#session.stage === 'dialling' && to) this.#host.out.push({ kind: 'dial', to });
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
      fenceMs: 0,
    });
  }

  onWelcome(link: LinkId, welcome: Welcome, nowMs: number): void {
    if (this.#session.stage !== 'greeted' || this.#session.link !== link) return;
    const { log, out } = this.#host;
    if (welcome.committed > log.durable) return this.#lacks(welcome.committed);
    if (welcome.committed > log.committed && log.epochAt(welcome.committed) !== welcome.committedEpoch) {
      return this.#host.corrupt(
        `the successor knows another entry ${welcome.committed} to be committed than the one in this log: ` +
          'this log has lost what it had synced',
      );
    }
    const after = lastShared(log, welcome);
    out.send(link, { kind: 'resume', after });
    this.#session = {
      stage: 'streaming',
      link,
      heardAtMs: nowMs,
      sentAtMs: nowMs,
      sentThrough: after,
      toldDurable: NO_SEQ,
      congested: false,
      reading: false,
    };
    this.#lostAtMs = null;
    this.#redialMs = REDIAL_MS_MIN;
    // The last Ack of the session before may have been lost with its connection.
    this.#host.commitThrough(welcome.committed);
  }

  onAck(link: LinkId, ack: Ack, nowMs: number): void {
    if (this.#session.stage !== 'streaming' || this.#session.link !== link) return;
    this.#session.heardAtMs = nowMs;
    if (ack.committed > this.#host.log.durable) return this.#lacks(ack.committed);
    this.#host.commitThrough(ack.committed);
  }

  /** The successor holds a later epoch: this session is over. */
  onStale(link: LinkId, nowMs: number): void {
    if (this.#isOn(link)) this.#lose('it holds a later epoch', nowMs);
  }

  onRead(link: LinkId, entries: readonly Entry[] | null, nowMs: number): void {
    const session = this.#session;
    if (session.stage !== 'streaming' || session.link !== link || !session.reading) return;
    session.reading = false;
    const committed = entries?.filter((entry) => entry.seq <= this.#host.log.committed) ?? [];
    if (committed.length > 0) return this.#append(session, committed, nowMs);
    this.#lose(`it lacks entries after ${session.sentThrough}, which this log no longer holds`, nowMs);
  }

  setCongested(link: LinkId, congested: boolean): void {
    if (this.#session.stage === 'streaming' && this.#session.link === link)
      this.#session.congested = congested;
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
    return (
      session.sentThrough < this.#host.log.received || session.toldDurable !== this.#host.durableToHere()
    );
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
    session.sentAtMs = nowMs;
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
    if (session.stage === 'dialling') this.#host.out.hangUp(null, reason);
    if (session.stage === 'greeted' || session.stage === 'streaming')
      this.#host.out.hangUp(session.link, reason);
  }

  #idle(nowMs: number): void {
    this.#session = { stage: 'idle', dialAtMs: nowMs + this.#redialMs };
    this.#redialMs = Math.min(this.#redialMs * 2, REDIAL_MS_MAX);
    this.#lostAtMs ??= nowMs;
  }

  #isOn(link: LinkId): boolean {
    const session = this.#session;
    return (session.stage === 'greeted' || session.stage === 'streaming') && session.link === link;
  }
}

/**
 * The last entry that this log and a successor's share: the same epoch at the same seq, which names one entry for ever,
 * and with it all before it. The successor's entries up to its `committed` are shared by definition.
 */
function lastShared(log: Log, welcome: Welcome): Seq {
  for (let at = welcome.runs.length - 1; at >= 0; at--) {
    const theirs = welcome.runs[at];
    const ours = theirs ? log.lastOfEpoch(theirs.epoch) : null;
    if (theirs === undefined || ours === null) continue;
    const candidate = earlier(ours, theirs.lastSeq);
    const theirsBegin = welcome.runs[at - 1]?.lastSeq ?? welcome.committed;
    if (candidate > theirsBegin && log.epochAt(candidate) === theirs.epoch) return candidate;
  }
  return welcome.committed;
}
