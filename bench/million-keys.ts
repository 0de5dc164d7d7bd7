/**
 * A million keys with 100-byte values on a chain of three: how long a restarted node takes to recover, what it holds in
 * memory, and how long the slowest write takes while a snapshot is written under 64 clients. Prints JSON.
 *
 *   node bench/million-keys.ts [--keys 1000000]
 */
import { parseArgs } from 'node:util';
import { Agent, request } from 'undici';
import { Cluster, until } from '../__tests__/support/cluster.ts';
import { residentMiB } from './resident.ts';

const { values } = parseArgs({ options: { keys: { type: 'string', default: '1000000' } } });
const KEYS = Number(values.keys);
const PER_BATCH = 1000;
const CLIENTS = 64;
const VALUE = 'v'.repeat(100);

const dispatcher = new Agent({ connections: 128, pipelining: 1 });
const cluster = await Cluster.make();
try {
  cluster.startAll();
  await cluster.ready();
  const loadMs = await timed(load);
  const loaded = memory();
  const writes = await writeDuringSnapshot();
  const recoverMs = await recover('n2');
  await dispatcher.close();
  console.log(
    JSON.stringify(
      { keys: KEYS, loadMs, loadedMiB: loaded, recoverMs, recoveredMiB: memory(), writes },
      null,
      2,
    ),
  );
} finally {
  await cluster.remove();
}

async function load(): Promise<void> {
  for (let first = 0; first < KEYS; first += PER_BATCH) {
    const operations = Array.from({ length: PER_BATCH }, (_, at) => {
      return { op: 'set', key: `key-${String(first + at).padStart(9, '0')}`, value: VALUE };
    });
    const { statusCode, body } = await request(`${cluster.url('n1')}/batch`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ operations }),
      dispatcher,
    });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`batch: ${statusCode} ${text}`);
  }
}

/** Clients overwrite keys until every node has written one more snapshot; the latencies of the calls during it. */
async function writeDuringSnapshot(): Promise<object> {
  const snapshots = async () =>
    Promise.all(
      cluster.nodes.map(async (node) => {
        const { storage } = (await cluster.status(node)) as { storage: { snapshotSeq: number } };
        return storage.snapshotSeq;
      }),
    );
  const before = await snapshots();
  const latencies: number[] = [];
  let done = false;
  const clients = Array.from({ length: CLIENTS }, async (_, client) => {
    for (let count = 0; !done; count++) {
      const key = `key-${String((client * 7919 + count * 104_729) % KEYS).padStart(9, '0')}`;
      const startedMs = performance.now();
      const { statusCode, body } = await request(`${cluster.url('n1')}/set/${key}`, {
        method: 'PUT',
        body: VALUE,
        dispatcher,
      });
      await body.dump();
      if (statusCode !== 200) throw new Error(`put: ${statusCode}`);
      latencies.push(performance.now() - startedMs);
    }
  });
  await until(
    async () => (await snapshots()).every((seq, at) => seq > (before[at] ?? 0)),
    'a snapshot on every node',
    undefined,
    300_000,
  );
  done = true;
  await Promise.all(clients);
  latencies.sort((a, b) => a - b);
  const at = (part: number) => Number((latencies[Math.floor((latencies.length - 1) * part)] ?? 0).toFixed(2));
  return {
    clients: CLIENTS,
    writes: latencies.length,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    p999Ms: at(0.999),
    worstMs: at(1),
  };
}

/** From the start of the process to `/readyz` saying yes. */
async function recover(node: string): Promise<number> {
  await cluster.end(node, 'SIGKILL');
  return timed(async () => {
    cluster.start(node);
    await cluster.ready(node);
  });
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return Math.round(performance.now() - startedMs);
}

function memory(): Record<string, number> {
  return Object.fromEntries(cluster.nodes.map((node) => [node, residentMiB(cluster.pid(node))]));
}
