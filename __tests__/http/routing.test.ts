import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { epoch, nodeId, requestId } from '../../src/base/ids.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { fakeConfiguration, fakeTopology } from '../support/fake-node-service.ts';
import { call, openSocket, parseAnswer, raw, rawRequest, startChain } from './harness.ts';

const NAMES = ['n1', 'n2', 'n3'] as const;
const location = (answer: { headers: Headers }) => answer.headers.get('location');

test('a write goes to the head and a read to the tail, by a redirect that keeps method, path and query', async () => {
  const { n1, n2, n3 } = await startChain(NAMES);
  const write = await call(`${n2.url}/set/a%2Fb?ttl=5&x=%20`, { method: 'PUT', body: 'x' });
  expect(write).toMatchObject({
    status: 307,
    body: { node: 'n1', hint: expect.stringContaining('curl -L') },
  });
  expect(location(write)).toBe(`${n1.url}/set/a%2Fb?ttl=5&x=%20`);
  for (const node of [n1, n2]) {
    expect(location(await call(`${node.url}/get/a`))).toBe(`${n3.url}/get/a`);
  }
  expect((await call(`${n3.url}/get/a`)).status).toBe(404);
});

test('following redirects, any node takes any request', async () => {
  const { n1, n2, n3 } = await startChain(NAMES);
  for (const node of [n1, n2, n3]) {
    const set = await fetch(`${node.url}/set/a`, { method: 'PUT', body: 'value' });
    expect([200, 201]).toContain(set.status);
    expect(await (await fetch(`${node.url}/get/a`)).json()).toBe('value');
  }
});

