import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { catena, type Ended } from '../support/catena-process.ts';
import { Cluster, type TopologyText, until } from '../support/cluster.ts';

/** A chain whose nodes have two URLs each: a name of another network, and the loopback. */
let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.make(['n1', 'n2', 'n3'], (topology) => {
    for (const section of ['nodes', 'coordinators'] as const) {
      const processes = topology[section] as TopologyText['nodes'];
      for (const [name, { urls }] of Object.entries(processes)) {
        urls.unshift(`http://${name}.invalid:${new URL(urls[0] ?? '').port}`);
      }
    }
  });
  cluster.startAll();
  await cluster.whole(3);
});

afterAll(() => cluster.remove());

const closing: Server[] = [];
afterEach(() => {
  for (const server of closing.splice(0)) server.close();
});

const doctor = (...args: string[]): Promise<Ended> => catena(['doctor', ...args]).ends();

/** The cluster's file, changed. */
async function otherFile(change: (topology: TopologyText) => void): Promise<string> {
  const topology = JSON.parse(await cluster.topologyText()) as TopologyText;
  change(topology);
  const path = join(cluster.folder, 'other.json');
  await writeFile(path, JSON.stringify(topology));
  return path;
}

async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(server);
  return (server.address() as AddressInfo).port;
}

/** A port that leads to that of a node, as a published port of a container does. */
function published(name: string): Promise<number> {
  const port = Number(new URL(cluster.url(name)).port);
  return portOf(
    createServer((socket) => {
      const onward = connect(port, 'localhost');
      socket.on('error', () => onward.destroy()).pipe(onward);
      onward.on('error', () => socket.destroy()).pipe(socket);
    }),
  );
}

/** What is in the stores, and what the logs say of connections: what a doctor must not change. */
async function traces(): Promise<object> {
  const names = [...cluster.nodes, cluster.coordinator];
  const states = await Promise.all(cluster.nodes.map((name) => cluster.status(name)));
  const lines = names.flatMap((name) => cluster.output(name).split('\n'));
  return {
    connections: lines.filter((line) =>
      /closed a (link|peer connection)|refused a peer|made room/.test(line),
    ),
    stores: states.map(({ received, keys }) => ({ received, keys })),
  };
}

test('a chain that is well exits with 0, says which URL to use and that the other network is normal, and leaves no trace', async () => {
  const before = await traces();
  const { code, stdout, stderr } = await doctor('--topology', cluster.topologyFile);
  expect(stdout).toContain("the name n1.invalid isn't known here");
  expect(stdout).toMatch(new RegExp(`${cluster.url('n1')} +ok: head, epoch \\d+\n`));
  expect(stdout).toMatch(new RegExp(`${cluster.url('c1')} +ok: coordinator, epoch \\d+\n`));
  expect(stdout).toContain('that is normal');
  expect(stdout).toContain(`From here, use ${cluster.url('n1')} (the second URL of every node)`);
  expect(stdout).not.toContain('Wrong:');
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(await traces()).toEqual(before);
});

test('the JSON for programs has a shape that stays', async () => {
  const { code, stdout } = await doctor('--topology', cluster.topologyFile, '--json');
  const report = JSON.parse(stdout) as Record<string, unknown>;
  expect(Object.keys(report)).toEqual([
    'ok',
    'file',
    'cluster',
    'use',
    'places',
    'processes',
    'faults',
    'notes',
  ]);
  expect(report).toMatchObject({
    ok: true,
    cluster: 'test',
    use: cluster.url('n1'),
    places: [
      { place: 1, works: false },
      { place: 2, works: true },
    ],
    faults: [],
  });
  const [first] = report.processes as Record<string, unknown>[];
  expect(first).toEqual({
    kind: 'node',
    name: 'n1',
    required: true,
    urls: [
      expect.objectContaining({ place: 1, found: 'unknown-name', addresses: [], right: false, safe: false }),
      {
        url: cluster.url('n1'),
        place: 2,
        addresses: expect.arrayContaining(['127.0.0.1']),
        found: 'catena',
        right: true,
        safe: true,
        node: 'n1',
        role: 'head',
        epoch: expect.any(Number),
        unwell: null,
        unready: null,
        text: expect.stringMatching(/^ok: head, epoch \d+$/),
      },
    ],
    peer: {
      address: expect.stringContaining('localhost:'),
      addresses: expect.arrayContaining(['127.0.0.1']),
      found: 'open',
      text: 'ok',
    },
  });
  expect(code).toBe(0);
});

