import { closeSync, openSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { tryLock } from 'fs-native-extensions';
import { assert } from '../base/assert.ts';
import { CatenaError } from '../base/errors.ts';
import type { Disk, DiskFile, DiskLock } from '../ports/disk.ts';
import { diskError, errnoOf } from './disk-error.ts';

/**
 * The data directory at `root`, made with its parents if it isn't there.
 *
 * @throws CatenaError DISK_FULL, DISK_FAILED
 */
export async function openDisk(root: string): Promise<Disk> {
  const path = resolve(root);
  await attempt('making the directory', path, () => makeLasting(path));
  return new DirectoryDisk(path);
}

/**
 * Makes a directory and its parents, and has each one's parent remember it: else a power cut could take them back. Level
 * by level, as Node's recursive `mkdir` reports a read-only file system as ENOENT.
 */
async function makeLasting(path: string): Promise<void> {
  if (await isDirectory(path)) return;
  const parent = dirname(path);
  if (parent !== path) await makeLasting(parent);
  try {
    await mkdir(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw takesNoDirectory(path, parent, error);
    // Another process may have made it meanwhile, and not synced it yet.
    if (errnoOf(error) !== 'EEXIST' || !(await isDirectory(path))) throw error;
  }
  await syncDirectoryAt(parent);
}

async function isDirectory(path: string): Promise<boolean> {
  const found = await unlessMissing(stat(path));
  if (found === undefined) return false;
  if (!found.isDirectory()) throw Object.assign(new Error('not a directory'), { code: 'ENOTDIR' });
  return true;
}

function takesNoDirectory(path: string, parent: string, cause: unknown): CatenaError {
  return new CatenaError(
    'DISK_FAILED',
    `${path}: making the directory failed: ${parent} takes no new directories (ENOENT). Choose another directory with --data.`,
    { cause },
  );
}

class DirectoryDisk implements Disk {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  async open(path: string, { create }: { create: boolean }): Promise<DiskFile> {
    const at = this.#at(path);
    const doing = create ? 'creating the file' : 'opening the file';
    const handle = await attempt(doing, at, () => open(at, create ? 'wx+' : 'r+'));
    return new HandleFile(handle, at);
  }

  async list(directory: string): Promise<string[]> {
    const at = this.#at(directory);
    const names = await attempt('listing the directory', at, () => unlessMissing(readdir(at)));
    return (names ?? []).sort();
  }

  async makeDirectory(path: string): Promise<void> {
    const at = this.#at(path);
    await attempt('making the directory', at, () => makeLasting(at));
  }

  async rename(from: string, to: string): Promise<void> {
    const at = this.#at(from);
    const target = this.#at(to);
    await attempt(`renaming to ${to}`, at, () => rename(at, target));
  }

  async remove(path: string): Promise<void> {
    const at = this.#at(path);
    await attempt('removing the file', at, () => unlessMissing(unlink(at)));
  }

  async syncDirectory(path: string): Promise<void> {
    const at = this.#at(path);
    await attempt('syncing the directory', at, () => syncDirectoryAt(at));
  }

  async lock(path: string): Promise<DiskLock | null> {
    const at = this.#at(path);
    return attempt('locking the file', at, async () => {
      const fd = openSync(at, 'a+');
      if (locked(fd)) return new DescriptorLock(fd);
      closeSync(fd);
      return null;
    });
  }

  #at(path: string): string {
    assert(!path.split('/').includes('..'), () => `the path leaves its data directory: ${path}`);
    return join(this.root, path);
  }
}

/**
 * The system's lock, gone with its open descriptor, so with the process too. A bare descriptor: Node closes a forgotten
 * FileHandle at garbage collection, and the lock would go with it.
 */
class DescriptorLock implements DiskLock {
  readonly #fd: number;
  #held = true;

  constructor(fd: number) {
    this.#fd = fd;
  }

  async release(): Promise<void> {
    // A second close could hit a file that got the same number since.
    if (!this.#held) return;
    this.#held = false;
    closeSync(this.#fd);
  }
}

function locked(fd: number): boolean {
  try {
    return tryLock(fd);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

class HandleFile implements DiskFile {
  readonly #handle: FileHandle;
  readonly #path: string;

  constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.#path = path;
  }

  async size(): Promise<number> {
    const { size } = await attempt('reading the size', this.#path, () => this.#handle.stat());
    return size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(length);
    let filled = 0;
    await attempt('reading', this.#path, async () => {
      while (filled < length) {
        const { bytesRead } = await this.#handle.read(bytes, filled, length - filled, offset + filled);
        if (bytesRead === 0) return;
        filled += bytesRead;
      }
    });
    return bytes.subarray(0, filled);
  }

  async write(offset: number, chunks: readonly Uint8Array[]): Promise<void> {
    await attempt('writing', this.#path, async () => {
      let at = offset;
      let left = chunks.filter((chunk) => chunk.byteLength > 0);
      while (left.length > 0) {
        const { bytesWritten } = await this.#handle.writev(left, at);
        if (bytesWritten === 0) throw new Error('the system wrote nothing and gave no reason');
        at += bytesWritten;
        left = without(left, bytesWritten);
      }
    });
  }

  async truncate(size: number): Promise<void> {
    await attempt('truncating', this.#path, () => this.#handle.truncate(size));
  }

  async sync(): Promise<void> {
    await attempt('syncing', this.#path, () => this.#handle.datasync());
  }

  async close(): Promise<void> {
    await attempt('closing', this.#path, () => this.#handle.close());
  }
}

/** What is left of `chunks` behind their first `count` bytes: a write may take only a part of what it is given. */
export function without(chunks: readonly Uint8Array[], count: number): Uint8Array[] {
  let skip = count;
  const left: Uint8Array[] = [];
  for (const chunk of chunks) {
    if (skip < chunk.byteLength) left.push(skip === 0 ? chunk : chunk.subarray(skip));
    skip = Math.max(0, skip - chunk.byteLength);
  }
  return left;
}

async function syncDirectoryAt(path: string): Promise<void> {
  // Windows can't sync a directory, and keeps its names safe in its file system's own journal.
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function unlessMissing<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function attempt<T>(operation: string, path: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw diskError(error, operation, path);
  }
}
