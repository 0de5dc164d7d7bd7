import { crc32 } from 'node:zlib';
import { assert } from '../base/assert.ts';
import { badFrame, bufferOf } from './bytes.ts';

/** Length (of type and payload) u32, checksum (CRC-32 of type and payload) u32, type u8. */
const FRAME_HEADER_BYTES = 9;
/** The length and the checksum, which the length does not count. */
const PREFIX_BYTES = 8;
/** The longest frame that a decoder takes unless told otherwise, in bytes of type and payload. */
export const FRAME_BYTES_MAX = 64 * 1024 * 1024;

/** What one frame carries. `payload` may be a view on the bytes that were received: it must not be changed. */
export interface Frame {
  readonly type: number;
  readonly payload: Buffer;
}

/** The chunks of one frame: a header, then those of the payload as they are, not copied. */
export function encodeFrame(type: number, payload: readonly Uint8Array[]): Uint8Array[] {
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  header[PREFIX_BYTES] = type;
  let length = 1;
  let checksum = crc32(header.subarray(PREFIX_BYTES));
  for (const chunk of payload) {
    length += chunk.length;
    checksum = crc32(chunk, checksum);
  }
  assert(length <= FRAME_BYTES_MAX, () => `a frame of ${length} bytes`);
  header.writeUInt32LE(length, 0);
  header.writeUInt32LE(checksum, 4);
  return [header, ...payload];
}

/**
 * Takes a stream of frames in chunks of any size. A frame that lies within one chunk is handed out as a view on it; one
 * that spans several is copied once. Holds at most `frameBytesMax` and the chunk that completes it.
 */
export class FrameDecoder {
  readonly #frameBytesMax: number;
  /** Pieces of the frame that is not complete yet. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** How many bytes are needed to go on: the prefix, then the frame. */
  #neededBytes = 0;

  constructor(options: { frameBytesMax?: number } = {}) {
    this.#frameBytesMax = options.frameBytesMax ?? FRAME_BYTES_MAX;
  }

  /**
   * The frames that these bytes complete.
   *
   * @throws CatenaError BAD_FRAME on a bad length or checksum. The stream can't be followed any further: close it.
   */
  push(bytes: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    let rest = bufferOf(bytes);
    while (rest.length > 0) {
      if (this.#heldBytes > 0) {
        rest = this.#complete(rest, frames);
        continue;
      }
      const end = this.#endOf(rest);
      if (rest.length < end) {
        this.#hold(rest, end);
        break;
      }
      frames.push(open(rest.subarray(0, end)));
      rest = rest.subarray(end);
    }
    return frames;
  }

  /** Takes what the held frame lacks from `bytes`; gives back what is left of them. */
  #complete(bytes: Buffer, frames: Frame[]): Buffer {
    const taken = bytes.subarray(0, this.#neededBytes - this.#heldBytes);
    this.#hold(taken, this.#neededBytes);
    if (this.#heldBytes === this.#neededBytes) {
      const whole = Buffer.concat(this.#held, this.#heldBytes);
      const end = this.#endOf(whole);
      this.#held = [];
      this.#heldBytes = 0;
      if (end > whole.length) this.#hold(whole, end);
      else frames.push(open(whole));
    }
    return bytes.subarray(taken.length);
  }

  #hold(bytes: Buffer, neededBytes: number): void {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    this.#neededBytes = neededBytes;
  }

  /** Where the frame ends that begins here, or the prefix while that is incomplete. */
  #endOf(bytes: Buffer): number {
    if (bytes.length < PREFIX_BYTES) return PREFIX_BYTES;
    const length = bytes.readUInt32LE(0);
    if (length < 1 || length > this.#frameBytesMax) {
      throw badFrame(`a frame of ${length} bytes; at most ${this.#frameBytesMax} are taken`);
    }
    return PREFIX_BYTES + length;
  }
}

function open(whole: Buffer): Frame {
  if (crc32(whole.subarray(PREFIX_BYTES)) !== whole.readUInt32LE(4)) {
    throw badFrame('a frame does not match its checksum');
  }
  return { type: whole[PREFIX_BYTES] as number, payload: whole.subarray(FRAME_HEADER_BYTES) };
}
