import { readFileSync } from 'node:fs';
import { CatenaError } from '../../src/base/errors.ts';
import { nodeId } from '../../src/base/ids.ts';
import { createCoordinatorServer } from '../../src/http/coordinator-server.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { FakeCoordinatorService } from '../support/fake-coordinator-service.ts';
import { afterwards, call, FakeLogger, raw, rawRequest, startNode } from './harness.ts';

const FILE = readFileSync(new URL('../../topology/local.json', import.meta.url), 'utf8');

async function start() {
  const service = new FakeCoordinatorService();
  const logger = new FakeLogger();
  const server = createCoordinatorServer({ service, logger, clock: systemClock });
  await server.listen({ hosts: ['127.0.0.1'], port: 0 });
  afterwards(() => server.close(0));
  const url = `http://127.0.0.1:${server.port()}`;
  const put = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}, query = '') =>
    call(`${url}/topology${query}`, { method: 'PUT', headers, body });
  const force = (query: string) => call(`${url}/force?${query}`, { method: 'POST' });
  return { service, logger, url, port: server.port(), put, force };
}

describe('GET /topology of a coordinator', () => {
  test('has the plan under way, the edit that was refused, and the version as its tag', async () => {
    const { url, service } = await start();
    service.planNow = ['remove n3'];
    service.problemNow = 'line 3: no';
    const { headers, body } = await call(`${url}/topology`);
    expect(headers.get('etag')).toBe('"1"');
    expect(body).toMatchObject({
      topology: { name: 'test' },
      version: 1,
      configuration: { epoch: 3 },
      problem: 'line 3: no',
      plan: ['remove n3'],
    });
  });
});

describe('PUT /topology', () => {
  test('takes a topology, and answers with its version and the steps that follow', async () => {
    const { put, service } = await start();
    const { status, headers, body } = await put(FILE);
    expect(body).toEqual({ version: 2, plan: ['add n4 as the joiner'], dryRun: false });
    expect(status).toBe(200);
    expect(headers.get('etag')).toBe('"2"');
    expect(service.edits).toMatchObject([{ topology: { name: 'local' }, ifVersion: null, dryRun: false }]);
  });

  test('with dry-run=true only says what it would do, and gives no tag to a version that is not there', async () => {
    const { put, service } = await start();
    const { status, headers, body } = await put(FILE, {}, '?dry-run=true');
    expect(body).toEqual({ version: 2, plan: ['add n4 as the joiner'], dryRun: true });
    expect(status).toBe(200);
    expect(headers.get('etag')).toBeNull();
    expect(service.edits).toMatchObject([{ dryRun: true }]);
    expect((await put(FILE, {}, '?dry-run=yes')).status).toBe(400);
  });

  test('tells two editors apart by the version that each has read', async () => {
    const { put, service } = await start();
    expect((await put(FILE, { 'If-Match': '"1"' })).status).toBe(200);
    const late = await put(FILE, { 'If-Match': '"1"' });
    expect(late).toMatchObject({
      status: 412,
      body: { type: 'urn:catena:problem:topology-conflict', version: 2 },
    });
    expect(late.headers.get('content-type')).toBe('application/problem+json');
    expect(late.headers.get('etag')).toBe('"2"');
    expect((await put(FILE, { 'If-Match': '*' })).status).toBe(200);
    expect(service.edits.map(({ ifVersion }) => ifVersion)).toEqual([1, null]);
  });

  test.each([
    ['If-Match', '1'],
    ['If-Match', 'W/"1"'],
    ['If-Match', '"1", "2"'],
    ['If-Match', '"one"'],
    ['If-Match', '""'],
    ['If-None-Match', '*'],
  ])('refuses a condition that it can not hold to, rather than ignore it: %s: %s', async (name, value) => {
    const { put, service } = await start();
    expect(await put(FILE, { [name]: value })).toMatchObject({ status: 400, body: { parameter: name } });
    expect(service.edits).toEqual([]);
  });

  test('tells all that is wrong with a topology, and where', async () => {
    const { put, service } = await start();
    const bad = FILE.replace('"replicas": 3', '"replicas": 9').replace('"local"', '5');
    const { status, headers, body } = await put(bad);
    expect(status).toBe(400);
    expect(headers.get('content-type')).toBe('application/problem+json');
    expect(body).toMatchObject({
      type: 'urn:catena:problem:bad-topology',
      detail: expect.stringMatching(/^the topology has 2 problems; .*\nbody:\d+:\d+ \/name: expected/),
      problems: [
        { line: expect.any(Number), column: expect.any(Number), pointer: '/name' },
        { pointer: '/replicas', message: expect.stringContaining('found') },
      ],
    });
    expect(service.edits).toEqual([]);
  });

  test.each(['', '{', '[]', 'null', 'name=local'])('refuses what is no topology: %j', async (body) => {
    const { put } = await start();
    expect(await put(body)).toMatchObject({ status: 400, body: { type: 'urn:catena:problem:bad-topology' } });
  });

  test('refuses bytes that are not UTF-8', async () => {
    const { put } = await start();
    expect(await put(new Uint8Array([0x7b, 0xff, 0x7d]))).toMatchObject({
      status: 400,
      body: { type: 'urn:catena:problem:bad-text' },
    });
  });

  test('refuses more than a topology may have, naming the limit', async () => {
    const { put, service } = await start();
    expect(await put(' '.repeat(1_048_577))).toMatchObject({
      status: 413,
      body: { type: 'urn:catena:problem:topology-too-large', limit: 1_048_576 },
    });
    expect(service.edits).toEqual([]);
  });

  test('tells in words what a running cluster can not take', async () => {
    const { put, service } = await start();
    service.editReply = () => ({ kind: 'refused', problem: 'it would leave no member that is ready' });
    expect(await put(FILE)).toMatchObject({
      status: 409,
      body: {
        type: 'urn:catena:problem:topology-refused',
        detail: 'it would leave no member that is ready',
      },
    });
  });

  test('says so when its outcome is not known, or it may not be asked now, and logs no failure of its own', async () => {
    const { put, service, logger } = await start();
    service.editReply = () => Promise.reject(new CatenaError('OUTCOME_UNKNOWN', 'the disk is full'));
    const { status, headers, body } = await put(FILE);
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('1');
    expect(body).toMatchObject({ detail: 'the disk is full' });
    expect(logger.errors).toEqual([]);
  });

  test('is not for web pages of others', async () => {
    const { put, service } = await start();
    expect((await put(FILE, { Origin: 'http://evil.example' })).status).toBe(403);
    expect((await put(FILE, { Origin: 'http://localhost:4460' })).status).toBe(200);
    expect(service.edits).toHaveLength(1);
  });
});

