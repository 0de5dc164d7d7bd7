import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openDisk } from '../../src/platform/disk.ts';
import { catena, npm, type Program } from '../support/catena-process.ts';
import { freePorts } from '../support/free-ports.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const directory = temporaryDirectory();
const started: Program[] = [];

afterEach(async () => {
  // Its children end with it.
  await Promise.all(started.splice(0).map((program) => program.kill()));
});

interface Up {
  readonly program: Program;
  readonly url: string;
  readonly data: string;
}

/** `up` with one node and its coordinator. */
function up(...options: string[]): Promise<Up> {
  return upBy((args) => catena(['up', ...args, ...options]));
}

/** The same by `npm start`. */
function npmStart(): Promise<Up> {
  return upBy((args) => npm(['start', '--', ...args]));
}

async function upBy(start: (args: readonly string[]) => Program): Promise<Up> {
  const [http, peer, coordinator, coordinatorPeer] = await freePorts(4);
  const url = `http://localhost:${http}`;
  const text = {
    name: 'test',
    replicas: 1,
    chain: ['n1'],
    nodes: { n1: { urls: [url], peer: `localhost:${peer}` } },
    coordinators: { c1: { urls: [`http://localhost:${coordinator}`], peer: `localhost:${coordinatorPeer}` } },
  };
  const topology = join(directory.path, 'topology.json');
  const data = join(directory.path, 'data');
  await writeFile(topology, JSON.stringify(text));
  const program = start(['--topology', topology, '--data', data]);
  started.push(program);
  return { program, url, data };
}

/** The process id that the table of `up` shows. */
function pidOf(id: string, { program }: Up): number {
  return Number(program.output.match(new RegExp(` ${id} .*localhost:\\d+ +(\\d+) `))?.[1]);
}

async function refuses(url: string): Promise<void> {
  await expect(fetch(`${url}/healthz`)).rejects.toThrow('fetch failed');
}

test('says what runs where, when it is ready and what to try; Ctrl-C stops all, and the data is still there', async () => {
  const first = await up();
  await first.program.says(/ready after .*\n.*curl -L .*\n/);
  expect(first.program.output).toMatch(
    new RegExp(`n1 +node +${first.url} +localhost:\\d+ +\\d+ +${first.data}/n1`),
  );
  const stored = await fetch(`${first.url}/set/key`, { method: 'PUT', body: 'value' });
  expect(stored.status).toBe(201);
  first.program.child.kill('SIGINT');
  // npm passes on the Ctrl-C that the terminal has sent already.
  first.program.child.kill('SIGINT');
  const { code, stdout } = await first.program.ends();
  expect(stdout).toContain(`stopped. The data is kept in ${first.data}`);
  expect(code).toBe(0);
  await refuses(first.url);

  const again = await up();
  await again.program.says(/ready after/);
  const got = await fetch(`${again.url}/get/key`);
  expect(await got.text()).toBe('"value"');
}, 60_000);

test('a process that dies is started again, and everything is ready again', async () => {
  const running = await up();
  await running.program.says(/ready after/);
  process.kill(pidOf('n1', running), 'SIGKILL');
  await running.program.says(/n1 is dead \(SIGKILL\); starting it again in 1 s/);
  await running.program.says(/all are ready again/);
  expect((await fetch(`${running.url}/readyz`)).status).toBe(200);
}, 60_000);

test('with --no-restart a process that dies stays dead, and when none is left `up` ends', async () => {
  const running = await up('--no-restart');
  await running.program.says(/ready after/);
  process.kill(pidOf('n1', running), 'SIGKILL');
  await running.program.says(/n1 is dead \(SIGKILL\) and stays so/);
  process.kill(pidOf('c1', running), 'SIGTERM');
  const { code, stdout } = await running.program.ends();
  expect(stdout).toContain('nothing runs any more');
  expect(code).toBe(1);
}, 60_000);

