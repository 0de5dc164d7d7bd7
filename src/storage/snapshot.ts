import { crc32 } from 'node:zlib';
import { messageOf } from '../base/errors.ts';
import { epoch, type StoreId, seq } from '../base/ids.ts';
import { ByteReader, ByteWriter } from '../codec/bytes.ts';
import { readSnapshotRow, writeSnapshotRow } from '../codec/snapshot-codec.ts';
import type { Disk, DiskFile } from '../ports/disk.ts';
import type { SnapshotHeader, SnapshotRow, SnapshotSource } from '../protocol/snapshot.ts';
import { corrupt, type Place } from './corrupt.ts';
import { decodeFileHeader, encodeFileHeader, FILE_HEADER_BYTES } from './file-header.ts';
import { FileReader } from './file-reader.ts';

/** Rows are written in blocks of about this size, in bytes: a few ms of encoding, then others have their turn. */
const BLOCK_BYTES = 256 * 1024;
/** Synced each time so much was written, in bytes: one sync of it all would hold up those of the log for long. */
const SYNC_BYTES = 1024 * 1024;
/** Checksum u32, place of the block u32, rows u32, bytes of the rows u32. */
const BLOCK_HEADER_BYTES = 16;

/** Who is told what a snapshot holds. */
export interface SnapshotVisitor {
  snapshot(header: SnapshotHeader): void;
  row(row: SnapshotRow): void;
}

/**
 * Writes a snapshot from the beginning of `file`, a block at a time.
 *
 * @returns its size in bytes, or `null` when `stopped` said so and it was given up.
 * @throws CatenaError DISK_FULL, DISK_FAILED.
 */
export async function writeSnapshot(
  file: DiskFile,
  source: SnapshotSource,
  options: { storeId: StoreId; stopped: () => boolean },
): Promise<number | null> {
  const header = encodeHeader(source.header, options.storeId);
  const salt = crc32(header);
  await file.write(0, [header]);
  let offset = header.length;
  let syncAt = SYNC_BYTES;
  for (const block of blocksOf(source, salt)) {
    if (options.stopped()) return null;
    await file.write(offset, block);
    offset += bytesOf(block);
    if (offset < syncAt) continue;
    await file.sync();
    syncAt = offset + SYNC_BYTES;
  }
  return offset;
}

/**
 * Reads a snapshot and hands out its rows as it goes.
 *
 * @throws CatenaError CORRUPT, UNSUPPORTED_FORMAT, DISK_FAILED.
 */
export async function readSnapshot(
  place: { disk: Disk; path: string },
  expected: { storeId: StoreId; seq: number },
  visitor: SnapshotVisitor,
): Promise<{ header: SnapshotHeader; bytes: number }> {
  const file = await place.disk.open(place.path, { create: false });
  try {
    const reader = await FileReader.of(file);
    const bytes = await reader.view(0, FILE_HEADER_BYTES);
    const header = decodeHeader(bytes, { ...place, offset: 0 }, expected);
    visitor.snapshot(header);
    const rows = await readBlocks(reader, place, crc32(bytes), visitor);
    if (rows.key !== header.keys || rows.request !== header.requests) {
      throw corrupt(
        { ...place, offset: reader.size },
        `it has ${rows.key} keys and ${rows.request} requests, its header says ${header.keys} and ${header.requests}`,
      );
    }
    return { header, bytes: reader.size };
  } finally {
    await file.close();
  }
}

function encodeHeader(header: SnapshotHeader, storeId: StoreId): Buffer {
  const fields = [header.epoch, header.seq, header.timeMs, header.keys, header.requests];
  return encodeFileHeader({ kind: 'catenaSN', storeId, fields });
}

