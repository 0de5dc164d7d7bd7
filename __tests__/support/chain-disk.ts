import { NO_SEQ, type Seq, seq } from '../../src/base/ids.ts';
import type { Configuration } from '../../src/protocol/configuration.ts';
import type { Entry, Run } from '../../src/protocol/entry.ts';
import type { SnapshotHeader, SnapshotRow } from '../../src/protocol/snapshot.ts';
import type { VersionedTopology } from '../../src/protocol/topology.ts';
import type { Effect } from '../../src/replica/events.ts';

type Job = Extract<Effect, { kind: 'append' | 'truncate' }>;
type Save = Extract<Effect, { kind: 'save' }>;

/** What a disk keeps of what was not synced when the power went: so many entries or truncations, and saves, in order. */
export interface Kept {
  readonly jobs: number;
  readonly saves: number;
}

/** A snapshot file. */
export interface SnapshotFile {
  readonly header: SnapshotHeader;
  readonly rows: readonly SnapshotRow[];
}

/** What a start finds. */
export interface RecoveredDisk {
  readonly snapshot: SnapshotFile | null;
  readonly committed: Seq;
  /** Behind the snapshot. */
  readonly entries: readonly Entry[];
  readonly runs: readonly Run[];
}

/** The disk of one node: what is synced, and what is written but not synced yet. One sync is under way at a time. */
export class ChainDisk {
  boot = 0;
  configuration: Configuration | null = null;
  topology: VersionedTopology | null = null;
  leaseMsMax = 0;
  /** The newest snapshot. */
  snapshot: SnapshotFile | null = null;
  /** The log, which begins behind this seq. */
  #begin: Seq = NO_SEQ;
  #entries: Entry[] = [];
  #committed: Seq = NO_SEQ;
  #jobs: Job[] = [];
  /** How many of the jobs the sync under way covers. */
  #covered = 0;
  #saves: Save[] = [];

  /** The last entry that a power cut can't take. */
  get syncedThrough(): Seq {
    return seq(this.#begin + this.#entries.length);
  }

  /** Whether a sync is under way. */
  get syncing(): boolean {
    return this.#covered > 0;
  }

  /** The synced entry at `at`. */
  entryAt(at: Seq): Entry | undefined {
    return this.#entries[at - 1 - this.#begin];
  }

  /** Queues an append or a truncation; the sync that covers it begins at once unless one is under way. */
  write(job: Job): void {
    this.#jobs.push(job);
    if (this.#covered === 0) this.#covered = this.#jobs.length;
  }

  /** The sync under way ends, and the next begins with all that has gathered. */
  endSync(): { through: Seq; generation: number } {
    const done = this.#jobs.splice(0, this.#covered);
    for (const job of done) this.#keep(job, Number.POSITIVE_INFINITY);
    this.#covered = this.#jobs.length;
    return { through: this.syncedThrough, generation: done.at(-1)?.generation ?? 0 };
  }

  save(save: Save): void {
    this.#saves.push(save);
  }

  /** The oldest save is on disk. */
  endSave(): number {
    const save = this.#saves.shift();
    if (save === undefined) throw new Error('no save is under way');
    this.#keepSave(save);
    return save.save;
  }

  /** Entries after `after`, those not synced yet among them; `null` when the log begins later. */
  read(after: Seq): Entry[] | null {
    if (after < this.#begin) return null;
    let entries = [...this.#entries];
    for (const job of this.#jobs) {
      if (job.kind === 'append') entries.push(...job.entries);
      else entries = entries.slice(0, job.after - this.#begin);
    }
    return entries.slice(after - this.#begin);
  }

  /** A snapshot is taken, and the log before it cut off, but for what is kept from `keepAfter` on. */
  take(snapshot: SnapshotFile, keepAfter: Seq): void {
    this.snapshot = snapshot;
    const begin = seq(Math.max(this.#begin, Math.min(keepAfter, snapshot.header.seq)));
    this.#entries.splice(0, begin - this.#begin);
    this.#begin = begin;
  }

  /** A snapshot takes the place of the log, once what was on its way into the log is done. */
  install(snapshot: SnapshotFile): void {
    this.#jobs = [];
    this.#covered = 0;
    this.snapshot = snapshot;
    this.#begin = snapshot.header.seq;
    this.#entries = [];
    this.#committed = snapshot.header.seq;
  }

  /** Everything is gone; only the name of the store and its count of starts go on. */
  wipe(): void {
    this.snapshot = null;
    this.#begin = NO_SEQ;
    this.#entries = [];
    this.#committed = NO_SEQ;
    this.configuration = null;
    this.leaseMsMax = 0;
  }

  /** The process or the power is gone. */
  crash(kept: Kept): void {
    let left = kept.jobs;
    for (const job of this.#jobs) {
      left -= this.#keep(job, left);
      if (left <= 0) break;
    }
    for (const save of this.#saves.slice(0, kept.saves)) this.#keepSave(save);
    this.#jobs = [];
    this.#covered = 0;
    this.#saves = [];
  }

  /** A flipped bit makes synced entries look like a torn end: they are gone. */
  lose(count: number): void {
    this.#entries.length -= count;
  }

  recovered(): RecoveredDisk {
    const { snapshot } = this;
    const from = snapshot?.header.seq ?? NO_SEQ;
    const known = Math.max(from, this.#committed);
    const runs: Run[] = [];
    // What the snapshot ends with counts as held.
    if (snapshot && this.#begin === from) runs.push({ epoch: snapshot.header.epoch, lastSeq: from });
    for (const entry of this.#entries) {
      if (runs.at(-1)?.epoch === entry.epoch) runs.pop();
      runs.push({ epoch: entry.epoch, lastSeq: entry.seq });
    }
    return {
      snapshot,
      committed: seq(Math.min(known, this.syncedThrough)),
      entries: this.#entries.slice(from - this.#begin),
      runs,
    };
  }

  /** @returns how much of `room` it took. */
  #keep(job: Job, room: number): number {
    if (room <= 0) return 0;
    if (job.kind === 'truncate') {
      this.#entries.length = job.after - this.#begin;
      return 1;
    }
    const entries = job.entries.slice(0, room);
    this.#entries.push(...entries);
    this.#committed = job.committed;
    return entries.length;
  }

  #keepSave(save: Save): void {
    this.configuration = save.configuration;
    this.topology = save.topology;
    this.leaseMsMax = save.leaseMsMax;
  }
}
