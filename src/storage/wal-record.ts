import { crc32 } from 'node:zlib';
import { messageOf } from '../base/errors.ts';
import type { Epoch, Seq, StoreId } from '../base/ids.ts';
import { epoch, seq } from '../base/ids.ts';
import { isPlanted } from '../base/planted.ts';
import { decodeEntries } from '../codec/entry-codec.ts';
import type { Entry } from '../protocol/entry.ts';
import { corrupt, type Place } from './corrupt.ts';
import { decodeFileHeader, encodeFileHeader } from './file-header.ts';

/** The header before each record of the log, in bytes. docs/storage-format.md. */
export const RECORD_HEADER_BYTES = 56;
/** The first bytes of a record. Not ASCII, and no UTF-8, so that text rarely looks like one. */
export const RECORD_MAGIC = Buffer.from([0xca, 0x7e, 0xa1, 0xf8]);

const HEADER_CHECKSUM_AT = 4;
const PAYLOAD_CHECKSUM_AT = 8;

const KINDS = ['entries', 'truncate', 'close'] as const;
/** Entries that were appended; the end of the log moved back; the log closed, with nothing left to be synced. */
export type RecordKind = (typeof KINDS)[number];

/** What a segment says of itself before its first record. */
export interface SegmentHeader {
  readonly storeId: StoreId;
  /** Its place among the segments, from 1. */
  readonly number: number;
  /** The number of its first record: all before it were synced when the segment was made. */
  readonly firstRecord: number;
  /** The seq that follows the end of the log when the segment was made. */
  readonly firstSeq: Seq;
  /** Of the entry before `firstSeq`; 0 when there is none, or it isn't known. */
  readonly epochBefore: Epoch;
}

/** What stands before the entries of a record. */
export interface RecordHeader {
  readonly kind: RecordKind;
  /** Records count from 1, through all segments, and never back, not even over a truncation. */
  readonly number: number;
  /** The last record that was synced when this one was written: what makes a torn end differ from damage. */
  readonly synced: number;
  /** The last entry known to be committed. */
  readonly committed: Seq;
  /** Of `entries` the first entry; of `truncate` and `close` the end of the log from here on. */
  readonly seq: Seq;
  readonly count: number;
  /** Of the entries behind this header. */
  readonly payloadBytes: number;
  readonly payloadChecksum: number;
}

/** The header as the bytes that a segment begins with. */
export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const { number, firstRecord, firstSeq, epochBefore } = header;
  return encodeFileHeader({
    kind: 'catenaLG',
    storeId: header.storeId,
    fields: [number, firstRecord, firstSeq, epochBefore],
  });
}

/**
 * The header at the beginning of `bytes`, `null` if it is not whole and sound.
 *
 * @throws CatenaError UNSUPPORTED_FORMAT; CORRUPT when its checksum holds and its numbers make no sense.
 */
export function decodeSegmentHeader(bytes: Buffer, place: Place): SegmentHeader | null {
  const header = decodeFileHeader(bytes, 'catenaLG', place);
  if (header === null) return null;
  const [number, firstRecord, firstSeq, epochBefore] = header.fields;
  if (!isCount(firstRecord, 1) || !isCount(firstSeq, 1) || !isCount(epochBefore, 0)) {
    throw corrupt(place, 'the numbers in its header make no sense');
  }
  return {
    storeId: header.storeId,
    number,
    firstRecord,
    firstSeq: seq(firstSeq),
    epochBefore: epoch(epochBefore),
  };
}

/** The chunks of a record: its header, then the entries' own bytes, not copied. */
export function encodeRecord(
  record: Omit<RecordHeader, 'count' | 'payloadBytes' | 'payloadChecksum'>,
  entries: readonly Uint8Array[],
  salt: number,
): Uint8Array[] {
  let payloadBytes = 0;
  let payloadChecksum = salt;
  for (const entry of entries) {
    payloadBytes += entry.length;
    payloadChecksum = crc32(entry, payloadChecksum);
  }
  const header = Buffer.allocUnsafe(RECORD_HEADER_BYTES);
  header.set(RECORD_MAGIC);
  header.writeUInt32LE(payloadChecksum, PAYLOAD_CHECKSUM_AT);
  header.writeUInt32LE(payloadBytes, 12);
  header.writeUInt32LE(entries.length, 16);
  header.writeUInt32LE(KINDS.indexOf(record.kind), 20);
  header.writeDoubleLE(record.number, 24);
  header.writeDoubleLE(record.synced, 32);
  header.writeDoubleLE(record.committed, 40);
  header.writeDoubleLE(record.seq, 48);
  header.writeUInt32LE(crc32(header.subarray(PAYLOAD_CHECKSUM_AT), salt), HEADER_CHECKSUM_AT);
  return [header, ...entries];
}

/** The header of the record that begins at `offset`, `null` if it is not whole and sound. */
export function decodeRecordHeader(bytes: Buffer, offset: number, salt: number): RecordHeader | null {
  if (bytes.length - offset < RECORD_HEADER_BYTES) return null;
  const header = bytes.subarray(offset, offset + RECORD_HEADER_BYTES);
  if (!RECORD_MAGIC.equals(header.subarray(0, RECORD_MAGIC.length))) return null;
  const checksum = crc32(header.subarray(PAYLOAD_CHECKSUM_AT), salt);
  if (checksum !== header.readUInt32LE(HEADER_CHECKSUM_AT)) return null;
  const kind = KINDS[header.readUInt32LE(20)];
  if (kind === undefined) return null;
  return {
    kind,
    number: header.readDoubleLE(24),
    synced: header.readDoubleLE(32),
    committed: seq(header.readDoubleLE(40)),
    seq: seq(header.readDoubleLE(48)),
    count: header.readUInt32LE(16),
    payloadBytes: header.readUInt32LE(12),
    payloadChecksum: header.readUInt32LE(PAYLOAD_CHECKSUM_AT),
  };
}

/**
 * Whether the numbers of a record are such as are written. A record whose checksum holds and whose numbers make no sense
 * is not torn: nothing may be cut off for it.
 */
export function makesSense({ number, synced, committed, seq: at }: RecordHeader): boolean {
  return [number, synced, committed, at].every((value) => isCount(value, 0));
}

function isCount(value: number, least: number): boolean {
  return Number.isSafeInteger(value) && value >= least;
}

/** Whether these are the entries that the header was written for. */
export function payloadMatches(header: RecordHeader, payload: Buffer, salt: number): boolean {
  if (payload.length !== header.payloadBytes) return false;
  return crc32(payload, salt) === header.payloadChecksum || isPlanted('torn-record-taken');
}

/**
 * The entries of a record that was found sound.
 *
 * @throws CatenaError CORRUPT.
 */
export function decodeRecordEntries({ count }: RecordHeader, payload: Buffer, place: Place): Entry[] {
  try {
    return decodeEntries(payload, 0, count);
  } catch (error) {
    throw corrupt(place, `its entries make no sense: ${messageOf(error)}`, error);
  }
}
