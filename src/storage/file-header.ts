import { crc32 } from 'node:zlib';
import { assert } from '../base/assert.ts';
import { CatenaError } from '../base/errors.ts';
import { type StoreId, storeId } from '../base/ids.ts';
import type { Place } from './corrupt.ts';

/** Every file begins with a header of this size. docs/storage-format.md. */
export const FILE_HEADER_BYTES = 128;
/** The version that is written, and the only one that is read. */
const FORMAT_VERSION = 1;
/** The longest store id, in bytes. */
const STORE_ID_BYTES_MAX = 47;

const VERSION_AT = 8;
const CHECKSUM_AT = 12;
const FIELDS_AT = 16;
const FIELDS_MAX = 8;
const STORE_ID_AT = 80;

/** What kind of file it is: eight ASCII characters. */
export type FileKind = 'catenaMT' | 'catenaLG' | 'catenaSN';

/** What the first bytes of a file say of it. */
export interface FileHeader {
  readonly kind: FileKind;
  readonly storeId: StoreId;
  /** Up to eight numbers that the kind gives a meaning; the rest read as 0. */
  readonly fields: readonly number[];
}

/** A header that was read: all of its numbers are there. */
export interface FoundHeader extends FileHeader {
  readonly fields: readonly [number, number, number, number, number, number, number, number];
}

/** The header as bytes, with its checksum. */
export function encodeFileHeader({ kind, storeId: id, fields }: FileHeader): Buffer {
  const bytes = Buffer.alloc(FILE_HEADER_BYTES);
  const idBytes = Buffer.byteLength(id);
  assert(idBytes <= STORE_ID_BYTES_MAX, () => `a store id of ${idBytes} bytes`);
  assert(fields.length <= FIELDS_MAX, () => `${fields.length} fields in a header`);
  bytes.write(kind, 0, 'latin1');
  bytes.writeUInt32LE(FORMAT_VERSION, VERSION_AT);
  for (const [place, value] of fields.entries()) bytes.writeDoubleLE(value, FIELDS_AT + place * 8);
  bytes[STORE_ID_AT] = idBytes;
  bytes.write(id, STORE_ID_AT + 1, 'utf8');
  bytes.writeUInt32LE(checksum(bytes), CHECKSUM_AT);
  return bytes;
}

/**
 * The header at the beginning of `bytes`, `null` if it is not whole and sound.
 *
 * @throws CatenaError UNSUPPORTED_FORMAT when it is sound and of another version.
 */
export function decodeFileHeader(bytes: Buffer, kind: FileKind, place: Place): FoundHeader | null {
  if (bytes.length < FILE_HEADER_BYTES || bytes.toString('latin1', 0, VERSION_AT) !== kind) return null;
  if (checksum(bytes) !== bytes.readUInt32LE(CHECKSUM_AT)) return null;
  const version = bytes.readUInt32LE(VERSION_AT);
  if (version !== FORMAT_VERSION) {
    throw new CatenaError(
      'UNSUPPORTED_FORMAT',
      `${place.disk.root}/${place.path} has format version ${version}; this program reads version ${FORMAT_VERSION}. ` +
        'Start the version of catena that wrote it.',
    );
  }
  const field = (place: number) => bytes.readDoubleLE(FIELDS_AT + place * 8);
  const fields = [field(0), field(1), field(2), field(3), field(4), field(5), field(6), field(7)] as const;
  const idBytes = bytes.readUInt8(STORE_ID_AT);
  const id = bytes.toString('utf8', STORE_ID_AT + 1, STORE_ID_AT + 1 + idBytes);
  if (idBytes > STORE_ID_BYTES_MAX || Buffer.byteLength(id) !== idBytes) return null;
  return { kind, storeId: storeId(id), fields };
}

function checksum(bytes: Buffer): number {
  return crc32(bytes.subarray(FIELDS_AT, FILE_HEADER_BYTES), crc32(bytes.subarray(0, CHECKSUM_AT)));
}

/** What every checksum behind a header begins with, so that nothing another store wrote passes as this one's. */
export function saltOf(id: StoreId): number {
  return crc32(Buffer.from(id));
}
