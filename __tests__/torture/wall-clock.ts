import { readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const LIBRARY = 'libfaketime.so.1';

/** The wall clock of one process, which can be made wrong while it runs. Its monotonic clock and its timers stay right. */
export class WallClock {
  readonly #library: string;
  readonly #file: string;

  constructor(library: string, file: string) {
    this.#library = library;
    this.#file = file;
    this.set(0);
  }

  /** For a process that is to live by this clock. */
  get environment(): Readonly<Record<string, string>> {
    return {
      LD_PRELOAD: this.#library,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      DONT_FAKE_MONOTONIC: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    };
  }

  /** Off the true time by so many ms, from now on. */
  set(offMs: number): void {
    const sign = offMs < 0 ? '-' : '+';
    writeFileSync(`${this.#file}.new`, `${sign}${Math.abs(offMs) / 1000}s\n`);
    renameSync(`${this.#file}.new`, this.#file);
  }
}

/** Where libfaketime is on this system; `null` when it isn't there. */
export function findFaketime(): string | null {
  for (const directory of ['/usr/lib', '/usr/local/lib', '/usr/lib64']) {
    const places = ['', ...namesIn(directory)].map((name) => join(directory, name, 'faketime'));
    const found = places.find((place) => namesIn(place).includes(LIBRARY));
    if (found !== undefined) return join(found, LIBRARY);
  }
  return null;
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
