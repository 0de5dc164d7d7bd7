import { crc32 } from 'node:zlib';
import { messageOf } from '../base/errors.ts';
import type { RequestId, StoreId } from '../base/ids.ts';
import { compareUtf8 } from '../base/utf8.ts';
import { ByteReader, ByteWriter, bufferOf } from '../codec/bytes.ts';
import { readSnapshotRow, writeSnapshotRow } from '../codec/snapshot-codec.ts';
import type { Disk, DiskFile } from '../ports/disk.ts';
import type { SnapshotHeader, SnapshotPart, SnapshotRow, SnapshotSource } from '../protocol/snapshot.ts';
import { corrupt, type Place } from './corrupt.ts';
import { FILE_HEADER_BYTES } from './file-header.ts';
import { FileReader } from './file-reader.ts';
import {
  BLOCK_BYTES_AT,
  BLOCK_HEADER_BYTES,
  bytesOf,
  decodeSnapshotHeader,
  encodeBlock,
  encodeSnapshotHeader,
  endBlock,
  openBlock,
  SNAPSHOT_SYNC_BYTES,
} from './snapshot-block.ts';

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
  options: { storeId: StoreId; blockBytes: number; stopped: () => boolean },
): Promise<number | null> {
  const header = encodeSnapshotHeader(source.header, options.storeId);
  const salt = crc32(header);
  await file.write(0, [header]);
  let offset = header.length;
  let syncAt = SNAPSHOT_SYNC_BYTES;
  for (const block of blocksOf(source, options.blockBytes, salt)) {
    if (options.stopped()) return null;
    await file.write(offset, block);
    offset += bytesOf(block);
    if (offset < syncAt) continue;
    await file.sync();
    syncAt = offset + SNAPSHOT_SYNC_BYTES;
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
    const header = decodeSnapshotHeader(bytes, { ...place, offset: 0 }, expected);
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

function* blocksOf(source: SnapshotSource, blockBytes: number, salt: number): Generator<Uint8Array[]> {
  let place = 0;
  let rows = 0;
  let writer = new ByteWriter(blockBytes);
  for (const row of source.rows()) {
    writeSnapshotRow(writer, row);
    rows++;
    if (writer.length < blockBytes) continue;
    yield encodeBlock({ place, rows, payload: writer.finish() }, salt);
    place++;
    rows = 0;
    writer = new ByteWriter(blockBytes + 4096);
  }
  if (rows > 0) yield encodeBlock({ place: place++, rows, payload: writer.finish() }, salt);
  yield endBlock(place, salt);
}

async function readBlocks(
  reader: FileReader,
  where: { disk: Disk; path: string },
  salt: number,
  visitor: SnapshotVisitor,
): Promise<{ key: number; request: number }> {
  const order = new RowOrder();
  let offset = FILE_HEADER_BYTES;
  for (let place = 0; ; place++) {
    const { rows, payload } = await readBlock(reader, { ...where, offset }, place, salt);
    offset += BLOCK_HEADER_BYTES + payload.length;
    if (rows === 0) break;
    const from = { ...where, offset: offset - payload.length };
    readRows(bufferOf(payload), rows, from, (row) => {
      if (!order.takes(row)) throw corrupt(from, 'its rows are not in order, or one is there twice');
      visitor.row(row);
    });
  }
  if (offset !== reader.size) throw corrupt({ ...where, offset }, 'something follows its end');
  return order.count;
}

/** Looks at one row after the other: a store takes neither a key nor a request twice. */
class RowOrder {
  readonly count = { key: 0, request: 0 };
  readonly #requests = new Set<RequestId>();
  #lastKey: string | null = null;

  /** Whether the row can stand behind those before it. */
  takes(row: SnapshotRow): boolean {
    this.count[row.kind]++;
    if (row.kind === 'request') {
      this.#requests.add(row.request.requestId);
      return this.#requests.size === this.count.request;
    }
    const isNext = this.#lastKey === null || compareUtf8(this.#lastKey, row.key) < 0;
    this.#lastKey = row.key;
    return isNext && this.count.request === 0;
  }
}

async function readBlock(
  reader: FileReader,
  where: Place,
  place: number,
  salt: number,
): Promise<SnapshotPart> {
  const header = await reader.view(where.offset, BLOCK_HEADER_BYTES);
  const bytes = header.length < BLOCK_HEADER_BYTES ? 0 : header.readUInt32LE(BLOCK_BYTES_AT);
  const payload = await reader.view(where.offset + BLOCK_HEADER_BYTES, bytes);
  return openBlock(header, payload, { where, place, salt });
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