test('a redirect stays on the network that the request came by', async () => {
  const { n2 } = await startChain(NAMES);
  const { topology } = n2.service.topologyNow;
  const urls = (name: string, port: number) => ({
    urls: [`http://node-${name}:4466`, `http://localhost:${port}`],
    peer: `node-${name}:5466`,
  });
  n2.service.topologyNow = {
    version: 2,
    topology: {
      ...topology,
      nodes: {
        [nodeId('n1')]: urls('1', 7001),
        [nodeId('n2')]: urls('2', 7002),
        [nodeId('n3')]: urls('3', 7003),
      },
    },
    departing: {},
  };
  const to = async (host: string) => {
    const { head } = await raw(n2.port, `GET /get/a HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    return /Location: (.*)/.exec(head)?.[1];
  };
  expect(await to('node-2:4466')).toBe('http://node-3:4466/get/a');
  expect(await to('localhost:7002')).toBe('http://localhost:7003/get/a');
  expect(await to('127.0.0.1:7002')).toBe('http://localhost:7003/get/a');
  expect(await to('elsewhere:1')).toBe('http://node-3:4466/get/a');
  expect(await to('@@/:')).toBe('http://node-3:4466/get/a');
});

test('with reads at any replica every member answers them, and a spare sends them to the tail', async () => {
  const { n1, n2, n3, n4 } = await startChain(['n1', 'n2', 'n3', 'n4']);
  const any = { ...fakeConfiguration(NAMES), reads: 'any' as const };
  for (const { service } of [n1, n2, n3, n4]) service.configurationNow = any;
  await call(`${n1.url}/set/a`, { method: 'PUT', body: 'x' });
  for (const { url } of [n1, n2, n3])
    expect(await call(`${url}/get/a`)).toMatchObject({ status: 200, body: 'x' });
  expect(location(await call(`${n4.url}/get/a`))).toBe(`${n3.url}/get/a`);
  expect(location(await call(`${n2.url}/set/a`, { method: 'PUT', body: 'x' }))).toBe(`${n1.url}/set/a`);
});

test('a read says which keys it is to show, as far as they can be listed', async () => {
  const { n1 } = await startChain(['n1']);
  const batch = JSON.stringify({
    operations: [
      { op: 'get', key: 'a' },
      { op: 'check', key: 'b', version: 0 },
    ],
  });
  await call(`${n1.url}/get/a%2Fb`);
  await call(`${n1.url}/get/a`, { method: 'HEAD' });
  await call(`${n1.url}/batch`, { method: 'POST', body: batch });
  await call(`${n1.url}/keys?prefix=a`);
  await call(`${n1.url}/export`);
  expect(n1.service.keysRead).toEqual([['a/b'], ['a'], ['a', 'b'], null, null]);
});

test('a node on its way out of the topology is still redirected to, and forwards', async () => {
  const { n1, n2, n3 } = await startChain(NAMES);
  const { topology } = n2.service.topologyNow;
  const { [nodeId('n3')]: gone, ...nodes } = topology.nodes;
  if (!gone) throw new Error('n3 is in the topology');
  for (const { service } of [n1, n2, n3]) {
    service.topologyNow = {
      version: 2,
      topology: { ...topology, nodes },
      departing: { [nodeId('n3')]: gone },
    };
  }
  expect(location(await call(`${n2.url}/get/a`))).toBe(`${n3.url}/get/a`);
  expect(location(await call(`${n3.url}/set/a`, { method: 'PUT' }))).toBe(`${n1.url}/set/a`);
  expect((await call(`${n2.url}/get/a?forward=true`)).status).toBe(404);
});

test('a head whose disk takes nothing refuses writes with 507 and says why, and reads go on', async () => {
  const { n1 } = await startChain(['n1']);
  await call(`${n1.url}/set/a`, { method: 'PUT', body: 'x' });
  n1.service.replies.push({ kind: 'refused', code: 'READ_ONLY' });
  const answer = await call(`${n1.url}/set/a`, { method: 'PUT', body: 'y' });
  expect(answer).toMatchObject({
    status: 507,
    body: { type: 'urn:catena:problem:read-only', detail: expect.stringContaining('no effect') },
  });
  expect(await call(`${n1.url}/get/a`)).toMatchObject({ status: 200, body: 'x' });
});

test('while the chain changes, redirects carry the epoch, and no longer than that', async () => {
  let nowMs = 1_000_000;
  const clock: Clock = { ...systemClock, now: () => ({ monotonicMs: nowMs, wallMs: nowMs }) };
  const { n1, n2 } = await startChain(NAMES, { clock });
  const write = () => call(`${n2.url}/set/a?epoch=1&x=1`, { method: 'PUT', body: 'x' });
  expect(location(await write())).toBe(`${n1.url}/set/a?epoch=1&x=1`);
  n2.service.configurationNow = fakeConfiguration(NAMES, 7);
  expect(location(await write())).toBe(`${n1.url}/set/a?x=1&epoch=7`);
  nowMs += 10_001;
  expect(location(await call(`${n2.url}/set/a`, { method: 'PUT' }))).toBe(`${n1.url}/set/a`);
});

test('a node behind the epoch that the caller brings sends nobody back', async () => {
  const { n2 } = await startChain(NAMES);
  const { status, body, headers } = await call(`${n2.url}/get/a?epoch=9`);
  expect({ status, body }).toMatchObject({ status: 503, body: { type: 'urn:catena:problem:not-ready' } });
  expect(headers.get('retry-after')).toBe('1');
  expect((await call(`${n2.url}/get/a?epoch=x`)).status).toBe(400);
});

test.each(['NOT_READY', 'RECOVERING', 'BROKEN', 'OVERLOADED'] as const)(
  '%s is 503 with the reason and Retry-After',
  async (code) => {
    const { n1 } = await startChain(NAMES);
    n1.service.unavailable = { kind: 'unavailable', code, reason: 'so it is' };
    for (const [method, path] of [
      ['GET', '/get/a'],
      ['PUT', '/set/a'],
      ['GET', '/keys'],
      ['GET', '/export'],
    ] as const) {
      const answer = await call(`${n1.url}${path}`, { method });
      expect(answer).toMatchObject({ status: 503, body: { detail: expect.stringContaining('so it is') } });
      expect(answer.headers.get('retry-after')).toBe('1');
    }
  },
);

test('advice is joined to a reason in one sentence', async () => {
  const { n1 } = await startChain(NAMES);
  const reason = 'the disk failed: mend it, then start again.';
  n1.service.unavailable = { kind: 'unavailable', code: 'BROKEN', reason };
  const { body } = await call(`${n1.url}/get/a`);
  const { detail } = body as { detail: string };
  expect(detail).toContain('the disk failed: mend it, then start again');
  expect(detail).not.toMatch(/\.[;).]/);
});

test('a read waits for its place and is then answered', async () => {
  const { n3 } = await startChain(NAMES);
  n3.service.routeNow = () => null;
  n3.service.route = () => new Promise((resolve) => setImmediate(() => resolve({ kind: 'here' })));
  expect((await call(`${n3.url}/get/a`)).status).toBe(404);
});

test('a redirect needs no body, and the connection lives on when one came', async () => {
  const { n2 } = await startChain(NAMES);
  const socket = await openSocket(n2.port);
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  socket.write('PUT /set/a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf');
  while (!text.includes('curl -L')) await new Promise((resolve) => socket.once('data', resolve));
  expect(parseAnswer(text).status).toBe(307);
  text = '';
  socket.write(' body.GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
  while (!text.includes('well')) await new Promise((resolve) => socket.once('data', resolve));
  expect(parseAnswer(text).status).toBe(200);
});

test('a redirect is answered without asking for a body that the caller holds back', async () => {
  const { n2 } = await startChain(NAMES);
  const answer = await raw(
    n2.port,
    'PUT /set/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n',
  );
  expect(answer.status).toBe(307);
  expect(answer.head).toContain('Connection: close');
});

test('a body that is wanted is asked for', async () => {
  const { n1 } = await startChain(['n1']);
  const socket = await openSocket(n1.port);
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  socket.write('PUT /set/a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n');
  while (!text.includes('100 Continue')) await new Promise((resolve) => socket.once('data', resolve));
  socket.write('body');
  while (!text.includes('version')) await new Promise((resolve) => socket.once('data', resolve));
  expect(parseAnswer(text).status).toBe(201);
});

describe('a write that is with the node', () => {
  const reply = async (...replies: Parameters<(typeof Array.prototype)['push']>) => {
    const chain = await startChain(NAMES);
    chain.n1.service.replies.push(...replies);
    const answer = await call(`${chain.n1.url}/set/a?ttl=5`, { method: 'PUT', body: 'x' });
    return { ...chain, answer };
  };

  test('when the node is deposed, goes on at the new head under its id', async () => {
    const { answer, n2 } = await reply({
      kind: 'moved',
      to: nodeId('n2'),
      epoch: epoch(4),
      requestId: requestId('catena-1 ü'),
    });
    expect(answer.status).toBe(307);
    expect(location(answer)).toBe(`${n2.url}/set/a?ttl=5&request-id=catena-1%20%C3%BC`);
  });

  test('goes on without an id when it was never entered', async () => {
    const { answer, n2 } = await reply({ kind: 'moved', to: nodeId('n2'), epoch: epoch(4), requestId: null });
    expect(location(answer)).toBe(`${n2.url}/set/a?ttl=5`);
  });

  test('and for which there is no head while a configuration is taken up, waits for one', async () => {
    const { answer, n1, n2 } = await reply(
      { kind: 'moved', to: null, epoch: epoch(4), requestId: null },
      { kind: 'moved', to: nodeId('n2'), epoch: epoch(4), requestId: requestId('r') },
    );
    expect(location(answer)).toBe(`${n2.url}/set/a?ttl=5&request-id=r`);
    expect(n1.service.replies).toEqual([]);
  });

  test('and is not decided in time, is 503 with the id that makes a retry safe', async () => {
    const { answer } = await reply({ kind: 'unknown', requestId: requestId('r1') });
    expect(answer).toMatchObject({
      status: 503,
      body: {
        type: 'urn:catena:problem:outcome-unknown',
        requestId: 'r1',
        detail: expect.stringContaining('Idempotency-Key'),
      },
    });
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(location(answer)).toBeNull();
  });

  test.each([
    ['STORE_FULL', 507, 'store-full'],
    ['OVERLOADED', 503, 'overloaded'],
    ['NOT_READY', 503, 'not-ready'],
    ['BROKEN', 503, 'broken'],
  ] as const)('and is refused as %s, is %i', async (code, status, type) => {
    const { answer } = await reply({ kind: 'refused', code });
    expect(answer).toMatchObject({
      status,
      body: { type: `urn:catena:problem:${type}`, detail: expect.stringContaining('this attempt') },
    });
    expect(answer.headers.get('retry-after')).toBe(status === 503 ? '1' : null);
  });

  test('and whose id is too old, is refused for good', async () => {
    const { answer } = await reply({
      kind: 'applied',
      outcome: { kind: 'rejected', code: 'REQUEST_ID_EXPIRED' },
      replayed: false,
      requestId: requestId('r'),
    });
    expect(answer).toMatchObject({ status: 409, body: { type: 'urn:catena:problem:request-id-expired' } });
  });
});

describe('forward=true', () => {
  test('hands back what the right node answers', async () => {
    const { n1, n2, n3 } = await startChain(NAMES);
    const set = await call(`${n2.url}/set/a?forward=true&ttl=9`, {
      method: 'PUT',
      body: 'value',
      headers: { 'Content-Type': 'text/plain', 'If-None-Match': '*' },
    });
    expect(set).toMatchObject({ status: 201, body: { key: 'a', version: 1 } });
    expect(set.headers.get('etag')).toBe('"1"');
    expect(set.headers.get('catena-node')).toBe('n1');
    expect(n1.service.writes[0]).toMatchObject({
      requestId: expect.stringMatching(/^forwarded-n2-/),
      command: { operation: { ttlMs: 9000, condition: { kind: 'absent' } } },
    });
    const got = await call(`${n1.url}/get/a?forward=true`, { headers: { Accept: 'text/plain' } });
    expect(got).toMatchObject({ status: 200, text: 'value' });
    expect(got.headers.get('expires-in')).toBe('9');
    expect(got.headers.get('catena-node')).toBe('n3');
    const headers = { 'If-None-Match': '"1"' };
    expect((await call(`${n1.url}/get/a?forward=true`, { headers })).status).toBe(304);
    const head = await raw(n1.port, rawRequest('HEAD', '/get/a?forward=true'));
    expect(head).toMatchObject({ status: 200, body: '', head: expect.stringContaining('Content-Length: 7') });
    expect((await call(`${n3.url}/get/b?forward=true`)).status).toBe(404);
    expect((await call(`${n1.url}/get/b?forward=true`)).status).toBe(404);
  });

  test('serves pages, exports and batches', async () => {
    const { n2, store } = await startChain(NAMES);
    const operations = [{ op: 'set', key: 'a', value: 'x' }];
    const batch = (body: object) =>
      call(`${n2.url}/batch?forward=true`, { method: 'POST', body: JSON.stringify(body) });
    expect((await batch({ operations })).body).toEqual({
      results: [{ key: 'a', version: 1, created: true }],
    });
    expect(await batch({ operations: [{ op: 'get', key: 'a' }] })).toMatchObject({
      status: 200,
      body: { results: [{ key: 'a', value: 'x' }] },
    });
    expect((await call(`${n2.url}/keys?forward=true`)).body).toMatchObject({ keys: [{ key: 'a' }] });
    expect((await call(`${n2.url}/export?forward=true`)).text).toContain('"key":"a"');
    expect(store.seq).toBe(1);
  });

  test('keeps the id that the caller gave', async () => {
    const { n1, n2 } = await startChain(NAMES);
    await call(`${n2.url}/increment/n?forward=true`, {
      method: 'POST',
      headers: { 'Idempotency-Key': 'mine' },
    });
    await call(`${n2.url}/increment/n?forward=true&request-id=mine`, { method: 'POST' });
    expect(n1.service.writes.map((write) => write.requestId)).toEqual(['mine', 'mine']);
  });

  test('refuses a body beyond the limit before it is sent on', async () => {
    const { n1, n2 } = await startChain(NAMES, { limits: { valueBytes: 10 } });
    const answer = await call(`${n2.url}/set/a?forward=true`, { method: 'PUT', body: 'x'.repeat(11) });
    expect(answer).toMatchObject({ status: 413, body: { limit: 10 } });
    expect(n1.service.writes).toEqual([]);
  });

  test('is never done twice: a node that was sent a request which is not its own says so', async () => {
    const { n2 } = await startChain(NAMES);
    for (const [method, path] of [
      ['GET', '/get/a?forward=true'],
      ['PUT', '/set/a'],
    ] as const) {
      const answer = await call(`${n2.url}${path}`, { method, headers: { 'Catena-Forwarded': 'n9' } });
      expect(answer).toMatchObject({ status: 503, body: { type: 'urn:catena:problem:not-ready' } });
      expect(location(answer)).toBeNull();
      expect(answer.headers.get('catena-forwarded')).toBe('wrong-node');
    }
  });

  test('follows the chain to where it has moved, writing once', async () => {
    const { n1, n2, n3, store } = await startChain(NAMES);
    n1.service.replies.push({ kind: 'moved', to: nodeId('n2'), epoch: epoch(2), requestId: requestId('r') });
    n3.service.route = (intent, minEpoch, keys) => {
      for (const node of [n1, n2, n3]) node.service.configurationNow = fakeConfiguration(['n2', 'n3'], 2);
      return Promise.resolve(n3.service.routeNow(intent, minEpoch, keys) ?? { kind: 'here' });
    };
    n1.service.epoch = () => epoch(2);
    const answer = await call(`${n3.url}/increment/n?forward=true`, { method: 'POST' });
    expect(answer).toMatchObject({ status: 200, body: { value: 1 } });
    expect(answer.headers.get('catena-node')).toBe('n2');
    expect(n2.service.writes[0]?.requestId).toBe(n1.service.writes[0]?.requestId);
    expect(store.seq).toBe(1);
  });

  test('leaves a target that says nothing once the chain goes on without it, writing under the same id', async () => {
    const { n1, n2 } = await startChain(NAMES);
    const asked: (string | null)[] = [];
    n1.service.write = (_, id) => {
      asked.push(id);
      n2.service.configurationNow = fakeConfiguration(['n2', 'n3'], 2);
      return new Promise(() => {});
    };
    const answer = await call(`${n2.url}/increment/n?forward=true`, { method: 'POST' });
    expect(answer).toMatchObject({ status: 200, body: { value: 1 } });
    expect(n2.service.writes.map(({ requestId }) => requestId)).toEqual(asked);
  });

  test('leaves a target that says nothing when it has had its time', async () => {
    const clock = hastyClock();
    const { n1, n2, n3 } = await startChain(NAMES, { clock });
    n3.service.routeNow = () => null;
    n3.service.route = () => new Promise(() => {});
    const read = await call(`${n2.url}/get/a?forward=true`);
    expect(read).toMatchObject({
      status: 503,
      body: { type: 'urn:catena:problem:forward-failed', node: 'n3' },
    });
    n1.service.write = () => new Promise(() => {});
    const write = await call(`${n2.url}/set/a?forward=true`, { method: 'PUT', body: 'x' });
    expect(write).toMatchObject({ status: 503, body: { type: 'urn:catena:problem:outcome-unknown' } });
  });

  test('an answer that has begun may take as long as it goes on', async () => {
    const { n1, n2 } = await startChain(NAMES, { clock: hastyClock() });
    const slow = createServer((_, response) => {
      response.write('"slow');
      // Many looks of the node that sent the request on, each a second by its clock.
      setTimeout(() => response.end('ly"'), 500);
    });
    const port = await new Promise<number>((resolve) => {
      slow.listen(0, '127.0.0.1', () => resolve((slow.address() as AddressInfo).port));
    });
    n2.service.topologyNow = fakeTopology({ n1: n1.port, n2: n2.port, n3: port });
    const answer = await call(`${n2.url}/get/a?forward=true`);
    slow.close();
    expect(answer.status).toBe(200);
    expect(answer.body).toBe('"slowly"');
  });

  test('to a node that is gone is 503 FORWARD_FAILED for a read and for a write that was never sent', async () => {
    const clock = hastyClock();
    const { n1, n2, n3 } = await startChain(NAMES, { clock });
    await n1.server.close(0);
    await n3.server.close(0);
    for (const [method, path, target] of [
      ['GET', '/get/a', 'n3'],
      ['PUT', '/set/a', 'n1'],
    ] as const) {
      const answer = await call(`${n2.url}${path}?forward=true`, { method });
      expect(answer).toMatchObject({
        status: 503,
        body: {
          type: 'urn:catena:problem:forward-failed',
          node: target,
          detail: expect.stringContaining(target),
        },
      });
      expect(answer.headers.get('retry-after')).toBe('1');
    }
  });

  test('says that the outcome is unknown, and the id, when the head dies with the write', async () => {
    const clock = hastyClock();
    const { n1, n2 } = await startChain(NAMES, { clock });
    n1.service.write = () => {
      void n1.server.close(0);
      return new Promise(() => {});
    };
    const answer = await call(`${n2.url}/set/a?forward=true`, { method: 'PUT', body: 'x' });
    expect(answer).toMatchObject({
      status: 503,
      body: {
        type: 'urn:catena:problem:outcome-unknown',
        requestId: expect.stringMatching(/^forwarded-n2-/),
      },
    });
  });
});

/** A clock by which every look takes a while, so that a node soon gives up trying. */
function hastyClock(): Clock {
  let nowMs = 0;
  const now = () => {
    nowMs += 1000;
    return { monotonicMs: nowMs, wallMs: 0 };
  };
  return { ...systemClock, now };
}
