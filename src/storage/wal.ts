import { assert, defined } from '../base/assert.ts';
import { CatenaError } from '../base/errors.ts';
import { type Epoch, NO_EPOCH, type Seq, type StoreId, seq } from '../base/ids.ts';
import { isPlanted } from '../base/planted.ts';
import { encodeEntry } from '../codec/entry-codec.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { Disk, DiskFile } from '../ports/disk.ts';
import type { Entry } from '../protocol/entry.ts';
import { saltOf } from './file-header.ts';
import type { LogIndex } from './log-index.ts';
import { LogReader } from './log-reader.ts';
import type { Installing } from './meta.ts';
import type { Runs } from './runs.ts';
import { type Segment, Segments } from './segments.ts';
import { encodeRecord, RECORD_HEADER_BYTES, type RecordKind } from './wal-record.ts';

/** A record is closed when its entries come to this, in bytes: recovery reads one at a time. */
const RECORD_BYTES = 1024 * 1024;

/** A log as it was found, and where it goes on. */
export interface LogState {
  readonly segments: readonly Segment[];
  /** The last segment, open; `null` when there is none. */
  readonly file: DiskFile | null;
  readonly index: LogIndex;
  readonly runs: Runs;
  /** The number of the next record. */
  readonly nextRecord: number;
  readonly last: Seq;
  readonly committed: Seq;
  /** The last record says that the log was closed. */
  readonly closed: boolean;
}

/** How a log is written. */
export interface WalOptions {
  readonly segmentBytesMax: number;
  /** 0: each write is synced at once. Else a write may wait so long for its sync, in ms. */
  readonly syncDelayMs: number;
}

/** Is told what becomes of what was appended. */
export interface WalListener {
  /** See `StorageListener`. */
  synced(through: Seq, generation: number): void;
  failed(error: CatenaError): void;
}

type Job =
  | { readonly kind: 'entries'; entries: Entry[] }
  | { readonly kind: 'truncate'; after: Seq; epoch: Epoch };

interface Waiter {
  readonly through: Seq;
  readonly resolve: () => void;
  readonly reject: (error: CatenaError) => void;
}

/**
 * The write-ahead log. Nothing in it is ever overwritten: a truncation is a record as well. One write or sync is under way
 * at a time; what arrives meanwhile gathers and goes out together. docs/storage-format.md.
 */
export class Wal {
  readonly #options: WalOptions;
  readonly #clock: Clock;
  readonly #listener: WalListener;
  readonly #salt: number;
  readonly #segments: Segments;
  readonly #index: LogIndex;
  readonly #runs: Runs;
  readonly #reader: LogReader;

  #queue: Job[] = [];
  #busy = false;
  #idle: Promise<void> = Promise.resolve();
  #failure: CatenaError | null = null;
  #waiters: Waiter[] = [];
  #syncDue = false;
  #cancelSync: Cancel | null = null;

  /** The last entry, that of the queue included. */
  #last: Seq;
  /** The last entry that is written or being written and not dropped since: what a sync that begins now will cover. */
  #written: Seq;
  /** Invariant: what is synced and not dropped since. synced <= written <= last. */
  #synced: Seq;
  /** The end of the log as its records tell, which know of a truncation only once its own is written. */
  #recorded: { last: Seq; epoch: Epoch };
  #generation = 0;
  #committed: Seq;
  #committedRecorded: Seq;
  #nextRecord: number;
  #syncedRecord: number;
  #closedCleanly: boolean;

  #syncs = 0;
  #syncMsLast = 0;
  #writtenBytes = 0;

  constructor(
    options: WalOptions,
    deps: { disk: Disk; clock: Clock; storeId: StoreId; listener: WalListener },
    state: LogState,
  ) {
    this.#options = options;
    this.#clock = deps.clock;
    this.#listener = deps.listener;
    this.#salt = saltOf(deps.storeId);
    this.#segments = new Segments(state.segments, state.file, deps);
    this.#index = state.index;
    this.#runs = state.runs;
    this.#reader = new LogReader(state.index, { disk: deps.disk, salt: this.#salt });
    this.#last = this.#written = this.#synced = state.last;
    this.#recorded = { last: state.last, epoch: state.runs.epochAt(state.last) ?? NO_EPOCH };
    this.#committed = this.#committedRecorded = state.committed;
    this.#nextRecord = state.nextRecord;
    this.#syncedRecord = state.nextRecord - 1;
    this.#closedCleanly = state.closed;
  }

