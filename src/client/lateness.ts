import type { Pending } from './pending.ts';

/** Ends operations whose deadline has passed. One timer for all of them: most are answered long before. */
export class Lateness {
  readonly #live = new Set<Pending>();
  readonly #end: (late: Pending) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(end: (late: Pending) => void) {
    this.#end = end;
  }

  /** All that are waited for. */
  get live(): ReadonlySet<Pending> {
    return this.#live;
  }

  add(pending: Pending): void {
    this.#live.add(pending);
    this.#lookIn(pending.deadline.leftMs);
  }

  remove(pending: Pending): void {
    this.#live.delete(pending);
    if (this.#live.size === 0) this.#stop();
  }

  #lookIn(ms: number): void {
    const dueMs = performance.now() + ms;
    if (dueMs >= this.#dueMs) return;
    clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => this.#look(), Math.ceil(ms));
  }

  #look(): void {
    this.#stop();
    let leastMs = Number.POSITIVE_INFINITY;
    for (const pending of this.#live) {
      const { leftMs } = pending.deadline;
      if (leftMs === 0) this.#end(pending);
      else leastMs = Math.min(leastMs, leftMs);
    }
    if (Number.isFinite(leastMs)) this.#lookIn(leastMs);
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#dueMs = Number.POSITIVE_INFINITY;
  }
}
