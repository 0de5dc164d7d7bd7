import { type FileHandle, open } from 'node:fs/promises';
import type { Command } from 'commander';
import { CatenaError, messageOf } from '../base/errors.ts';
import type { StreamAnswer } from '../client/caller.ts';
import { CatenaError as ClientError, Unavailable } from '../client/errors.ts';
import { refusalOf } from '../client/problem.ts';
import { systemClock } from '../platform/clock.ts';
import { type Chain, type ClientFlags, told, withChain, withClientOptions } from './client-options.ts';
import { fileError } from './input.ts';
import { keysText, Progress, print, ReaderLeft } from './output.ts';

const NEWLINE = 0x0a;
const REFUSAL_BYTES_MAX = 65_536;
/** While the chain changes it is asked again so much later, in ms. */
const AGAIN_MS = 200;

interface ExportFlags extends ClientFlags {
  readonly prefix: string;
  readonly file?: string;
}

/** `catena export` */
export function addExport(program: Command): void {
  withClientOptions(
    program
      .command('export')
      .description('Prints all keys with their values as they are at one instant, a line of JSON for each.'),
  )
    .option('--prefix <prefix>', 'only the keys that begin with this', '')
    .option('--file <file>', 'write to this file')
    .addHelpText(
      'after',
      '\ncatena import takes them in again. The exit code is 0 only when it is whole.\n\nExample:\n  $ catena export --file backup.jsonl\n  $ catena export --prefix user: | wc -l',
    )
    .action(exportAll);
}

async function exportAll({ prefix, file, ...flags }: ExportFlags): Promise<void> {
  await withChain(flags, async (chain) => {
    const answer = await opened(chain, prefix);
    if (file === undefined) {
      await copied(answer, print);
      return;
    }
    const handle = await fileAt(file);
    try {
      const count = await copied(answer, (piece) => written(handle, piece, file));
      await print(`exported ${keysText(count)} to ${file}\n`);
    } finally {
      await handle.close();
    }
  });
}

/** While the chain changes nobody can answer; then it is asked anew. */
async function opened({ core, deadlineMs }: Chain, prefix: string): Promise<StreamAnswer> {
  const path = prefix === '' ? '/export' : `/export?prefix=${encodeURIComponent(prefix)}`;
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    try {
      const answer = await core.stream({ path });
      if (answer.status === 200) return answer;
      const refusal = refusalOf({ status: answer.status, body: await beginningOf(answer.body) });
      if (answer.status < 500 || performance.now() > endMs) throw refusal;
    } catch (error) {
      if (!(error instanceof Unavailable) || performance.now() > endMs) throw error;
    }
    await new Promise<void>((resolve) => systemClock.after(AGAIN_MS, resolve));
  }
}

/** Hands everything on as it comes. @returns how many lines it was. */
async function copied(answer: StreamAnswer, take: (piece: Uint8Array) => Promise<void>): Promise<number> {
  const progress = new Progress();
  let count = 0;
  try {
    for await (const piece of answer.body) {
      await take(piece);
      for (let at = piece.indexOf(NEWLINE); at >= 0; at = piece.indexOf(NEWLINE, at + 1)) count++;
      progress.at(() => `exported ${keysText(count)} ...`);
    }
    return count;
  } catch (error) {
    throw brokenOff(error, count);
  } finally {
    progress.end();
  }
}

function brokenOff(error: unknown, count: number): unknown {
  const more = `; ${keysText(count)} came before, so what was written is not whole: run it again`;
  if (error instanceof ReaderLeft) return error;
  if (error instanceof ClientError || error instanceof CatenaError) return told(error, more);
  return new CatenaError('NOT_READY', `the export broke off: ${messageOf(error)}${more}`, { cause: error });
}

async function fileAt(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'w');
  } catch (error) {
    throw fileError(error, { file, doing: 'written' });
  }
}

async function written(handle: FileHandle, piece: Uint8Array, file: string): Promise<void> {
  try {
    await handle.writeFile(piece);
  } catch (error) {
    throw fileError(error, { file, doing: 'written' });
  }
}

async function beginningOf(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body) {
    pieces.push(piece);
    length += piece.length;
    if (length > REFUSAL_BYTES_MAX) break;
  }
  return Buffer.concat(pieces);
}