  /** What is known to be committed. */
  get committed(): Seq {
    return this.#committed;
  }

  /** Of records written since the start. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  get stats(): {
    logBytes: number;
    segments: number;
    syncs: number;
    syncMsLast: number;
    writtenBytes: number;
  } {
    return {
      logBytes: this.#segments.bytes,
      segments: this.#segments.list.length,
      syncs: this.#syncs,
      syncMsLast: this.#syncMsLast,
      writtenBytes: this.#writtenBytes,
    };
  }

  /** Queues entries that follow the last one; none at all only brings `committed` up to date. */
  append(entries: readonly Entry[], committed: Seq, generation: number): void {
    if (this.#failure) return;
    this.#generation = generation;
    for (const entry of entries) {
      assert(entry.seq === this.#last + 1, () => `I1: entry ${entry.seq} does not follow ${this.#last}`);
      this.#last = entry.seq;
      this.#runs.add(entry.epoch, entry.seq);
    }
    assert(committed <= this.#last, () => `I2: committed ${committed} > received ${this.#last}`);
    this.#committed = seq(Math.max(this.#committed, committed));
    if (entries.length === 0) return;
    const job = this.#queue.at(-1);
    if (job?.kind === 'entries') for (const entry of entries) job.entries.push(entry);
    else this.#queue.push({ kind: 'entries', entries: [...entries] });
    this.#wake();
  }

  /** Drops what lies beyond `after`, in the queue, under way and on the disk. */
  truncate(after: Seq, generation: number): void {
    if (this.#failure) return;
    assert(after <= this.#last, () => `truncated to ${after}, beyond the last entry ${this.#last}`);
    assert(after >= this.#committed, () => `I2: truncated to ${after} < committed ${this.#committed}`);
    this.#generation = generation;
    this.#last = after;
    // What is under way counts for nothing beyond `after`, whatever becomes of it.
    this.#written = seq(Math.min(this.#written, after));
    this.#synced = seq(Math.min(this.#synced, after));
    this.#index.truncate(after);
    this.#runs.truncate(after);
    const ofEpoch = this.#runs.epochAt(after) ?? NO_EPOCH;
    for (const job of this.#queue) {
      if (job.kind === 'entries') job.entries = job.entries.filter((entry) => entry.seq <= after);
      // One that waits must not say that the log ends behind what is left of it.
      else if (job.after > after) Object.assign(job, { after, epoch: ofEpoch });
    }
    this.#queue.push({ kind: 'truncate', after, epoch: ofEpoch });
    this.#wake();
  }

  /**
   * Resolves when everything up to `through` is synced.
   *
   * @throws CatenaError DISK_FULL, DISK_FAILED: the log has failed.
   */
  async flushed(through: Seq): Promise<void> {
    assert(through <= this.#last, () => `waiting for ${through}, beyond the last entry ${this.#last}`);
    if (this.#failure) throw this.#failure;
    if (through <= this.#synced) return;
    await new Promise<void>((resolve, reject) => {
      this.#waiters.push({ through, resolve, reject });
      this.#syncDue = true;
      this.#wake();
    });
  }

  /** See `Storage.read`. */
  read(after: Seq, bytesMax: number): Promise<Entry[] | null> {
    return this.#reader.read(after, bytesMax);
  }

  /** Removes the oldest segments whose entries are all at or before `through`, but for `retainBytesMin` of them. */
  async dropBehind(through: Seq, retainBytesMin: number): Promise<void> {
    for (;;) {
      const { list } = this.#segments;
      // Seqs go back where the log was truncated: only what lies before the first segment that is needed may go.
      const needed = list.findIndex(
        (_, place) => (list[place + 1]?.firstSeq ?? Number.POSITIVE_INFINITY) - 1 > through,
      );
      const behind = list.slice(0, Math.max(0, needed));
      const bytes = behind.reduce((sum, segment) => sum + segment.bytes, 0);
      const oldest = behind[0];
      if (oldest === undefined || bytes - oldest.bytes < retainBytesMin) return;
      this.#index.forget(oldest.number);
      this.#runs.forget(this.#index.base);
      await this.#segments.removeOldest();
    }
  }

  /**
   * Resolves when nothing is queued or being written.
   *
   * @throws CatenaError DISK_FULL, DISK_FAILED: the log has failed.
   */
  async settled(): Promise<void> {
    do await this.#idle;
    while (this.#busy);
    if (this.#failure) throw this.#failure;
  }

  /** Where a log that begins anew goes on: numbers never go back, so that nothing of the old one passes for the new. */
  get nextStart(): { segment: number; record: number } {
    return { segment: this.#segments.nextNumber, record: this.#nextRecord };
  }

  /**
   * Drops the whole log; it goes on behind the snapshot that is being installed. Nothing may be queued.
   *
   * @throws CatenaError DISK_FULL, DISK_FAILED: the log has failed.
   */
  async restart(installing: Installing): Promise<void> {
    await this.settled();
    this.#cancelSync?.();
    this.#cancelSync = null;
    this.#syncDue = false;
    this.#beginAt(installing.seq, installing.epoch);
    this.#busy = true;
    this.#idle = this.#guarded(async () => {
      await this.#segments.restart(installing);
      this.#busy = false;
    });
    await this.settled();
  }

  #beginAt(last: Seq, epoch: Epoch): void {
    this.#index.restart(last);
    this.#runs.restart(epoch, last);
    this.#last = this.#written = this.#synced = last;
    this.#committed = this.#committedRecorded = last;
    this.#recorded = { last, epoch };
    this.#syncedRecord = this.#nextRecord - 1;
    this.#closedCleanly = true;
  }

  /** Finishes what is queued, writes down what is committed, and lets go of the files. */
  async close(): Promise<void> {
    this.#syncDue = this.#syncedRecord < this.#nextRecord - 1;
    this.#wake();
    do await this.#idle;
    while (this.#busy);
    if (!this.#failure && this.#segments.active) await this.#guarded(() => this.#writeClose());
    this.#cancelSync?.();
    await this.#closeFile();
  }

  /** Once the log has failed nothing is lost by it. */
  async #closeFile(): Promise<void> {
    try {
      await this.#segments.close();
    } catch (error) {
      if (this.#failure === null || !(error instanceof CatenaError)) throw error;
    }
  }

  #wake(): void {
    if (this.#busy || this.#failure) return;
    this.#busy = true;
    this.#idle = this.#guarded(() => this.#run());
  }

  /** An error of the disk stops the log for good; one of our own goes on up and stops the process. */
  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof CatenaError)) throw error;
      this.#fail(error);
    }
  }

  #fail(error: CatenaError): void {
    this.#failure = error;
    this.#busy = false;
    this.#queue = [];
    this.#cancelSync?.();
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(error);
    this.#listener.failed(error);
  }

  async #run(): Promise<void> {
    for (;;) {
      // First, so that an endless stream of writes can't put a delayed sync off.
      if (this.#syncDue) await this.#sync();
      if (this.#queue.length === 0) {
        if (this.#syncDue) continue;
        this.#busy = false;
        return;
      }
      if (this.#mustRotate()) await this.#rotate();
      // Taken only now: a truncation during the rotation has had its way with the queue.
      const job = defined(this.#queue.shift(), () => 'a job: nothing else takes any out of the queue');
      if (job.kind === 'truncate') await this.#writeTruncation(job);
      else if (job.entries.length > 0) await this.#writeEntries(job.entries);
    }
  }

  /** The segment that is written to; there is one as soon as there is a record. */
  get #active(): Segment {
    return defined(this.#segments.active, () => 'a segment to write to');
  }

  #mustRotate(): boolean {
    const { active } = this.#segments;
    return active === null || active.bytes >= this.#options.segmentBytesMax;
  }

  async #rotate(): Promise<void> {
    if (this.#syncedRecord < this.#nextRecord - 1) await this.#sync();
    await this.#segments.rotate({
      firstRecord: this.#nextRecord,
      firstSeq: seq(this.#recorded.last + 1),
      epochBefore: this.#recorded.epoch,
    });
  }

  async #writeEntries(entries: readonly Entry[]): Promise<void> {
    const batch = new Batch(this.#active.bytes);
    for (const group of groupsOf(entries)) {
      const committed = seq(Math.min(this.#committed, group.last));
      batch.add(group, this.#record('entries', group.first, committed, group.encoded));
    }
    this.#written = batch.last;
    await this.#write(batch.chunks, batch.bytes);
    this.#recorded = { last: batch.last, epoch: defined(entries.at(-1), () => 'an entry').epoch };
    this.#addToIndex(batch);
    this.#syncSoon();
  }

  /** A truncation while the write was under way has cut `written` below what was written. */
  #addToIndex(batch: Batch): void {
    const segment = this.#active.number;
    for (const place of batch.places) {
      if (place.first <= this.#written) this.#index.add({ segment, ...place });
    }
    this.#index.truncate(this.#written);
  }

  /** Synced before anything that follows is written. */
  async #writeTruncation({ after, epoch }: Extract<Job, { kind: 'truncate' }>): Promise<void> {
    const chunks = this.#record('truncate', after, seq(Math.min(this.#committed, after)), []);
    if (isPlanted('truncation-not-written')) this.#nextRecord--;
    else await this.#write(chunks, RECORD_HEADER_BYTES);
    this.#recorded = { last: after, epoch };
    await this.#sync();
  }

  async #writeClose(): Promise<void> {
    if (this.#closedCleanly && this.#committedRecorded === this.#committed) return;
    await this.#write(this.#record('close', this.#recorded.last, this.#committed, []), RECORD_HEADER_BYTES);
    this.#closedCleanly = true;
    await this.#segments.sync();
  }

  #record(kind: RecordKind, at: Seq, committed: Seq, entries: readonly Uint8Array[]): Uint8Array[] {
    this.#committedRecorded = committed;
    const number = this.#nextRecord++;
    return encodeRecord(
      { kind, number, synced: this.#syncedRecord, committed, seq: at },
      entries,
      this.#salt,
    );
  }

  async #write(chunks: readonly Uint8Array[], bytes: number): Promise<void> {
    this.#closedCleanly = false;
    this.#writtenBytes += bytes;
    await this.#segments.write(chunks, bytes);
  }

  #syncSoon(): void {
    if (this.#options.syncDelayMs === 0) this.#syncDue = true;
    if (this.#syncDue || this.#cancelSync) return;
    this.#cancelSync = this.#clock.after(this.#options.syncDelayMs, () => {
      this.#cancelSync = null;
      this.#syncDue = true;
      this.#wake();
    });
  }

  /** Nothing is written while it is under way, so afterwards all is synced that was written and not dropped since. */
  async #sync(): Promise<void> {
    this.#cancelSync?.();
    this.#cancelSync = null;
    this.#syncDue = false;
    if (this.#syncedRecord === this.#nextRecord - 1) return;
    const startedMs = this.#clock.now().monotonicMs;
    const begun = this.#written;
    await this.#segments.sync();
    this.#syncMsLast = this.#clock.now().monotonicMs - startedMs;
    this.#syncs++;
    this.#syncedRecord = this.#nextRecord - 1;
    this.#synced = isPlanted('sync-survives-truncation') ? begun : this.#written;
    this.#wakeWaiters();
    this.#listener.synced(this.#synced, this.#generation);
  }

  #wakeWaiters(): void {
    const waiting = this.#waiters;
    this.#waiters = waiting.filter((waiter) => waiter.through > this.#synced);
    for (const waiter of waiting) if (waiter.through <= this.#synced) waiter.resolve();
  }
}

interface Group {
  readonly first: Seq;
  readonly last: Seq;
  readonly encoded: readonly Uint8Array[];
}

/** Entries in lots of one record each. */
function* groupsOf(entries: readonly Entry[]): Generator<Group> {
  let encoded: Uint8Array[] = [];
  let bytes = 0;
  let first: Seq | null = null;
  for (const [place, entry] of entries.entries()) {
    first ??= entry.seq;
    const chunk = encodeEntry(entry);
    encoded.push(chunk);
    bytes += chunk.length;
    if (bytes < RECORD_BYTES && place < entries.length - 1) continue;
    yield { first, last: entry.seq, encoded };
    encoded = [];
    bytes = 0;
    first = null;
  }
}

/** Records that are written at once, and where each comes to lie. */
class Batch {
  readonly chunks: Uint8Array[] = [];
  readonly places: { offset: number; end: number; first: Seq; last: Seq }[] = [];
  readonly #start: number;
  bytes = 0;

  constructor(start: number) {
    this.#start = start;
  }

  get last(): Seq {
    return defined(this.places.at(-1), () => 'a record').last;
  }

  add({ first, last }: Group, chunks: readonly Uint8Array[]): void {
    const offset = this.#start + this.bytes;
    for (const chunk of chunks) {
      this.chunks.push(chunk);
      this.bytes += chunk.length;
    }
    this.places.push({ offset, end: this.#start + this.bytes, first, last });
  }
}
