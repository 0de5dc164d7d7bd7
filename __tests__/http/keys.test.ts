import { call, raw, rawRequest, startNode } from './harness.ts';

const put = (url: string, body: string, headers: Record<string, string> = {}) =>
  call(url, { method: 'PUT', body, headers });

test('a new key is answered 201 and a replaced one 200, each with its version as ETag', async () => {
  const { url } = await startNode();
  const first = await put(`${url}/set/a`, 'one');
  expect(first).toMatchObject({ status: 201, body: { key: 'a', version: 1 } });
  expect(first.headers.get('etag')).toBe('"1"');
  const second = await call(`${url}/set/a`, { method: 'POST', body: 'two' });
  expect(second).toMatchObject({ status: 200, body: { key: 'a', version: 2 } });
  expect(second.headers.get('etag')).toBe('"2"');
});

test('a read gives the value with its version; an absent key is a 404 that says so', async () => {
  const { url } = await startNode();
  await put(`${url}/set/a`, 'value');
  const got = await call(`${url}/get/a`);
  expect(got).toMatchObject({ status: 200, text: '"value"' });
  expect(got.headers.get('etag')).toBe('"1"');
  expect(got.headers.get('vary')).toBe('Accept');
  expect(got.headers.get('expires-in')).toBeNull();
  const absent = await call(`${url}/get/b`);
  expect(absent).toMatchObject({
    status: 404,
    body: { type: 'urn:catena:problem:key-not-found', status: 404, key: 'b' },
  });
  expect(absent.headers.get('content-type')).toBe('application/problem+json');
  expect(absent.headers.get('vary')).toBe('Accept');
});

test('every answer names the node, its role and its epoch', async () => {
  const { url } = await startNode();
  for (const path of ['/', '/get/absent', '/nothing', '/status', '/get/%zz']) {
    const { headers } = await call(`${url}${path}`);
    expect([headers.get('catena-node'), headers.get('catena-role'), headers.get('catena-epoch')]).toEqual([
      'n1',
      'only',
      '1',
    ]);
  }
});

test('HEAD gives the headers of GET and no body', async () => {
  const { url, port } = await startNode();
  await put(`${url}/set/a?ttl=60`, 'größer');
  const wanted = await raw(port, rawRequest('GET', '/get/a'));
  const head = await raw(port, rawRequest('HEAD', '/get/a'));
  const withoutDate = (text: string) => text.split('\r\n').filter((line) => !line.startsWith('Date:'));
  expect(withoutDate(head.head)).toEqual(withoutDate(wanted.head));
  expect(head.head).toContain('Content-Length: 10');
  expect(head.body).toBe('');
  expect((await raw(port, rawRequest('HEAD', '/get/b'))).status).toBe(404);
});

test.each([
  ['"1"', 304],
  ['W/"1"', 304],
  ['"7", W/"1"', 304],
  ['*', 304],
  ['"2"', 200],
  ['1', 200],
])('If-None-Match: %s on version 1 reads %i', async (header, status) => {
  const { url } = await startNode();
  await put(`${url}/set/a`, 'value');
  const got = await call(`${url}/get/a`, { headers: { 'If-None-Match': header } });
  expect(got.status).toBe(status);
  expect(got.headers.get('etag')).toBe('"1"');
  if (status === 304) expect(got.text).toBe('');
});

test('a delete says whether there was something to delete', async () => {
  const { url } = await startNode();
  await put(`${url}/set/a`, 'value');
  const gone = () => call(`${url}/delete/a`, { method: 'DELETE' });
  expect(await gone()).toMatchObject({ status: 200, body: { key: 'a', deleted: true } });
  expect(await gone()).toMatchObject({ status: 200, body: { key: 'a', deleted: false } });
});

test('an increment begins at 0, adds 1 unless told, and refuses what is no integer', async () => {
  const { url } = await startNode();
  const add = (query: string) => call(`${url}/increment/n${query}`, { method: 'POST' });
  const first = await add('');
  expect(first).toMatchObject({ status: 200, body: { key: 'n', value: 1, version: 1 } });
  expect(first.headers.get('etag')).toBe('"1"');
  expect(await add('?by=-5')).toMatchObject({ status: 200, body: { value: -4, version: 2 } });
  expect(await add('?by=9007199254740991')).toMatchObject({ status: 200 });
  expect(await add('?by=5')).toMatchObject({
    status: 409,
    body: { type: 'urn:catena:problem:out-of-range' },
  });
  await put(`${url}/set/n`, 'many');
  expect(await add('')).toMatchObject({ status: 409, body: { type: 'urn:catena:problem:not-an-integer' } });
});

test('an expiry is set and lifted, shows on reads, and leaves the version alone', async () => {
  const { url, store } = await startNode();
  await put(`${url}/set/a?ttl=2.5`, 'value');
  expect((await call(`${url}/get/a`)).headers.get('expires-in')).toBe('2.5');
  store.nowMs += 1250;
  expect((await call(`${url}/get/a`)).headers.get('expires-in')).toBe('1.25');
  const lift = await call(`${url}/expire/a`, { method: 'POST' });
  expect(lift).toMatchObject({ status: 200, body: { key: 'a', version: 1 } });
  expect((await call(`${url}/get/a`)).headers.get('expires-in')).toBeNull();
  await call(`${url}/expire/a?ttl=.5`, { method: 'POST' });
  expect((await call(`${url}/get/a`)).headers.get('expires-in')).toBe('0.5');
  const absent = await call(`${url}/expire/b?ttl=1`, { method: 'POST' });
  expect(absent).toMatchObject({ status: 404, body: { type: 'urn:catena:problem:key-not-found' } });
});

