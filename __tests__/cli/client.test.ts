/** The commands that speak to a chain as a client, against real processes. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { catena } from '../support/catena-process.ts';
import { Cluster } from '../support/cluster.ts';
import { freePorts } from '../support/free-ports.ts';
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

/** At the tail, which writes are redirected from. */
const run = (line: string, input: string | Uint8Array = ''): Promise<ShellResult> =>
  shell(line, { url: cluster.url('n2'), input });

const BINARY = Uint8Array.from({ length: 1024 }, (_, at) => at % 256);

describe('set and get', () => {
  test('a value comes back as it was given, without a line end of ours', async () => {
    expect(await run('catena set greeting "hello, wörld"')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^created greeting, version \d+\n$/),
    });
    expect(await run('catena get greeting')).toMatchObject({ code: 0, stdout: 'hello, wörld', stderr: '' });
    expect((await run('catena set greeting again')).stdout).toMatch(/^replaced greeting/);
  });

  test('bytes that are no text go through pipes unchanged, and are of octets unless said else', async () => {
    expect((await run('catena set bytes', BINARY)).code).toBe(0);
    const { bytes } = await run('catena get bytes');
    expect(bytes.equals(BINARY)).toBe(true);
    expect(JSON.parse((await run('catena get bytes --json')).stdout)).toMatchObject({
      key: 'bytes',
      value: Buffer.from(BINARY).toString('base64'),
      encoding: 'base64',
      contentType: 'application/octet-stream',
    });
  });

  test('a value is read from a file, or from standard input for a -, with its type', async () => {
    const file = join(directory.path, 'picture');
    await writeFile(file, BINARY);
    expect((await run(`catena set picture --file ${file} --content-type image/png`)).code).toBe(0);
    expect((await run('catena get picture')).bytes.equals(BINARY)).toBe(true);
    expect((await run('catena get picture --json')).stdout).toContain('"contentType":"image/png"');
    expect((await run('catena set piped -', 'a\nb\n')).code).toBe(0);
    expect((await run('catena get piped')).stdout).toBe('a\nb\n');
  });

  test('JSON is stored as such, blank for blank, and what is none is refused', async () => {
    expect((await run(`catena set doc --as-json '{ "a": 1.0 }'`)).code).toBe(0);
    expect((await run('catena get doc')).stdout).toBe('{ "a": 1.0 }');
    const { headers } = await fetch(`${cluster.url('n1')}/get/doc`);
    expect(headers.get('content-type')).toBe('application/json');
    const refused = await run(`catena set doc --as-json '{a'`);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('the value is no JSON') });
  });

  test('a value lives as long as was asked for', async () => {
    await run('catena set mortal x --ttl 1000');
    const { expiresIn } = JSON.parse((await run('catena get mortal --json')).stdout) as { expiresIn: number };
    expect(expiresIn).toBeGreaterThan(0);
    expect(expiresIn).toBeLessThanOrEqual(1000);
  });

  test('a condition that does not hold changes nothing and exits with 1', async () => {
    const { version } = JSON.parse((await run('catena set guarded one --json')).stdout) as {
      version: number;
    };
    expect(await run('catena set guarded two --if-absent')).toMatchObject({ code: 1, stdout: '' });
    expect(await run('catena set guarded two --if-version 0')).toMatchObject({ code: 1, stdout: '' });
    expect((await run('catena get guarded')).stdout).toBe('one');
    const swapped = await run(`catena set guarded two --if-version ${version} --json`);
    expect(JSON.parse(swapped.stdout)).toEqual({
      key: 'guarded',
      version: expect.any(Number),
      created: false,
    });
  });

  test('a key that is not there is told on standard error alone, with exit code 1', async () => {
    const { code, stdout, stderr } = await run('catena get nowhere');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^catena: there is no key "nowhere".*\n$/);
  });

  test('keys may hold slashes, blanks and what URLs mean something by', async () => {
    expect((await run(`catena set 'a/b c?d=#%41' odd`)).code).toBe(0);
    expect((await run(`catena get 'a/b c?d=#%41'`)).stdout).toBe('odd');
  });
});

test('delete removes, and says whether there was something', async () => {
  await run('catena set doomed x');
  expect(await run('catena delete doomed')).toMatchObject({ code: 0, stdout: 'deleted doomed\n' });
  expect(await run('catena delete doomed')).toMatchObject({ code: 0, stdout: 'doomed was not there\n' });
  expect(JSON.parse((await run('catena delete doomed --json')).stdout)).toEqual({
    key: 'doomed',
    deleted: false,
  });
  await run('catena set kept x');
  expect((await run('catena delete kept --if-version 1')).code).toBe(1);
  expect((await run('catena get kept')).stdout).toBe('x');
});

test('increment adds, negative numbers too, prints the sum alone, and refuses what is no integer', async () => {
  expect(await run('catena increment count')).toMatchObject({ code: 0, stdout: '1\n' });
  expect((await run('catena increment count -5')).stdout).toBe('-4\n');
  expect(JSON.parse((await run('catena increment count 10 --json')).stdout)).toEqual({
    key: 'count',
    value: 6,
  });
  await run('catena set word hello');
  expect(await run('catena increment word')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^catena: .*not an integer.*\n$/),
  });
});

