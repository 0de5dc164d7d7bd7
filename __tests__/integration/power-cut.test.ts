import { appendFile, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Cluster, until } from '../support/cluster.ts';

const ROUNDS = 10;
const WRITERS = 8;

interface Written {
  readonly value: string;
  readonly version: number;
}

/**
 * Writes as fast as the chain takes them until one write fails: its key may then hold either value, so nothing is expected
 * of it any more.
 */
async function writeUntilFailure(
  cluster: Cluster,
  name: string,
  expected: Map<string, Written>,
  acknowledged: () => void,
): Promise<void> {
  for (let count = 1; ; count++) {
    const key = `${name}/${count % 50}`;
    const value = `${count}`;
    const node = cluster.nodes[count % cluster.nodes.length] as string;
    const version = await put(`${cluster.url(node)}/set/${encodeURIComponent(key)}`, value);
    if (version === null) {
      expected.delete(key);
      return;
    }
    expected.set(key, { value, version });
    acknowledged();
  }
}

/** The version of the acknowledged write, or `null`. */
async function put(url: string, body: string): Promise<number | null> {
  try {
    const answer = await fetch(url, { method: 'PUT', body });
    const text = await answer.text();
    return answer.ok ? (JSON.parse(text) as { version: number }).version : null;
  } catch {
    return null;
  }
}

/** Leaves half a record behind at the end of a node's log, as a write that was under way when the power went does. */
async function tear(cluster: Cluster, node: string, bytes: number): Promise<void> {
  const folder = join(cluster.dataOf(node), 'log');
  const last = (await readdir(folder)).sort().at(-1);
  if (last === undefined) throw new Error(`${node} has no log`);
  const file = join(folder, last);
  const whole = await readFile(file);
  await appendFile(file, whole.subarray(-2 * bytes, -bytes));
}

describe('kill -9 of every process under writes', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await Cluster.make();
  });
  afterAll(() => cluster.remove());

  test('loses no acknowledged write, ten times over, torn log ends included', async () => {
    const expected = new Map<string, Written>();
    for (let round = 0; round < ROUNDS; round++) {
      cluster.startAll();
      await cluster.ready();
      await expectAll(cluster, expected);

      let count = 0;
      const writers = Array.from({ length: WRITERS }, (_, at) =>
        writeUntilFailure(cluster, `w${at}`, expected, () => {
          count += 1;
        }),
      );
      const enough = 100 + Math.floor(Math.random() * 2000);
      await until(() => count >= enough, `${enough} acknowledged writes`);
      await cluster.endAll('SIGKILL');
      await Promise.all(writers);

      if (round % 3 === 1) await tear(cluster, 'n1', 7 + round);
      if (round % 3 === 2) for (const node of cluster.nodes) await tear(cluster, node, 20 + round);
    }
    cluster.startAll();
    await cluster.ready();
    await expectAll(cluster, expected);
    await expectEqualReplicas(cluster);
  }, 240_000);
});

async function expectAll(cluster: Cluster, expected: ReadonlyMap<string, Written>): Promise<void> {
  for (const [key, { value, version }] of expected) {
    const answer = await fetch(`${cluster.url('n1')}/get/${encodeURIComponent(key)}`);
    expect({
      key,
      status: answer.status,
      etag: answer.headers.get('etag'),
      value: await answer.json(),
    }).toEqual({
      key,
      status: 200,
      etag: `"${version}"`,
      value,
    });
  }
}

async function expectEqualReplicas(cluster: Cluster): Promise<void> {
  const states = await Promise.all(cluster.nodes.map((node) => cluster.status(node)));
  expect(new Set(states.map(({ received }) => received)).size).toBe(1);
  expect(new Set(states.map(({ keys }) => keys)).size).toBe(1);
}
