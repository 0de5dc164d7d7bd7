import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startChain } from '../../src/testing/start-chain.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const temporary = temporaryDirectory();

/** Runs a program to its own end, with an empty temporary directory. @returns what it printed. */
async function run(...args: readonly string[]): Promise<string> {
  const options = { timeout: 60_000, env: { ...process.env, TMPDIR: temporary.path } };
  return (await promisify(execFile)(process.execPath, args, options)).stdout;
}

interface Played {
  readonly course: string;
  readonly before: object;
  readonly running: object;
  readonly after: object;
}

test('a chain that was stopped leaves no handle, listener or file behind, whatever it went through', async () => {
  const lines = (await run(join(import.meta.dirname, 'leftovers-program.ts'))).trim().split('\n');
  const played = lines.map((line) => JSON.parse(line) as Played);
  expect(played.map(({ course }) => course)).toHaveLength(7);
  for (const { course, before, running, after } of played) {
    expect({ course, ...running }).not.toEqual({ course, ...before });
    expect({ course, ...after }).toEqual({ course, ...before });
  }
}, 60_000);

test('a program ends by itself once its chain is stopped, and that is done at the end of the block', async () => {
  const url = new URL('../../src/testing/start-chain.ts', import.meta.url).href;
  const program = `
    import { startChain } from '${url}';
    {
      await using chain = await startChain();
      chain.partition('head');
      await chain.kill('tail');
      console.log((await fetch(chain.url + '/healthz')).status);
    }
    console.log('stopped');`;
  expect(await run('--input-type=module', '--eval', program)).toBe('200\nstopped\n');
}, 60_000);

test('a bad option leaves nothing behind', async () => {
  const program = `
    import { startChain } from '${new URL('../../src/testing/start-chain.ts', import.meta.url).href}';
    await startChain({ limits: { keyBytes: 0 } }).catch((error) => console.log(error.code));
    console.log(process.getActiveResourcesInfo().filter((kind) => kind !== 'PipeWrap'));`;
  expect(await run('--input-type=module', '--eval', program)).toBe('BAD_PARAMETER\n[]\n');
  await expect(startChain({ limits: { keyBytes: 0 } })).rejects.toThrow('limits.keyBytes');
});
