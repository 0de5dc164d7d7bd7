/** A set of small numbers, never changed once made; 32 of them in a word. */
export type Bits = Uint32Array;

/** Room for `size` numbers, none of them in it. */
export const noBits = (size: number): Bits => new Uint32Array(Math.ceil(size / 32));

/** The set with one number more. */
export function withBit(bits: Bits, number: number): Bits {
  const more = bits.slice();
  more[number >>> 5] = (more[number >>> 5] ?? 0) | (1 << (number & 31));
  return more;
}

/** Whether the number is in the set. */
export function hasBit(bits: Bits, number: number): boolean {
  return ((bits[number >>> 5] ?? 0) & (1 << (number & 31))) !== 0;
}

/**
 * Lowe's memory: the places of a search that were tried before. Of two places that differ only in the unanswered calls
 * which have taken effect, the one with fewer can do all that the other can, so what it failed at, the other fails at.
 */
export class Memory {
  readonly #tried = new Map<string, Bits[]>();

  /** Notes the place, unless it is not worth trying: returns whether it is new. */
  note(place: string, used: Bits): boolean {
    const known = this.#tried.get(place);
    if (known === undefined) {
      this.#tried.set(place, [used]);
      return true;
    }
    if (known.some((fewer) => isWithin(fewer, used))) return false;
    known.push(used);
    return true;
  }
}

function isWithin(fewer: Bits, more: Bits): boolean {
  return fewer.every((word, i) => (word & ~(more[i] ?? 0)) === 0);
}