test('a URL that leads to another node exits with 1, and names both', async () => {
  const port = await published('n1');
  const file = await otherFile(({ nodes }) => nodes.n2?.urls.splice(1, 1, `http://localhost:${port}`));
  const { code, stdout } = await doctor('--topology', file);
  expect(stdout).toMatch(new RegExp(`http://localhost:${port} +wrong: it leads to the node n1\n`));
  expect(stdout).toContain(`http://localhost:${port}, where ${file} has n2, leads to the node n1`);
  expect(stdout).toContain(`the running cluster has it at ${cluster.url('n2')}`);
  expect(code).toBe(1);
});

test('redirects are followed for real: a port beside those that the cluster knows redirects to addresses that answer', async () => {
  const port = await published('n1');
  const file = await otherFile(({ nodes }) => nodes.n1?.urls.push(`http://localhost:${port}`));
  const { code, stdout } = await doctor('--topology', file, '--json');
  const { processes, notes } = JSON.parse(stdout) as {
    processes: { urls: object[] }[];
    notes: { kind: string; process: string }[];
  };
  expect(processes[0]?.urls[2]).toMatchObject({ url: `http://localhost:${port}`, right: true, safe: true });
  expect(notes).toContainEqual(expect.objectContaining({ kind: 'stale', process: 'n1' }));
  expect(code).toBe(0);
});

test('something else that listens at a URL is told as no catena', async () => {
  const port = await portOf(createHttpServer((_request, response) => void response.end('hello')));
  const file = await otherFile(({ nodes }) => nodes.n3?.urls.splice(1, 1, `http://localhost:${port}`));
  const { code, stdout } = await doctor('--topology', file);
  expect(stdout).toMatch(new RegExp(`http://localhost:${port} +something else than catena`));
  expect(stdout).toContain('n3 answers at none of its URLs');
  expect(code).toBe(1);
});

test('the file of another cluster is told as that', async () => {
  const file = await otherFile((topology) => {
    topology.name = 'production';
  });
  const { code, stdout } = await doctor('--topology', file);
  expect(stdout).toContain('leads to the node n1 of the cluster "test"');
  expect(code).toBe(1);
});

// Last: it takes a node away.
test('a node that was killed exits with 1, is named with what to do, and the URL that serves is told all the same', async () => {
  await cluster.end('n2', 'SIGKILL');
  await until(async () => (await cluster.members()).join() === 'n1,n3', 'n2 is dropped');
  const { code, stdout } = await doctor('--topology', cluster.topologyFile);
  expect(stdout).toMatch(new RegExp(`${cluster.url('n2')} +refused: nothing listens there\n`));
  expect(stdout).toContain(`n2 answers at none of its URLs (${cluster.url('n2')}: refused`);
  expect(stdout).toContain(`start it (catena node n2 --topology ${cluster.topologyFile}`);
  expect(stdout).toContain('the chain has 2 of 3 members: n1 -> n3, without n2');
  expect(stdout).toContain(`One thing is wrong, see above. From here, use ${cluster.url('n1')}`);
  expect(code).toBe(1);
});

test('a bad file is told as other commands tell it, and exits with 1', async () => {
  const file = await otherFile((topology) => {
    topology.replicas = 9;
  });
  const { code, stdout, stderr } = await doctor('--topology', file);
  expect(stderr).toMatch(/other\.json:1:\d+ \/replicas: expected/);
  expect(stdout).toBe('');
  expect(code).toBe(1);
});

test('without a file it exits with 2 and says what it needs', async () => {
  const { code, stderr } = await doctor();
  expect(stderr).toContain('--topology');
  expect(code).toBe(2);
});

test('--help shows an example', async () => {
  const { code, stdout } = await doctor('--help');
  expect(stdout).toContain('Usage: catena doctor');
  expect(stdout).toContain('Example:\n  $ catena doctor --topology topology/docker.json');
  expect(code).toBe(0);
});
