import { assert, defined } from '../base/assert.ts';
import { type Epoch, NO_EPOCH, type Seq } from '../base/ids.ts';
import type { Run } from '../protocol/entry.ts';

/** Which epoch made which stretch of the log that is held. */
export class Runs {
  #runs: Run[] = [];
  /** Of what lies before, nothing is known. */
  #first: number = Number.POSITIVE_INFINITY;

  /** Oldest first. */
  list(): Run[] {
    return [...this.#runs];
  }

  /** Of the last entry; 0 when none is known. */
  get lastEpoch(): Epoch {
    return this.#runs.at(-1)?.epoch ?? NO_EPOCH;
  }

  /** Of the entry at `at`, `null` when it isn't known. */
  epochAt(at: Seq): Epoch | null {
    if (at < this.#first) return null;
    return this.#runs.find((run) => run.lastSeq >= at)?.epoch ?? null;
  }

  /** The log goes on with this entry; its epoch is never below the one before. */
  add(epoch: Epoch, seq: Seq): void {
    const last = this.#runs.at(-1);
    assert(epoch >= this.lastEpoch, () => `I1: epoch ${epoch} at seq ${seq} behind ${this.lastEpoch}`);
    if (last?.epoch === epoch) this.#runs.pop();
    if (last === undefined) this.#first = seq;
    this.#runs.push({ epoch, lastSeq: seq });
  }

  /** The log ends at `after` now. */
  truncate(after: Seq): void {
    const beyond = this.#runs.findIndex((run) => run.lastSeq >= after);
    if (after < this.#first) this.#runs = [];
    else if (beyond >= 0) {
      const cut = defined(this.#runs[beyond], () => 'the run that is cut');
      this.#runs.length = beyond;
      this.#runs.push({ epoch: cut.epoch, lastSeq: after });
    }
    if (this.#runs.length === 0) this.#first = Number.POSITIVE_INFINITY;
  }

  /** Nothing is known any more but the epoch of the entry that the log goes on after. */
  restart(epoch: Epoch, seq: Seq): void {
    this.#runs = [];
    this.add(epoch, seq);
  }

  /** What lies before `from` is no longer held. */
  forget(from: Seq): void {
    this.#first = Math.max(this.#first, from);
    const kept = this.#runs.findIndex((run) => run.lastSeq >= from);
    this.#runs = kept < 0 ? [] : this.#runs.slice(kept);
    if (this.#runs.length === 0) this.#first = Number.POSITIVE_INFINITY;
  }
}