test('when `up` is killed its processes end at once, and their ports and directories are free', async () => {
  const running = await up();
  await running.program.says(/ready after/);
  const { signal } = await running.program.kill('SIGKILL');
  expect(signal).toBe('SIGKILL');
  await until(async () => {
    const disk = await openDisk(join(running.data, 'n1'));
    const lock = await disk.lock('LOCK');
    await lock?.release();
    return lock !== null;
  });
  await refuses(running.url);
}, 60_000);

test('a second Ctrl-C ends all at once, even a process that hangs', async () => {
  const running = await up();
  await running.program.says(/ready after/);
  process.kill(pidOf('n1', running), 'SIGSTOP');
  running.program.child.kill('SIGINT');
  await running.program.says(/stopping in order/);
  const again = setInterval(() => running.program.child.kill('SIGINT'), 100);
  const { code, stdout } = await running.program.ends();
  clearInterval(again);
  expect(stdout).not.toContain('what did not stop in time');
  expect(code).toBe(1);
  await refuses(running.url);
}, 60_000);

test('a process that hangs holds up no orderly end, and is told of', async () => {
  const running = await up();
  await running.program.says(/ready after/);
  process.kill(pidOf('n1', running), 'SIGSTOP');
  const { code, stdout } = await running.program.kill('SIGTERM');
  expect(stdout).toContain('what did not stop in time was killed');
  expect(code).toBe(1);
  await refuses(running.url);
}, 60_000);

test('a locked directory is said aloud, with what to do, and tried again ever more slowly', async () => {
  const data = join(directory.path, 'data');
  const disk = await openDisk(join(data, 'n1'));
  const lock = await disk.lock('LOCK');
  const { program } = await up();
  await program.says(/FATAL.*n1/);
  await program.says(/n1 can't run \(LOCKED\).*next try in 2 s/);
  await lock?.release();
  await program.says(/ready after/);
}, 60_000);

test('with --json every line is JSON', async () => {
  const { program } = await up('--json');
  await program.says(/"msg":"ready after/);
  const { code, stdout } = await program.kill('SIGTERM');
  expect(code).toBe(0);
  const nodes = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).node);
  expect(new Set(nodes)).toEqual(new Set(['up', 'n1', 'c1']));
}, 60_000);

test('npm start is `up`, and npm leaves no shell between itself and it, which would swallow signals', async () => {
  const { scripts } = JSON.parse(await readFile('package.json', 'utf8'));
  expect(scripts.start).toBe('exec node src/cli/main.ts up');
  expect(scripts.catena).toBe('exec node src/cli/main.ts');
});

test('a SIGTERM to npm start alone stops all in order and frees the ports', async () => {
  const running = await npmStart();
  await running.program.says(/ready after/);
  const pid = pidOf('n1', running);
  const { stdout } = await running.program.kill('SIGTERM');
  expect(stdout).toContain('stopped. The data is kept in');
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  await refuses(running.url);
}, 60_000);

test('a Ctrl-C at npm start, which reaches the whole process group and comes from npm again, counts once', async () => {
  const running = await npmStart();
  await running.program.says(/ready after/);
  process.kill(-running.program.pid, 'SIGINT');
  const { stdout } = await running.program.ends();
  expect(stdout).toContain('stopped. The data is kept in');
  await refuses(running.url);
}, 60_000);

test('a terminal that is closed stops all in order', async () => {
  const running = await up();
  await running.program.says(/ready after/);
  const { code, stdout } = await running.program.kill('SIGHUP');
  expect(stdout).toContain('stopped. The data is kept in');
  expect(code).toBe(0);
  await refuses(running.url);
}, 60_000);

test('npm run catena passes its arguments on', async () => {
  const { code, stdout } = await npm(['run', '-s', 'catena', '--', '--help']).ends();
  expect(stdout).toContain('Usage: catena');
  expect(code).toBe(0);
}, 60_000);

/** Looks again until it holds; the limit of the test ends one that never does. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}
