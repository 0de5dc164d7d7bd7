import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { catena, type Program } from '../support/catena-process.ts';
import { until } from '../support/cluster.ts';
import { freePorts } from '../support/free-ports.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const directory = temporaryDirectory();
let program: Program;
let topology: { replicas: number; chain: string[]; nodes: Record<string, object>; coordinators: object };
let ports: readonly number[];

beforeEach(async () => {
  ports = await freePorts(8);
  const [, , coordinator, coordinatorPeer] = ports;
  topology = {
    replicas: 1,
    chain: ['n1'],
    nodes: { n1: addressAt(0) },
    coordinators: { c1: { urls: [`http://localhost:${coordinator}`], peer: `localhost:${coordinatorPeer}` } },
  };
  await write();
  program = catena(['up', '--topology', file(), '--data', join(directory.path, 'data')]);
  await program.says(/ready after/);
}, 60_000);
afterEach(() => program.kill());

function file(): string {
  return join(directory.path, 'topology.json');
}

function urlAt(place: number): string {
  return `http://localhost:${ports[place]}`;
}

/** The ports at this place of the list and the next. */
function addressAt(place: number): object {
  return { urls: [urlAt(place)], peer: `localhost:${ports[place + 1]}` };
}

/** As editors do: another file takes its place. */
async function write(): Promise<void> {
  await writeFile(`${file()}.new`, JSON.stringify({ name: 'test', ...topology }));
  await rename(`${file()}.new`, file());
}

async function addN2(): Promise<void> {
  topology = {
    ...topology,
    replicas: 2,
    chain: ['n1', 'n2'],
    nodes: { ...topology.nodes, n2: addressAt(4) },
  };
  await write();
  await program.says(/epoch \d+: n1, n2 — .*caught up/);
}

async function answers(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/readyz`).catch(() => null);
  return answer?.status === 200;
}

test('a node that is added to the file is started, and stopped when it is taken out; each change is told with its reason', async () => {
  await addN2();
  expect(program.output).toContain(`n2 is in the topology now: starting it at ${urlAt(4)}`);
  await until(() => answers(urlAt(4)), 'n2 ready');
  topology = { ...topology, replicas: 1, chain: ['n1'], nodes: { n1: addressAt(0) } };
  await write();
  await program.says(/n2 is stopped; its data stays in .*\/n2/);
  expect(await answers(urlAt(4))).toBe(false);
  expect(await answers(urlAt(0))).toBe(true);
}, 90_000);

test('a node whose address is changed is restarted there', async () => {
  await addN2();
  topology = { ...topology, nodes: { n1: addressAt(0), n2: addressAt(6) } };
  await write();
  await program.says(/n2 is to listen at .* now: restarting it/);
  await until(() => answers(urlAt(6)), 'n2 ready at its new address');
  expect(await answers(urlAt(4))).toBe(false);
}, 90_000);

test('a bad file is told, and everything runs on', async () => {
  topology = { ...topology, replicas: 9 };
  await write();
  await program.says(/refused, nothing changes: .*\/replicas/s);
  expect(await answers(urlAt(0))).toBe(true);
}, 60_000);
