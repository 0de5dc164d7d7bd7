import { AssertionError } from '../base/assert.ts';
import { CatenaError } from '../base/errors.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { SnapshotPart } from '../protocol/snapshot.ts';
import type { Effect, LinkId, ReplicaEvent } from '../replica/events.ts';
import type { SnapshotReading } from '../storage/snapshot-pins.ts';
import type { Storage } from '../storage/storage.ts';
import type { ReadDamage } from './read-damage.ts';

/** What a replica asks for to send a snapshot. */
export type SendEffect = Extract<Effect, { kind: 'open-snapshot' | 'read-part' | 'close-snapshot' }>;

/** Whose snapshots are sent and received, and who is told of it. */
export interface TransferHost {
  readonly storage: Storage;
  readonly damage: ReadDamage;
  happened(event: ReplicaEvent): void;
  /** Closes a link that nothing comes of, and lets the replica know. */
  giveUpLink(link: LinkId, reason: string): void;
  /** The disk refused something, or it is a bug. */
  failed(error: unknown): void;
}

/** How long a link waits for a fresh snapshot in place of what is damaged, in ms, before its session is begun again. */
const RENEWAL_MS = 1000;

/** A link that a snapshot goes out by. */
interface Sending {
  readonly link: LinkId;
  readonly startedMs: number;
  /** `null` while it is being opened. */
  reading: SnapshotReading | null;
  closed: boolean;
  cancelWait: Cancel;
  parts: number;
  bytes: number;
  /** The end was read. */
  whole: boolean;
}

/** Reads snapshots for successors. A link that is gone holds nothing back, whatever is still under way for it. */
export class SnapshotSender {
  readonly #host: TransferHost;
  readonly #deps: { readonly clock: Clock; readonly logger: Logger };
  readonly #sendings = new Map<LinkId, Sending>();

  constructor(host: TransferHost, deps: { clock: Clock; logger: Logger }) {
    this.#host = host;
    this.#deps = deps;
  }

  /** Returns at once; never raises an event before it has. */
  carryOut(effect: SendEffect): void {
    if (effect.kind === 'open-snapshot') this.#open(effect);
    else if (effect.kind === 'read-part') this.#read(effect);
    else this.#close(effect.link);
  }

  /** Lets go of everything. */
  stop(): void {
    for (const link of [...this.#sendings.keys()]) this.#close(link);
  }

  #open({ link, wanted }: Extract<SendEffect, { kind: 'open-snapshot' }>): void {
    this.#close(link);
    const startedMs = this.#deps.clock.now().monotonicMs;
    const sending: Sending = {
      link,
      startedMs,
      reading: null,
      closed: false,
      cancelWait: () => {},
      parts: 0,
      bytes: 0,
      whole: false,
    };
    this.#sendings.set(link, sending);
    if (this.#host.storage.renewingSnapshot) return this.#giveUpLater(sending);
    this.#host.storage.openSnapshot(wanted).then(
      (reading) => this.#opened(sending, reading),
      (error: unknown) => this.#failed(sending, error),
    );
  }

  #opened(sending: Sending, reading: SnapshotReading | null): void {
    // The link may have gone while it was being opened.
    if (sending.closed) return this.#release(reading);
    if (reading === null) {
      // A log that does not begin at the first entry begins behind a snapshot, and every other reaches back to any successor.
      return this.#host.failed(new AssertionError('a snapshot was asked for, and the log begins at entry 1'));
    }
    sending.reading = reading;
    const { header, from, bytes } = reading;
    const { seq, keys } = header;
    this.#deps.logger.info(
      { link: sending.link, seq, keys, bytes, from },
      from > 0 ? `goes on sending a snapshot at part ${from}` : 'sends a snapshot to its successor',
    );
    this.#host.happened({ kind: 'snapshot-opened', link: sending.link, header, from, bytes });
  }

  #read({ link, place }: Extract<SendEffect, { kind: 'read-part' }>): void {
    const sending = this.#sendings.get(link);
    if (!sending?.reading) return;
    sending.reading.read(place).then(
      (part) => this.#wasRead(sending, place, part),
      (error: unknown) => this.#failed(sending, error),
    );
  }

  #wasRead(sending: Sending, place: number, part: SnapshotPart | null): void {
    if (sending.closed) return;
    if (part === null) sending.whole = true;
    else {
      sending.parts++;
      sending.bytes += part.payload.length;
    }
    this.#host.happened({ kind: 'part-read', link: sending.link, place, part });
  }

  /** What is no longer wanted may fail as it likes. Damage harms the neighbour only: it gets another. */
  #failed(sending: Sending, error: unknown): void {
    if (sending.closed) return;
    if (!(error instanceof CatenaError) || error.code !== 'CORRUPT') return this.#host.failed(error);
    this.#host.damage.ofSnapshot(error);
    this.#giveUpLater(sending);
  }

  /** Not at once: the replica dials again, and until the fresh snapshot is there that would be in vain. */
  #giveUpLater(sending: Sending): void {
    sending.cancelWait = this.#deps.clock.after(RENEWAL_MS, () => {
      this.#host.giveUpLink(sending.link, 'what was to be sent is damaged on disk');
    });
  }

  #close(link: LinkId): void {
    const sending = this.#sendings.get(link);
    if (sending === undefined) return;
    this.#sendings.delete(link);
    sending.closed = true;
    sending.cancelWait();
    if (sending.reading === null) return;
    this.#release(sending.reading);
    const { parts, bytes, whole } = sending;
    const ms = Math.round(this.#deps.clock.now().monotonicMs - sending.startedMs);
    this.#deps.logger.info(
      { link, parts, bytes, ms },
      whole ? 'sent the snapshot' : 'stopped sending the snapshot before its end',
    );
  }

  #release(reading: SnapshotReading | null): void {
    reading?.close().catch((error: unknown) => this.#host.failed(error));
  }
}
