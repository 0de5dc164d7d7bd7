import type { Now } from '../base/now.ts';
import { operationsOf } from '../protocol/command.ts';
import type { Entry } from '../protocol/entry.ts';
import type { Replica } from '../replica/replica.ts';
import { Store } from '../replica/store.ts';

/** A replica, and the clocks that it goes by. */
export interface Watched {
  readonly name: string;
  readonly replica: Replica;
  /** Its process gets its turns: requests are answered there. */
  readonly isUp: () => boolean;
  readonly now: () => Now;
}

/**
 * Somebody always reads, every key and wherever reads are served: so nobody may show what is older than what anybody was shown
 * or told before. That is linearizability (I5) for readers that no workload could have so many of. PROTOCOL.md §7.
 */
export class ReadWatch {
  readonly #stale: (what: string) => void;
  /** Everything that is committed, applied. */
  readonly #truth = new Store();
  /** By key: where it changed, in order. */
  readonly #changes = new Map<string, number[]>();
  /** By seq: the keys that it changed. */
  readonly #changed: (readonly string[])[] = [];
  /** By seq: the keys that it speaks of. */
  readonly #keys: (readonly string[])[] = [];
  /** By key: the last change that somebody knows of. */
  readonly #shown = new Map<string, number>();
  #shownMax = 0;
  readonly #watched = new Set<Watched>();

  /** @param stale - told of a read that would show something too old. */
  constructor(stale: (what: string) => void) {
    this.#stale = stale;
  }

  watch(watched: Watched): void {
    this.#watched.add(watched);
  }

  forget(watched: Watched): void {
    this.#watched.delete(watched);
  }

  /** The next entry is committed, somewhere. */
  committed(entry: Entry): void {
    const keys = this.#keysOf(entry);
    const before = keys.map((key) => this.#truth.get(key)?.version);
    this.#truth.apply(entry);
    const changed = keys.filter((key, at) => this.#truth.get(key)?.version !== before[at]);
    this.#changed[entry.seq] = changed;
    this.#keys[entry.seq] = keys;
    for (const key of changed) this.#changesOf(key).push(entry.seq);
  }

  /** A client is told what became of the entry at `seq`: how its keys are then is known. */
  told(seq: number): void {
    let isNews = false;
    for (const key of this.#keys[seq] ?? []) {
      const last = this.#changesOf(key).findLast((at) => at <= seq);
      if (last !== undefined && this.#show(key, last)) isNews = true;
    }
    if (isNews) this.#checkAll();
  }

  /** It has committed more than `before`: what it serves of that is seen. */
  advanced({ replica, now }: Watched, before: number): void {
    if (replica.broken !== null || !replica.servesReads(now())) return;
    let isNews = false;
    for (let at = before + 1; at <= replica.committed; at++) {
      for (const key of this.#changed[at] ?? []) {
        if (replica.isClean([key]) && this.#show(key, at)) isNews = true;
      }
    }
    if (isNews) this.#checkAll();
  }

  /** It may serve reads now that it did not serve before. */
  check({ name, replica, isUp, now }: Watched): void {
    if (replica.committed >= this.#shownMax || replica.broken !== null) return;
    if (!isUp() || !replica.servesReads(now())) return;
    for (const [key, seq] of this.#shown) {
      if (seq <= replica.committed || !replica.isClean([key])) continue;
      const shows = replica.store.get(key)?.version ?? null;
      const is = this.#truth.get(key)?.version ?? null;
      if (shows === is) continue;
      return this.#stale(
        `a read of ${key} at ${name} would show version ${shows}, as of ${replica.committed}; its change at ${seq} is known already`,
      );
    }
  }

  #checkAll(): void {
    for (const watched of this.#watched) this.check(watched);
  }

  /** @returns whether that is news. */
  #show(key: string, seq: number): boolean {
    if (seq <= (this.#shown.get(key) ?? 0)) return false;
    this.#shown.set(key, seq);
    this.#shownMax = Math.max(this.#shownMax, seq);
    return true;
  }

  #keysOf({ command }: Entry): readonly string[] {
    if (command.kind !== 'tick') return [...new Set(operationsOf(command).map(({ key }) => key))];
    return [...this.#truth.entries('')].flatMap(({ key, record }) =>
      record.expiresAtMs === null ? [] : [key],
    );
  }

  #changesOf(key: string): number[] {
    const known = this.#changes.get(key) ?? [];
    this.#changes.set(key, known);
    return known;
  }
}
