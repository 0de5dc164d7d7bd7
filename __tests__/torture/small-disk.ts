import { execFile, execFileSync } from 'node:child_process';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const DISK_MIB = 512;

/** A small file system of its own in memory, which can be filled. */
export class SmallDisk {
  readonly #at: string;
  #mounted = true;

  private constructor(at: string) {
    this.#at = at;
  }

  /** Mounts one; when this system does not let us, why. */
  static async mount(at: string): Promise<SmallDisk | string> {
    await mkdir(at, { recursive: true });
    try {
      await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'none', at]);
      return new SmallDisk(at);
    } catch (error) {
      return String(error).trim().replaceAll('\n', ' ');
    }
  }

  /** Takes all the space that is left, as somebody else's file does. */
  async fill(): Promise<void> {
    const handle = await open(this.#filler, 'w');
    try {
      for (const size of [1_048_576, 4096]) await writeUntilFull(handle, Buffer.alloc(size, 1));
    } finally {
      await handle.close();
    }
  }

  async free(): Promise<void> {
    await rm(this.#filler, { force: true });
  }

  /** At once, as nothing can be awaited while a process exits. Those who use it may need a moment more to be gone: hence lazily. */
  unmount(): void {
    if (!this.#mounted) return;
    this.#mounted = false;
    execFileSync('umount', ['-l', this.#at]);
  }

  get #filler(): string {
    return join(this.#at, 'filler');
  }
}

async function writeUntilFull(
  handle: { write(bytes: Buffer): Promise<unknown> },
  bytes: Buffer,
): Promise<void> {
  try {
    for (;;) await handle.write(bytes);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  }
}
