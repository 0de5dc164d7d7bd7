import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listenOn } from '../../src/platform/listener.ts';
import { catena } from '../support/catena-process.ts';
import { freePorts } from '../support/free-ports.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const directory = temporaryDirectory();

test('a busy port is told with the process that wants it, before anything has started', async () => {
  const [http = 0, peer = 0, coordinator = 0, coordinatorPeer = 0] = await freePorts(4);
  const file = join(directory.path, 'topology.json');
  const text = {
    name: 'test',
    replicas: 1,
    chain: ['n1'],
    nodes: { n1: { urls: [`http://localhost:${http}`], peer: `localhost:${peer}` } },
    coordinators: { c1: { urls: [`http://localhost:${coordinator}`], peer: `localhost:${coordinatorPeer}` } },
  };
  await writeFile(file, JSON.stringify(text));
  const busy = await Promise.all(
    [http, coordinatorPeer].map((port) =>
      listenOn({ hosts: ['127.0.0.1'], port }, (socket) => socket.destroy()),
    ),
  );
  const data = join(directory.path, 'data');
  const { code, stdout, stderr } = await catena(['up', '--topology', file, '--data', data]).ends();
  await Promise.all(busy.map((listening) => listening.close()));
  expect(stderr).toContain(`n1 (HTTP): port ${http} is in use`);
  expect(stderr).toContain(`c1 (peer): port ${coordinatorPeer} is in use`);
  expect(stderr).toContain(`lsof -i :${http}`);
  expect(stderr).not.toContain(`port ${peer} `);
  expect(stdout).toBe('');
  expect(code).toBe(1);
  expect(await readdir(directory.path)).toEqual(['topology.json']);
});

test('a place that takes no data is said once, before anything has started', async () => {
  const [http, peer, coordinator, coordinatorPeer] = await freePorts(4);
  const file = join(directory.path, 'topology.json');
  const text = {
    name: 'test',
    replicas: 1,
    chain: ['n1'],
    nodes: { n1: { urls: [`http://localhost:${http}`], peer: `localhost:${peer}` } },
    coordinators: { c1: { urls: [`http://localhost:${coordinator}`], peer: `localhost:${coordinatorPeer}` } },
  };
  await writeFile(file, JSON.stringify(text));
  const { code, stdout, stderr } = await catena(['up', '--topology', file, '--data', join(file, 'x')]).ends();
  expect(stderr).toMatch(/topology\.json\/x: making the directory failed: .* is a file, .*--data/);
  expect(stdout).toBe('');
  expect(code).toBe(1);
});

test('a topology of several machines that share a port is refused on one machine', async () => {
  const args = ['up', '--topology', 'topology/docker.json', '--data', join(directory.path, 'data')];
  const { code, stderr } = await catena(args).ends();
  expect(stderr).toContain('want the same port 4466');
  expect(code).toBe(1);
});

test('a bad topology file is told with all of its problems', async () => {
  const file = join(directory.path, 'bad.json');
  await writeFile(file, '{ "name": "x", "replicas": 0, "chain": [] }');
  const { code, stderr } = await catena(['up', '--topology', file]).ends();
  expect(stderr).toContain('/replicas');
  expect(stderr).toContain('nodes');
  expect(code).toBe(1);
});
