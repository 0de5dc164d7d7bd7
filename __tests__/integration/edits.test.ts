import { Cluster, type TopologyText, until } from '../support/cluster.ts';
import { Load } from '../support/load.ts';

let cluster: Cluster;
let clients: Load;
/** The nodes that clients call: one that is to be taken out is not called any more. */
let called: readonly string[];

beforeEach(async () => {
  cluster = await Cluster.make();
  called = cluster.nodes;
  cluster.startAll();
  await cluster.ready();
  clients = new Load({ writesPerSecond: 50, readsPerSecond: 50, counters: 8 }, () =>
    called.map((node) => cluster.url(node)),
  );
}, 60_000);
afterEach(async () => {
  await clients.abandon();
  await cluster.remove();
});

/** Waits until the chain is these, all ready, and so many more writes and reads have succeeded. */
async function chainBecomes(...members: string[]): Promise<void> {
  await until(
    async () => (await cluster.members()).join() === members.join(),
    `the chain ${members.join(', ')}`,
  );
  await cluster.whole(members.length);
  await clientsGoOn();
}

async function clientsGoOn(): Promise<void> {
  const { writes, reads } = clients;
  const [written, read] = [writes.succeeded, reads.succeeded];
  await until(() => writes.succeeded > written + 20 && reads.succeeded > read + 20, 'more writes and reads');
}

/** No request failed, or had to be made again; every write is there once, and no read was stale. */
async function expectNothingNoticed(): Promise<void> {
  expect(await clients.stop()).toEqual({ lost: 0, doubled: 0, stale: 0 });
  expect([...clients.writes.reasons, ...clients.reads.reasons]).toEqual([]);
  expect(clients.writes.failed + clients.reads.failed).toBe(0);
}

describe('the topology file edited while clients write and read', () => {
  test('a node is added, another taken out, and the order changed; no request fails', async () => {
    clients.start();
    const n4 = await cluster.allot('n4');
    await cluster.edit((topology) => {
      topology.nodes.n4 = n4;
      topology.chain = ['n1', 'n2', 'n3', 'n4'];
      topology.replicas = 4;
    });
    cluster.start('n4');
    await chainBecomes('n1', 'n2', 'n3', 'n4');

    called = ['n1', 'n3', 'n4'];
    await cluster.edit((topology) => {
      delete topology.nodes.n2;
      topology.chain = ['n1', 'n3', 'n4'];
      topology.replicas = 3;
    });
    await chainBecomes('n1', 'n3', 'n4');
    // Asked to stop first, it holds no lease, so no commit waited for one.
    const { configuration } = await cluster.view();
    expect(configuration?.fence).toBeLessThan(configuration?.epoch ?? 0);

    await cluster.edit((topology) => {
      topology.chain = ['n4', 'n1', 'n3'];
    });
    await chainBecomes('n4', 'n1', 'n3');
    await expectNothingNoticed();
  }, 120_000);

  test('a node is replaced by another, the chain shortened and made longer; no request fails', async () => {
    clients.start();
    const n4 = await cluster.allot('n4');
    called = ['n1', 'n3'];
    await cluster.edit((topology) => {
      delete topology.nodes.n2;
      topology.nodes.n4 = n4;
      topology.chain = ['n1', 'n4', 'n3'];
    });
    cluster.start('n4');
    await chainBecomes('n1', 'n4', 'n3');
    await cluster.edit((topology) => {
      topology.replicas = 2;
    });
    await chainBecomes('n1', 'n4');
    await cluster.edit((topology) => {
      topology.replicas = 3;
    });
    await chainBecomes('n1', 'n4', 'n3');
    await expectNothingNoticed();
  }, 120_000);

  test('reads at any member are switched on and off, and timing and limits changed; no request fails', async () => {
    clients.start();
    await clientsGoOn();
    const readsAre = async (reads: string) => {
      await cluster.edit((topology) => {
        topology.reads = reads;
      });
      await until(async () => (await cluster.view()).configuration?.reads === reads, `reads at ${reads}`);
      await chainBecomes('n1', 'n2', 'n3');
    };
    await readsAre('any');
    for (const node of cluster.nodes) {
      const answer = await fetch(`${cluster.url(node)}/get/counter-0`, { redirect: 'manual' });
      expect([node, answer.status]).toEqual([node, 200]);
    }
    await readsAre('tail');
    await cluster.edit((topology) => {
      topology.timing = { heartbeatMs: 40, suspectAfterMs: 800, leaseMs: 300, stallAfterMs: 5000 };
      topology.limits = { valueBytes: 10 };
    });
    await until(async () => (await cluster.view()).configuration?.leaseMs === 300, 'the longer lease');
    await chainBecomes('n1', 'n2', 'n3');
    const tooLarge = () => fetch(`${cluster.url('n1')}/set/key`, { method: 'PUT', body: 'x'.repeat(11) });
    await until(async () => (await tooLarge()).status === 413, 'the smaller limit');
    await expectNothingNoticed();
  }, 120_000);

  test('a file that is bad changes nothing, is explained in /topology, and a good one mends that', async () => {
    const before = await cluster.view();
    const good = await cluster.topologyText();
    await cluster.writeTopology(good.replace('"replicas": 3', '"replicas": 9'));
    await until(async () => (await cluster.view()).problem !== null, 'the problem');
    const { problem, ...now } = await cluster.view();
    expect(problem).toMatch(/topology\.json:\d+.*\/replicas/s);
    expect(now).toEqual({
      ...now,
      topology: before.topology,
      version: before.version,
      configuration: before.configuration,
    });
    await cluster.writeTopology('{ "name": ');
    await until(async () => (await cluster.view()).problem !== problem, 'the next problem');
    expect((await cluster.view()).version).toBe(before.version);
    await cluster.writeTopology(good);
    await until(async () => (await cluster.view()).problem === null, 'no problem any more');
    expect(await cluster.whole(3)).toEqual(['n1', 'n2', 'n3']);
  }, 60_000);
});

