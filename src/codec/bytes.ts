import { isUtf8 } from 'node:buffer';
import { assert } from '../base/assert.ts';
import { CatenaError } from '../base/errors.ts';

const TWO_32 = 0x1_0000_0000;

/** The same bytes as a Buffer, not copied. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** What every decoder of this room throws: the bytes are not what an encoder of this version makes. */
export function badFrame(message: string, cause?: unknown): CatenaError {
  return new CatenaError('BAD_FRAME', message, { cause });
}

/** Writes binary fields, little-endian, into a buffer that grows as needed. */
export class ByteWriter {
  #buffer: Buffer;
  #length = 0;

  /** `bytesHint` is how much is expected; a good guess saves copies. */
  constructor(bytesHint: number) {
    this.#buffer = Buffer.allocUnsafe(Math.max(16, bytesHint));
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32LE(value, this.#length);
  }

  f64(value: number): void {
    this.#reserve(8);
    this.#length = this.#buffer.writeDoubleLE(value, this.#length);
  }

  /** A whole number from 0 to 2^53-1, 7 bits a byte, low bits first. */
  varint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, () => `not a varint: ${value}`);
    this.#reserve(8);
    let rest = value;
    while (rest >= TWO_32) {
      this.#buffer[this.#length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest > 0x7f) {
      this.#buffer[this.#length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[this.#length++] = rest;
  }

  /** Length in bytes, then the text as UTF-8. */
  utf8(text: string): void {
    const bytes = Buffer.byteLength(text, 'utf8');
    this.varint(bytes);
    this.#reserve(bytes);
    this.#length += this.#buffer.write(text, this.#length, bytes, 'utf8');
  }

  /** Length, then one byte per character. */
  latin1(text: string): void {
    this.varint(text.length);
    this.#reserve(text.length);
    this.#length += this.#buffer.write(text, this.#length, text.length, 'latin1');
  }

  /** Overwrites four bytes that were written before. */
  patchU32(offset: number, value: number): void {
    this.#buffer.writeUInt32LE(value, offset);
  }

  /** What was written, not copied: the writer must not be used any more. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

/**
 * Reads what a `ByteWriter` wrote. Never reads beyond `end` and never allocates more than it has read.
 *
 * @throws CatenaError BAD_FRAME from every method, when the bytes run out or are no such field.
 */
export class ByteReader {
  readonly #buffer: Buffer;
  readonly #end: number;
  #offset: number;
  #lastRepeated = '';

  constructor(buffer: Buffer, offset = 0, end = buffer.length) {
    this.#buffer = buffer;
    this.#offset = offset;
    this.#end = end;
  }

  get offset(): number {
    return this.#offset;
  }

  get done(): boolean {
    return this.#offset === this.#end;
  }

  u8(): number {
    return this.#buffer[this.#take(1)] as number;
  }

  u32(): number {
    return this.#buffer.readUInt32LE(this.#take(4));
  }

  /** A float64 that is finite. */
  f64(): number {
    const value = this.#buffer.readDoubleLE(this.#take(8));
    if (!Number.isFinite(value)) throw badFrame('a number is not finite');
    return value;
  }

  varint(): number {
    let byte = this.u8();
    let value = byte & 0x7f;
    let factor = 1;
    while (byte > 0x7f) {
      factor *= 128;
      byte = this.u8();
      value += (byte & 0x7f) * factor;
      // Checked in the loop: an endless varint ends here, after 8 bytes at most.
      if (value > Number.MAX_SAFE_INTEGER || factor > 2 ** 49) throw badFrame('a number is above 2^53-1');
    }
    return value;
  }

  utf8(): string {
    const length = this.varint();
    const start = this.#take(length);
    const text = this.#buffer.toString('utf8', start, start + length);
    // Bytes that are no UTF-8 read as U+FFFD, which text may hold too: only then is a closer look needed.
    if (text.includes('\ufffd') && !isUtf8(this.#buffer.subarray(start, start + length))) {
      throw badFrame('text is not UTF-8');
    }
    return text;
  }

  /** A text that tends to be the same many times: those that follow each other are one string in memory. */
  repeatedUtf8(): string {
    const text = this.utf8();
    if (text !== this.#lastRepeated) this.#lastRepeated = text;
    return this.#lastRepeated;
  }

  latin1(): string {
    const length = this.varint();
    const start = this.#take(length);
    return this.#buffer.toString('latin1', start, start + length);
  }

  #take(bytes: number): number {
    const start = this.#offset;
    if (bytes > this.#end - start) throw badFrame('the bytes end too early');
    this.#offset = start + bytes;
    return start;
  }
}
