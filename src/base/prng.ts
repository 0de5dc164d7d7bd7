/**
 * Numbers that look like chance and are the same for the same seed, on every machine (sfc32, from PractRand). Not for
 * secrets.
 */
export class Prng {
  readonly #seed: number;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param seed a whole number; 53 bits of it count. */
  constructor(seed: number) {
    this.#seed = seed;
    this.#a = 0;
    this.#b = seed | 0;
    this.#c = Math.floor(seed / 2 ** 32) | 0;
    for (let i = 0; i < 12; i++) this.#bits();
  }

  /** From 0 up to but not 1. */
  next(): number {
    return (this.#bits() >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 up to but not `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  /** From `from` up to but not `to`, with fractions. */
  between(from: number, to: number): number {
    return from + this.next() * (to - from);
  }

  /** True so often: 0 never, 1 always. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    // The list is not empty, so the place is there.
    return list[this.below(list.length)] as T;
  }

  /** The list in any order. */
  shuffled<T>(list: readonly T[]): T[] {
    const left = [...list];
    const order: T[] = [];
    while (left.length > 0) order.push(...left.splice(this.below(left.length), 1));
    return order;
  }

  /** Another, by the seed and this name alone: what is drawn from one changes nothing of what the other gives. */
  fork(name: string): Prng {
    let hash = 0x811c9dc5;
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
    return new Prng((this.#seed % 2 ** 21) * 2 ** 32 + ((hash ^ (this.#seed | 0)) >>> 0));
  }

  #bits(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum;
  }
}