describe('POST /force', () => {
  test('makes a node the whole chain', async () => {
    const { force, service } = await start();
    expect(await force('survivor=n2&confirm=data-may-be-lost')).toMatchObject({
      status: 200,
      body: { epoch: 9, survivor: 'n2' },
    });
    expect(service.forced).toEqual([nodeId('n2')]);
  });

  test.each(['survivor=n2', 'survivor=n2&confirm=yes', 'survivor=n2&confirm='])(
    'without the confirmation does nothing, and says what may be lost: %s',
    async (query) => {
      const { force, service } = await start();
      const { status, body } = await force(query);
      expect(status).toBe(400);
      expect(body).toMatchObject({
        parameter: 'confirm',
        detail: expect.stringMatching(
          /acknowledged write that n2 does not hold is lost.*confirm=data-may-be-lost/,
        ),
      });
      expect(service.forced).toEqual([]);
    },
  );

  test.each(['confirm=data-may-be-lost', 'survivor=&confirm=data-may-be-lost'])(
    'names the parameter that is missing: %s',
    async (query) => {
      const { force } = await start();
      expect(await force(query)).toMatchObject({ status: 400, body: { parameter: 'survivor' } });
    },
  );

  test('tells in words why it can not be', async () => {
    const { force, service } = await start();
    service.forceReply = { kind: 'refused', problem: 'n2 is not heard' };
    expect(await force('survivor=n2&confirm=data-may-be-lost')).toMatchObject({
      status: 409,
      body: { detail: 'n2 is not heard' },
    });
  });
});

describe('a node that is sent an edit', () => {
  test('sends the caller on to the coordinator, with all that was asked', async () => {
    const { url } = await startNode();
    const { status, headers, body } = await call(`${url}/topology?dry-run=true`, {
      method: 'PUT',
      body: FILE,
    });
    expect(status).toBe(307);
    expect(headers.get('location')).toBe('http://localhost:4460/topology?dry-run=true');
    expect(body).toMatchObject({ node: 'c1', hint: expect.stringContaining('curl -L') });
  });

  test('names the address of the coordinator on the network that the request came by', async () => {
    const { port, service } = await startNode();
    const { topology } = service.topologyNow;
    const inside = (name: string, at: number) => [`http://localhost:${at}`, `http://${name}:${at}`];
    service.topologyNow = {
      ...service.topologyNow,
      topology: {
        ...topology,
        nodes: { [nodeId('n1')]: { urls: inside('node-1', 4466), peer: 'node-1:5466' } },
        coordinators: { [nodeId('c1')]: { urls: inside('coordinator', 4460), peer: 'coordinator:5460' } },
      },
    };
    const request = rawRequest('PUT', '/topology', [], '{}').replace('Host: localhost', 'Host: node-1:4466');
    const { status, head } = await raw(port, request);
    expect(status).toBe(307);
    expect(head).toContain('Location: http://coordinator:4460/topology\r\n');
  });
});
