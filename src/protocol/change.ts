import type { Seq } from '../base/ids.ts';
import type { Value } from './command.ts';

/** What a committed entry did to one key. `version` is the seq of that entry; `expire`: its time was up. */
export type Change =
  | { readonly kind: 'set'; readonly key: string; readonly version: Seq; readonly value: Value }
  | { readonly kind: 'delete' | 'expire'; readonly key: string; readonly version: Seq };

/**
 * The changes of late, oldest first, each at a place that counts up by one. Those of an entry stand together and are added
 * together; the oldest entries go as others come. To be read within a turn: what is held at a place may be gone in the next.
 */
export interface RecentChanges {
  /** The last entry that all this is of. A watch from here on shows what is yet to come. */
  readonly committed: Seq;
  /** The least version after which every change is held. */
  readonly oldest: Seq;
  /** The first place held; equal to `end` when none is. */
  readonly start: number;
  /** The place that the next change will have. */
  readonly end: number;
  /** The place of the first change of a later version; nothing before it is held unless `after` is at least `oldest`. */
  placeAfter(after: Seq): number;
  /** From `start` to below `end`, as are those of `keyAt` and `at`. */
  versionAt(place: number): Seq;
  keyAt(place: number): string;
  at(place: number): Change;
}
