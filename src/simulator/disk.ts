import { assert, unreachable } from '../base/assert.ts';
import { CatenaError } from '../base/errors.ts';
import type { Prng } from '../base/prng.ts';
import type { Disk, DiskFile, DiskLock } from '../ports/disk.ts';
import { LOG_DIRECTORY, META_PATH, SNAPSHOT_DIRECTORY } from '../storage/paths.ts';
import type { FileContent } from './disk-content.ts';
import { DiskNames, failed } from './disk-names.ts';
import { type DiskFault, DiskOperations, type OperationKind } from './disk-operations.ts';
import type { Process } from './machine.ts';
import type { Scheduler } from './scheduler.ts';

/** What a bit may flip in: the log's segments, snapshots (unfinished ones too), or the file that says who the store is. */
export type Flippable = 'log' | 'snapshot' | 'meta';

/**
 * The disk of one machine: stays while processes come and go. What was synced survives a power cut; of the rest each write,
 * truncation and name may survive, or not, or in part. The same seed and the same calls give the same course.
 */
export class SimDisk {
  readonly #root: string;
  readonly #fates: Prng;
  readonly #operations: DiskOperations;
  readonly #state: State = { names: new DiskNames(), locks: new Map(), isFull: false };

  /** `prng` is this disk's own. */
  constructor(
    { root }: { readonly root: string },
    { scheduler, prng }: { readonly scheduler: Scheduler; readonly prng: Prng },
  ) {
    this.#root = root;
    this.#fates = prng.fork('fates');
    this.#operations = new DiskOperations({ scheduler, times: prng.fork('times'), fates: this.#fates });
  }

  /** The disk as a process sees it. What it locks is free when it has died. */
  of(process: Process): Disk {
    const kernel = { process, state: this.#state, operations: this.#operations, fates: this.#fates };
    return new ProcessDisk(this.#root, kernel);
  }

  /** The process has died, the machine goes on: all that was written stays, what was in flight happened or did not. */
  killed(): void {
    this.#operations.settle();
  }

  /** The power is cut, and the process has died of it: what was not synced survives whole, in part, or not at all. */
  powerCut(): void {
    this.#operations.settle();
    this.#state.names.cut(this.#fates);
  }

  /** Everything that begins from now on takes `factor` times as long as usual. */
  slow(factor: number): void {
    this.#operations.slow(factor);
  }

  /**
   * The next such operation fails with DISK_FAILED. A write may have written a part. After a failed sync of a file what it was
   * to cover counts as synced, though the next power cut may take it; a failed sync of a directory leaves its names as
   * they were, to be synced again.
   */
  fail(fault: DiskFault): void {
    this.#operations.fail(fault);
  }

  /** The next sync of a file takes so many ms of the world longer: a disk that hangs for once. */
  delayNextSync(byMs: number): void {
    this.#operations.delayNextSync(byMs);
  }

  /** It is sound, quick and has space again; what it lost stays lost. */
  heal(): void {
    this.#operations.heal();
    this.#state.isFull = false;
  }

  /** While it is full, a write that makes a file larger fails with DISK_FULL, and may have written a part. */
  full(isFull: boolean): void {
    this.#state.isFull = isFull;
  }

  /**
   * Turns over one bit of a byte that was synced, for good; in the log one that a later sync of the same file
   * followed with more, so that a sound record behind it tells.
   *
   * @returns whether there was something to flip.
   */
  flipBit(where: Flippable): boolean {
    const { names } = this.#state;
    const candidates = names
      .paths()
      .filter((path) => isOf(where, path))
      .map((path) => names.file(path))
      .map((file) => ({ file, bytes: where === 'log' ? file.followedBytes : file.syncedBytes }))
      .filter(({ bytes }) => bytes > 0);
    if (candidates.length === 0) return false;
    const { file, bytes } = this.#fates.pick(candidates);
    file.flip(this.#fates.below(bytes), 1 << this.#fates.below(8));
    return true;
  }

  /** Another disk in its place, empty and sound. No process may be using it. */
  wipe(): void {
    this.#operations.settle();
    this.#operations.heal();
    this.#state.names = new DiskNames();
    this.#state.isFull = false;
  }

  /** Paths of all files, sorted. */
  paths(): string[] {
    return this.#state.names.paths();
  }

  /** What a file holds now. @throws CatenaError DISK_FAILED when there is no such file. */
  bytesOf(path: string): Buffer {
    const file = this.#state.names.file(path);
    return file.read(0, file.size);
  }

  /** An operator takes away a file, or a directory with all that is in it, for good. */
  removeUnder(prefix: string): void {
    assert(prefix !== '', () => 'wipe is what empties a disk');
    this.#state.names.removeUnder(prefix);
  }
}

/** What outlives the processes. */
interface State {
  names: DiskNames;
  /** Who took the lock last. */
  readonly locks: Map<string, Lock>;
  isFull: boolean;
}

/** What a process does something with. */
interface Kernel {
  readonly process: Process;
  readonly state: State;
  readonly operations: DiskOperations;
  readonly fates: Prng;
}

interface Lock {
  readonly holder: Process;
  held: boolean;
}

class ProcessDisk implements Disk {
  readonly root: string;
  readonly #kernel: Kernel;

  constructor(root: string, kernel: Kernel) {
    this.root = root;
    this.#kernel = kernel;
  }

  open(path: string, { create }: { create: boolean }): Promise<DiskFile> {
    return this.#begin(create ? 'name' : 'read', `opening ${path}`, (names) => {
      const content = create ? names.create(path) : names.file(path);
      return new ProcessFile(path, content, this.#kernel);
    });
  }

  list(directory: string): Promise<string[]> {
    return this.#begin('read', `listing ${directory}`, (names) => names.list(directory));
  }

  makeDirectory(path: string): Promise<void> {
    return this.#begin('name', `making the directory ${path}`, (names) => names.makeDirectory(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#begin('name', `renaming ${from}`, (names) => names.rename(from, to));
  }

  remove(path: string): Promise<void> {
    return this.#begin('name', `removing ${path}`, (names) => names.remove(path));
  }

  syncDirectory(path: string): Promise<void> {
    return this.#begin('sync-directory', `syncing the directory ${path}`, (names) => names.sync(path));
  }

  lock(path: string): Promise<DiskLock | null> {
    const { process, state } = this.#kernel;
    return this.#begin('handle', `locking ${path}`, () => {
      const taken = state.locks.get(path);
      if (taken?.held && !taken.holder.dead) return null;
      const lock = { holder: process, held: true };
      state.locks.set(path, lock);
      return { release: () => this.#release(lock) };
    });
  }

  async #release(lock: Lock): Promise<void> {
    lock.held = false;
  }

