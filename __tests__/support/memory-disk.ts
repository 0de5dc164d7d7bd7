import { CatenaError } from '../../src/base/errors.ts';
import type { Disk, DiskFile, DiskLock } from '../../src/ports/disk.ts';

/** One call of a disk or of a file of it. */
export interface DiskOperation {
  readonly kind:
    | 'open'
    | 'create'
    | 'list'
    | 'make-directory'
    | 'rename'
    | 'remove'
    | 'sync-directory'
    | 'lock'
    | 'size'
    | 'read'
    | 'write'
    | 'truncate'
    | 'sync'
    | 'close';
  readonly path: string;
  /** Of a write. */
  readonly bytes: number;
}

/** From 0 up to but not 1. */
export type Random = () => number;

/** Always the same numbers for the same seed (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Change =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly size: number };

/** A change of names in one directory. */
interface NameChange {
  readonly directory: string;
  apply(names: Map<string, Inode | 'directory'>): void;
}

/** What a file holds in memory, what of it is on the disk for good, and the changes between the two. */
class Inode {
  content = Buffer.alloc(0);
  durable = Buffer.alloc(0);
  pending: Change[] = [];

  change(change: Change): void {
    this.content = changed(this.content, change);
    this.pending.push(change);
  }

  sync(): void {
    this.durable = Buffer.from(this.content);
    this.pending = [];
  }

  /** What a power cut leaves: of each change that was not synced all, nothing, or any part. */
  cut(random: Random): void {
    for (const change of this.pending) {
      const luck = random();
      if (luck < 0.3) continue;
      const torn = luck < 0.7 && change.kind === 'write' ? tear(change, random) : [change];
      for (const part of torn) this.durable = changed(this.durable, part);
    }
    this.content = Buffer.from(this.durable);
    this.pending = [];
  }
}

/**
 * A disk in memory that can crash. What was synced survives a power cut; of the rest each write, each name made, moved or
 * removed may survive, or not, or in part, as a seeded random decides.
 */
export class MemoryDisk implements Disk {
  readonly root: string;
  /** Called before each operation: may hold it back, or throw in its place. */
  hook: ((operation: DiskOperation) => void | Promise<void>) | null = null;
  /** What all files together may hold. */
  capacityBytes = Number.POSITIVE_INFINITY;
  /** Operations that can change what a crash leaves, so far. */
  changes = 0;
  /** Files that were opened and not closed. */
  openFiles = 0;

  #names = new Map<string, Inode | 'directory'>([['', 'directory']]);
  #durableNames = new Map<string, Inode | 'directory'>([['', 'directory']]);
  #nameChanges: NameChange[] = [];
  #locks = new Set<string>();
  #dead = false;
  #changesMax = Number.POSITIVE_INFINITY;
  #onStop: () => void = () => undefined;

  constructor(root = '/memory') {
    this.root = root;
  }

  /**
   * Lets `changes` more operations that change something happen. The next one begins and never ends, as nothing does from
   * then on: the process is as good as dead. Resolves at that moment.
   */
  stopAfter(changes: number): Promise<void> {
    this.#changesMax = this.changes + changes;
    return new Promise((resolve) => {
      this.#onStop = resolve;
    });
  }

