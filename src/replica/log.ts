import { assert, defined } from '../base/assert.ts';
import { type Epoch, earlier, NO_EPOCH, NO_SEQ, next, type RequestId, type Seq } from '../base/ids.ts';
import { isPlanted } from '../base/planted.ts';
import { type Entry, type Run, weightOf } from '../protocol/entry.ts';
import type { SnapshotHeader } from '../protocol/snapshot.ts';

/** What a replica's log is made from, as recovery found it: all of it is on disk. */
export interface RecoveredLog {
  /** Last entry that the store has applied. */
  readonly committed: Seq;
  /** The log time of that entry, in ms; 0 for none. */
  readonly committedTimeMs: number;
  /** Entries above `committed`, in order. */
  readonly pending: readonly Entry[];
  /** The epochs of the whole log held, oldest first, that of `committed` among them. */
  readonly runs: readonly Run[];
  /** Where the first run begins; unless given it is known at its end alone. */
  readonly runsFrom?: Seq;
}

/**
 * The watermarks of one replica's log and the entries above `committed`; those at or below it are in the store, and on
 * disk. PROTOCOL.md §2. Invariant I2: committed <= durable <= received.
 */
export class Log {
  #received: Seq;
  #durable: Seq;
  #committed: Seq;
  /** Entries above `committed` from `#first` on; the places before it are spent and emptied. */
  #pending: (Entry | undefined)[];
  #first = 0;
  #pendingBytes = 0;
  #generation = 0;
  #runs: { epoch: Epoch; lastSeq: Seq }[];
  /** Of the entries before it no epoch is known. */
  #runsFrom: Seq;
  #committedTimeMs: number;
  #lastTimeMs: number;

  constructor(recovered: RecoveredLog) {
    this.#committed = recovered.committed;
    this.#received = recovered.committed;
    this.#durable = recovered.committed;
    this.#committedTimeMs = recovered.committedTimeMs;
    this.#lastTimeMs = recovered.committedTimeMs;
    this.#pending = [];
    this.#runs = recovered.runs
      .filter((run) => run.lastSeq <= recovered.committed)
      .map((run) => ({ ...run }));
    const known = recovered.runs[0]?.lastSeq ?? NO_SEQ;
    this.#runsFrom = recovered.runsFrom ?? earlier(known, recovered.committed);
    for (const entry of recovered.pending) this.append(entry);
    this.#durable = this.#received;
  }

  /** Last entry held. */
  get received(): Seq {
    return this.#received;
  }
  /** Last entry on this replica's disk. Invariant: committed <= durable <= received. */
  get durable(): Seq {
    return this.#durable;
  }
  /** Last entry known to be committed, and applied. */
  get committed(): Seq {
    return this.#committed;
  }
  /** How often the log was truncated or replaced: a sync counts only for the generation that it was begun in. */
  get generation(): number {
    return this.#generation;
  }
  /** What the entries above `committed` weigh. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }
  /** The log time of the last entry held, in ms; 0 for none. */
  get lastTimeMs(): number {
    return this.#lastTimeMs;
  }
  /** The epoch of the last entry held; 0 for none. */
  get lastEpoch(): Epoch {
    return this.#runs.at(-1)?.epoch ?? NO_EPOCH;
  }

