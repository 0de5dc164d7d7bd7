import { Cluster, type TopologyText, until } from '../support/cluster.ts';
import { Load } from '../support/load.ts';

const KEYS = 30_000;
const PER_BATCH = 1000;
/** About what a snapshot of them takes, so that it is more than one part. */
const VALUE = 'v'.repeat(400);

let cluster: Cluster;
let clients: Load;

beforeEach(async () => {
  cluster = await Cluster.make();
  clients = new Load({ writesPerSecond: 50, readsPerSecond: 50, counters: 8 }, () =>
    cluster.nodes.map((node) => cluster.url(node)),
  );
  cluster.startAll();
  await cluster.ready();
  for (let first = 0; first < KEYS; first += PER_BATCH) await setKeys(first);
}, 120_000);
afterEach(async () => {
  await clients.abandon();
  await cluster.remove();
});

async function setKeys(first: number): Promise<void> {
  const operations = Array.from({ length: PER_BATCH }, (_, at) => {
    return { op: 'set', key: `key-${String(first + at).padStart(6, '0')}`, value: VALUE };
  });
  const answer = await fetch(`${cluster.url('n1')}/batch`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ operations }),
  });
  if (answer.status !== 200) throw new Error(`batch: ${answer.status} ${await answer.text()}`);
}

/** Wants a fourth replica, n4, whose process is started with an empty directory. */
async function add(name: string): Promise<void> {
  const address = await cluster.allot(name);
  await cluster.edit((topology: TopologyText) => {
    topology.nodes[name] = address;
    topology.chain.push(name);
    topology.replicas = topology.chain.length;
  });
  cluster.start(name);
}

async function transferTo(node: string): Promise<{ bytes: number; keys: number } | null> {
  const status = await cluster.status(node).catch(() => ({ transfer: null }));
  return (status.transfer as { bytes: number; keys: number } | null | undefined) ?? null;
}

/** What the tail holds; after a join it is the new node that answers. */
async function keysHeld(): Promise<number> {
  const answer = await fetch(`${cluster.url('n1')}/export?prefix=key-`);
  return (await answer.text()).trim().split('\n').length;
}

test('an empty node is given everything while clients write, and then answers reads as the tail', async () => {
  clients.start();
  await add('n4');
  const members = await cluster.whole(4);
  expect(members).toEqual(['n1', 'n2', 'n3', 'n4']);
  expect(await clients.stop()).toEqual({ lost: 0, doubled: 0, stale: 0 });
  expect(clients.writes.failed + clients.reads.failed).toBe(0);
  expect(await keysHeld()).toBe(KEYS);
  const answer = await fetch(`${cluster.url('n4')}/get/key-000000`, { redirect: 'manual' });
  expect(answer.status).toBe(200);
}, 120_000);

test.each(['the joiner', 'the one that sends'])(
  'a transfer whose %s is killed in the middle goes on or begins anew, and ends whole',
  async (who) => {
    await add('n4');
    // A slow machine shows the transfer; a quick one may have ended it before the first look, which is as good.
    await until(
      async () => ((await transferTo('n4'))?.bytes ?? 0) > 0 || (await cluster.members()).length === 4,
      'the transfer under way',
    );
    const victim = who === 'the joiner' ? 'n4' : 'n3';
    await cluster.end(victim, 'SIGKILL');
    cluster.start(victim);
    const members = await cluster.whole(4);
    expect([...members].sort()).toEqual(['n1', 'n2', 'n3', 'n4']);
    expect(await keysHeld()).toBe(KEYS);
    const states = await Promise.all(members.map((node) => cluster.status(node)));
    expect(new Set(states.map(({ keys }) => keys))).toEqual(new Set([KEYS]));
  },
  120_000,
);
