import { createCoordinatorServer } from '../../src/http/coordinator-server.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { FakeCoordinatorService } from '../support/fake-coordinator-service.ts';
import { afterwards, call, FakeLogger, raw, rawRequest, startChain, startNode } from './harness.ts';

describe('a node', () => {
  test('says what it is and what it can be asked', async () => {
    const { url } = await startNode();
    const { status, body } = await call(url);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      node: 'n1',
      routes: expect.arrayContaining(['PUT, POST /set/KEY', 'GET /export']),
    });
  });

  test('gives its status, and the topology with the configuration', async () => {
    const { n2 } = await startChain(['n1', 'n2', 'n3']);
    expect((await call(`${n2.url}/status`)).body).toMatchObject({
      node: 'n2',
      role: 'middle',
      epoch: 1,
      received: 0,
      durable: 0,
      committed: 0,
      keys: 0,
    });
    const topology = await call(`${n2.url}/topology`);
    expect(topology.body).toMatchObject({
      topology: { name: 'test', replicas: 3 },
      version: 1,
      configuration: {
        epoch: 1,
        members: [{ node: 'n1' }, { node: 'n2' }, { node: 'n3' }],
        joiner: null,
        sealed: false,
        fence: 0,
      },
      problem: null,
    });
  });

  test('before it has a configuration is a spare that says so', async () => {
    const { url, service } = await startNode();
    service.configurationNow = null;
    const { body, headers } = await call(`${url}/topology`);
    expect(body).toMatchObject({ configuration: null });
    expect(headers.get('catena-role')).toBe('spare');
    expect(headers.get('catena-epoch')).toBe('0');
  });

  test('is well and ready, or says why not', async () => {
    const { url, service } = await startNode();
    expect(await call(`${url}/healthz`)).toMatchObject({ status: 200, body: { well: true } });
    expect((await call(`${url}/readyz`, { method: 'HEAD' })).status).toBe(200);
    service.healthNow = { well: true, reason: 'it was held up for a moment' };
    expect(await call(`${url}/healthz`)).toMatchObject({
      status: 200,
      body: { well: true, reason: 'it was held up for a moment' },
    });
    service.healthNow = { well: false, reason: 'the disk is broken' };
    service.readinessNow = { well: false, reason: 'it has no configuration' };
    const health = await call(`${url}/healthz`);
    expect(health).toMatchObject({ status: 503, body: { detail: 'the disk is broken' } });
    expect(health.headers.get('retry-after')).toBe('1');
    expect(await call(`${url}/readyz`)).toMatchObject({
      status: 503,
      body: { type: 'urn:catena:problem:not-ready', detail: 'it has no configuration' },
    });
  });

  test('counts its answers by route, method and status, apart from every other node', async () => {
    const { n1, n2 } = await startChain(['n1', 'n2']);
    await call(`${n1.url}/set/secret`, { method: 'PUT', body: 'x' });
    await call(`${n1.url}/nothing/secret`);
    const { status, headers, text } = await call(`${n1.url}/metrics`);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^text\/plain/);
    expect(text).toContain('catena_http_requests_total{route="/set/",method="PUT",status="201"} 1');
    expect(text).toContain('catena_http_requests_total{route="none",method="GET",status="404"} 1');
    expect(text).toContain('catena_http_request_duration_seconds_count{route="/set/",status="201"} 1');
    expect(text).toContain('catena_store_keys 1');
    expect(text).not.toContain('secret');
    expect((await call(`${n2.url}/metrics`)).text).not.toContain('/set/');
  });

  test('answers 500 to a failure of its own, and logs it without the value', async () => {
    const { url, service, logger } = await startNode();
    service.get = () => {
      throw new Error('boom');
    };
    expect(await call(`${url}/get/a`)).toMatchObject({
      status: 500,
      body: { type: 'urn:catena:problem:internal' },
    });
    expect(logger.errors).toEqual([{ route: '/get/', error: 'boom' }]);
  });
});

