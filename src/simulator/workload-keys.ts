import type { Prng } from '../base/prng.ts';

/** The prefix whose keys pages and batches tie together; the other keys mostly stand alone. */
const TIED = 'a/';
const LOOSE = 'b/';

/** The keys of a run, by what they are for. */
export interface Keys {
  /** Most calls go here. */
  readonly hot: readonly string[];
  /** All that are read and written, the hot ones too. */
  readonly all: readonly string[];
  /** Mostly counted, by every client; see `ownCounter`. */
  readonly counter: string;
  /** The only ones with a time to live. */
  readonly passing: readonly string[];
  /** A batch touches keys of one of these lists: what it ties together is checked as one. */
  readonly groups: readonly (readonly string[])[];
  readonly prefixes: readonly string[];
}

/** Makes up `count` keys, at least 6. */
export function planKeys(prng: Prng, count: number): Keys {
  const tied = [`${TIED}count`, `${TIED}brief`];
  const loose = [`${LOOSE}brief`];
  for (let i = 3; i < count; i++) {
    const isTied = prng.chance(0.4);
    (isTied ? tied : loose).push(`${isTied ? TIED : LOOSE}${i}`);
  }
  const all = [...tied, ...loose];
  const plain = all.filter((key) => !key.endsWith('brief'));
  return {
    hot: prng.shuffled(plain).slice(0, 2 + prng.below(3)),
    all,
    counter: `${TIED}count`,
    passing: [`${TIED}brief`, `${LOOSE}brief`],
    groups: [tied, tied, loose.slice(0, 3)],
    prefixes: prng.chance(0.15) ? [TIED, TIED, LOOSE, ''] : [TIED],
  };
}

/** A key that no other client counts. */
export function ownCounter(client: string): string {
  return `${LOOSE}${client}`;
}
