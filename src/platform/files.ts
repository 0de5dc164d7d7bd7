import { readFile } from 'node:fs/promises';
import { CatenaError, messageOf } from '../base/errors.ts';
import { errnoOf } from './disk-error.ts';

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a directory, not a file',
  EACCES: 'this user may not read it',
  ENOTDIR: 'a part of the path is a file, not a directory',
};

/**
 * The text of a file that somebody named.
 *
 * @throws CatenaError DISK_FAILED, saying in words why it can't be read.
 */
export async function readTextFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new CatenaError('DISK_FAILED', `${path} can't be read: ${whyUnreadable(error)}`, { cause: error });
  }
}

/** Why a file can't be read, in words that end a sentence. */
export function whyUnreadable(error: unknown): string {
  return WORDS[errnoOf(error) ?? ''] ?? messageOf(error);
}
