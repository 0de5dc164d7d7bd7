import { NO_EPOCH, NO_SEQ, type Seq, type StoreId, seq } from '../base/ids.ts';
import { isPlanted } from '../base/planted.ts';
import type { Disk, DiskFile } from '../ports/disk.ts';
import type { Entry } from '../protocol/entry.ts';
import type { SnapshotHeader } from '../protocol/snapshot.ts';
import { corrupt, type Place } from './corrupt.ts';
import { FILE_HEADER_BYTES, saltOf } from './file-header.ts';
import { FileReader } from './file-reader.ts';
import { LogIndex } from './log-index.ts';
import { LOG_DIRECTORY, segmentNumberOf, segmentPath } from './paths.ts';
import { Runs } from './runs.ts';
import type { Segment } from './segments.ts';
import type { LogState } from './wal.ts';
import {
  decodeRecordEntries,
  decodeRecordHeader,
  decodeSegmentHeader,
  makesSense,
  payloadMatches,
  RECORD_HEADER_BYTES,
  RECORD_MAGIC,
  type RecordHeader,
} from './wal-record.ts';

/** How much is searched at once behind a bad record, in bytes. */
const SEARCH_BYTES = 1024 * 1024;

/** A log as a scan found it. */
export interface ScannedLog extends LogState {
  /** Entries that no record says are committed, in order. */
  readonly pending: Entry[];
  /** Of a torn end, which is cut off by now, in bytes. */
  readonly cutBytes: number;
  /** Of records behind the snapshot. */
  readonly bytesBehindSnapshot: number;
}

/**
 * Reads a log from its first segment to its last, hands out what is committed behind the snapshot, and, when all of it
 * makes sense, cuts off a torn end and syncs what is left.
 */
export class LogScan {
  readonly #disk: Disk;
  readonly #storeId: StoreId;
  readonly #salt: number;
  readonly #snapshot: SnapshotHeader | null;
  readonly #snapshotSeq: Seq;
  readonly #visit: (entry: Entry) => void;

  readonly #segments: Segment[] = [];
  readonly #index = new LogIndex();
  readonly #runs = new Runs();
  #pending: Entry[] = [];
  #nextRecord = 1;
  #last = NO_SEQ;
  #committed = NO_SEQ;
  #closed = false;
  #cutBytes = 0;
  /** Records of the segment that no later one calls synced, in order. */
  #unvouched: { number: number; offset: number }[] = [];
  #bytesBehindSnapshot = 0;

  constructor(
    found: { storeId: StoreId; snapshot: SnapshotHeader | null },
    deps: { disk: Disk; visit: (entry: Entry) => void },
  ) {
    this.#disk = deps.disk;
    this.#visit = deps.visit;
    this.#storeId = found.storeId;
    this.#salt = saltOf(found.storeId);
    this.#snapshot = found.snapshot;
    this.#snapshotSeq = found.snapshot?.seq ?? NO_SEQ;
  }

