import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { PROJECT } from '../support/source-files.ts';

/** What a line of shell came to; its output as bytes and as text. */
export interface ShellResult {
  readonly code: number | null;
  readonly bytes: Buffer;
  readonly stdout: string;
  readonly stderr: string;
}

const CATENA = 'catena() { "$NODE" "$MAIN" "$@"; }';

/** Runs a line of bash in which `catena` is the command line, asking the chain at this URL, with this as its standard input. */
export async function shell(
  line: string,
  { url, input = '', env = {} }: { url: string; input?: string | Uint8Array; env?: NodeJS.ProcessEnv },
): Promise<ShellResult> {
  const child = spawn('bash', ['-c', `${CATENA}\n${line}`], {
    cwd: PROJECT,
    env: {
      ...process.env,
      NODE: process.execPath,
      MAIN: join(PROJECT, 'src/cli/main.ts'),
      CATENA_URL: url,
      ...env,
    },
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (piece: Buffer) => out.push(piece));
  child.stderr.on('data', (piece: Buffer) => err.push(piece));
  // A program that does not read its input may be gone before it is written.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  const bytes = Buffer.concat(out);
  return { code, bytes, stdout: bytes.toString(), stderr: Buffer.concat(err).toString() };
}
