import { dirname } from 'node:path/posix';
import { isPlanted } from '../base/planted.ts';
import type { Disk, DiskFile } from '../ports/disk.ts';
import { META_PATH, SNAPSHOT_DIRECTORY, UNFINISHED } from './paths.ts';

/**
 * Makes or replaces a file so that a crash leaves the old one or the new one, whole: written under another name, synced,
 * renamed, its directory synced. When it rejects, either may be in force after a crash, and the old one is until then.
 *
 * @throws CatenaError DISK_FULL, DISK_FAILED, or what `write` throws.
 */
export async function writeAside(
  disk: Disk,
  path: string,
  write: (file: DiskFile) => Promise<void>,
): Promise<void> {
  const unfinished = path + UNFINISHED;
  await disk.remove(unfinished);
  try {
    const file = await disk.open(unfinished, { create: true });
    try {
      await write(file);
      if (!isPlanted('snapshot-not-synced') || dirname(path) !== SNAPSHOT_DIRECTORY) await file.sync();
    } finally {
      await file.close();
    }
    await disk.rename(unfinished, path);
  } catch (error) {
    // The error that counts is the first; what stays behind is removed at the next start.
    await disk.remove(unfinished).catch(() => undefined);
    throw error;
  }
  const directory = dirname(path);
  if (path === META_PATH && isPlanted('meta-not-lasting')) return;
  if (path !== META_PATH && directory === '.' && isPlanted('register-not-lasting')) return;
  await disk.syncDirectory(directory === '.' ? '' : directory);
}