describe('PUT /topology', () => {
  const reordered = (topology: TopologyText, ...chain: string[]): TopologyText => ({ ...topology, chain });

  test('by two editors of the same version takes one of them, and tells the other', async () => {
    const { topology, version } = await cluster.view();
    const answers = await Promise.all([
      cluster.put(reordered(topology, 'n2', 'n1', 'n3'), version),
      cluster.put(reordered(topology, 'n3', 'n1', 'n2'), version),
    ]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412]);
    const taken = answers[0]?.status === 200 ? ['n2', 'n1', 'n3'] : ['n3', 'n1', 'n2'];
    await until(
      async () => (await cluster.members()).join() === taken.join(),
      `the chain ${taken.join(', ')}`,
    );
    await cluster.whole(3);
  }, 60_000);

  test('stays in force when the coordinator starts again: the file counts when it is edited', async () => {
    const { topology } = await cluster.view();
    expect((await cluster.put(reordered(topology, 'n2', 'n1', 'n3'))).status).toBe(200);
    await until(async () => (await cluster.members()).join() === 'n2,n1,n3', 'the chain n2, n1, n3');
    await cluster.end(cluster.coordinator, 'SIGKILL');
    cluster.start(cluster.coordinator);
    await cluster.ready(cluster.coordinator);
    await cluster.whole(3);
    expect((await cluster.view()).topology.chain).toEqual(['n2', 'n1', 'n3']);
    await cluster.edit((file) => {
      file.chain = ['n1', 'n3', 'n2'];
    });
    await until(async () => (await cluster.members()).join() === 'n1,n3,n2', 'the chain n1, n3, n2');
  }, 60_000);

  test('of a topology that makes no sense is 400 and changes nothing', async () => {
    const { topology, version } = await cluster.view();
    const refused = await cluster.put({ ...topology, replicas: 9 });
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain('/replicas');
    expect((await cluster.view()).version).toBe(version);
  }, 60_000);
});
