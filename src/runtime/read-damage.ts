import type { CatenaError } from '../base/errors.ts';
import type { Seq } from '../base/ids.ts';
import type { Logger } from '../ports/logger.ts';
import { damageOf } from '../storage/corrupt.ts';
import type { Storage } from '../storage/storage.ts';

/** So many places are remembered as said; beyond them all are said anew. */
const SAID_MAX = 100;

/**
 * What was found damaged on disk while it was read for a neighbour. The store in memory is whole, so the node serves on:
 * a fresh snapshot of the store takes the place of what can't be read.
 */
export class ReadDamage {
  readonly #storage: Storage;
  readonly #logger: Logger;
  readonly #said = new Set<string>();

  constructor(storage: Storage, { logger }: { logger: Logger }) {
    this.#storage = storage;
    this.#logger = logger;
  }

  /** A snapshot can't be read. */
  ofSnapshot(error: CatenaError): void {
    this.#say(error);
    this.#storage.renewSnapshot({ dropLog: false });
  }

  /** The log can't be read from behind `after`. What is damaged may stay: then the snapshot goes in its place each time. */
  ofLog(error: CatenaError, after: Seq): void {
    const isNews = this.#say(error);
    const leadsBeyond = this.#storage.stats().snapshotSeq > after;
    if (isNews || !leadsBeyond) this.#storage.renewSnapshot({ dropLog: true });
  }

  /** @returns whether it is said for the first time. */
  #say(error: CatenaError): boolean {
    const damage = damageOf(error);
    if (this.#said.has(damage)) return false;
    if (this.#said.size >= SAID_MAX) this.#said.clear();
    this.#said.add(damage);
    this.#logger.error(
      { code: error.code },
      `${damage}. The store in memory is whole, so this node serves on, writes a fresh snapshot of it, and sends that instead. Look at the disk`,
    );
    return true;
  }
}
