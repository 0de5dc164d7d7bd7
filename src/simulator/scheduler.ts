import type { Cancel } from '../ports/clock.ts';

interface Event {
  readonly atMs: number;
  /** Of two at the same instant the one asked for first comes first. */
  readonly order: number;
  /** `null` once it was taken back. */
  call: (() => void) | null;
}

/** The one line of time of a simulated world: everything that happens in it is an event here, and nothing happens between. */
export class Scheduler {
  #nowMs = 0;
  #order = 0;
  /** A binary heap, earliest first. */
  readonly #heap: Event[] = [];

  /** The time of the world, in ms from its beginning; no machine's clock. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Calls once, after `delayMs` of the world's time, behind whatever was asked for that instant before. */
  after(delayMs: number, call: () => void): Cancel {
    const event: Event = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, call };
    this.#push(event);
    return () => {
      event.call = null;
    };
  }

  /** When the next event is due, `null` when there is none. */
  nextMs(): number | null {
    this.#dropCancelled();
    return this.#heap[0]?.atMs ?? null;
  }

  /** Goes on to the next event, and lets it happen. @returns whether there was one. */
  step(): boolean {
    this.#dropCancelled();
    const event = this.#pop();
    if (event === undefined) return false;
    this.#nowMs = event.atMs;
    event.call?.();
    return true;
  }

  #dropCancelled(): void {
    while (this.#heap[0] !== undefined && this.#heap[0].call === null) this.#pop();
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above] as Event;
      if (!isBefore(event, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (let below = 1; below < heap.length; below = 2 * at + 1) {
      const right = heap[below + 1];
      if (right !== undefined && isBefore(right, heap[below] as Event)) below += 1;
      const child = heap[below] as Event;
      if (!isBefore(child, last)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
