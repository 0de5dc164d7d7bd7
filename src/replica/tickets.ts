import { assert } from '../base/assert.ts';
import type { RequestId, Seq } from '../base/ids.ts';
import type { Ticket } from './events.ts';

/** A client that waits for an entry to be applied. */
export interface Waiting {
  readonly ticket: Ticket;
  readonly requestId: RequestId;
  readonly deadlineMs: number;
}

/** The clients whose writes are in the log but not applied yet, in the order of their entries. */
export class Tickets {
  readonly #bySeq = new Map<Seq, Waiting>();

  add(seq: Seq, waiting: Waiting): void {
    assert(!this.#bySeq.has(seq), () => `entry ${seq} has two clients`);
    this.#bySeq.set(seq, waiting);
  }

  /** The client of this entry, if one still waits; it is forgotten here. */
  take(seq: Seq): Waiting | undefined {
    const waiting = this.#bySeq.get(seq);
    if (waiting !== undefined) this.#bySeq.delete(seq);
    return waiting;
  }

  /** Everybody; they are forgotten here. */
  takeAll(): Waiting[] {
    const all = [...this.#bySeq.values()];
    this.#bySeq.clear();
    return all;
  }

  /** Those whose deadline has passed, in the order of their entries. */
  takeExpired(nowMs: number): Waiting[] {
    const expired: Waiting[] = [];
    for (const [seq, waiting] of this.#bySeq) {
      if (waiting.deadlineMs > nowMs) continue;
      expired.push(waiting);
      this.#bySeq.delete(seq);
    }
    return expired;
  }
}
