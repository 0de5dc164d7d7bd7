import type { Socket } from 'node:net';
import fc from 'fast-check';
import {
  call,
  curlLike,
  openSocket,
  parseAnswer,
  type RawAnswer,
  raw,
  rawRequest,
  startNode,
} from './harness.ts';

const bodyOf = ({ body }: RawAnswer): Record<string, unknown> =>
  JSON.parse(Buffer.from(body, 'latin1').toString());

/** Waits until the connection ends, and gives all that came. */
function readAll(socket: Socket): Promise<RawAnswer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => {
    socket.on('close', () => resolve(parseAnswer(Buffer.concat(chunks).toString('latin1'))));
  });
}

describe('a key', () => {
  test.each([
    ['a%2Fb', 'a/b'],
    ['a/b', 'a/b'],
    ['/b', '/b'],
    ['a//b/', 'a//b/'],
    ['../x', '../x'],
    ['.', '.'],
    ['a/../../b', 'a/../../b'],
    ['%2e%2e', '..'],
    ['%00', '\0'],
    ['%25', '%'],
    ['a+b', 'a+b'],
    ['%F0%9F%94%97', '🔗'],
    ['a;b=c:d@e', 'a;b=c:d@e'],
    ['x'.repeat(1024), 'x'.repeat(1024)],
    ['%C3%BC'.repeat(512), 'ü'.repeat(512)],
  ])('in a path, %s, is kept as it comes', async (path, key) => {
    const { port, service } = await startNode();
    const set = await curlLike(port, 'PUT', `/set/${path}?ttl=9`, [], 'value');
    expect(bodyOf(set)).toEqual({ key, version: 1 });
    expect((await curlLike(port, 'GET', `/get/${path}`, [], '')).status).toBe(200);
    expect([...service.store.records.keys()]).toEqual([key]);
    const deleted = await curlLike(port, 'DELETE', `/delete/${path}`, [], '');
    expect(bodyOf(deleted)).toEqual({ key, deleted: true });
  });

  test.each([
    ['', 400, 'bad-key'],
    ['?x=1', 400, 'bad-key'],
    ['%', 400, 'bad-key'],
    ['%zz', 400, 'bad-key'],
    ['a%2', 400, 'bad-key'],
    ['%ff', 400, 'bad-key'],
    ['%C3', 400, 'bad-key'],
    ['%ED%A0%80', 400, 'bad-key'],
    ['x'.repeat(1025), 414, 'key-too-long'],
    ['%C3%BC'.repeat(513), 414, 'key-too-long'],
    ['x'.repeat(8000), 414, 'key-too-long'],
  ])('in a path, %s, is %i', async (path, status, type) => {
    const { port, service } = await startNode();
    for (const [method, route] of [
      ['GET', '/get/'],
      ['PUT', '/set/'],
      ['DELETE', '/delete/'],
      ['POST', '/increment/'],
      ['POST', '/expire/'],
    ] as const) {
      const answer = await curlLike(port, method, route + path, [], '');
      expect({ status: answer.status, type: bodyOf(answer).type }).toEqual({
        status,
        type: `urn:catena:problem:${type}`,
      });
      if (status === 414) expect(bodyOf(answer).limit).toBe(1024);
    }
    expect(service.writes).toEqual([]);
  });

  test('in bare bytes beyond ASCII is told how to be written', async () => {
    const { port } = await startNode();
    const answer = await curlLike(port, 'GET', '/get/gr\u00c3\u00bcn', [], '');
    expect(bodyOf(answer)).toMatchObject({ status: 400, detail: expect.stringContaining('percent-encoded') });
  });
});

