import { NO_SEQ, type Seq, seq } from '../../src/base/ids.ts';
import type { Configuration } from '../../src/protocol/configuration.ts';
import type { Entry, Run } from '../../src/protocol/entry.ts';
import type { VersionedTopology } from '../../src/protocol/topology.ts';
import type { Effect } from '../../src/replica/events.ts';

type Job = Extract<Effect, { kind: 'append' | 'truncate' }>;
type Save = Extract<Effect, { kind: 'save' }>;

/** What a disk keeps of what was not synced when the power went: so many entries or truncations, and saves, in order. */
export interface Kept {
  readonly jobs: number;
  readonly saves: number;
}

/** The disk of one node: what is synced, and what is written but not synced yet. One sync is under way at a time. */
export class ChainDisk {
  boot = 0;
  configuration: Configuration | null = null;
  topology: VersionedTopology | null = null;
  leaseMsMax = 0;
  #entries: Entry[] = [];
  #committed: Seq = NO_SEQ;
  #jobs: Job[] = [];
  /** How many of the jobs the sync under way covers. */
  #covered = 0;
  #saves: Save[] = [];

  /** The last entry that a power cut can't take. */
  get syncedThrough(): Seq {
    return seq(this.#entries.length);
  }

  /** Whether a sync is under way. */
  get syncing(): boolean {
    return this.#covered > 0;
  }

  /** The synced entry at `at`. */
  entryAt(at: Seq): Entry | undefined {
    return this.#entries[at - 1];
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

  /** Entries after `after`, those not synced yet among them. */
  read(after: Seq): Entry[] {
    let entries = [...this.#entries];
    for (const job of this.#jobs) {
      if (job.kind === 'append') entries.push(...job.entries);
      else entries = entries.slice(0, job.after);
    }
    return entries.slice(after);
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

  recovered(): { committed: Seq; entries: readonly Entry[]; runs: readonly Run[] } {
    const committed = seq(Math.min(this.#committed, this.#entries.length));
    const runs: Run[] = [];
    for (const entry of this.#entries) {
      if (runs.at(-1)?.epoch === entry.epoch) runs.pop();
      runs.push({ epoch: entry.epoch, lastSeq: entry.seq });
    }
    return { committed, entries: [...this.#entries], runs };
  }

  /** @returns how much of `room` it took. */
  #keep(job: Job, room: number): number {
    if (room <= 0) return 0;
    if (job.kind === 'truncate') {
      this.#entries.length = job.after;
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
