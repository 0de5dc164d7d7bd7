import type { SnapshotHeader } from '../protocol/snapshot.ts';
import type { LinkId, ReplicaEvent } from './events.ts';
import type { Log } from './log.ts';
import type { Outbox } from './outbox.ts';
import type { Store } from './store.ts';
import type { Upstream } from './upstream.ts';

/** What putting a snapshot in place of log and store needs of the replica. */
export interface ReplacingHost {
  readonly log: Log;
  readonly out: Outbox;
  readonly upstream: Upstream;
  /** The log begins behind this snapshot by now: this is its store. */
  replaced(store: Store, header: SnapshotHeader): void;
  /** A save that ended meanwhile takes effect now. */
  saved(save: number): void;
  /** What was held up goes on. */
  goOn(): void;
}

/** A snapshot takes the place of log and store. While the disk is at it, no epoch begins with what is about to go. PROTOCOL.md §4. */
export class Replacing {
  readonly #host: ReplacingHost;
  #saved: number | null = null;

  constructor(host: ReplacingHost) {
    this.#host = host;
  }

  /** @returns whether this save has to wait: `saved` follows. */
  holdsBack(save: number): boolean {
    if (!this.#host.upstream.isInstalling) return false;
    this.#saved = save;
    return true;
  }

  /** The disk has put it in force: whatever became of its session, it counts. */
  onInstalled({ link, header, store }: Extract<ReplicaEvent, { kind: 'installed' }>, nowMs: number): void {
    this.#host.out.say('info', `has taken a snapshot of ${header.keys} keys up to entry ${header.seq}`);
    this.replace(header, store);
    this.#host.upstream.onInstalled(link, header.seq, nowMs);
    this.#goOn();
  }

  /** What came makes no sense; it goes on with what it had. */
  onBad(link: LinkId, reason: string, nowMs: number): void {
    this.#host.out.say('warn', `was sent a snapshot that makes no sense: ${reason}`);
    this.#host.upstream.onBadSnapshot(link, reason, nowMs);
    this.#goOn();
  }

  /** Also for a replica that has stopped meanwhile: what it knows must not contradict its disk. */
  replace(header: SnapshotHeader, store: Store): void {
    this.#host.log.restart(header);
    this.#host.replaced(store, header);
  }

  #goOn(): void {
    if (this.#host.upstream.isInstalling) return;
    const save = this.#saved;
    this.#saved = null;
    if (save !== null) this.#host.saved(save);
    this.#host.goOn();
  }
}