describe('a wrong path or method', () => {
  test.each(['/nothing', '/get', '/getx/a', '/keys/', '//', '/watch/', '/%', '/%2Fget/a', '/..'])(
    '%s is a 404 that lists the paths',
    async (path) => {
      const { port } = await startNode();
      const answer = await raw(port, rawRequest('GET', path));
      expect(answer.status).toBe(404);
      expect(bodyOf(answer)).toMatchObject({
        type: 'urn:catena:problem:no-such-route',
        paths: expect.arrayContaining(['/get/']),
      });
      expect(answer.head).toContain('Catena-Node: n1');
    },
  );

  test.each([
    ['DELETE', '/get/a', 'GET, HEAD, OPTIONS'],
    ['GET', '/set/a', 'POST, PUT, OPTIONS'],
    ['PATCH', '/set/a', 'POST, PUT, OPTIONS'],
    ['POST', '/delete/a', 'DELETE, OPTIONS'],
    ['GET', '/increment/a', 'POST, OPTIONS'],
    ['GET', '/batch', 'POST, OPTIONS'],
    ['POST', '/topology', 'GET, HEAD, PUT, OPTIONS'],
    ['HEAD', '/export', 'GET, OPTIONS'],
    ['TRACE', '/get/a', 'GET, HEAD, OPTIONS'],
    ['PROPFIND', '/', 'GET, HEAD, OPTIONS'],
  ])('%s %s is a 405 with Allow: %s', async (method, path, allow) => {
    const { port } = await startNode();
    const answer = await raw(port, rawRequest(method, path));
    expect(answer.status).toBe(405);
    const allowed = /^Allow: (.*)$/m.exec(answer.head)?.[1]?.trim().split(', ');
    expect(new Set(allowed)).toEqual(new Set(allow.split(', ')));
    if (method !== 'HEAD') expect(bodyOf(answer).type).toBe('urn:catena:problem:method-not-allowed');
  });

  test('CONNECT is told that this is no proxy', async () => {
    const { port } = await startNode();
    expect((await raw(port, rawRequest('CONNECT', 'example.org:80'))).status).toBe(405);
  });

  test('OPTIONS says what there is', async () => {
    const { port } = await startNode();
    const answer = await raw(port, rawRequest('OPTIONS', '/set/a'));
    expect(answer.status).toBe(204);
    expect(answer.head).toContain('Allow: PUT, POST, OPTIONS');
    expect((await raw(port, rawRequest('OPTIONS', '*'))).status).toBe(204);
  });
});

test('an address with a host in it is taken by its path', async () => {
  const { port } = await startNode();
  expect((await raw(port, rawRequest('GET', 'http://localhost:1/healthz'))).status).toBe(200);
  expect((await raw(port, rawRequest('GET', 'http://localhost:1'))).status).toBe(200);
});

test('an upgrade that nobody knows is answered as a plain request', async () => {
  const { port } = await startNode();
  const headers = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'];
  const answer = await raw(port, `GET /healthz HTTP/1.0\r\nHost: x\r\n${headers.join('\r\n')}\r\n\r\n`);
  expect(answer.status).toBe(200);
  const socket = await openSocket(port);
  socket.write(`GET /healthz HTTP/1.1\r\nHost: x\r\n${headers.join('\r\n')}\r\n\r\n`);
  const [chunk] = await new Promise<Buffer[]>((resolve) => socket.once('data', (data) => resolve([data])));
  expect(parseAnswer(String(chunk)).status).toBe(200);
});

