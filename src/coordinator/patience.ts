import type { NodeId } from '../base/ids.ts';
import { type Incarnation, sameIncarnation } from '../protocol/configuration.ts';

/** The longest that a member is waited for, in ms, however often it was suspected wrongly; unless `suspectAfterMs` is longer. */
const PATIENCE_MS_MAX = 10_000;
/** How long a member has to be in the chain without trouble before it is waited for half as long, in ms. */
const CALM_MS = 60_000;

interface Trust {
  /** Removed as this incarnation, perhaps wrongly. */
  suspected: Incarnation | null;
  /** How often the patience is doubled. */
  doublings: number;
  /** When it was last in trouble, or was given half of its patience back. */
  sinceMs: number;
}

/**
 * How long each member may be silent. One that was removed though alive is waited for twice as long the next time, so
 * that a slow machine can't make the chain flap. PROTOCOL.md §6 rule 2.
 */
export class Patience {
  readonly #trusts = new Map<NodeId, Trust>();

  /** @param baseMs - `suspectAfterMs`. @returns how long this member may be silent, in ms. */
  of(node: NodeId, baseMs: number): number {
    const doublings = this.#trusts.get(node)?.doublings ?? 0;
    return Math.max(baseMs, Math.min(PATIENCE_MS_MAX, baseMs * 2 ** doublings));
  }

  /** It is removed on suspicion. */
  suspected(who: Incarnation, nowMs: number): void {
    const doublings = this.#trusts.get(who.node)?.doublings ?? 0;
    this.#trusts.set(who.node, { suspected: who, doublings, sinceMs: nowMs });
  }

  /** It is heard: the same incarnation as was suspected proves that the suspicion was wrong. */
  hears(who: Incarnation, nowMs: number): void {
    const trust = this.#trusts.get(who.node);
    if (trust === undefined || trust.suspected === null) return;
    if (sameIncarnation(trust.suspected, who)) {
      // Beyond this the limit holds for any base.
      trust.doublings = Math.min(trust.doublings + 1, 10);
      trust.sinceMs = nowMs;
    }
    trust.suspected = null;
  }

  /** Once a turn, with the members that are heard. */
  calm(members: readonly NodeId[], nowMs: number): void {
    for (const [node, trust] of this.#trusts) {
      if (!members.includes(node)) trust.sinceMs = nowMs;
      if (nowMs - trust.sinceMs < CALM_MS || trust.suspected !== null) continue;
      trust.doublings -= 1;
      trust.sinceMs = nowMs;
      if (trust.doublings <= 0) this.#trusts.delete(node);
    }
  }
}
