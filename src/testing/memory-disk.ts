import { CatenaError } from '../base/errors.ts';
import type { Disk, DiskFile, DiskLock } from '../ports/disk.ts';
import type { Life } from './life.ts';

const CAPACITY_BYTES_MIN = 4096;

/**
 * The data directory of a process of a test chain: it outlives the process, as a disk does, and is gone with the test. What was
 * written is there, synced or not: processes are killed here, machines don't lose their power.
 */
export class MemoryDirectory {
  readonly #name: string;
  readonly #files = new Map<string, Content>();
  readonly #directories = new Set(['']);
  readonly #locked = new Set<string>();

  constructor(name: string) {
    this.#name = name;
  }

  /** As a process sees it for as long as it lives: of what a dead one asks for, nothing happens. */
  mountedBy(life: Life): Disk {
    return new Mount(this, life);
  }

  get name(): string {
    return this.#name;
  }

  create(path: string): Content {
    if (this.#files.has(path)) throw failed(`creating ${path}: it exists`);
    if (!this.#directories.has(parentOf(path))) throw failed(`creating ${path}: there is no such directory`);
    const file = new Content();
    this.#files.set(path, file);
    return file;
  }

  file(path: string): Content {
    const file = this.#files.get(path);
    if (file === undefined) throw failed(`opening ${path}: there is no such file`);
    return file;
  }

  list(directory: string): string[] {
    const paths = [...this.#files.keys(), ...this.#directories];
    const inside = paths.filter((path) => path !== '' && parentOf(path) === directory);
    return inside.map((path) => path.slice(directory === '' ? 0 : directory.length + 1)).sort();
  }

  makeDirectory(path: string): void {
    for (let at = path; !this.#directories.has(at); at = parentOf(at)) this.#directories.add(at);
  }

  rename(from: string, to: string): void {
    const file = this.file(from);
    if (!this.#directories.has(parentOf(to))) throw failed(`renaming ${from}: ${to} has no directory`);
    this.#files.delete(from);
    this.#files.set(to, file);
  }

  remove(path: string): void {
    this.#files.delete(path);
  }

  /** `false` when it is held. */
  lock(path: string): boolean {
    if (this.#locked.has(path)) return false;
    this.#locked.add(path);
    return true;
  }

  unlock(path: string): void {
    this.#locked.delete(path);
  }
}

class Mount implements Disk {
  readonly root: string;
  readonly #directory: MemoryDirectory;
  readonly #life: Life;

  constructor(directory: MemoryDirectory, life: Life) {
    this.root = directory.name;
    this.#directory = directory;
    this.#life = life;
  }

  async open(path: string, { create }: { create: boolean }): Promise<DiskFile> {
    await turn(this.#life);
    const content = create ? this.#directory.create(path) : this.#directory.file(path);
    return new MountedFile(content, this.#life);
  }

  async list(directory: string): Promise<string[]> {
    await turn(this.#life);
    return this.#directory.list(directory);
  }

  async makeDirectory(path: string): Promise<void> {
    await turn(this.#life);
    this.#directory.makeDirectory(path);
  }

  async rename(from: string, to: string): Promise<void> {
    await turn(this.#life);
    this.#directory.rename(from, to);
  }

  async remove(path: string): Promise<void> {
    await turn(this.#life);
    this.#directory.remove(path);
  }

  async syncDirectory(): Promise<void> {
    await turn(this.#life);
  }

  async lock(path: string): Promise<DiskLock | null> {
    await turn(this.#life);
    if (!this.#directory.lock(path)) return null;
    const forget = this.#life.atEnd(() => this.#directory.unlock(path));
    let held = true;
    const release = async (): Promise<void> => {
      if (held) this.#directory.unlock(path);
      held = false;
      forget();
    };
    return { release };
  }
}

class MountedFile implements DiskFile {
  readonly #content: Content;
  readonly #life: Life;

  constructor(content: Content, life: Life) {
    this.#content = content;
    this.#life = life;
  }

  async size(): Promise<number> {
    await turn(this.#life);
    return this.#content.size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    await turn(this.#life);
    return this.#content.read(offset, length);
  }

  async write(offset: number, chunks: readonly Uint8Array[]): Promise<void> {
    this.#content.write(offset, chunks);
    await turn(this.#life);
  }

  async truncate(size: number): Promise<void> {
    this.#content.truncate(size);
    await turn(this.#life);
  }

  async sync(): Promise<void> {
    await turn(this.#life);
  }

  async close(): Promise<void> {
    await turn(this.#life);
  }
}

/** What a file holds. */
class Content {
  #bytes = Buffer.alloc(0);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** A copy. */
  read(offset: number, length: number): Uint8Array {
    return Buffer.from(this.#bytes.subarray(offset, Math.min(this.#size, offset + length)));
  }

  write(offset: number, chunks: readonly Uint8Array[]): void {
    let at = offset;
    for (const chunk of chunks) {
      this.#resize(Math.max(this.#size, at + chunk.byteLength));
      this.#bytes.set(chunk, at);
      at += chunk.byteLength;
    }
  }

  truncate(size: number): void {
    this.#resize(size);
  }

  /** What it grows by is zeros. */
  #resize(size: number): void {
    if (size > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(size, 2 * this.#bytes.length, CAPACITY_BYTES_MIN));
      this.#bytes.copy(larger, 0, 0, this.#size);
      this.#bytes = larger;
    } else if (size < this.#size) {
      this.#bytes.fill(0, size, this.#size);
    }
    this.#size = size;
  }
}

/** No disk answers in the turn that asks it. */
function turn(life: Life): Promise<void> {
  return new Promise((resolve) => life.clock.defer(resolve));
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

function failed(message: string): CatenaError {
  return new CatenaError('DISK_FAILED', message);
}
