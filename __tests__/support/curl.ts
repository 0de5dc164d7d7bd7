import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What the real curl prints and how it ends. */
export interface CurlResult {
  readonly exitCode: number;
  readonly status: number;
  /** Of every answer on the way, in order. */
  readonly headers: string;
  readonly body: string;
}

/** Runs the curl of this machine, as a user would; `-L` and the like are the caller's. The status is that of the last answer. */
export async function curl(...args: readonly string[]): Promise<CurlResult> {
  const folder = await mkdtemp(join(tmpdir(), 'catena-curl-'));
  const file = join(folder, 'headers');
  try {
    const { exitCode, stdout } = await run([
      '-sS',
      '--max-time',
      '20',
      '-D',
      file,
      '-w',
      '\n%{http_code}',
      ...args,
    ]);
    const headers = await readFile(file, 'utf8').catch(() => '');
    const cut = stdout.lastIndexOf('\n');
    return { exitCode, status: Number(stdout.slice(cut + 1)), headers, body: stdout.slice(0, cut) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function run(args: readonly string[]): Promise<{ exitCode: number; stdout: string }> {
  return new Promise((resolve, reject) => {
    execFile('curl', args, { maxBuffer: 64 * 1024 * 1024 }, (error, stdout) => {
      if (error?.code === 'ENOENT') return reject(new Error('these tests need curl on the PATH'));
      resolve({ exitCode: typeof error?.code === 'number' ? error.code : 0, stdout });
    });
  });
}