test('pages walk all keys in the order of their UTF-8 bytes', async () => {
  const { url } = await startNode();
  for (const key of ['b', 'a', '\u{10000}', '\uffee', 'a b']) {
    await put(`${url}/set/${encodeURIComponent(key)}`, `value of ${key}`);
  }
  const seen: string[] = [];
  let after = '';
  for (;;) {
    const query = after === '' ? '' : `&after=${encodeURIComponent(after)}`;
    const { body, status } = await call(`${url}/keys?limit=2${query}`);
    expect(status).toBe(200);
    const page = body as { keys: { key: string; version: number }[]; next: string | null };
    seen.push(...page.keys.map(({ key }) => key));
    if (page.next === null) break;
    after = page.next;
  }
  expect(seen).toEqual(['a', 'a b', 'b', '\uffee', '\u{10000}']);
});

test('a page holds what begins with the prefix, and its values when asked for', async () => {
  const { url } = await startNode();
  await put(`${url}/set/a%2F1`, 'one');
  await put(`${url}/set/b`, 'two');
  await call(`${url}/set/a%2F2?ttl=9`, {
    method: 'PUT',
    body: new Uint8Array([0xff, 0]),
    headers: { 'Content-Type': 'image/x' },
  });
  expect((await call(`${url}/keys?prefix=a/`)).body).toEqual({
    keys: [
      { key: 'a/1', version: 1 },
      { key: 'a/2', version: 3 },
    ],
    next: null,
  });
  expect((await call(`${url}/keys?prefix=a/&values=true`)).body).toEqual({
    keys: [
      { key: 'a/1', value: 'one', encoding: 'utf8', contentType: 'text/plain;charset=UTF-8', version: 1 },
      { key: 'a/2', value: '/wA=', encoding: 'base64', contentType: 'image/x', version: 3, expiresIn: 9 },
    ],
    next: null,
  });
});

test('a page of large values ends early and says where it goes on', async () => {
  const { url } = await startNode();
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) await put(`${url}/set/${key}`, key.repeat(1_000_000));
  const { body } = await call(`${url}/keys?values=true`);
  expect(body).toMatchObject({ next: 'd' });
  expect((body as { keys: unknown[] }).keys).toHaveLength(4);
  const rest = await call(`${url}/keys?values=true&after=d`);
  expect(rest.body).toMatchObject({ keys: [{ key: 'e' }, { key: 'f' }], next: null });
});

test.each([
  'limit=0',
  'limit=1001',
  'limit=x',
  'limit=1.5',
  'limit=1&limit=2',
  'values=yes',
  'prefix=%ff',
  `after=${'x'.repeat(1025)}`,
])('keys?%s is a 400 that names the parameter', async (query) => {
  const { url } = await startNode();
  const { status, body } = await call(`${url}/keys?${query}`);
  expect(status).toBe(400);
  expect(body).toMatchObject({
    type: 'urn:catena:problem:bad-parameter',
    parameter: query.slice(0, query.indexOf('=')),
  });
});

test('an export gives every key of an instant as JSON lines, whatever is written meanwhile', async () => {
  const { url, store, service } = await startNode();
  for (let i = 0; i < 3000; i++) {
    const operation = {
      op: 'set',
      key: `k${String(i).padStart(5, '0')}`,
      value: { bytes: 'x'.repeat(500), contentType: '' },
      ttlMs: null,
      condition: null,
    } as const;
    store.apply({ kind: 'single', operation }, null);
  }
  const answer = await fetch(`${url}/export?prefix=k0`);
  store.records.clear();
  expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
  const lines = (await answer.text()).split('\n');
  expect(lines.pop()).toBe('');
  expect(lines).toHaveLength(3000);
  expect(JSON.parse(lines[7] ?? '')).toEqual({
    key: 'k00007',
    value: 'x'.repeat(500),
    encoding: 'utf8',
    contentType: '',
    version: 8,
  });
  expect((await fetch(`${url}/export`)).status).toBe(200);
  expect(service.writes).toHaveLength(0);
});

test('a reader that goes away ends its export', async () => {
  const { url, service, logger } = await startNode();
  let taken = 0;
  let ended = false;
  service.entries = function* () {
    try {
      for (; taken < 1_000_000; taken++) {
        yield {
          key: `k${taken}`,
          record: {
            value: { bytes: 'x'.repeat(1000), contentType: '' },
            version: service.store.seq,
            expiresAtMs: null,
          },
        };
      }
    } finally {
      ended = true;
    }
  };
  const abort = new AbortController();
  const answer = await fetch(`${url}/export`, { signal: abort.signal });
  const reader = answer.body?.getReader();
  await reader?.read();
  abort.abort();
  while (!ended) await new Promise((resolve) => setImmediate(resolve));
  expect(taken).toBeLessThan(100_000);
  expect(logger.errors).toEqual([]);
});