function decodeHeader(
  bytes: Buffer,
  place: Place,
  expected: { storeId: StoreId; seq: number },
): SnapshotHeader {
  const header = decodeFileHeader(bytes, 'catenaSN', place);
  if (header === null) throw corrupt(place, 'its header is not sound');
  if (header.storeId !== expected.storeId) throw corrupt(place, `it belongs to the store ${header.storeId}`);
  const [ofEpoch = 0, ofSeq = 0, timeMs = 0, keys = 0, requests = 0] = header.fields;
  if (ofSeq !== expected.seq) throw corrupt(place, `it is of entry ${ofSeq}, not of the one in its name`);
  return { epoch: epoch(ofEpoch), seq: seq(ofSeq), timeMs, keys, requests };
}

function* blocksOf(source: SnapshotSource, salt: number): Generator<Uint8Array[]> {
  let place = 0;
  let rows = 0;
  let writer = new ByteWriter(BLOCK_BYTES);
  for (const row of source.rows()) {
    writeSnapshotRow(writer, row);
    rows++;
    if (writer.length < BLOCK_BYTES) continue;
    yield blockOf(place, rows, writer.finish(), salt);
    place++;
    rows = 0;
    writer = new ByteWriter(BLOCK_BYTES + 4096);
  }
  if (rows > 0) yield blockOf(place++, rows, writer.finish(), salt);
  // A block without rows is the end: without it a file that was cut between two blocks would look whole.
  yield blockOf(place, 0, Buffer.alloc(0), salt);
}

function blockOf(place: number, rows: number, payload: Buffer, salt: number): Uint8Array[] {
  const header = Buffer.allocUnsafe(BLOCK_HEADER_BYTES);
  header.writeUInt32LE(place, 4);
  header.writeUInt32LE(rows, 8);
  header.writeUInt32LE(payload.length, 12);
  header.writeUInt32LE(crc32(payload, crc32(header.subarray(4), salt)), 0);
  return [header, payload];
}

async function readBlocks(
  reader: FileReader,
  where: { disk: Disk; path: string },
  salt: number,
  visitor: SnapshotVisitor,
): Promise<{ key: number; request: number }> {
  const count = { key: 0, request: 0 };
  let offset = FILE_HEADER_BYTES;
  for (let place = 0; ; place++) {
    const { rows, payload } = await readBlock(reader, { ...where, offset }, place, salt);
    offset += BLOCK_HEADER_BYTES + payload.length;
    if (rows === 0) break;
    readRows(payload, rows, { ...where, offset: offset - payload.length }, (row) => {
      count[row.kind]++;
      visitor.row(row);
    });
  }
  if (offset !== reader.size) throw corrupt({ ...where, offset }, 'something follows its end');
  return count;
}

async function readBlock(
  reader: FileReader,
  where: Place,
  place: number,
  salt: number,
): Promise<{ rows: number; payload: Buffer }> {
  const header = await reader.view(where.offset, BLOCK_HEADER_BYTES);
  if (header.length < BLOCK_HEADER_BYTES) throw corrupt(where, 'it ends too early');
  const [checksum, at, rows, bytes] = [0, 4, 8, 12].map((field) => header.readUInt32LE(field));
  const payload = await reader.view(where.offset + BLOCK_HEADER_BYTES, bytes ?? 0);
  if (at !== place || crc32(payload, crc32(header.subarray(4), salt)) !== checksum) {
    throw corrupt(where, 'a block does not match its checksum');
  }
  return { rows: rows ?? 0, payload };
}

function readRows(payload: Buffer, rows: number, place: Place, take: (row: SnapshotRow) => void): void {
  const reader = new ByteReader(payload);
  for (let i = 0; i < rows; i++) {
    let row: SnapshotRow;
    try {
      row = readSnapshotRow(reader);
    } catch (error) {
      throw corrupt(place, `a row makes no sense: ${messageOf(error)}`, error);
    }
    take(row);
  }
  if (!reader.done) throw corrupt(place, 'a block is longer than its rows');
}

function bytesOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((bytes, chunk) => bytes + chunk.length, 0);
}