  #begin<T>(kind: OperationKind, doing: string, work: (names: DiskNames) => T): Promise<T> {
    const { process, operations, state } = this.#kernel;
    return operations.begin(process, kind, (fails) => {
      if (fails) throw failed(`${doing}: input/output error`);
      return work(state.names);
    });
  }
}

class ProcessFile implements DiskFile {
  readonly #path: string;
  readonly #content: FileContent;
  readonly #kernel: Kernel;
  #closed = false;

  constructor(path: string, content: FileContent, kernel: Kernel) {
    this.#path = path;
    this.#content = content;
    this.#kernel = kernel;
  }

  size(): Promise<number> {
    return this.#begin('read', () => this.#content.size);
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    return this.#begin('read', () => this.#content.read(offset, length));
  }

  async write(offset: number, chunks: readonly Uint8Array[]): Promise<void> {
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    await this.#begin('write', () => this.#write({ offset, bytes }, chunks), {
      instead: () => this.#content.write(offset, chunks, this.#kernel.fates.below(bytes + 1)),
    });
  }

  truncate(size: number): Promise<void> {
    return this.#begin('write', () => this.#content.truncate(size));
  }

  async sync(): Promise<void> {
    const mark = this.#content.mark();
    await this.#begin('sync', () => this.#content.sync(mark), {
      instead: () => this.#content.failSync(mark),
    });
  }

  async close(): Promise<void> {
    const closing = this.#begin('handle', () => undefined);
    this.#closed = true;
    await closing;
  }

  #write({ offset, bytes }: { offset: number; bytes: number }, chunks: readonly Uint8Array[]): void {
    const { state, fates } = this.#kernel;
    const growth = Math.max(0, offset + bytes - this.#content.size);
    if (!state.isFull || growth === 0) return this.#content.write(offset, chunks, bytes);
    const fits = bytes - (fates.chance(0.5) ? growth : 1 + fates.below(growth));
    this.#content.write(offset, chunks, Math.max(0, fits));
    throw new CatenaError('DISK_FULL', `writing ${this.#path}: the disk is full`);
  }

  /** `instead` is what the kernel does when the operation has to fail. */
  #begin<T>(kind: OperationKind, work: () => T, { instead }: { instead?: () => void } = {}): Promise<T> {
    const { process, operations } = this.#kernel;
    if (this.#closed) return Promise.reject(failed(`${this.#path}: it is closed`));
    return operations.begin(process, kind, (fails) => {
      if (!fails) return work();
      instead?.();
      throw failed(`${this.#path}: input/output error at ${kind}`);
    });
  }
}

function isOf(where: Flippable, path: string): boolean {
  switch (where) {
    case 'log':
      return path.startsWith(`${LOG_DIRECTORY}/`);
    case 'snapshot':
      return path.startsWith(`${SNAPSHOT_DIRECTORY}/`);
    case 'meta':
      return path === META_PATH;
    default:
      return unreachable(where);
  }
}