describe('keys', () => {
  beforeAll(async () => {
    await run(`catena set list:b '"quoted"'; catena set list:a 1 --as-json; catena set list:c`, BINARY);
  });

  test('prints those of a prefix in order, a line each, and no more than the limit', async () => {
    expect((await run('catena keys list:')).stdout).toBe('list:a\nlist:b\nlist:c\n');
    expect((await run('catena keys list: --limit 2')).stdout).toBe('list:a\nlist:b\n');
    expect(await run('catena keys no-such-prefix')).toMatchObject({ code: 0, stdout: '' });
  });

  test('prints values in a line, and JSON lines that hold them whole', async () => {
    expect((await run('catena keys list: --values')).stdout).toBe(
      'list:a\t1\nlist:b\t"\\"quoted\\""\nlist:c\t(1024 bytes of application/octet-stream)\n',
    );
    const lines = (await run('catena keys list: --values --json')).stdout.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { key: 'list:a', value: '1', encoding: 'utf8', contentType: 'application/json' },
      { key: 'list:b', value: '"quoted"', encoding: 'utf8', contentType: '' },
      { key: 'list:c', value: Buffer.from(BINARY).toString('base64'), encoding: 'base64' },
    ]);
    expect((await run('catena keys list: --json --limit 1')).stdout).toBe('{"key":"list:a"}\n');
  });
});

describe('watch', () => {
  test('prints the changes of a prefix in order, from a version on, and ends well with Ctrl-C', async () => {
    const first = JSON.parse((await run('catena set seen:a 1 --json')).stdout) as { version: number };
    await run('catena set other x; catena delete seen:a');
    const since = String(first.version - 1);
    const url = ['--url', cluster.url('n1')];
    const watching = catena(['watch', 'seen:', '--since', since, ...url]);
    await watching.says(/delete {2}seen:a/);
    await run('catena set seen:b late');
    await watching.says(/seen:b/);
    const { code, stdout, stderr } = await watching.kill('SIGINT');
    expect(stdout.replaceAll(/\d+(?= |$)/gm, 'N')).toBe(
      'set     seen:a  version N  "1"\ndelete  seen:a  version N\nset     seen:b  version N  "late"\n',
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  test('prints JSON lines for programs, and ends quietly when its reader leaves', async () => {
    const { version } = JSON.parse((await run('catena set told:a x --json')).stdout) as { version: number };
    await run('catena set told:b y');
    const watch = `catena watch told: --json --since ${version - 1}`;
    // The writes go on until it has met that its reader is gone.
    const writes = 'while sleep 0.1; do catena set told:c z > /dev/null; done';
    const line = `${writes} & ${watch} | head -1; echo "$PIPESTATUS" >&2; kill $!`;
    const { stdout, stderr } = await run(line);
    expect(stderr).toBe('0\n');
    expect(JSON.parse(stdout)).toEqual({
      kind: 'set',
      key: 'told:a',
      version,
      value: 'x',
      encoding: 'utf8',
      contentType: '',
    });
  });
});

describe('what goes wrong', () => {
  test('an address where nobody listens is told at once, with what to do', async () => {
    const [port] = await freePorts(1);
    const url = `http://localhost:${port}`;
    for (const command of ['get a', 'status', 'export', 'watch', 'keys']) {
      const { code, stdout, stderr } = await shell(`catena ${command}`, { url });
      expect(stderr).toBe(
        `catena: nothing listens at ${url}: start a chain with catena up, or give the URL of a node with --url\n`,
      );
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    }
  });

  test.each([
    { line: 'catena get', says: "missing required argument 'key'" },
    { line: `catena get ''`, says: 'empty string' },
    { line: 'catena set a b --file c', says: 'not both' },
    { line: 'catena set a b --if-absent --if-version 1', says: 'cannot be used with' },
    { line: 'catena set a b --ttl 0', says: 'Give seconds above 0' },
    { line: 'catena increment a 1.5', says: 'Give an integer' },
    { line: 'catena keys --limit many', says: 'whole number' },
    { line: 'catena get a --url localhost:4466', says: 'http://localhost:4466' },
    { line: 'catena get a --timeout 0', says: 'above 0' },
  ])('wrong usage exits with 2: $line', async ({ line, says }) => {
    const { code, stdout, stderr } = await run(line);
    expect(stderr).toContain(says);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  test('a reader that leaves early is no error', async () => {
    const line = 'catena keys | head -1; echo "$PIPESTATUS"';
    const { stdout, stderr } = await run(line);
    expect(stdout).toMatch(/\n0\n$/);
    expect(stderr).toBe('');
  });

  test('a disk that is full is told', async () => {
    const { code, stderr } = await run('catena keys > /dev/full');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^catena: standard output can't be written to: .*\n$/);
  });
});