  /** Whether an entry may stand behind the last: next in order, of no earlier epoch or time. */
  follows(entry: Entry): boolean {
    return (
      entry.seq === next(this.#received) && entry.epoch >= this.lastEpoch && entry.timeMs >= this.#lastTimeMs
    );
  }

  append(entry: Entry): void {
    assert(this.follows(entry), () => `I1: ${entry.epoch}/${entry.seq} does not follow ${this.#received}`);
    this.#pending.push(entry);
    this.#pendingBytes += weightOf(entry.command);
    this.#received = entry.seq;
    this.#lastTimeMs = entry.timeMs;
    this.#extendRuns(entry);
  }

  /** Notes that the disk holds the log up to `through`; a report from before a truncation counts for nothing. */
  synced(through: Seq, generation: number): void {
    const isVoid = generation !== this.#generation && !isPlanted('sync-survives-truncation');
    if (isVoid || through <= this.#durable) return;
    assert(through <= this.#received, () => `I2: durable ${through} > received ${this.#received}`);
    this.#durable = through;
  }

  /** Takes the next entry as committed; the caller applies it. */
  commitNext(): Entry {
    const entry = this.#pending[this.#first];
    assert(entry !== undefined && entry.seq <= this.#durable, () => {
      return `I2: commit of ${this.#committed + 1} > durable ${this.#durable}`;
    });
    this.#pending[this.#first] = undefined;
    this.#first += 1;
    this.#pendingBytes -= weightOf(entry.command);
    this.#committed = entry.seq;
    this.#committedTimeMs = entry.timeMs;
    this.#forgetSpent();
    return entry;
  }

  /** Drops everything beyond `after`, which is never below `committed`. */
  truncate(after: Seq): void {
    assert(after >= this.#committed, () => `I2: truncation to ${after} < committed ${this.#committed}`);
    assert(after <= this.#received, () => `I2: truncation to ${after} > received ${this.#received}`);
    const dropped = this.#pending.splice(this.#first + (after - this.#committed));
    for (const entry of dropped) {
      this.#pendingBytes -= weightOf(defined(entry, () => 'an entry that is dropped').command);
    }
    this.#received = after;
    if (this.#durable > after) this.#durable = after;
    this.#generation += 1;
    this.#cutRuns(after);
    this.#lastTimeMs = this.#pending.at(-1)?.timeMs ?? this.#committedTimeMs;
  }

  /** Entries after `after`, up to about `bytesMax` of them but at least one if there is one. `after` is not below `committed`. */
  entriesAfter(after: Seq, bytesMax: number): Entry[] {
    assert(after >= this.#committed, () => `entries after ${after} are below ${this.#committed}`);
    const entries: Entry[] = [];
    let bytes = 0;
    for (let at = this.#first + (after - this.#committed); at < this.#pending.length; at++) {
      const entry = this.#pending[at];
      assert(entry !== undefined, () => 'a pending entry is missing');
      bytes += weightOf(entry.command);
      if (bytes > bytesMax && entries.length > 0) break;
      entries.push(entry);
    }
    return entries;
  }

  /** Whether an entry above `committed` carries this id. Slow: for the rare case alone. */
  hasPending(id: RequestId): boolean {
    return this.#pending.some((entry) => entry?.requestId === id);
  }

  /** The log above `seq`, in runs of one epoch. */
  runsAbove(seq: Seq): Run[] {
    return this.#runs.filter((run) => run.lastSeq > seq).map((run) => ({ ...run }));
  }

  /** The log is another from here on: that of a snapshot, whose last entry counts as held. Nothing committed is lost by it. */
  restart({ epoch, seq, timeMs }: Pick<SnapshotHeader, 'epoch' | 'seq' | 'timeMs'>): void {
    assert(seq >= this.#committed, () => `I2: a snapshot of ${seq} replaces committed ${this.#committed}`);
    this.#received = seq;
    this.#durable = seq;
    this.#committed = seq;
    this.#pending = [];
    this.#first = 0;
    this.#pendingBytes = 0;
    this.#generation += 1;
    this.#runs = [{ epoch, lastSeq: seq }];
    this.#runsFrom = seq;
    this.#committedTimeMs = timeMs;
    this.#lastTimeMs = timeMs;
  }

  /** The epoch of the entry at `seq`; `null` beyond the end of the log, and before what it remembers. */
  epochAt(seq: Seq): Epoch | null {
    if (seq > this.#received || seq < this.#runsFrom) return null;
    return this.#runs.find((run) => run.lastSeq >= seq)?.epoch ?? null;
  }

  /** The last entry that this epoch's head made, as far as it is held here; `null` for none. */
  lastOfEpoch(epoch: Epoch): Seq | null {
    return this.#runs.find((run) => run.epoch === epoch)?.lastSeq ?? null;
  }

  #extendRuns(entry: Entry): void {
    const last = this.#runs.at(-1);
    if (last?.epoch === entry.epoch) last.lastSeq = entry.seq;
    else this.#runs.push({ epoch: entry.epoch, lastSeq: entry.seq });
  }

  #cutRuns(after: Seq): void {
    const whole = this.#runs.filter((run) => run.lastSeq <= after);
    const cut = this.#runs[whole.length];
    const reached = whole.at(-1)?.lastSeq ?? 0;
    this.#runs = cut && reached < after ? [...whole, { epoch: cut.epoch, lastSeq: after }] : whole;
  }

  #forgetSpent(): void {
    if (this.#first < 1024 || this.#first * 2 < this.#pending.length) return;
    this.#pending = this.#pending.slice(this.#first);
    this.#first = 0;
  }
}