  /** @throws CatenaError CORRUPT, UNSUPPORTED_FORMAT, DISK_FULL, DISK_FAILED. */
  async run(): Promise<ScannedLog> {
    const numbers = await this.#numbers();
    const newest = numbers.at(-1);
    let unmade = false;
    for (const number of numbers) {
      const file = await this.#open(number);
      try {
        unmade = !(await this.#segment(file, number, number === newest));
      } finally {
        await file.close();
      }
    }
    // Before anything is changed, so that what can't be served can be looked at.
    this.#compareWithSnapshot();
    if (unmade && newest !== undefined) await this.#removeUnmade(newest);
    if (isPlanted('log-taken-as-committed')) this.#commit({ committed: this.#last }, this.#at(0, 0));
    return this.#result(await this.#openLast());
  }

  /** Of the segments there are. */
  async #numbers(): Promise<number[]> {
    const names = await this.#disk.list(LOG_DIRECTORY);
    const numbers = names.map(segmentNumberOf).filter((number) => number !== null);
    for (const [place, number] of numbers.entries()) {
      const before = numbers[place - 1];
      if (before !== undefined && number !== before + 1) {
        throw corrupt(this.#at(before + 1, 0), 'the file is missing');
      }
    }
    return numbers;
  }

  /** Reads one segment; `false` when it was being made and has no header yet. */
  async #segment(file: DiskFile, number: number, isLast: boolean): Promise<boolean> {
    const reader = await FileReader.of(file);
    const bytes = await reader.view(0, FILE_HEADER_BYTES);
    const header = decodeSegmentHeader(bytes, this.#at(number, 0));
    if (header === null) {
      // The header is synced before a record is written behind it, and before the next segment is made.
      if (isLast && reader.size <= FILE_HEADER_BYTES) return false;
      throw corrupt(this.#at(number, 0), 'its header is not sound');
    }
    this.#begin(header, number);
    this.#unvouched = [];
    let offset = FILE_HEADER_BYTES;
    while (offset < reader.size) {
      const end = await this.#record(reader, number, offset);
      if (end === null) {
        await this.#judge(reader, number, offset, isLast);
        this.#cutBytes = reader.size - offset;
        break;
      }
      offset = end;
    }
    this.#segments.push({ number, firstSeq: header.firstSeq, bytes: offset });
    return true;
  }

  #begin(header: NonNullable<ReturnType<typeof decodeSegmentHeader>>, number: number): void {
    const place = this.#at(number, 0);
    if (header.storeId !== this.#storeId) throw corrupt(place, `it belongs to the store ${header.storeId}`);
    if (header.number !== number) throw corrupt(place, `it is segment ${header.number}`);
    if (this.#segments.length === 0) {
      const base = seq(header.firstSeq - 1);
      if (base > this.#snapshotSeq) {
        throw corrupt(place, `the log begins at entry ${header.firstSeq}, and no snapshot reaches so far`);
      }
      this.#index.startAfter(base);
      // The snapshot's last entry may have been made only after the segment, in place of one that was dropped.
      const ofSnapshot = base === this.#snapshot?.seq ? this.#snapshot.epoch : NO_EPOCH;
      const epochBefore = header.epochBefore > NO_EPOCH ? header.epochBefore : ofSnapshot;
      if (epochBefore > NO_EPOCH) this.#runs.add(epochBefore, base);
      this.#last = base;
      this.#nextRecord = header.firstRecord;
    } else if (header.firstSeq !== this.#last + 1 || header.firstRecord !== this.#nextRecord) {
      throw corrupt(place, `entry ${header.firstSeq} does not follow ${this.#last}`);
    }
  }

  /** Takes the record at `offset` and gives back where it ends; `null` when it is not whole and sound. */
  async #record(reader: FileReader, number: number, offset: number): Promise<number | null> {
    const asked = reader.view(offset, RECORD_HEADER_BYTES);
    const header = decodeRecordHeader(asked instanceof Promise ? await asked : asked, 0, this.#salt);
    if (header === null) return null;
    const wanted = reader.view(offset + RECORD_HEADER_BYTES, header.payloadBytes);
    const payload = wanted instanceof Promise ? await wanted : wanted;
    if (!payloadMatches(header, payload, this.#salt)) return null;
    const place = this.#at(number, offset);
    const end = offset + RECORD_HEADER_BYTES + header.payloadBytes;
    if (!makesSense(header)) throw corrupt(place, 'the numbers of a record make no sense');
    if (header.number !== this.#nextRecord) {
      throw corrupt(place, `record ${header.number} stands where ${this.#nextRecord} should`);
    }
    this.#nextRecord++;
    while (this.#unvouched[0] && this.#unvouched[0].number <= header.synced) this.#unvouched.shift();
    this.#unvouched.push({ number: header.number, offset });
    this.#closed = header.kind === 'close';
    if (header.kind === 'entries') {
      this.#entries(header, payload, place);
      const { seq: first } = header;
      this.#index.add({ segment: number, offset, end, first, last: this.#last });
    } else {
      this.#end(header, place);
    }
    this.#commit(header, place);
    if (this.#last > this.#snapshotSeq) this.#bytesBehindSnapshot += end - offset;
    return end;
  }

  #entries(header: RecordHeader, payload: Buffer, place: Place): void {
    const entries = decodeRecordEntries(header, payload, place);
    if (entries[0]?.seq !== header.seq)
      throw corrupt(place, `entry ${header.seq} is not the first of its record`);
    for (const entry of entries) {
      if (entry.seq !== this.#last + 1 || entry.epoch < this.#runs.lastEpoch) {
        const found = `entry ${entry.seq} of epoch ${entry.epoch}`;
        throw corrupt(place, `${found} does not follow entry ${this.#last} of epoch ${this.#runs.lastEpoch}`);
      }
      this.#last = entry.seq;
      this.#runs.add(entry.epoch, entry.seq);
      if (entry.seq > this.#snapshotSeq) this.#pending.push(entry);
    }
  }

  /** The log ends at the record's seq: earlier than it did, if it was truncated. */
  #end({ kind, seq: after }: RecordHeader, place: Place): void {
    if (after > this.#last || (kind === 'close' && after !== this.#last)) {
      throw corrupt(place, `the log is said to end at ${after}, and ends at ${this.#last}`);
    }
    if (after < this.#committed) {
      throw corrupt(place, `the log is cut at ${after}, and entry ${this.#committed} is committed`);
    }
    this.#last = after;
    this.#index.truncate(after);
    this.#runs.truncate(after);
    this.#pending = this.#pending.filter((entry) => entry.seq <= after);
  }

  /** Hands out what this record says is committed. */
  #commit({ committed }: Pick<RecordHeader, 'committed'>, place: Place): void {
    if (committed > this.#last) {
      throw corrupt(place, `entry ${committed} is said to be committed, and the log ends at ${this.#last}`);
    }
    if (committed <= this.#committed) return;
    this.#committed = committed;
    let count = 0;
    for (const entry of this.#pending) {
      if (entry.seq > committed) break;
      count++;
    }
    for (const entry of this.#pending.splice(0, count)) this.#visit(entry);
  }

  /**
   * A bad record is the torn end of the log unless something says that it was synced: a segment behind it, made only when
   * it was, or a later record in its own segment.
   *
   * @throws CatenaError CORRUPT.
   */
  async #judge(reader: FileReader, number: number, offset: number, isLast: boolean): Promise<void> {
    if (isPlanted('damage-cut-off')) return;
    const place = this.#at(number, offset);
    if (!isLast)
      throw corrupt(place, 'a record is not sound, and a later segment was begun when it was synced');
    for (let start = offset + 1; start < reader.size; start += SEARCH_BYTES) {
      const bytes = await reader.view(start, SEARCH_BYTES + RECORD_HEADER_BYTES);
      for (let at = bytes.indexOf(RECORD_MAGIC); at >= 0; at = bytes.indexOf(RECORD_MAGIC, at + 1)) {
        const later = decodeRecordHeader(bytes, at, this.#salt);
        if (later && later.synced >= this.#nextRecord) {
          throw corrupt(
            place,
            `a record is not sound, and the one at byte ${start + at} says that it was synced`,
          );
        }
      }
    }
  }

  /** Removes a segment that was being made; the one before it goes on to be the last. */
  async #removeUnmade(number: number): Promise<void> {
    const file = await this.#open(number);
    this.#cutBytes = await file.size();
    await file.close();
    await this.#disk.remove(segmentPath(number));
    await this.#disk.syncDirectory(LOG_DIRECTORY);
  }

  /** Opens the last segment to write on, rid of its torn end, with all that is left of it on the disk. */
  async #openLast(): Promise<DiskFile | null> {
    const last = this.#segments.at(-1);
    if (last === undefined) return null;
    const file = await this.#open(last.number);
    try {
      if ((await file.size()) > last.bytes) await file.truncate(last.bytes);
      // After a failed sync the kernel takes for clean what never reached the disk: only what is written again is synced again.
      const from = this.#unvouched[0]?.offset ?? 0;
      await file.write(from, [await file.read(from, last.bytes - from)]);
      // A process that was killed left what it wrote in the system's memory: on the disk it is only now.
      if (!isPlanted('recovered-not-synced')) await file.sync();
      await this.#disk.syncDirectory(LOG_DIRECTORY);
    } catch (error) {
      await file.close().catch(() => undefined);
      throw error;
    }
    return file;
  }

  /** A snapshot is made only of what the log has synced. */
  #compareWithSnapshot(): void {
    const snapshot = this.#snapshot;
    if (snapshot === null) return;
    const place = this.#at(this.#segments.at(-1)?.number ?? 1, this.#segments.at(-1)?.bytes ?? 0);
    if (this.#last < snapshot.seq) {
      throw corrupt(place, `the log ends at entry ${this.#last}, and a snapshot reaches ${snapshot.seq}`);
    }
    const ofLog = this.#runs.epochAt(snapshot.seq);
    if (ofLog !== null && ofLog !== snapshot.epoch) {
      throw corrupt(
        place,
        `entry ${snapshot.seq} is of epoch ${ofLog}, and in the snapshot of ${snapshot.epoch}`,
      );
    }
  }

  #open(number: number): Promise<DiskFile> {
    return this.#disk.open(segmentPath(number), { create: false });
  }

  #result(file: DiskFile | null): ScannedLog {
    const committed = seq(Math.max(this.#committed, this.#snapshotSeq));
    return {
      segments: this.#segments,
      file,
      index: this.#index,
      runs: this.#runs,
      nextRecord: this.#nextRecord,
      last: this.#last,
      committed,
      closed: this.#closed,
      pending: this.#pending,
      cutBytes: this.#cutBytes,
      bytesBehindSnapshot: this.#bytesBehindSnapshot,
    };
  }

  #at(number: number, offset: number): Place {
    return { disk: this.#disk, path: segmentPath(number), offset };
  }
}
