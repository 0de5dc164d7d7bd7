import { CatenaError } from '../base/errors.ts';
import type { Disk } from '../ports/disk.ts';

/** Where in a data directory something was found. */
export interface Place {
  readonly disk: Disk;
  readonly path: string;
  /** In bytes from the beginning of the file. */
  readonly offset: number;
}

/** The error for what no crash can have left: which file, where, and what to do about it. */
export function corrupt({ disk, path, offset }: Place, what: string, cause?: unknown): CatenaError {
  return new CatenaError(
    'CORRUPT',
    `${disk.root}/${path} is damaged at byte ${offset}: ${what}. ` +
      `Keep ${disk.root} as it is: every other member holds every acknowledged write. The chain waits for this node, ` +
      'and this version has no way yet to fill it from its neighbours; a sound copy of the directory made after it ' +
      'was stopped for the last time can take its place.',
    { cause },
  );
}
