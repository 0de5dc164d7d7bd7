import { open } from 'node:fs/promises';
import { CatenaError, messageOf } from '../base/errors.ts';
import { errnosOf } from '../platform/network-error.ts';

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'this user may not',
  EISDIR: 'it is a folder',
  ENOSPC: 'the disk is full',
};

/** Whether somebody sits at standard input, rather than a program or a file. */
export function typesInput(): boolean {
  return process.stdin.isTTY === true;
}

/** The bytes of a file, or of standard input when none is named, as they come. @throws CatenaError when it can't be read. */
export async function* bytesFrom(file: string | undefined): AsyncGenerator<Uint8Array, void, undefined> {
  if (file === undefined) {
    yield* process.stdin as AsyncIterable<Uint8Array>;
    return;
  }
  try {
    const handle = await open(file);
    yield* handle.createReadStream() as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw fileError(error, { file, doing: 'read' });
  }
}

/** All of it at once. @throws CatenaError when it has more than `bytesMax`, or can't be read. */
export async function allBytes(file: string | undefined, bytesMax: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of bytesFrom(file)) {
    pieces.push(piece);
    length += piece.length;
    if (length <= bytesMax) continue;
    const what = file ?? 'standard input';
    throw new CatenaError(
      'VALUE_TOO_LARGE',
      `${what} has more than ${bytesMax} bytes: no value may be so large`,
    );
  }
  return Buffer.concat(pieces);
}

/** Why something could not be done with a file, in words; errors that are in words already stay. */
export function fileError(
  error: unknown,
  { file, doing }: { readonly file: string; readonly doing: 'read' | 'written' },
): unknown {
  const [errno] = errnosOf(error);
  if (errno === undefined) return error;
  const advice = doing === 'read' ? 'give a file that is there' : 'give another with --file';
  const why = WORDS[errno] ?? messageOf(error);
  return new CatenaError('DISK_FAILED', `${file} can't be ${doing}: ${why}; ${advice}`, { cause: error });
}
