import { bufferOf } from '../codec/bytes.ts';
import type { DiskFile } from '../ports/disk.ts';

/** How much of a file is read at once, in bytes. */
const CHUNK_BYTES = 1024 * 1024;

/** Reads a file from front to back in large chunks. Views stay valid: a chunk is never used again for other bytes. */
export class FileReader {
  readonly size: number;
  readonly #file: DiskFile;
  #chunk: Buffer = Buffer.alloc(0);
  #chunkOffset = 0;

  private constructor(file: DiskFile, size: number) {
    this.#file = file;
    this.size = size;
  }

  static async of(file: DiskFile): Promise<FileReader> {
    return new FileReader(file, await file.size());
  }

  /** The bytes from `offset`, fewer than `length` at the end of the file. A promise only when the disk is asked. */
  view(offset: number, length: number): Buffer | Promise<Buffer> {
    const wanted = Math.max(0, Math.min(length, this.size - offset));
    const start = offset - this.#chunkOffset;
    if (start >= 0 && start + wanted <= this.#chunk.length)
      return this.#chunk.subarray(start, start + wanted);
    return this.#fill(offset, wanted);
  }

  async #fill(offset: number, wanted: number): Promise<Buffer> {
    this.#chunk = bufferOf(await this.#file.read(offset, Math.max(wanted, CHUNK_BYTES)));
    this.#chunkOffset = offset;
    return this.#chunk.subarray(0, wanted);
  }
}
