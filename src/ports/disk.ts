/**
 * A data directory's disk. Paths are relative to that directory, with `/`. Everything may fail with a `CatenaError`
 * (`DISK_FULL`, `DISK_FAILED`); what was not synced may or may not be there after a crash, in any part.
 */
export interface Disk {
  /** Where the directory is, for people. */
  readonly root: string;
  /** Opens for reading and writing; `create` makes the file, which must not be there yet. */
  open(path: string, options: { create: boolean }): Promise<DiskFile>;
  /** Names of the files and directories in a directory, sorted; empty when there is no such directory. */
  list(directory: string): Promise<string[]>;
  /** With its parents; nothing happens when it is there. */
  makeDirectory(path: string): Promise<void>;
  /** Replaces `to` if it is there; what has that open goes on reading it. Lasts once the directories of both are synced. */
  rename(from: string, to: string): Promise<void>;
  /** Nothing happens when it isn't there; what has it open goes on reading it. Lasts once the directory is synced. */
  remove(path: string): Promise<void>;
  /** Makes creations, renames and removals in a directory last; `''` is the root. */
  syncDirectory(path: string): Promise<void>;
  /** Takes an exclusive lock, held until released or the process ends; `null` when another process holds it. */
  lock(path: string): Promise<DiskLock | null>;
}

/** An exclusive lock that is held. */
export interface DiskLock {
  release(): Promise<void>;
}

/** An open file. Its calls may overlap; what each promises holds for what was awaited before. */
export interface DiskFile {
  size(): Promise<number>;
  /** Up to `length` bytes from `offset`; fewer only at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Writes all of `chunks`, one behind the other, from `offset` on. */
  write(offset: number, chunks: readonly Uint8Array[]): Promise<void>;
  truncate(size: number): Promise<void>;
  /** Makes everything written and truncated before this call last (`fdatasync`). */
  sync(): Promise<void>;
  close(): Promise<void>;
}
