import { NO_SEQ, type Seq } from '../base/ids.ts';
import type { Now } from '../base/now.ts';
import type { RecentChanges } from '../protocol/change.ts';
import { isMember } from '../protocol/configuration.ts';
import type { Replica } from '../replica/replica.ts';
import type { Watch, WatchListener } from './node-service.ts';

/** Watchers at once on a node. */
export const WATCHERS_MAX = 1000;
/** For so long a neighbour may be unreachable before this node counts as cut off, in ms, and in `suspectAfterMs`. */
const CUT_OFF_MS_MIN = 10_000;
const CUT_OFF_SUSPICIONS = 10;

/** Those who watch what is committed here, and what they are told. */
export class Watching {
  readonly #listeners = new Set<WatchListener>();
  /** Those of the store that they all watch; another one when a snapshot took its place. */
  #changes: RecentChanges | null = null;
  #told: Seq = NO_SEQ;
  /** Watchers that were cut off as they read too slowly, since this start. */
  #cut = 0;

  get counts(): { readonly watchers: number; readonly cut: number } {
    return { watchers: this.#listeners.size, cut: this.#cut };
  }

  /** `null` when there are too many already. `isNewest` as in `Watch`. */
  open(changes: RecentChanges, listener: WatchListener, isNewest: () => boolean): Watch | null {
    if (this.#listeners.size >= WATCHERS_MAX) return null;
    if (changes !== this.#changes) this.end('what this node holds was replaced as a whole');
    this.#changes = changes;
    this.#listeners.add(listener);
    const close = (how: 'left' | 'cut'): void => {
      if (this.#listeners.delete(listener) && how === 'cut') this.#cut += 1;
    };
    return { changes, isNewest, close };
  }

  /** Tells them what is new. To be called after every event, and every few ms; costs nothing when nobody watches. */
  look(replica: Replica, now: Now): void {
    if (this.#listeners.size === 0) return;
    const { changes } = replica.store;
    if (changes !== this.#changes) return this.end('what this node holds was replaced as a whole');
    const reason = whyNotWatched(replica, now);
    if (reason !== null) return this.end(reason);
    if (changes.committed === this.#told) return;
    this.#told = changes.committed;
    for (const listener of this.#listeners) listener.changed();
  }

  /** Sends them all away, to go on at another member. */
  end(reason: string): void {
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener.ended(reason);
  }
}

/** Why nobody is to watch here, in words: this node is out of the chain, or may be without knowing it. `null` when it is in it. */
export function whyNotWatched(replica: Replica, now: Now): string | null {
  if (replica.broken !== null) return replica.broken;
  const { configuration } = replica;
  if (configuration === null || !isMember(configuration, replica.self)) return 'this node left the chain';
  const { suspectAfterMs } = replica.topology.topology.timing;
  const afterMs = Math.max(CUT_OFF_MS_MIN, CUT_OFF_SUSPICIONS * suspectAfterMs);
  const [lost] = replica.unreachable(now, afterMs);
  if (lost === undefined) return null;
  return `this node has not reached ${lost.node}, its neighbour, for ${afterMs} ms, and may be cut off`;
}