test('what Host says can neither change the path nor break the node', async () => {
  const { port } = await startNode();
  for (const host of ['evil/get', '[', 'a b', '', '@', ':::', '%', '\u00ff']) {
    const answer = await raw(
      port,
      Buffer.from(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, 'latin1'),
    );
    expect(answer.status).toBe(200);
  }
  const none = await raw(port, 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n');
  expect(bodyOf(none)).toMatchObject({ status: 400, type: 'urn:catena:problem:bad-request' });
  expect((await raw(port, 'GET /healthz HTTP/1.0\r\n\r\n')).status).toBe(200);
});

describe('a body that is too large', () => {
  const TOO_LARGE = { type: 'urn:catena:problem:value-too-large', status: 413, limit: 1_048_576 };

  test('by its length is answered 413 at once, and the caller sees it having sent all of 10 MB', async () => {
    const { port, service } = await startNode();
    const answer = await curlLike(port, 'PUT', '/set/a', [], 'x'.repeat(10_000_000));
    expect(bodyOf(answer)).toMatchObject(TOO_LARGE);
    expect(answer.head).toContain('Connection: close');
    expect(service.writes).toEqual([]);
  });

  test('is answered before it is sent to a caller that asks first', async () => {
    const { port } = await startNode();
    const answer = await raw(
      port,
      'PUT /set/a HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\nExpect: 100-continue\r\n\r\n',
    );
    expect(bodyOf(answer)).toMatchObject(TOO_LARGE);
  });

  test('without a length is answered 413 as soon as it is', async () => {
    const { port } = await startNode();
    const socket = await openSocket(port);
    const answer = readAll(socket);
    socket.write('PUT /set/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
    const chunk = 'x'.repeat(65_536);
    for (let i = 0; i < 40; i++) socket.write(`10000\r\n${chunk}\r\n`);
    socket.write('0\r\n\r\n');
    expect(bodyOf(await answer)).toMatchObject(TOO_LARGE);
  });

  test('is read and dropped no further than the bound', async () => {
    const { port } = await startNode({ httpLimits: { drainBytesMax: 100_000 } });
    const socket = await openSocket(port);
    const answer = readAll(socket);
    socket.write(`PUT /set/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n`);
    const timer = setInterval(() => socket.write('x'.repeat(65_536)), 1);
    expect((await answer).status).toBe(413);
    clearInterval(timer);
  });

  test('of a batch names its own limit', async () => {
    const { port } = await startNode();
    const answer = await curlLike(port, 'POST', '/batch', [], 'x'.repeat(4_194_305));
    expect(bodyOf(answer)).toMatchObject({
      type: 'urn:catena:problem:batch-too-large',
      limit: 4_194_304,
    });
  });

  test('one of exactly the limit is stored', async () => {
    const { url } = await startNode();
    const answer = await call(`${url}/set/a`, { method: 'PUT', body: 'x'.repeat(1_048_576) });
    expect(answer.status).toBe(201);
  });

  test('together with others beyond what fits into memory is 503, and room is made again', async () => {
    const { url, port } = await startNode({ httpLimits: { bodiesBytesMax: 1000 } });
    const slow = await openSocket(port);
    slow.write(`PUT /set/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n${'x'.repeat(899)}`);
    const put = (length: number) => call(`${url}/set/a`, { method: 'PUT', body: 'x'.repeat(length) });
    let status = 201;
    while (status === 201) status = (await put(200)).status;
    expect(status).toBe(503);
    const done = new Promise((resolve) => slow.once('data', resolve));
    slow.write('x');
    await done;
    expect((await put(200)).status).toBe(201);
  });
});

describe('bytes that are no HTTP', () => {
  test.each([
    ['garbage', 'nonsense\r\n\r\n', 400],
    ['a TLS greeting', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    ['a header without a colon', 'GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n', 400],
    ['two lengths', 'PUT /set/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx', 400],
    [
      'a length and chunks',
      'PUT /set/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      400,
    ],
    ['a negative length', 'PUT /set/a HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n', 400],
    ['a broken chunk', 'PUT /set/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 400],
    ['headers beyond the bound', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`, 431],
    ['an address beyond the bound', `GET /${'x'.repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
  ])('%s is a problem, and the connection ends', async (_what, bytes, status) => {
    const { port, url, service } = await startNode();
    const answer = await raw(port, Buffer.from(bytes, 'latin1'));
    expect(bodyOf(answer)).toMatchObject({ status, type: 'urn:catena:problem:bad-request' });
    expect(answer.head).toContain('Catena-Node: n1');
    expect(service.writes).toEqual([]);
    expect((await call(`${url}/healthz`)).status).toBe(200);
  });
});

test('a caller that goes away in the middle of its body leaves no write and no error', async () => {
  const { port, service, logger, url } = await startNode();
  const socket = await openSocket(port);
  socket.write('PUT /set/a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf');
  await call(`${url}/healthz`);
  socket.destroy();
  await call(`${url}/healthz`);
  expect(service.writes).toEqual([]);
  expect(logger.errors).toEqual([]);
});

test('200 slow half-sent requests at once hold no good one up, and end in their time', async () => {
  const { port, url, service } = await startNode({
    httpLimits: { headersTimeoutMs: 1500, requestTimeoutMs: 1500 },
  });
  const halves = [
    'GET /get/a HT',
    'GET /get/a HTTP/1.1\r\nHost: x\r\nX-Slow: ',
    'PUT /set/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf',
    'POST /batch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"op',
  ];
  const answers = await Promise.all(
    Array.from({ length: 200 }, async (_none, i) => {
      const socket = await openSocket(port);
      socket.write(halves[i % halves.length] ?? '');
      return { ended: readAll(socket) };
    }),
  );
  const set = await call(`${url}/set/a`, { method: 'PUT', body: 'value' });
  expect(set.status).toBe(201);
  expect((await call(`${url}/get/a`)).text).toBe('"value"');
  const ended = await Promise.all(answers.map((answer) => answer.ended));
  expect(new Set(ended.map(({ status }) => status))).toEqual(new Set([408]));
  expect(service.writes).toHaveLength(1);
}, 20_000);

test('any address, method and headers get one complete answer, and the node stays well', async () => {
  const { port, url, logger } = await startNode();
  const printable = fc.string({
    unit: fc.constantFrom(...'/.%?&=#;:@+*aZ09\u00ff\u00c3-_~"\\'),
    maxLength: 40,
  });
  const target = fc.oneof(
    printable.map((rest) => `/${rest}`),
    fc
      .tuple(
        fc.constantFrom(
          '/get/',
          '/set/',
          '/delete/',
          '/increment/',
          '/expire/',
          '/keys',
          '/export',
          '/batch',
          '/topology',
          '//',
          '/get',
          'http://x/get/',
          '*',
        ),
        printable,
      )
      .map(([path, rest]) => path + rest),
  );
  const value = fc.string({ unit: fc.constantFrom(...'"*,;=/W0129 abq.\u00e9'), maxLength: 30 });
  const header = fc
    .tuple(
      fc.constantFrom(
        'Accept',
        'If-Match',
        'If-None-Match',
        'Content-Type',
        'Idempotency-Key',
        'Origin',
        'Expect',
        'Catena-Forwarded',
        'X-Other',
      ),
      value,
    )
    .map(([name, text]) => `${name}: ${text}`);
  const method = fc.constantFrom('GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'PATCH', 'QUERY');
  const body = fc.string({ unit: fc.constantFrom(...'{}[]":,abop0\u00ff'), maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(method, target, fc.array(header, { maxLength: 4 }), body, async (...request) => {
      const [verb, address, headers, content] = request;
      const answer = await curlLike(port, verb, address, headers, content);
      expect(answer.status).toBeGreaterThanOrEqual(200);
      expect(answer.status).toBeLessThan(500);
      const length = /^Content-Length: (\d+)$/m.exec(answer.head)?.[1];
      if (length !== undefined && verb !== 'HEAD') expect(answer.body).toHaveLength(Number(length));
      if (answer.status >= 400 && verb !== 'HEAD') {
        expect(bodyOf(answer).status).toBe(answer.status);
        expect(answer.head).toContain('Content-Type: application/problem+json');
      }
    }),
    { numRuns: 400 },
  );
  expect(logger.errors).toEqual([]);
  expect((await call(`${url}/healthz`)).status).toBe(200);
}, 30_000);
