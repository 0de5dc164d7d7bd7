import { CatenaError } from '../base/errors.ts';
import type { Prng } from '../base/prng.ts';
import { FileContent } from './disk-content.ts';

type Node = FileContent | 'directory';

/** Names of one directory that changed together, or not at all. */
interface NameChange {
  readonly directory: string;
  /** What each path names from then on; `null`: nothing. */
  names: readonly (readonly [path: string, node: Node | null])[];
  /** Of a move to another directory, without whose new name the old one does not go. */
  readonly needs: NameChange | null;
  lasting: boolean;
}

/**
 * The tree of a disk, as processes see it and as a power cut may leave it: a name that was made, moved or removed lasts once
 * its directory is synced, whatever becomes of the file's content. Paths as in the `Disk` port.
 */
export class DiskNames {
  #names = new Map<string, Node>([['', 'directory']]);
  #lasting = new Map<string, Node>([['', 'directory']]);
  #changes: NameChange[] = [];

  /** The paths of all files, sorted. */
  paths(): string[] {
    return [...this.#names].flatMap(([path, node]) => (node === 'directory' ? [] : [path])).sort();
  }

  /** @throws CatenaError DISK_FAILED when there is no such file. */
  file(path: string): FileContent {
    const node = this.#names.get(path);
    if (node === undefined || node === 'directory') throw failed(`opening ${path}: no such file`);
    return node;
  }

  /** See `Disk.open`. */
  create(path: string): FileContent {
    if (this.#names.has(path)) throw failed(`creating ${path}: it exists`);
    this.#directory(parentOf(path));
    const file = new FileContent();
    this.#change(parentOf(path), [[path, file]]);
    return file;
  }

  /** See `Disk.list`. */
  list(directory: string): string[] {
    const start = directory === '' ? 0 : directory.length + 1;
    const names: string[] = [];
    for (const path of this.#names.keys()) {
      if (path !== '' && parentOf(path) === directory) names.push(path.slice(start));
    }
    return names.sort();
  }

  /** See `Disk.makeDirectory`; unlike the real disk's they do not last before they are synced. */
  makeDirectory(path: string): void {
    if (this.#names.get(path) === 'directory') return;
    if (this.#names.has(path)) throw failed(`making the directory ${path}: a file has that name`);
    this.makeDirectory(parentOf(path));
    this.#change(parentOf(path), [[path, 'directory']]);
  }

  /** See `Disk.rename`. Between two directories the new name may last before the old one is gone, never the reverse. */
  rename(from: string, to: string): void {
    const file = this.file(from);
    this.#directory(parentOf(to));
    if (this.#names.get(to) === 'directory') throw failed(`renaming ${from}: ${to} is a directory`);
    if (from === to) return;
    const [source, target] = [parentOf(from), parentOf(to)];
    if (source === target) {
      this.#change(target, [
        [from, null],
        [to, file],
      ]);
    } else {
      const named = this.#change(target, [[to, file]]);
      this.#change(source, [[from, null]], named);
    }
  }

  /** See `Disk.remove`. */
  remove(path: string): void {
    const node = this.#names.get(path);
    if (node === 'directory') throw failed(`removing ${path}: it is a directory`);
    if (node) this.#change(parentOf(path), [[path, null]]);
  }

  /** See `Disk.syncDirectory`. */
  sync(directory: string): void {
    this.#directory(directory);
    for (const change of this.#changes) {
      if (change.directory !== directory) continue;
      if (change.needs?.lasting === false) this.sync(change.needs.directory);
      this.#makeLast(change);
    }
    this.#changes = this.#changes.filter((change) => !change.lasting);
  }

  /** The power is cut: each change that was not synced happened or did not. */
  cut(fates: Prng): void {
    for (const change of this.#changes) {
      if (fates.chance(0.5) && change.needs?.lasting !== false) this.#makeLast(change);
    }
    this.#changes = [];
    // Files in a directory that didn't make it are out of reach.
    this.#names = new Map([...this.#lasting].filter(([path]) => this.#isReached(path)));
    this.#lasting = new Map(this.#names);
    const files = new Set(this.#names.values());
    for (const file of files) if (file !== 'directory') file.cut(fates);
  }

  /** Takes away a file, or a directory with all that is in it, for good. */
  removeUnder(prefix: string): void {
    const isUnder = (path: string) => path === prefix || path.startsWith(`${prefix}/`);
    for (const names of [this.#names, this.#lasting]) {
      for (const path of [...names.keys()]) if (isUnder(path)) names.delete(path);
    }
    for (const change of this.#changes) change.names = change.names.filter(([path]) => !isUnder(path));
  }

  #change(directory: string, names: NameChange['names'], needs: NameChange | null = null): NameChange {
    const change = { directory, names, needs, lasting: false };
    this.#changes.push(change);
    apply(change, this.#names);
    return change;
  }

  #makeLast(change: NameChange): void {
    if (change.lasting) return;
    change.lasting = true;
    apply(change, this.#lasting);
  }

  #directory(path: string): void {
    if (this.#names.get(path) !== 'directory') throw failed(`${path}: no such directory`);
  }

  #isReached(path: string): boolean {
    if (path === '') return true;
    return this.#lasting.get(parentOf(path)) === 'directory' && this.#isReached(parentOf(path));
  }
}

function apply({ names }: NameChange, to: Map<string, Node>): void {
  for (const [path, node] of names) {
    if (node === null) to.delete(path);
    else to.set(path, node);
  }
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

/** The error of a disk that does not do what it was asked. */
export function failed(message: string): CatenaError {
  return new CatenaError('DISK_FAILED', message);
}
