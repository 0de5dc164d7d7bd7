import { assert } from '../base/assert.ts';
import { compareUtf8 } from '../base/utf8.ts';
import { SortedTree } from './sorted-tree.ts';

interface Due {
  readonly atMs: number;
  readonly key: string;
}

/** Which key expires when, in log time (ms): earliest first, ties in the order of keys. PROTOCOL.md §9. */
export class DueIndex {
  readonly #tree = new SortedTree<Due, undefined>(undefined, compareDue);

  /** How many keys have an expiry. */
  get size(): number {
    return this.#tree.size;
  }

  /** The earliest expiry held, or `null`. */
  get nextMs(): number | null {
    return this.#tree.minKey()?.atMs ?? null;
  }

  add(key: string, atMs: number): void {
    assert(!Number.isNaN(atMs), () => `the expiry of ${JSON.stringify(key)} is not a number`);
    this.#tree.set({ atMs, key }, undefined);
  }

  remove(key: string, atMs: number): void {
    const removed = this.#tree.delete({ atMs, key });
    assert(removed, () => `the due index lacks ${JSON.stringify(key)} at ${atMs}`);
  }

  /** The keys due at or before `nowMs`, at most `limit` of them. */
  due(nowMs: number, limit: number): string[] {
    const keys: string[] = [];
    for (const [{ atMs, key }] of this.#tree.entries()) {
      if (atMs > nowMs || keys.length === limit) break;
      keys.push(key);
    }
    return keys;
  }
}

function compareDue(a: Due, b: Due): number {
  return a.atMs - b.atMs || compareUtf8(a.key, b.key);
}
