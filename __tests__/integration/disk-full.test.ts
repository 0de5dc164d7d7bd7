import { execFile } from 'node:child_process';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Cluster, until } from '../support/cluster.ts';
import { Load } from '../support/load.ts';

const run = promisify(execFile);
const DISK_MIB = 48;
const VICTIM = 'n2';

let cluster: Cluster;
let mounted = false;
let clients: Load;

beforeEach(async () => {
  cluster = await Cluster.make();
  clients = new Load({ writesPerSecond: 100, readsPerSecond: 50, counters: 8 }, () =>
    cluster.nodes.map((node) => cluster.url(node)),
  );
  mounted = await mountSmallDisk(cluster.dataOf(VICTIM));
}, 60_000);
afterEach(async () => {
  await clients.abandon();
  await cluster.endAll('SIGKILL');
  if (mounted) await run('umount', [cluster.dataOf(VICTIM)]);
  await cluster.remove();
});

/** A file system of its own in memory; whether this system lets us. */
async function mountSmallDisk(at: string): Promise<boolean> {
  await mkdir(at, { recursive: true });
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'none', at]);
    return true;
  } catch (error) {
    console.warn(
      `NOT TESTED: a full disk. It needs the right to mount a tmpfs (root on Linux has it): ${String(error).trim()}`,
    );
    return false;
  }
}

/** Takes all the space that is left, as somebody else's file does. */
async function fill(file: string): Promise<void> {
  const handle = await open(file, 'w');
  try {
    for (const size of [1_048_576, 4096]) {
      const bytes = Buffer.alloc(size, 1);
      await (async () => {
        for (;;) await handle.write(bytes);
      })().catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOSPC') throw error;
      });
    }
  } finally {
    await handle.close();
  }
}

async function healthOf(node: string): Promise<{ status: number; text: string }> {
  const answer = await fetch(`${cluster.url(node)}/healthz`);
  return { status: answer.status, text: await answer.text() };
}

test('a member whose disk is full steps aside, says why, keeps its files, and comes back when there is space', async () => {
  if (!mounted) return;
  cluster.startAll();
  await cluster.ready();
  clients.start();
  const filler = join(cluster.dataOf(VICTIM), 'filler');
  await fill(filler);
  // Its log may own some space ahead; larger values use that up.
  const pushing = push();
  await until(
    async () => !(await cluster.members()).includes(VICTIM),
    'the full one out of the chain',
    () => cluster.output(VICTIM).slice(-2000),
  );
  await pushing.stop();
  const { status, text } = await healthOf(VICTIM);
  expect(status).toBe(503);
  expect(text).toMatch(/no space is left/);
  const removal = (await cluster.history()).findLast(({ members }) => !members.includes(VICTIM));
  expect(removal?.reason).toMatch(new RegExp(`${VICTIM}.*no space is left`));
  await cluster.whole(2);

  await rm(filler);
  await cluster.whole(3);
  await until(async () => (await healthOf(VICTIM)).status === 200, 'it is well again');
  expect(await clients.stop()).toEqual({ lost: 0, doubled: 0, stale: 0 });
  expect(clients.writes.failed + clients.reads.failed).toBe(0);
}, 120_000);

test('the last member whose disk is full is not dropped: it answers reads, refuses writes, and says so', async () => {
  if (!mounted) return;
  await cluster.edit((topology) => {
    topology.nodes = Object.fromEntries(Object.entries(topology.nodes).filter(([name]) => name === VICTIM));
    topology.chain = [VICTIM];
    topology.replicas = 1;
  });
  cluster.start(cluster.coordinator);
  cluster.start(VICTIM);
  await cluster.ready(VICTIM);
  const set = (body: string) => fetch(`${cluster.url(VICTIM)}/set/key`, { method: 'PUT', body });
  expect((await set('before')).status).toBe(201);
  const filler = join(cluster.dataOf(VICTIM), 'filler');
  await fill(filler);
  let refused = '';
  await until(
    async () => {
      const answer = await set('x'.repeat(100_000));
      refused = `${answer.status} ${await answer.text()}`;
      return refused.includes('read-only');
    },
    'writes refused as read-only',
    () => refused,
  );
  expect(await cluster.members()).toEqual([VICTIM]);
  expect((await fetch(`${cluster.url(VICTIM)}/get/key`)).status).toBe(200);
  expect((await healthOf(VICTIM)).text).toMatch(/no space is left/);

  await rm(filler);
  await until(
    async () => (await set('after')).ok,
    'writes are taken again',
    () => cluster.output(VICTIM).slice(-2000),
  );
}, 120_000);

/** Writes large values until stopped; what becomes of each does not matter. */
function push(): { stop: () => Promise<void> } {
  let over = false;
  const running = (async () => {
    for (let count = 0; !over; count++) {
      const node = cluster.nodes[count % cluster.nodes.length] ?? '';
      const body = 'x'.repeat(100_000);
      await fetch(`${cluster.url(node)}/set/large-${count % 20}`, {
        method: 'PUT',
        body,
        signal: AbortSignal.timeout(1000),
      })
        .then((answer) => answer.arrayBuffer())
        .catch(() => null);
    }
  })();
  return {
    stop: async () => {
      over = true;
      await running;
    },
  };
}
