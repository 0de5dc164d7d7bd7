import { crc32 } from 'node:zlib';
import { epoch, type StoreId, seq } from '../base/ids.ts';
import type { SnapshotHeader, SnapshotPart } from '../protocol/snapshot.ts';
import { corrupt, type Place } from './corrupt.ts';
import { decodeFileHeader, encodeFileHeader } from './file-header.ts';

/** Checksum u32, place of the block u32, rows u32, bytes of the rows u32. */
export const BLOCK_HEADER_BYTES = 16;
/** Where in a block's header the bytes of its rows stand. */
export const BLOCK_BYTES_AT = 12;
/** A snapshot's file is synced each time so much was written, in bytes: one sync of it all would hold up the log's for long. */
export const SNAPSHOT_SYNC_BYTES = 1024 * 1024;

/** What a snapshot's file begins with; its checksum salts those of the blocks. */
export function encodeSnapshotHeader(header: SnapshotHeader, storeId: StoreId): Buffer {
  const fields = [header.epoch, header.seq, header.timeMs, header.keys, header.requests];
  return encodeFileHeader({ kind: 'catenaSN', storeId, fields });
}

/**
 * What the first bytes of a snapshot's file say of it.
 *
 * @throws CatenaError CORRUPT, UNSUPPORTED_FORMAT.
 */
export function decodeSnapshotHeader(
  bytes: Buffer,
  place: Place,
  expected: { storeId: StoreId; seq: number },
): SnapshotHeader {
  const header = decodeFileHeader(bytes, 'catenaSN', place);
  if (header === null) throw corrupt(place, 'its header is not sound');
  if (header.storeId !== expected.storeId) throw corrupt(place, `it belongs to the store ${header.storeId}`);
  const [ofEpoch, ofSeq, timeMs, keys, requests] = header.fields;
  if (ofSeq !== expected.seq) throw corrupt(place, `it is of entry ${ofSeq}, not of the one in its name`);
  if (![ofEpoch, ofSeq, keys, requests].every(isCount) || !Number.isFinite(timeMs)) {
    throw corrupt(place, 'the numbers in its header make no sense');
  }
  return { epoch: epoch(ofEpoch), seq: seq(ofSeq), timeMs, keys, requests };
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** The chunks of a block: a header, then the rows as they are, not copied. */
export function encodeBlock({ place, rows, payload }: SnapshotPart, salt: number): Uint8Array[] {
  const header = Buffer.allocUnsafe(BLOCK_HEADER_BYTES);
  header.writeUInt32LE(place, 4);
  header.writeUInt32LE(rows, 8);
  header.writeUInt32LE(payload.length, BLOCK_BYTES_AT);
  header.writeUInt32LE(crc32(payload, crc32(header.subarray(4), salt)), 0);
  return [header, payload];
}

/** A block without rows is the end: without it a file that was cut between two blocks would look whole. */
export function endBlock(place: number, salt: number): Uint8Array[] {
  return encodeBlock({ place, rows: 0, payload: Buffer.alloc(0) }, salt);
}

/**
 * The block that a header and the bytes behind it make, which must be the one of this place.
 *
 * @throws CatenaError CORRUPT.
 */
export function openBlock(
  header: Buffer,
  payload: Buffer,
  expected: { where: Place; place: number; salt: number },
): SnapshotPart {
  const { where, place, salt } = expected;
  if (header.length < BLOCK_HEADER_BYTES) throw corrupt(where, 'it ends too early');
  const fields = header.subarray(4, BLOCK_HEADER_BYTES);
  const sound =
    header.readUInt32LE(4) === place &&
    header.readUInt32LE(BLOCK_BYTES_AT) === payload.length &&
    header.readUInt32LE(0) === crc32(payload, crc32(fields, salt));
  if (!sound) throw corrupt(where, 'a block does not match its checksum');
  return { place, rows: header.readUInt32LE(8), payload };
}

/** How many bytes some chunks are. */
export function bytesOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((bytes, chunk) => bytes + chunk.length, 0);
}
