import { isPlanted } from '../base/planted.ts';
import { isWrite, operationsOf } from '../protocol/command.ts';
import type { Entry } from '../protocol/entry.ts';

/** Which keys have entries in the log that are not committed yet: a read of those must ask the tail first (CRAQ). PROTOCOL.md §7. */
export class PendingKeys {
  readonly #counts = new Map<string, number>();
  #entries = 0;
  #ticks = 0;

  /** Begins anew with these entries. */
  reset(entries: readonly Entry[]): void {
    this.#counts.clear();
    this.#entries = 0;
    this.#ticks = 0;
    for (const entry of entries) this.add(entry);
  }

  add(entry: Entry): void {
    this.#change(entry, 1);
  }

  /** The entry is committed, and so in the store. */
  remove(entry: Entry): void {
    this.#change(entry, -1);
  }

  /** Whether no entry is pending at all. */
  get none(): boolean {
    return this.#entries === 0;
  }

  /** Whether an entry that writes this key is pending; a tick may be one for every key that expires. */
  touches(key: string, expires: boolean): boolean {
    return this.#counts.has(key) || (expires && this.#ticks > 0 && !isPlanted('tick-not-dirty'));
  }

  #change({ command }: Entry, by: 1 | -1): void {
    this.#entries += by;
    if (command.kind === 'tick') this.#ticks += by;
    for (const operation of operationsOf(command)) {
      if (!isWrite(operation)) continue;
      const count = (this.#counts.get(operation.key) ?? 0) + by;
      if (count === 0) this.#counts.delete(operation.key);
      else this.#counts.set(operation.key, count);
    }
  }
}
