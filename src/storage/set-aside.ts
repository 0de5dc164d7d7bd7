import { CatenaError } from '../base/errors.ts';
import { isPlanted } from '../base/planted.ts';
import type { Disk } from '../ports/disk.ts';
import { DAMAGED_PREFIX, LOCK_PATH, LOG_DIRECTORY, META_PATH, SNAPSHOT_DIRECTORY } from './paths.ts';

/** Stands in a directory of damaged files for as long as not all of them are there. */
const MARK = 'unfinished';

/**
 * Moves all that a store keeps (`meta`, `log/`, `snapshots/`) into a directory `damaged-<suffix>` beside them, so that the
 * next start makes a new, empty store. Nothing is lost or changed. To be called with the storage closed, and only when the
 * rest of the chain does without this store: it is never the same member again.
 *
 * A crash or an error in the midst leaves the directory with a mark in it and a part of the files: the next `Storage.open` moves the
 * rest. `meta` goes first, so that no program can take a log that lost some of its files for all there is.
 *
 * @returns the directory that holds them, relative to the data directory.
 * @throws CatenaError LOCKED, DISK_FULL, DISK_FAILED.
 */
export async function setAside(disk: Disk, { suffix }: { suffix: string }): Promise<string> {
  const lock = await disk.lock(LOCK_PATH);
  if (lock === null) {
    throw new CatenaError('LOCKED', `the data directory ${disk.root} is in use: nothing was moved`);
  }
  try {
    await finishSetAside(disk);
    const directory = await unusedName(disk, suffix);
    await disk.makeDirectory(directory);
    const mark = await disk.open(`${directory}/${MARK}`, { create: true });
    await mark.close();
    await disk.syncDirectory(directory);
    await disk.syncDirectory('');
    await moveAll(disk, directory);
    return directory;
  } finally {
    await lock.release();
  }
}

/**
 * Ends what a crash interrupted of `setAside`, if anything. The directory must be locked by the caller.
 *
 * @throws CatenaError DISK_FULL, DISK_FAILED.
 */
export async function finishSetAside(disk: Disk): Promise<void> {
  for (const name of await disk.list('')) {
    if (!name.startsWith(DAMAGED_PREFIX)) continue;
    // What a killed process left unsynced must not change any more: a mark that came back would take the next store away,
    // and one that went would leave this one in two parts.
    await disk.syncDirectory(name);
    await disk.syncDirectory('');
    if ((await disk.list(name)).includes(MARK)) await moveAll(disk, name);
  }
}

async function moveAll(disk: Disk, directory: string): Promise<void> {
  if ((await disk.list('')).includes(META_PATH) && !isPlanted('damaged-refilled-in-place')) {
    await disk.rename(META_PATH, `${directory}/${META_PATH}`);
  }
  // In both directories before the next goes: neither may come back without the others.
  await disk.syncDirectory(directory);
  await disk.syncDirectory('');
  for (const inside of [LOG_DIRECTORY, SNAPSHOT_DIRECTORY]) await moveFiles(disk, inside, directory);
  await disk.remove(`${directory}/${MARK}`);
  await disk.syncDirectory(directory);
}

async function moveFiles(disk: Disk, inside: string, directory: string): Promise<void> {
  const target = `${directory}/${inside}`;
  await disk.makeDirectory(target);
  await disk.syncDirectory(directory);
  for (const name of await disk.list(inside)) await disk.rename(`${inside}/${name}`, `${target}/${name}`);
  await disk.syncDirectory(target);
  if ((await disk.list('')).includes(inside)) await disk.syncDirectory(inside);
}

/** Colons are not for every file system. */
async function unusedName(disk: Disk, suffix: string): Promise<string> {
  const names = await disk.list('');
  const wanted = DAMAGED_PREFIX + suffix.replaceAll(/[^\w.-]/g, '-');
  let name = wanted;
  for (let count = 2; names.includes(name); count++) name = `${wanted}-${count}`;
  return name;
}
