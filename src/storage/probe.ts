import type { Disk } from '../ports/disk.ts';
import { PROBE_PATH } from './paths.ts';

const PROBE_BYTES = 1024 * 1024;

/**
 * Finds out whether the disk takes data: writes a MiB, syncs it, and removes it again. Beside a storage that failed, too.
 *
 * @throws CatenaError DISK_FULL, DISK_FAILED.
 */
export async function probe(disk: Disk): Promise<void> {
  await disk.remove(PROBE_PATH);
  try {
    const file = await disk.open(PROBE_PATH, { create: true });
    try {
      await file.write(0, [incompressible(PROBE_BYTES)]);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    // The error that counts is the first.
    await disk.remove(PROBE_PATH).catch(() => undefined);
    throw error;
  }
  await disk.remove(PROBE_PATH);
  await disk.syncDirectory('');
}

/** Some file systems would find room for any number of zeros. */
function incompressible(bytes: number): Uint8Array {
  const words = new Uint32Array(bytes / 4);
  let state = 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer);
}
