/** `catena export` and `catena import`, against real processes. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { Cluster, until } from '../support/cluster.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { type ShellResult, shell } from './shell.ts';

// Each command is a process of its own, and takes its time on a busy machine.
jest.setTimeout(60_000);

const directory = temporaryDirectory();
let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.make(['n1', 'n2']);
  cluster.startAll();
  await cluster.ready();
});

afterAll(() => cluster.remove());

const run = (line: string, input: string | Uint8Array = ''): Promise<ShellResult> =>
  shell(line, { url: cluster.url('n1'), input });

interface Row {
  readonly key: string;
  readonly version: number;
  readonly expiresIn?: number;
}

const rowsIn = (text: string): Row[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);

const withoutVersions = (rows: readonly Row[]): object[] =>
  rows.map(({ version: _, expiresIn, ...rest }) => ({ ...rest, expires: expiresIn !== undefined }));

const emptied = async (): Promise<void> => {
  const keys = rowsIn(await (await fetch(`${cluster.url('n1')}/export`)).text()).map(({ key }) => key);
  for (let from = 0; from < keys.length; from += 1000) {
    const operations = keys.slice(from, from + 1000).map((key) => ({ op: 'delete', key }));
    const headers = { 'Content-Type': 'application/json' };
    await fetch(`${cluster.url('n1')}/batch`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ operations }),
    });
  }
};

beforeEach(emptied);

test('what was exported and is imported again is the same but for its versions', async () => {
  const put = (path: string, body: string | Uint8Array, type: string): Promise<Response> =>
    fetch(`${cluster.url('n1')}/set/${path}`, {
      method: 'PUT',
      headers: { 'Content-Type': type },
      body: Buffer.from(body),
    });
  await put('text', 'line\nend\u2028\u2029 "quoted" 🎉', 'text/plain; charset=utf-8');
  await put('json', '{ "a" :  1.0 }', 'application/json');
  await put(
    'bytes',
    Uint8Array.from({ length: 512 }, (_, at) => at % 256),
    'image/png',
  );
  await put('empty', '', 'text/plain');
  await put(encodeURIComponent('odd/\u0000\n키?'), 'x', 'text/plain');
  await put('mortal?ttl=5000', 'x', 'text/plain');
  const before = await run('catena export');
  expect(rowsIn(before.stdout)).toHaveLength(6);
  await emptied();
  expect((await run('catena export')).stdout).toBe('');
  const imported = await run('catena import', before.bytes);
  expect(imported).toMatchObject({ code: 0, stdout: 'imported 6 keys\n', stderr: '' });
  const after = rowsIn((await run('catena export')).stdout);
  expect(withoutVersions(after)).toEqual(withoutVersions(rowsIn(before.stdout)));
  const { expiresIn } = after.find(({ key }) => key === 'mortal') ?? {};
  expect(expiresIn).toBeLessThanOrEqual(5000);
});

test('more keys than a batch takes go through files and a pipe', async () => {
  const lines = Array.from({ length: 2345 }, (_, at) => JSON.stringify({ key: `k${at}`, value: `v${at}` }));
  const file = join(directory.path, 'in.jsonl');
  await writeFile(file, `${lines.join('\n')}\n\n`);
  expect((await run(`catena import --file ${file} --json`)).stdout).toBe('{"imported":2345}\n');
  const out = join(directory.path, 'out.jsonl');
  expect((await run(`catena export --file ${out}`)).stdout).toBe(`exported 2,345 keys to ${out}\n`);
  expect(rowsIn(await readFile(out, 'utf8'))).toHaveLength(2345);
  expect((await run('catena export --prefix k1 | catena import')).stdout).toBe('imported 1,111 keys\n');
  expect((await run('catena export --prefix k234 | wc -l')).stdout.trim()).toBe('6');
});

test('a value that is too long for a batch when it is escaped is imported all the same', async () => {
  const value = '\u0001'.repeat(1_000_000);
  const input = `${JSON.stringify({ key: 'a', value: 'x' })}\n${JSON.stringify({ key: 'long', value })}\n`;
  expect(await run('catena import', input)).toMatchObject({ code: 0, stdout: 'imported 2 keys\n' });
  expect((await run('catena get long')).stdout).toBe(value);
});

test.each([
  { bad: 'nonsense', says: 'line 3 is no line of an export' },
  { bad: '{"value":"x"}', says: 'line 3 has no "key"' },
  { bad: '{"key":"x","value":5}', says: 'line 3 has no "value"' },
  { bad: '{"key":"x","value":"x","encoding":"hex"}', says: 'line 3 has an "encoding"' },
  { bad: '{"key":"x","value":"x","expiresIn":"soon"}', says: 'line 3 has an "expiresIn"' },
  { bad: '{"key":"x","value":"{","contentType":"application/json"}', says: 'line 3 was refused' },
  { bad: `{"key":"${'x'.repeat(1025)}","value":"x"}`, says: 'line 3 was refused' },
])('a bad line is told with its number, and those before it are stored: $says', async ({ bad, says }) => {
  const input = `{"key":"a","value":"1"}\n{"key":"b","value":"2"}\n${bad}\n{"key":"c","value":"3"}\n`;
  const { code, stdout, stderr } = await run('catena import', input);
  expect(stderr).toContain(`catena: ${says}`);
  expect(stderr).toMatch(/before it 2 keys were imported\n$/);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect((await run('catena keys')).stdout).toBe('a\nb\n');
});

test('bytes that are no UTF-8 are told, and a file that is not there', async () => {
  const { code, stderr } = await run('catena import', Buffer.from([0x7b, 0xff, 0x0a]));
  expect(stderr).toMatch(/^catena: line 1 .*not UTF-8.*\n$/);
  expect(code).toBe(1);
  const gone = await run('catena import --file nowhere.jsonl');
  expect(gone.stderr).toMatch(/^catena: nowhere\.jsonl can't be read: there is no such file.*\n$/);
  expect(gone.code).toBe(1);
  const unwritable = await run('catena export --file nowhere/x.jsonl');
  expect(unwritable.stderr).toMatch(/^catena: nowhere\/x\.jsonl can't be written: .*\n$/);
  expect(unwritable.code).toBe(1);
});

test('an export that breaks off is told as such, with exit code 1', async () => {
  const value = 'x'.repeat(1_000_000);
  for (let at = 0; at < 30; at++) {
    await fetch(`${cluster.url('n1')}/set/${at}`, { method: 'PUT', body: value });
  }
  // The reader takes a little, which shows that it has begun, and goes on when the tail, which it comes from, is gone.
  const gone = join(directory.path, 'gone');
  const begun = join(directory.path, 'begun');
  const reader = `(head -c 1000 > ${begun}; until [ -e ${gone} ]; do sleep 0.05; done; cat > /dev/null)`;
  const exporting = run(`catena export | ${reader}; exit $PIPESTATUS`);
  await until(async () => (await readFile(begun).catch(() => '')).length === 1000, 'a begun export');
  await cluster.end('n2', 'SIGKILL');
  await writeFile(gone, '');
  const { code, stderr } = await exporting;
  cluster.start('n2');
  await cluster.whole(2);
  expect(stderr).toMatch(
    /^catena: the export broke off: .* keys? came before, so what was written is not whole: run it again\n$/,
  );
  expect(code).toBe(1);
});
