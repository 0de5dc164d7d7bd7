import { readdir } from 'node:fs/promises';
import { jest } from '@jest/globals';
import { catena } from '../support/catena-process.ts';
import { shell } from './shell.ts';

// Each command is a process of its own, and takes its time on a busy machine.
jest.setTimeout(60_000);

const url = 'http://localhost:4466';

/** What bash offers for the last of these words, after the script was sourced as users do. */
async function offered(...words: readonly string[]): Promise<string[]> {
  const list = words.map((word) => `'${word}'`).join(' ');
  const { code, stdout, stderr } = await shell(
    `set -e; source <(catena completion bash); COMP_WORDS=(catena ${list}); COMP_CWORD=${words.length}; _catena; printf '%s\\n' "\${COMPREPLY[@]}"`,
    { url },
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.split('\n').filter((line) => line !== '');
}

test('bash takes the script, and completes every command that --help names', async () => {
  expect(await shell('catena completion bash | bash -n', { url })).toMatchObject({ code: 0, stderr: '' });
  const { stdout } = await catena(['--help']).ends();
  const named = [...stdout.matchAll(/^ {2}([a-z]+) .*?/gm)].map(([, name]) => name);
  expect(named).toContain('status');
  expect(await offered('')).toEqual(expect.arrayContaining(named.filter((name) => name !== 'help')));
  expect(await offered('st')).toEqual(['status']);
});

test('bash completes subcommands, options, choices and files where they belong', async () => {
  expect(await offered('topology', '')).toEqual(['check', 'plan', 'apply']);
  expect(await offered('set', 'key', '--if')).toEqual(['--if-version', '--if-absent']);
  expect(await offered('topology', 'apply', '--url')).toEqual(['--url']);
  expect(await offered('completion', '')).toEqual(['bash', 'zsh', 'fish']);
  const files = (await readdir('topology')).map((name) => `topology/${name}`).sort();
  expect((await offered('topology', 'check', 'topology/')).sort()).toEqual(files);
  expect(await offered('up', '--topology', 'topology/loc')).toEqual(['topology/local.json']);
  expect(await offered('get', '--url', 'x')).toEqual([]);
});

test.each(['zsh', 'fish'])('the script for %s names every command and option', async (name) => {
  const { code, stdout } = await catena(['completion', name]).ends();
  expect(code).toBe(0);
  const { stdout: help } = await catena(['set', '--help']).ends();
  const flags = [...help.matchAll(/--([a-z-]+)/g)].map(([, flag]) => flag ?? '');
  for (const word of ['status', 'topology', 'check', 'if-absent', ...flags]) expect(stdout).toContain(word);
});
