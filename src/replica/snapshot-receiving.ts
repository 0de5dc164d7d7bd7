import type { Seq } from '../base/ids.ts';
import {
  type PartialSnapshot,
  SNAPSHOT_WINDOW_PARTS,
  type SnapshotData,
  type SnapshotEnd,
  type SnapshotStart,
} from '../protocol/messages.ts';
import type { LinkId } from './events.ts';
import type { Outbox } from './outbox.ts';

/** What is held of an interrupted transfer is kept for so long, in ms: whoever sent it may never come again. */
const KEEP_MS = 60_000;

/** What receiving a snapshot needs of the replica. */
export interface SnapshotReceivingHost {
  readonly out: Outbox;
  /** All that was taken goes to the disk before what follows. */
  writeOut(): void;
}

/** What of a snapshot has been handed to the disk. Outlives the session that it came by. */
interface Aside extends PartialSnapshot {
  /** The link that its parts came by last. */
  readonly link: LinkId;
  /** All parts before this one are stored. */
  next: number;
  /** All parts before this one have been handed to the disk. */
  handed: number;
}

/**
 * The receiver's side of state transfers: parts are stored aside in order, and when all are there the snapshot takes the place
 * of log and store. An interrupted transfer goes on at the part where it was, within this process. PROTOCOL.md §4.
 */
export class SnapshotReceiving {
  readonly #host: SnapshotReceivingHost;
  #aside: Aside | null = null;
  /** The present session's transfer; `parts` in all, once that is known. */
  #transfer: { parts: number | null } | null = null;
  /** The disk is putting the snapshot in force, which nothing stops. */
  #installing = false;
  /** Since when something is held and no transfer is under way; `null` else. */
  #restsSinceMs: number | null = null;

  constructor(host: SnapshotReceivingHost) {
    this.#host = host;
  }

  /** Whether the present session carries a transfer that is not installed yet. */
  get underWay(): boolean {
    return this.#transfer !== null;
  }
  /** Log and store are about to be replaced. */
  get installing(): boolean {
    return this.#installing;
  }
  /** Whether the disk still has to do what an earlier session asked for: what is held is not known before. */
  get unsettled(): boolean {
    return this.#installing || (this.#aside !== null && this.#aside.next < this.#aside.handed);
  }
  /** What is held of a snapshot, for going on from there. To be asked when the disk has settled. */
  get partial(): PartialSnapshot | null {
    if (this.#aside === null || this.#aside.next === 0) return null;
    const { of, seq, next } = this.#aside;
    return { of, seq, next };
  }

  /** The log has come as far by itself: what of a snapshot is held up to there is of no use. */
  forgetThrough(received: Seq): void {
    if (!this.#installing && this.#transfer === null && this.#aside && this.#aside.seq <= received)
      this.#forget();
  }

  /** What nobody has gone on with for long is forgotten. */
  onTick(nowMs: number): void {
    const rests = this.#aside !== null && this.#transfer === null && !this.unsettled;
    this.#restsSinceMs = rests ? (this.#restsSinceMs ?? nowMs) : null;
    if (this.#restsSinceMs === null || nowMs - this.#restsSinceMs < KEEP_MS) return;
    this.#restsSinceMs = null;
    this.#forget();
  }

  /** The session has ended; what is stored stays for a while. */
  endSession(): void {
    this.#transfer = null;
  }

  /** @returns what is wrong with it, or `null`. */
  onStart(link: LinkId, { of, header, from, bytes }: SnapshotStart): string | null {
    if (this.#transfer !== null || this.unsettled) return 'a snapshot began within another';
    const held = this.partial;
    if (from !== 0 && (held?.of !== of || held.seq !== header.seq || held.next !== from)) {
      return `a snapshot was to go on from part ${from}, which is not what is held`;
    }
    this.#aside = { of, seq: header.seq, link, next: from, handed: from };
    this.#transfer = { parts: null };
    this.#host.out.push({ kind: 'begin-snapshot', link, of, header, from, bytes });
    return null;
  }

  /** @returns what is wrong with it, or `null`. */
  onPart(link: LinkId, { place, rows, payload }: SnapshotData): string | null {
    const aside = this.#aside;
    if (this.#transfer === null || aside === null) return 'a part of no snapshot';
    if (this.#transfer.parts !== null) return 'a part behind the end of a snapshot';
    if (place !== aside.handed) return `part ${place} does not follow ${aside.handed} parts`;
    if (aside.handed - aside.next >= SNAPSHOT_WINDOW_PARTS) return 'more parts than were asked for';
    aside.handed += 1;
    this.#host.out.push({ kind: 'store-part', link, part: { place, rows, payload } });
    return null;
  }

  /** @returns what is wrong with it, or `null`. */
  onEnd({ parts }: SnapshotEnd): string | null {
    if (this.#transfer === null || this.#aside === null) return 'the end of no snapshot';
    if (this.#transfer.parts !== null) return 'a second end of a snapshot';
    if (parts !== this.#aside.handed) return `a snapshot of ${parts} parts ended after ${this.#aside.handed}`;
    this.#transfer.parts = parts;
    this.installIfComplete();
    return null;
  }

  /** @returns how many parts are held by now, or `null` when this belongs to what is forgotten. */
  onPartStored(link: LinkId, place: number): number | null {
    const aside = this.#aside;
    if (aside === null || aside.link !== link || place !== aside.next || place >= aside.handed) return null;
    aside.next += 1;
    return aside.next;
  }

  /** Puts the snapshot in force once all of it is stored. */
  installIfComplete(): void {
    const aside = this.#aside;
    if (this.#transfer === null || aside === null || this.#installing) return;
    const { parts } = this.#transfer;
    if (parts === null || aside.next < parts) return;
    this.#installing = true;
    // The disk takes the log that is to be replaced first, whole: nothing of it may come behind.
    this.#host.writeOut();
    this.#host.out.push({ kind: 'install-snapshot', link: aside.link, parts });
  }

  /** It is in force. */
  onInstalled(): void {
    this.#installing = false;
    this.#transfer = null;
    this.#aside = null;
  }

  /** What came by this link makes no sense. @returns whether it is what is held. */
  onBad(link: LinkId): boolean {
    if (this.#aside?.link !== link) return false;
    this.#installing = false;
    this.#transfer = null;
    this.#forget();
    return true;
  }

  #forget(): void {
    this.#aside = null;
    this.#host.out.push({ kind: 'drop-snapshot' });
  }
}