  /** The power is cut. What the old process does on this object from now on never ends; the disk goes on in a new one. */
  crash(random: Random): MemoryDisk {
    const after = this.kill();
    for (const change of after.#nameChanges) if (random() < 0.5) change.apply(after.#durableNames);
    after.#nameChanges = [];
    // Files in a directory that didn't make it are out of reach.
    after.#names = new Map([...after.#durableNames].filter(([path]) => parentsIn(after.#durableNames, path)));
    after.#durableNames = new Map(after.#names);
    for (const inode of after.#inodes()) inode.cut(random);
    return after;
  }

  /** The process is killed, the machine goes on: everything that was written is there, and what was not synced still isn't. */
  kill(): MemoryDisk {
    const after = new MemoryDisk(this.root);
    after.#names = this.#names;
    after.#durableNames = this.#durableNames;
    after.#nameChanges = this.#nameChanges;
    after.capacityBytes = this.capacityBytes;
    this.#dead = true;
    return after;
  }

  /** A disk that holds the same, all of it synced. */
  copy(): MemoryDisk {
    const other = new MemoryDisk(this.root);
    for (const [path, node] of this.#names) {
      if (node === 'directory') other.#names.set(path, node);
      else other.put(path, node.content);
    }
    other.#durableNames = new Map(other.#names);
    return other;
  }

  /** Paths of all files, sorted. */
  paths(): string[] {
    return [...this.#names].flatMap(([path, node]) => (node === 'directory' ? [] : [path])).sort();
  }

  /** What a file holds now. */
  bytesOf(path: string): Buffer {
    return Buffer.from(this.#inode(path).content);
  }

  /** Replaces what a file holds, or makes it, synced. */
  put(path: string, bytes: Uint8Array): void {
    const inode = new Inode();
    inode.content = Buffer.from(bytes);
    inode.sync();
    this.#names.set(path, inode);
    this.#durableNames.set(path, inode);
  }

  /** Takes a file away, for good. */
  lose(path: string): void {
    this.#names.delete(path);
    this.#durableNames.delete(path);
  }

  /** Turns over bits of a byte, for good. */
  flip(path: string, offset: number, mask = 0x01): void {
    const bytes = this.bytesOf(path);
    bytes[offset] = (bytes[offset] ?? 0) ^ mask;
    this.put(path, bytes);
  }

  async open(path: string, { create }: { create: boolean }): Promise<DiskFile> {
    await this.#begin(create ? 'create' : 'open', path);
    const there = this.#names.get(path);
    if (create) {
      if (there) throw failed(`creating ${path}: it exists`);
      if (this.#names.get(parentOf(path)) !== 'directory')
        throw failed(`creating ${path}: no such directory`);
      const inode = new Inode();
      this.#rename(parentOf(path), (names) => names.set(path, inode));
      await this.#end();
      return new MemoryFile(this, path, inode);
    }
    return new MemoryFile(this, path, this.#inode(path));
  }

  async list(directory: string): Promise<string[]> {
    await this.#begin('list', directory);
    const inside = [...this.#names.keys()].filter((path) => path !== '' && parentOf(path) === directory);
    return inside.map((path) => path.slice(directory === '' ? 0 : directory.length + 1)).sort();
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#begin('make-directory', path);
    for (let at = path; !this.#names.has(at); at = parentOf(at)) {
      const made = at;
      this.#rename(parentOf(made), (names) => names.set(made, 'directory'));
    }
    await this.#end();
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#begin('rename', from);
    const inode = this.#inode(from);
    this.#rename(parentOf(to), (names) => {
      names.delete(from);
      names.set(to, inode);
    });
    await this.#end();
  }

  async remove(path: string): Promise<void> {
    await this.#begin('remove', path);
    if (this.#names.has(path)) this.#rename(parentOf(path), (names) => names.delete(path));
    await this.#end();
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#begin('sync-directory', path);
    await this.#end();
    for (const change of this.#nameChanges) {
      if (change.directory === path) change.apply(this.#durableNames);
    }
    this.#nameChanges = this.#nameChanges.filter((change) => change.directory !== path);
  }

  async lock(path: string): Promise<DiskLock | null> {
    await this.#begin('lock', path);
    if (this.#locks.has(path)) return null;
    this.#locks.add(path);
    return {
      release: async () => {
        this.#locks.delete(path);
      },
    };
  }

  /** For files of this disk: before an operation. */
  async begin(kind: DiskOperation['kind'], path: string, bytes = 0): Promise<void> {
    await this.#begin(kind, path, bytes);
  }

  /** For files of this disk: after a change was begun, before it counts as done. */
  async end(): Promise<void> {
    await this.#end();
  }

  /** How many bytes more fit. */
  freeBytes(): number {
    let used = 0;
    for (const inode of this.#inodes()) used += inode.content.length;
    return Math.max(0, this.capacityBytes - used);
  }

  async #begin(kind: DiskOperation['kind'], path: string, bytes = 0): Promise<void> {
    if (this.#dead || this.changes > this.#changesMax) await forEver();
    await this.hook?.({ kind, path, bytes });
    if (this.#dead) await forEver();
  }

  async #end(): Promise<void> {
    this.changes++;
    if (this.changes <= this.#changesMax) return;
    this.#onStop();
    await forEver();
  }

  #rename(directory: string, apply: (names: Map<string, Inode | 'directory'>) => void): void {
    apply(this.#names);
    this.#nameChanges.push({ directory, apply });
  }

  #inode(path: string): Inode {
    const node = this.#names.get(path);
    if (node === undefined || node === 'directory') throw failed(`opening ${path}: no such file`);
    return node;
  }

  *#inodes(): Iterable<Inode> {
    for (const node of this.#names.values()) if (node !== 'directory') yield node;
  }
}

class MemoryFile implements DiskFile {
  readonly #disk: MemoryDisk;
  readonly #path: string;
  readonly #inode: Inode;
  #closed = false;

  constructor(disk: MemoryDisk, path: string, inode: Inode) {
    this.#disk = disk;
    this.#path = path;
    this.#inode = inode;
    disk.openFiles++;
  }

  async size(): Promise<number> {
    await this.#begin('size');
    return this.#inode.content.length;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    await this.#begin('read');
    return Buffer.from(this.#inode.content.subarray(offset, offset + length));
  }

  async write(offset: number, chunks: readonly Uint8Array[]): Promise<void> {
    const bytes = Buffer.concat(chunks);
    await this.#begin('write', bytes.length);
    const growth = Math.max(0, offset + bytes.length - this.#inode.content.length);
    const fits = bytes.length - Math.max(0, growth - this.#disk.freeBytes());
    this.#inode.change({ kind: 'write', offset, bytes: bytes.subarray(0, fits) });
    await this.#disk.end();
    if (fits < bytes.length) throw new CatenaError('DISK_FULL', `writing ${this.#path}: the disk is full`);
  }

  async truncate(size: number): Promise<void> {
    await this.#begin('truncate');
    this.#inode.change({ kind: 'truncate', size });
    await this.#disk.end();
  }

  async sync(): Promise<void> {
    await this.#begin('sync');
    await this.#disk.end();
    this.#inode.sync();
  }

  async close(): Promise<void> {
    await this.#begin('close');
    this.#closed = true;
    this.#disk.openFiles--;
  }

  async #begin(kind: DiskOperation['kind'], bytes = 0): Promise<void> {
    if (this.#closed) throw failed(`${kind} ${this.#path}: it is closed`);
    await this.#disk.begin(kind, this.#path, bytes);
  }
}

function changed(content: Buffer, change: Change): Buffer<ArrayBuffer> {
  if (change.kind === 'truncate') {
    const bytes = Buffer.alloc(change.size);
    content.copy(bytes);
    return bytes;
  }
  const bytes = Buffer.alloc(Math.max(content.length, change.offset + change.bytes.length));
  content.copy(bytes);
  change.bytes.copy(bytes, change.offset);
  return bytes;
}

/** Up to three stretches of a write, each cut at any byte. */
function tear({ offset, bytes }: Extract<Change, { kind: 'write' }>, random: Random): Change[] {
  const parts: Change[] = [];
  const stretches = 1 + Math.floor(random() * 3);
  for (let i = 0; i < stretches; i++) {
    const start = random() < 0.5 ? 0 : Math.floor(random() * bytes.length);
    const end = start + Math.floor(random() * (bytes.length - start + 1));
    if (end > start) parts.push({ kind: 'write', offset: offset + start, bytes: bytes.subarray(start, end) });
  }
  return parts;
}

function parentsIn(names: Map<string, unknown>, path: string): boolean {
  if (path === '') return true;
  return names.get(parentOf(path)) === 'directory' && parentsIn(names, parentOf(path));
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

function failed(message: string): CatenaError {
  return new CatenaError('DISK_FAILED', message);
}

function forEver(): Promise<never> {
  return new Promise(() => undefined);
}
