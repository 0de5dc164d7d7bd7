import { defined } from '../base/assert.ts';
import { type Seq, seq } from '../base/ids.ts';
import { bufferOf } from '../codec/bytes.ts';
import type { Disk, DiskFile } from '../ports/disk.ts';
import type { Entry } from '../protocol/entry.ts';
import { corrupt } from './corrupt.ts';
import type { Extent, LogIndex } from './log-index.ts';
import { segmentPath } from './paths.ts';
import {
  decodeRecordEntries,
  decodeRecordHeader,
  payloadMatches,
  RECORD_HEADER_BYTES,
} from './wal-record.ts';

/** Reads entries back from the segments that the index points into. */
export class LogReader {
  readonly #disk: Disk;
  readonly #index: LogIndex;
  readonly #salt: number;

  constructor(index: LogIndex, deps: { disk: Disk; salt: number }) {
    this.#index = index;
    this.#disk = deps.disk;
    this.#salt = deps.salt;
  }

  /**
   * The entries behind `after`, as many as `bytesMax` allows but at least one if there is one; `null` when the log no
   * longer reaches back so far.
   *
   * @throws CatenaError CORRUPT, DISK_FAILED.
   */
  async read(after: Seq, bytesMax: number): Promise<Entry[] | null> {
    for (;;) {
      const { changes } = this.#index;
      try {
        const entries = await this.#try(after, bytesMax);
        if (changes === this.#index.changes) return entries;
      } catch (error) {
        // What changed may be that the file read from was dropped, which is no failure: look again.
        if (changes === this.#index.changes) throw error;
      }
    }
  }

  async #try(after: Seq, bytesMax: number): Promise<Entry[] | null> {
    if (after < this.#index.base) return null;
    const found = new Gathering(after, bytesMax);
    let file: DiskFile | null = null;
    let segment = 0;
    try {
      while (!found.full) {
        const extent = this.#index.find(seq(found.last + 1));
        if (extent === undefined) break;
        if (file === null || segment !== extent.segment) {
          await file?.close();
          file = null;
          segment = extent.segment;
          file = await this.#disk.open(segmentPath(segment), { create: false });
        }
        await this.#readExtent(file, extent, found);
      }
    } finally {
      await file?.close();
    }
    return found.entries;
  }

  async #readExtent(file: DiskFile, extent: Extent, found: Gathering): Promise<void> {
    const bytes = bufferOf(await file.read(extent.offset, extent.end - extent.offset));
    let offset = 0;
    while (!found.full && found.last < extent.last) {
      const header = decodeRecordHeader(bytes, offset, this.#salt);
      const end = offset + RECORD_HEADER_BYTES + (header?.payloadBytes ?? 0);
      const payload = bytes.subarray(offset + RECORD_HEADER_BYTES, end);
      const place = { disk: this.#disk, path: segmentPath(extent.segment), offset: extent.offset + offset };
      if (header === null || !payloadMatches(header, payload, this.#salt)) {
        throw corrupt(place, 'a record is not sound');
      }
      for (const entry of decodeRecordEntries(header, payload, place)) found.take(entry, extent.last);
      offset = end;
    }
  }
}

/** Entries in order, up to a number of bytes. */
class Gathering {
  readonly entries: Entry[] = [];
  last: Seq;
  readonly #bytesMax: number;
  #bytes = 0;
  #full = false;

  constructor(after: Seq, bytesMax: number) {
    this.last = after;
    this.#bytesMax = bytesMax;
  }

  /** What would come next is too much. */
  get full(): boolean {
    return this.#full;
  }

  take(entry: Entry, last: Seq): void {
    if (entry.seq !== this.last + 1 || entry.seq > last || this.#full) return;
    this.#bytes += defined(entry.encoded, () => 'the bytes that an entry was decoded from').length;
    this.#full = this.#bytes > this.#bytesMax && this.entries.length > 0;
    if (this.#full) return;
    this.entries.push(entry);
    this.last = entry.seq;
  }
}
