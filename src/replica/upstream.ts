import { later, NO_EPOCH, NO_SEQ, type Seq } from '../base/ids.ts';
import {
  type Incarnation,
  predecessorOf,
  sameConfiguration,
  sameIncarnation,
} from '../protocol/configuration.ts';
import type { Entry } from '../protocol/entry.ts';
import { type Append, type Hello, PROTOCOL_VERSION, type Resume } from '../protocol/messages.ts';
import type { LinkId } from './events.ts';
import type { Log } from './log.ts';
import type { Outbox } from './outbox.ts';
import type { Place } from './place.ts';

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
  /** The log agrees with all above it: the session with the successor may open. */
  agreed(): void;
}

interface Session {
  readonly link: LinkId;
  /** `welcomed`: waiting for `Resume`; `reconciled`: the two logs agree and entries flow. */
  stage: 'welcomed' | 'reconciled';
  /** The least durable watermark from the head down to the predecessor, as told in this session. */
  durable: Seq;
  /** The `committed` that the predecessor was told last. */
  acked: Seq;
  heardAtMs: number;
  sentAtMs: number;
}

/** A replica's side toward its predecessor, one session at a time. PROTOCOL.md §4. */
export class Upstream {
  readonly #host: UpstreamHost;
  #session: Session | null = null;
  /** A `Hello` whose configuration is not on disk yet. */
  #early: { readonly link: LinkId; readonly hello: Hello } | null = null;
  /** `received` at adoption, lowered when `Resume` drops entries. */
  #ownFloor: Seq = NO_SEQ;
  /** The predecessor's `received` at this epoch's first `Hello`; `null` until then. */
  #toldFloor: Seq | null = null;
  /** Since when there has been no reconciled session though there should be one; `null` while all is well. */
  #lostAtMs: number | null = null;

  constructor(host: UpstreamHost) {
    this.#host = host;
  }

  get stage(): 'none' | Session['stage'] {
    return this.#session?.stage ?? 'none';
  }

  /** What the present session has told of the disks above; 0 until it has. */
  get durable(): Seq {
    return this.#session?.durable ?? NO_SEQ;
  }

  /** A read shows nothing older than this; `null` until the predecessor has said its half. PROTOCOL.md §7. */
  get readFloor(): Seq | null {
    return this.#toldFloor === null ? null : later(this.#ownFloor, this.#toldFloor);
  }

  /** The predecessor, if it has been out of reach for `suspectAfterMs`. */
  unreachable(nowMs: number, suspectAfterMs: number): Incarnation | null {
    return this.#lostAtMs !== null && nowMs - this.#lostAtMs > suspectAfterMs
      ? this.#host.place.predecessor
      : null;
  }

  /** The configuration held has become active. */
  enterEpoch(nowMs: number): void {
    const { place, log } = this.#host;
    this.#ownFloor = log.received;
    this.#toldFloor = place.isHead ? NO_SEQ : null;
    this.#lostAtMs = place.predecessor ? nowMs : null;
    const early = this.#early;
    this.#early = null;
    if (early) this.onHello(early.link, early.hello, nowMs);
  }

  leaveEpoch(reason: string): void {
    if (this.#session) this.#host.out.hangUp(this.#session.link, reason);
    this.#session = null;
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
    if (!place.active) return this.#keepForLater(link, hello);
    this.#welcome(link, hello, nowMs);
  }

  onResume(link: LinkId, { after }: Resume, nowMs: number): void {
    const session = this.#session;
    if (session?.link !== link) return;
    const { log } = this.#host;
    if (session.stage !== 'welcomed' || after > log.received || after < log.committed) {
      return this.#lose(`Resume after ${after} is out of place`, nowMs);
    }
    if (after < log.received) {
      this.#host.truncate(after);
      if (this.#ownFloor > after) this.#ownFloor = after;
    }
    session.stage = 'reconciled';
    session.heardAtMs = nowMs;
    this.#lostAtMs = null;
    this.#host.agreed();
  }

  onAppend(link: LinkId, append: Append, nowMs: number): void {
    const session = this.#session;
    if (session?.link !== link) return;
    if (session.stage !== 'reconciled') return this.#lose('Append came before Resume', nowMs);
    const { log, place } = this.#host;
    session.heardAtMs = nowMs;
    for (const entry of append.entries) {
      // A gap hidden by a later cumulative acknowledgement would lose data for good.
      if (!log.follows(entry) || entry.epoch > place.epoch) {
        return this.#lose(`entry ${entry.epoch}/${entry.seq} does not follow ${log.received}`, nowMs);
      }
      this.#host.take(entry);
    }
    session.durable = append.upstreamDurable;
  }

  onHeard(link: LinkId, nowMs: number): void {
    if (this.#session?.link === link) this.#session.heardAtMs = nowMs;
  }

  onDisconnected(link: LinkId, nowMs: number): void {
    if (this.#early?.link === link) this.#early = null;
    if (this.#session?.link !== link) return;
    this.#session = null;
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
    if (this.#session && this.#session.link !== link) out.hangUp(this.#session.link, 'a new Hello came');
    const { committed } = log;
    this.#session = {
      link,
      stage: 'welcomed',
      durable: NO_SEQ,
      acked: committed,
      heardAtMs: nowMs,
      sentAtMs: nowMs,
    };
    this.#lostAtMs ??= nowMs;
    this.#toldFloor ??= hello.received;
    const committedEpoch = log.epochAt(committed) ?? NO_EPOCH;
    out.send(link, { kind: 'welcome', committed, committedEpoch, runs: log.runsAbove(committed) });
  }

  #keepForLater(link: LinkId, hello: Hello): void {
    if (this.#early && this.#early.link !== link)
      this.#host.out.hangUp(this.#early.link, 'a later Hello came');
    this.#early = { link, hello };
  }

  #ack(session: Session, nowMs: number): void {
    session.acked = this.#host.log.committed;
    session.sentAtMs = nowMs;
    this.#host.out.send(session.link, { kind: 'ack', committed: session.acked });
  }

  #lose(reason: string, nowMs: number): void {
    if (!this.#session) return;
    this.#host.out.say('warn', `ended the session with the predecessor: ${reason}`);
    this.#host.out.hangUp(this.#session.link, reason);
    this.#session = null;
    this.#lostAtMs ??= nowMs;
  }

  #refuse(link: LinkId, reason: string): void {
    this.#host.out.say('warn', `refused a session from above: ${reason}`);
    this.#host.out.hangUp(link, reason);
  }
}
