/** `catena status`, against real processes: a chain of three that loses its middle. */
import { jest } from '@jest/globals';
import { catena } from '../support/catena-process.ts';
import { Cluster, until } from '../support/cluster.ts';
import { type ShellResult, shell } from './shell.ts';

// Each command is a process of its own, and takes its time on a busy machine.
jest.setTimeout(60_000);

let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.make(['n1', 'n2', 'n3']);
  cluster.startAll();
  await cluster.ready();
  await cluster.whole(3);
});

afterEach(() => cluster.remove());

const run = (line: string, at = 'n1'): Promise<ShellResult> => shell(line, { url: cluster.url(at) });

test('draws a whole chain, then one that has lost a node, and says that and what is waited for', async () => {
  await run('catena set a 1');
  const whole = await run('catena status', 'n2');
  expect(whole.code).toBe(0);
  const lines = whole.stdout.split('\n');
  expect(lines[0]).toMatch(/^test {2}epoch \d+, 3 in the chain$/);
  expect(lines.slice(3, 8).map((line) => line.trim().replace(/\s+/g, ' '))).toEqual([
    expect.stringMatching(/^● n1 head \d+ 1 \d+ 0 - \d+$/),
    '│',
    expect.stringMatching(/^● n2 middle \d+ 1 \d+ 0 - \d+$/),
    '│',
    expect.stringMatching(/^● n3 tail \d+ 1 \d+ 0 \d+ ms \d+$/),
  ]);
  expect(whole.stdout).toContain('coordinator c1: waits for nothing');

  await cluster.end('n2', 'SIGKILL');
  await cluster.whole(2);
  const { code, stdout } = await run('catena status');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^test {2}epoch \d+, 2 in the chain\n/);
  expect(stdout).toMatch(/● n1 +head .*\n {2}│\n {2}● n3 +tail .*\n\n {2}○ n2 +not reachable at http:/);

  await cluster.end('c1', 'SIGKILL');
  expect((await run('catena status')).stdout).toMatch(/coordinator c1: not reachable at http:\S+: the chain/);
});

test('--json has the chain, every node with its rate, and the coordinator', async () => {
  await cluster.end('n3', 'SIGKILL');
  await cluster.whole(2);
  const { stdout } = await run('catena status --json', 'n2');
  expect(JSON.parse(stdout)).toEqual({
    name: 'test',
    epoch: expect.any(Number),
    members: ['n1', 'n2'],
    joiner: null,
    urls: Object.fromEntries(['n1', 'n2', 'n3'].map((node) => [node, cluster.url(node)])),
    nodes: {
      n1: expect.objectContaining({ node: 'n1', role: 'head', rate: expect.any(Number) }),
      n2: expect.objectContaining({ node: 'n2', role: 'tail', lease: expect.anything() }),
      n3: null,
    },
    coordinators: [
      { name: 'c1', url: cluster.url('c1'), waitingFor: expect.anything(), problem: null, reachable: true },
    ],
  });
});

test('--watch adds a line for each look, tells the rate of writes and a failover, and ends well with Ctrl-C', async () => {
  const watching = catena(['status', '--watch', '--url', cluster.url('n1')]);
  await watching.says(/epoch \d+: n1 head \d+ lag \d+ -\/s -> n2 middle .* -> n3 tail/);
  const writing = new AbortController();
  const writes = until(async () => {
    await fetch(`${cluster.url('n1')}/set/a`, { method: 'PUT', body: 'x' });
    return writing.signal.aborted;
  }, 'the end of the test');
  await watching.says(/n1 head [\d,]+ lag \d+ [1-9][\d,]*\/s/);
  writing.abort();
  await writes;
  await cluster.end('n3', 'SIGKILL');
  await watching.says(/epoch \d+: n1 head [^>]* -> n2 tail [^>]*\n/);
  const { code, stdout, stderr } = await watching.kill('SIGINT');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).not.toContain('\u001b');
});

test('a coordinator is a way in too', async () => {
  expect((await run('catena status', 'c1')).stdout).toMatch(/● n1 +head/);
});
