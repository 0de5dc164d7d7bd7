import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Cluster } from '../support/cluster.ts';
import { curl } from '../support/curl.ts';

describe('a chain of three, spoken to with curl', () => {
  let cluster: Cluster;
  const at = (node: string, path: string) => `${cluster.url(node)}${path}`;

  beforeAll(async () => {
    cluster = await Cluster.make();
    cluster.startAll();
    await cluster.ready();
  }, 60_000);
  afterAll(() => cluster.remove());

  test('takes a write at any node and answers a read at any node', async () => {
    for (const writer of cluster.nodes) {
      for (const reader of cluster.nodes) {
        const key = `from-${writer}-at-${reader}`;
        const written = await curl('-L', '-X', 'PUT', '-d', 'value', at(writer, `/set/${key}`));
        expect(written.status).toBe(201);
        const read = await curl('-L', '-H', 'Accept: application/json', at(reader, `/get/${key}`));
        expect(read).toMatchObject({ status: 200, body: '"value"' });
      }
    }
  });

  test('without -L a write elsewhere shows a 307 to the head, and a read one to the tail', async () => {
    const write = await curl('-X', 'PUT', '-d', 'value', at('n3', '/set/key'));
    expect(write.status).toBe(307);
    expect(write.headers).toMatch(new RegExp(`^location: ${at('n1', '/set/key')}`, 'im'));
    const read = await curl(at('n1', '/get/key'));
    expect(read.status).toBe(307);
    expect(read.headers).toMatch(new RegExp(`^location: ${at('n3', '/get/key')}`, 'im'));
  });

  test('a redirect keeps to the name that the caller used for its own machine', async () => {
    const port = new URL(cluster.url('n1')).port;
    const read = await curl('-L', '-H', 'Accept: text/plain', `http://127.0.0.1:${port}/get/no-such-key`);
    expect(read.status).toBe(404);
  });

  test('with forward=true the node asks for the caller, without a redirect', async () => {
    const write = await curl('-X', 'PUT', '-d', 'passed on', at('n2', '/set/forwarded?forward=true'));
    expect(write.status).toBe(201);
    const read = await curl('-H', 'Accept: text/plain', at('n1', '/get/forwarded?forward=true'));
    expect(read).toMatchObject({ status: 200, body: 'passed on' });
  });

  test('a large body follows redirects whole', async () => {
    const file = join(cluster.folder, 'large.bin');
    await writeFile(file, Buffer.alloc(1_048_576, 7));
    const type = 'Content-Type: application/octet-stream';
    const write = await curl('-L', '-T', file, '-H', type, at('n3', '/set/large'));
    expect(write.status).toBe(201);
    const answer = await fetch(at('n1', '/get/large'));
    expect(Buffer.from(await answer.arrayBuffer()).equals(Buffer.alloc(1_048_576, 7))).toBe(true);
  });

  test('the same Idempotency-Key writes once, at whichever node it comes', async () => {
    const increments = ['n1', 'n2', 'n3'].map((node) =>
      curl('-L', '-X', 'POST', '-H', 'Idempotency-Key: once', at(node, '/increment/counter')),
    );
    for (const { status, body } of await Promise.all(increments)) {
      expect(status).toBe(200);
      expect(JSON.parse(body)).toMatchObject({ key: 'counter', value: 1 });
    }
  });

  test('a value past its ttl is gone on every replica', async () => {
    await curl('-L', '-X', 'PUT', '-d', 'soon gone', at('n1', '/set/short?ttl=0.2'));
    let status = 200;
    for (let tries = 0; status === 200 && tries < 500; tries++) {
      ({ status } = await curl('-L', at('n2', '/get/short')));
    }
    expect(status).toBe(404);
  });

  test('status, topology and history say who is who', async () => {
    const roles = await Promise.all(cluster.nodes.map(async (node) => (await cluster.status(node)).role));
    expect(roles).toEqual(['head', 'middle', 'tail']);
    const topology = JSON.parse((await curl(at('n2', '/topology'))).body);
    expect(topology).toMatchObject({
      topology: { name: 'test' },
      configuration: { sealed: false, joiner: null },
    });
    expect(topology.configuration.members.map(({ node }: { node: string }) => node)).toEqual(cluster.nodes);
    const history = JSON.parse((await curl(at('c1', '/history'))).body);
    expect(history.configurations.at(-1).members).toEqual(cluster.nodes);
  });

  test('with the coordinator dead the chain serves on', async () => {
    await cluster.end('c1', 'SIGKILL');
    const write = await curl('-L', '-X', 'PUT', '-d', 'on', at('n2', '/set/without-coordinator'));
    expect(write.status).toBe(201);
    const read = await curl('-L', at('n2', '/get/without-coordinator'));
    expect(read).toMatchObject({ status: 200, body: '"on"' });
    cluster.start('c1');
  });
});