describe('a web page', () => {
  const NO_PAGE = 'http://evil.example';

  test.each(['GET /get/a', 'PUT /set/a', 'GET /healthz', 'GET /nothing', 'OPTIONS /set/a', 'DELETE /set/a'])(
    'of another origin is refused: %s',
    async (request) => {
      const { url, service } = await startNode();
      const [method = '', path] = request.split(' ');
      for (const origin of [NO_PAGE, 'null', 'http://localhost', 'http://localhost.evil.example:4460']) {
        const { status, headers } = await call(`${url}${path}`, { method, headers: { Origin: origin } });
        expect(status).toBe(403);
        expect(headers.get('access-control-allow-origin')).toBeNull();
      }
      expect(service.writes).toEqual([]);
    },
  );

  test('of the cluster’s own URLs, whatever name of the loopback it has, or of a listed origin may call', async () => {
    const { n1, n2 } = await startChain(['n1', 'n2'], { origins: ['https://page.example'] });
    for (const origin of [
      n1.url,
      n2.url,
      `http://localhost:${n2.port}`,
      `http://[::1]:${n1.port}`,
      'http://127.0.0.1:4460',
      'https://page.example',
    ]) {
      const set = await call(`${n1.url}/set/a`, { method: 'PUT', body: 'x', headers: { Origin: origin } });
      expect([200, 201]).toContain(set.status);
      expect(set.headers.get('access-control-allow-origin')).toBe(origin);
      expect(set.headers.get('access-control-expose-headers')).toContain('ETag');
      const got = await call(`${n2.url}/get/a`, { headers: { Origin: origin } });
      expect(got.headers.get('vary')).toBe('Accept, Origin');
    }
  });

  test('that may call is told so when it asks first', async () => {
    const { url } = await startNode();
    const asked = await call(`${url}/set/a`, {
      method: 'OPTIONS',
      headers: { Origin: url, 'Access-Control-Request-Method': 'PUT' },
    });
    expect(asked.status).toBe(204);
    expect(asked.headers.get('access-control-allow-origin')).toBe(url);
    expect(asked.headers.get('access-control-allow-methods')).toBe('PUT, POST, OPTIONS');
    expect(asked.headers.get('access-control-allow-headers')).toContain('Idempotency-Key');
  });
});

describe('a coordinator', () => {
  const start = async () => {
    const service = new FakeCoordinatorService();
    service.problemNow = 'line 3: no';
    service.readinessNow = { well: false, reason: 'nobody is heard' };
    service.statusNow = { waitsFor: null };
    const server = createCoordinatorServer({ service, logger: new FakeLogger(), clock: systemClock });
    await server.listen({ hosts: ['127.0.0.1'], port: 0 });
    afterwards(() => server.close(0));
    return { url: `http://127.0.0.1:${server.port()}`, port: server.port() };
  };

  test('gives the topology with the edit that it refused, its history, status, health and metrics', async () => {
    const { url } = await start();
    const topology = await call(`${url}/topology`);
    expect(topology.body).toMatchObject({ version: 1, configuration: { epoch: 3 }, problem: 'line 3: no' });
    expect(topology.headers.get('catena-node')).toBe('c1');
    expect(topology.headers.get('catena-role')).toBe('coordinator');
    expect((await call(`${url}/history`)).body).toEqual({
      configurations: [{ epoch: 3, time: 't', reason: 'r', change: 'c', members: ['n1'] }],
    });
    expect((await call(`${url}/status`)).body).toEqual({ waitsFor: null });
    expect((await call(`${url}/healthz`)).status).toBe(200);
    expect(await call(`${url}/readyz`)).toMatchObject({ status: 503, body: { detail: 'nobody is heard' } });
    expect((await call(`${url}/metrics`)).text).toContain('catena_nodes_heard 0');
    expect((await call(url)).body).toMatchObject({ coordinator: 'c1' });
  });

  test('has no keys, and takes topologies by PUT alone', async () => {
    const { url, port } = await start();
    expect((await call(`${url}/get/a`)).status).toBe(404);
    const post = await raw(port, rawRequest('POST', '/topology', [], '{}'));
    expect(post.status).toBe(405);
    expect(post.head).toContain('Allow: GET, HEAD, OPTIONS, PUT');
    expect((await call(`${url}/topology`, { headers: { Origin: 'http://evil.example' } })).status).toBe(403);
  });
});
