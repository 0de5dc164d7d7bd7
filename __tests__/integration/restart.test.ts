import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Cluster, until } from '../support/cluster.ts';

async function set(cluster: Cluster, key: string, value: string, id?: string): Promise<Response> {
  const headers: Record<string, string> = id ? { 'Idempotency-Key': id } : {};
  return fetch(`${cluster.url('n1')}/set/${key}`, { method: 'PUT', body: value, headers });
}

async function get(cluster: Cluster, key: string): Promise<unknown> {
  const answer = await fetch(`${cluster.url('n1')}/get/${key}`);
  return answer.status === 200 ? answer.json() : answer.status;
}

describe('restarts of real processes', () => {
  let cluster: Cluster;

  beforeEach(async () => {
    cluster = await Cluster.make();
    cluster.startAll();
    await cluster.ready();
  }, 60_000);
  afterEach(() => cluster.remove());

  test.each(['n1', 'n2', 'n3'])(
    '%s killed and started again is back in the chain, and a write that was under way took effect once',
    async (node) => {
      await set(cluster, 'before', 'kept');
      await cluster.end(node, 'SIGKILL');
      // At a head that is down there is nobody to wait.
      const waiting = node === 'n1' ? null : set(cluster, 'during', 'kept too', 'during-1');
      cluster.start(node);
      await cluster.whole(3);
      expect((await waiting)?.status ?? 201).toBe(201);
      const again = await set(cluster, 'during', 'kept too', 'during-1');
      expect(again.headers.get('idempotent-replay')).toBe(waiting ? 'true' : null);
      expect(await get(cluster, 'before')).toBe('kept');
      expect(await get(cluster, 'during')).toBe('kept too');
      const roles = await Promise.all(cluster.nodes.map(async (name) => (await cluster.status(name)).role));
      expect([...roles].sort()).toEqual(['head', 'middle', 'tail']);
    },
    60_000,
  );

  test('a write that nobody can commit ends in a 503 that says how to retry it, and the retry gets its outcome', async () => {
    // Without a coordinator the chain can't heal.
    await cluster.end('c1', 'SIGKILL');
    await cluster.end('n2', 'SIGKILL');
    const unknown = await set(cluster, 'key', 'value');
    expect(unknown.status).toBe(503);
    expect(unknown.headers.get('retry-after')).not.toBeNull();
    const problem = (await unknown.json()) as { type: string; requestId: string };
    expect(problem.type).toContain('outcome-unknown');
    cluster.start('n2');
    cluster.start('c1');
    await cluster.whole(3);
    const retry = await set(cluster, 'key', 'value', problem.requestId);
    expect([retry.status, retry.headers.get('idempotent-replay')]).toEqual([201, 'true']);
  }, 60_000);

  test('a power cut of everything before the first write leaves a chain that comes back', async () => {
    await cluster.endAll('SIGKILL');
    cluster.startAll();
    await cluster.ready();
    expect((await set(cluster, 'first', 'write')).status).toBe(201);
  }, 60_000);

  test('a lost register is rebuilt from what all nodes hold', async () => {
    await set(cluster, 'key', 'value');
    const { epoch } = await cluster.status('n1');
    await cluster.end('c1', 'SIGKILL');
    await rm(cluster.dataOf('c1'), { recursive: true });
    cluster.start('c1');
    await until(async () => Number((await cluster.status('n1')).epoch) > 2 ** 20, 'a later epoch');
    await cluster.ready();
    expect(Number((await cluster.status('n3')).epoch)).toBeGreaterThanOrEqual(Number(epoch) + 2 ** 20);
    expect(await get(cluster, 'key')).toBe('value');
  }, 60_000);

  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s ends every process with code 0 within 5 s, and nothing is lost',
    async (signal) => {
      await set(cluster, 'key', 'value');
      const startedMs = performance.now();
      for (const name of [...cluster.nodes, 'c1']) {
        expect(await cluster.end(name, signal)).toEqual({ code: 0, signal: null });
      }
      expect(performance.now() - startedMs).toBeLessThan(4 * 5000);
      cluster.startAll();
      await cluster.ready();
      expect(await get(cluster, 'key')).toBe('value');
    },
    60_000,
  );

  test('a second process on the same data directory is refused, in words', async () => {
    const second = await Cluster.make();
    try {
      await cluster.end('n2', 'SIGKILL');
      cluster.start('n2');
      await cluster.ready('n2');
      second.borrowData('n2', cluster.dataOf('n2'));
      second.start('n2');
      expect((await second.ended('n2')).code).toBe(1);
      expect(second.output('n2')).toMatch(/another process|locked/i);
      expect(second.output('n2')).toContain(cluster.dataOf('n2'));
    } finally {
      await second.remove();
    }
  }, 60_000);

  test('a node whose log is damaged says where, keeps the files aside, and joins again from the others', async () => {
    for (let count = 0; count < 20; count++) await set(cluster, `key-${count}`, 'value');
    await cluster.end('n2', 'SIGTERM');
    const folder = join(cluster.dataOf('n2'), 'log');
    const [file] = await readdir(folder);
    const path = join(folder, file as string);
    const handle = await open(path, 'r+');
    const { size } = await handle.stat();
    const at = Math.floor(size / 2);
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, at);
    await handle.write(Buffer.from([(buffer[0] as number) ^ 0xff]), 0, 1, at);
    await handle.close();
    cluster.start('n2');
    await cluster.whole(3);
    expect(cluster.output('n2')).toContain(file);
    expect(cluster.output('n2')).toMatch(/byte \d+/);
    const aside = (await readdir(cluster.dataOf('n2'))).filter((name) => name.startsWith('damaged-'));
    expect(aside).toHaveLength(1);
    expect(await readdir(join(cluster.dataOf('n2'), aside[0] as string, 'log'))).toEqual([file]);
    expect((await cluster.status('n2')).keys).toBe(20);
  }, 60_000);
});

test('with durability "memory" a chain that was killed whole under writes comes back, and goes on', async () => {
  const cluster = await Cluster.make(undefined, (topology) => {
    topology.durability = 'memory';
  });
  try {
    cluster.startAll();
    await cluster.ready();
    for (let round = 0; round < 3; round++) {
      const writes = Array.from({ length: 400 }, (_, at) =>
        set(cluster, `key-${at}`, `${round}`).catch(() => null),
      );
      await Promise.race(writes.slice(0, 200));
      await cluster.endAll('SIGKILL');
      await Promise.all(writes);
      cluster.startAll();
      await cluster.ready();
      const at = cluster.nodes[round] as string;
      const answer = await fetch(`${cluster.url(at)}/set/after-${round}`, { method: 'PUT', body: 'on' });
      expect(answer.status).toBe(201);
    }
  } finally {
    await cluster.remove();
  }
}, 120_000);
