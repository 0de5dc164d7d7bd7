import { constants, type FileHandle, open } from 'node:fs/promises';
import { watch } from 'chokidar';
import { whyUnreadable } from './files.ts';

/** How often the file is looked at, whatever is told of it: mounts of containers and of networks tell nothing, in ms. */
const LOOK_MS = 500;
/** The same while it is away or may be half written, in ms. */
const LOOK_AGAIN_MS = 50;
/** What makes no sense may be half of what is being written, for so long without a change, in ms. */
const UNFINISHED_MS = 300;
/** A file that is being replaced may be away for a moment; so long is longer than that, in ms. */
const AWAY_MS = 2000;
/** No more is read than this, in bytes. */
const FILE_BYTES_MAX = 4 * 1024 * 1024;

/** What is told of a file; one call at a time. */
export interface FileListener {
  /**
   * The file says this, which it did not before. Answered with `false`, it is taken for half of what is being written, and told once
   * more, as `settled`, when it stays like that.
   */
  says(text: string, settled: boolean): boolean;
  /** It can't be read for longer than a replacing takes. When it is back it is told again, even if it says the same. */
  away(reason: string): void;
}

/**
 * Follows what a file says, until it is stopped, without keeping the process alive. Editors write files in place or
 * put another in their place, symbolic links are turned to elsewhere: what counts is what reading it gives.
 */
export class FileWatch {
  readonly #path: string;
  readonly #listener: FileListener;
  readonly #watcher: ReturnType<typeof watch>;
  /** What was told last; `null` when that was that it is away. */
  #told: string | null = null;
  /** What may be half of what is being written, and since when it is there. */
  #unfinished: { readonly text: string; readonly sinceMs: number } | null = null;
  #away: { readonly sinceMs: number; told: boolean } | null = null;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | null = null;
  #lookAgain = false;
  #stopped = false;

  constructor(path: string, listener: FileListener) {
    this.#path = path;
    this.#listener = listener;
    this.#watcher = watch(path, { persistent: false, ignoreInitial: true, atomic: false });
    this.#watcher.on('all', () => this.#look());
    // Without it, because there are too many watches say, the file is looked at none the less.
    this.#watcher.on('error', () => {});
    this.#look();
  }

  /** Nothing is told any more, from now on. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#watcher.close();
    await this.#looking;
  }

  #look(): void {
    if (this.#stopped) return;
    // A change behind the reading under way would be overlooked.
    if (this.#looking !== null) this.#lookAgain = true;
    else this.#looking = this.#lookNow();
  }

  async #lookNow(): Promise<void> {
    clearTimeout(this.#timer);
    const found = await readUpTo(this.#path);
    this.#looking = null;
    if (this.#stopped) return;
    if ('reason' in found) this.#isAway(found.reason);
    else this.#isThere(found.text);
    const soon = this.#away !== null || this.#unfinished !== null;
    this.#timer = setTimeout(() => this.#look(), soon ? LOOK_AGAIN_MS : LOOK_MS).unref();
    if (this.#lookAgain) this.#look();
    this.#lookAgain = false;
  }

  #isThere(text: string): void {
    this.#away = null;
    if (text === this.#told) {
      this.#unfinished = null;
      return;
    }
    const nowMs = performance.now();
    const seen = this.#unfinished?.text === text ? this.#unfinished : null;
    const settled = seen !== null && nowMs - seen.sinceMs >= UNFINISHED_MS;
    if (seen !== null && !settled) return;
    if (this.#listener.says(text, settled) || settled) {
      this.#told = text;
      this.#unfinished = null;
    } else {
      this.#unfinished = { text, sinceMs: nowMs };
    }
  }

  #isAway(reason: string): void {
    this.#unfinished = null;
    this.#away ??= { sinceMs: performance.now(), told: false };
    if (this.#away.told || performance.now() - this.#away.sinceMs < AWAY_MS) return;
    this.#away.told = true;
    this.#told = null;
    this.#listener.away(reason);
  }
}

async function readUpTo(path: string): Promise<{ readonly text: string } | { readonly reason: string }> {
  let file: FileHandle | undefined;
  try {
    // A pipe would else be waited for until somebody writes.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await file.stat();
    if (!stat.isFile()) return { reason: 'it is no file' };
    const buffer = Buffer.alloc(Math.min(stat.size + 1, FILE_BYTES_MAX));
    let bytes = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, bytes, buffer.length - bytes, bytes);
      bytes += bytesRead;
      if (bytesRead === 0 || bytes === buffer.length) break;
    }
    return { text: buffer.toString('utf8', 0, bytes) };
  } catch (error) {
    return { reason: whyUnreadable(error) };
  } finally {
    await file?.close();
  }
}
