import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Program } from '../support/catena-process.ts';
import { Cluster, type TopologyText, until } from '../support/cluster.ts';
import { workload } from './kubernetes-manifest.ts';

const [, ...command] = workload('catena').container.readinessProbe?.exec?.command ?? [];

/** What the readiness probe of the manifest says of a node: `ready`, or why not. */
async function probe(url: string): Promise<string> {
  // Its last argument is the address within the pod.
  const { code, stdout, stderr } = await new Program([...command.slice(0, -1), url]).ends();
  expect(stderr).toBe('');
  expect([code, stdout === '']).toEqual(code === 0 ? [0, true] : [1, false]);
  return stdout.trim() || 'ready';
}

describe('the readiness probe of docker/kubernetes.yaml', () => {
  let cluster: Cluster;

  beforeEach(async () => {
    // n4 is a spare, n5 takes no part.
    cluster = await Cluster.make(['n1', 'n2', 'n3', 'n4', 'n5'], (topology) => {
      topology.replicas = 3;
      topology.chain = ['n1', 'n2', 'n3', 'n4'];
    });
    cluster.startAll();
    await cluster.whole(3);
    await cluster.ready();
  }, 60_000);
  afterEach(() => cluster.remove());

  async function probeAll(): Promise<readonly string[]> {
    return Promise.all(cluster.nodes.map((name) => probe(cluster.url(name))));
  }

  test('members of a whole chain are ready, and so are nodes that it does not need', async () => {
    expect(await probeAll()).toEqual(['ready', 'ready', 'ready', 'ready', 'ready']);
  }, 60_000);

  test('a restarted member that redirects is ready only when it is back in the chain, so that an update waits for that', async () => {
    await cluster.end('n4', 'SIGKILL');
    // Without a coordinator nobody takes it back.
    await cluster.end('c1', 'SIGKILL');
    await cluster.end('n2', 'SIGTERM');
    cluster.start('n2');
    await cluster.ready('n2');
    expect(await probe(cluster.url('n2'))).toBe(
      'n2 is not ready: the chain (n1,n2,n3) lacks it: it waits to be taken in',
    );
    expect(await probe(cluster.url('n5'))).toBe('ready');
    cluster.start('c1');
    await cluster.whole(3);
    expect(await probe(cluster.url('n2'))).toBe('ready');
  }, 60_000);

  test('a node that the chain lacks is not ready while it is given its copy, and those that serve meanwhile are', async () => {
    await cluster.end('n4', 'SIGKILL');
    await cluster.end('n3', 'SIGKILL');
    await until(async () => (await cluster.members()).length === 2, 'a chain of two');
    // Listening elsewhere than the others know, it stays the joiner, or is struck out and waits.
    const text = JSON.parse(await cluster.topologyText()) as TopologyText;
    const elsewhere = join(cluster.folder, 'elsewhere.json');
    await writeFile(
      elsewhere,
      JSON.stringify({ ...text, nodes: { ...text.nodes, n3: await cluster.allot('n3') } }),
    );
    cluster.start('n3', elsewhere);
    await cluster.ready('n3');
    expect(await probe(cluster.url('n3'))).toMatch(
      /^n3 is not ready: (it is being given its copy|the chain \(n1,n2\) lacks it: it waits to be taken in)$/,
    );
    expect([await probe(cluster.url('n1')), await probe(cluster.url('n2'))]).toEqual(['ready', 'ready']);
  }, 60_000);

  test('a node that has heard of no chain is not ready, and says why', async () => {
    const lone = await Cluster.make(['n1', 'n2']);
    try {
      lone.start('n1');
      await until(async () => (await lone.status('n1').catch(() => null)) !== null, 'n1 answers');
      expect(await probe(lone.url('n1'))).toMatch(/^n1 is not ready: .*is it running\?$/);
    } finally {
      await lone.remove();
    }
  }, 60_000);
});
