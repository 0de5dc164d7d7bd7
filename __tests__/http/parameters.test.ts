import { call, curlLike, startNode } from './harness.ts';

const put = (url: string, body: string, headers: Record<string, string> = {}) =>
  call(url, { method: 'PUT', body, headers });

test('If-Match writes only over that version, or over any', async () => {
  const { url } = await startNode();
  await put(`${url}/set/a`, 'one');
  const stale = await put(`${url}/set/a`, 'x', { 'If-Match': '"9"' });
  expect(stale).toMatchObject({
    status: 412,
    body: { type: 'urn:catena:problem:precondition-failed', key: 'a', version: 1 },
  });
  expect(stale.headers.get('etag')).toBe('"1"');
  expect((await put(`${url}/set/a`, 'two', { 'If-Match': '"1"' })).status).toBe(200);
  expect((await put(`${url}/set/a`, 'three', { 'If-Match': '*' })).status).toBe(200);
  const absent = await put(`${url}/set/b`, 'x', { 'If-Match': '*' });
  expect(absent).toMatchObject({ status: 412, body: { version: 0 } });
  expect(absent.headers.get('etag')).toBeNull();
});

test('If-None-Match: * writes only what is not there', async () => {
  const { url } = await startNode();
  expect((await put(`${url}/set/a`, 'one', { 'If-None-Match': '*' })).status).toBe(201);
  expect((await put(`${url}/set/a`, 'two', { 'If-None-Match': '*' })).status).toBe(412);
});

test('a delete keeps to its condition', async () => {
  const { url } = await startNode();
  await put(`${url}/set/a`, 'one');
  const del = (tag: string) => call(`${url}/delete/a`, { method: 'DELETE', headers: { 'If-Match': tag } });
  expect((await del('"7"')).status).toBe(412);
  expect((await del('"1"')).body).toEqual({ key: 'a', deleted: true });
});

test.each([
  [{ 'If-Match': '"1"', 'If-None-Match': '*' }, 'conflicting-conditions'],
  [{ 'If-Match': '"1", "2"' }, 'bad-parameter'],
  [{ 'If-Match': 'W/"1"' }, 'bad-parameter'],
  [{ 'If-Match': '1' }, 'bad-parameter'],
  [{ 'If-Match': '"99999999999999999"' }, 'bad-parameter'],
  [{ 'If-Match': '"abc"' }, 'bad-parameter'],
  [{ 'If-None-Match': '"1"' }, 'bad-parameter'],
])('the conditions %j on a write are 400 and nothing is written', async (headers, type) => {
  const { url, service } = await startNode();
  for (const [method, path] of [
    ['PUT', '/set/a'],
    ['DELETE', '/delete/a'],
  ] as const) {
    const answer = await call(`${url}${path}`, { method, headers });
    expect(answer).toMatchObject({ status: 400, body: { type: `urn:catena:problem:${type}` } });
  }
  expect(service.writes).toEqual([]);
});

test.each(['/increment/a', '/expire/a', '/batch'])(
  '%s refuses conditions, which it has none of',
  async (path) => {
    const { url } = await startNode();
    const answer = await call(`${url}${path}`, {
      method: 'POST',
      headers: { 'If-Match': '"1"' },
      body: '{}',
    });
    expect(answer).toMatchObject({ status: 400, body: { parameter: 'If-Match' } });
  },
);

test.each(['-1', '0', 'abc', '', '1e3', 'Infinity', 'NaN', '315360001', '0x10', '1,5', '%20', '.'])(
  'ttl=%s is a 400 that names ttl',
  async (ttl) => {
    const { url, service } = await startNode();
    for (const [method, path] of [
      ['PUT', '/set/a'],
      ['POST', '/expire/a'],
    ] as const) {
      const answer = await call(`${url}${path}?ttl=${ttl}`, { method });
      expect(answer).toMatchObject({
        status: 400,
        body: { type: 'urn:catena:problem:bad-parameter', parameter: 'ttl' },
      });
    }
    expect(service.writes).toEqual([]);
  },
);

test.each([
  ['1', 1000],
  ['0.25', 250],
  ['.5', 500],
  ['0.00001', 1],
  ['315360000', 315_360_000_000],
])('ttl=%s is %i ms', async (ttl, ttlMs) => {
  const { url, service } = await startNode();
  expect((await put(`${url}/set/a?ttl=${ttl}`, 'x')).status).toBe(201);
  expect(service.writes[0]?.command).toMatchObject({ operation: { ttlMs } });
});

test.each(['', 'x', '1.5', '1e3', '9007199254740992', '-9007199254740992', '+1', '0x1'])(
  'by=%s is a 400 that names by',
  async (by) => {
    const { url } = await startNode();
    const answer = await call(`${url}/increment/a?by=${by}`, { method: 'POST' });
    expect(answer).toMatchObject({ status: 400, body: { parameter: 'by' } });
  },
);

test('unknown parameters are ignored, known ones that come twice are refused', async () => {
  const { url } = await startNode();
  expect((await put(`${url}/set/a?other=1&other=2&%zz=3&`, 'x')).status).toBe(201);
  const twice = await put(`${url}/set/a?ttl=1&ttl=1`, 'x');
  expect(twice).toMatchObject({ status: 400, body: { parameter: 'ttl' } });
});

test('a retry under the same id gives the first outcome again, and says so', async () => {
  const { url } = await startNode();
  const add = (query: string, headers: Record<string, string> = {}) =>
    call(`${url}/increment/n${query}`, { method: 'POST', headers });
  const first = await add('', { 'Idempotency-Key': 'one' });
  expect(first).toMatchObject({ status: 200, body: { value: 1 } });
  expect(first.headers.get('idempotent-replay')).toBeNull();
  const replay = await add('?request-id=one');
  expect(replay).toMatchObject({ status: 200, body: first.body });
  expect(replay.headers.get('idempotent-replay')).toBe('true');
});

test('the header and the parameter are one id, as UTF-8', async () => {
  const { port, service } = await startNode();
  await curlLike(port, 'POST', '/increment/n', [`Idempotency-Key: ${utf8('ключ')}`], '');
  await curlLike(port, 'POST', `/increment/n?request-id=${encodeURIComponent('ключ')}`, [], '');
  expect(service.writes.map(({ requestId }) => requestId)).toEqual(['ключ', 'ключ']);
});

test('the same id with another command is 422', async () => {
  const { url } = await startNode();
  const headers = { 'Idempotency-Key': 'one' };
  await put(`${url}/set/a`, 'x', headers);
  expect(await put(`${url}/set/a`, 'y', headers)).toMatchObject({
    status: 422,
    body: { type: 'urn:catena:problem:request-id-reused' },
  });
});

test('a failed condition is remembered as well', async () => {
  const { url } = await startNode();
  const headers = { 'Idempotency-Key': 'one', 'If-Match': '*' };
  expect((await put(`${url}/set/a`, 'x', headers)).status).toBe(412);
  await put(`${url}/set/a`, 'y');
  expect((await put(`${url}/set/a`, 'x', headers)).status).toBe(412);
});

test('an id is 1 to 128 bytes, and the same wherever it stands', async () => {
  const { url, port } = await startNode();
  const set = (query: string, headers: Record<string, string> = {}) =>
    put(`${url}/set/a${query}`, 'x', headers);
  expect((await set(`?request-id=${'x'.repeat(128)}`)).status).toBe(201);
  for (const refused of [
    await set(`?request-id=${'x'.repeat(129)}`),
    await set(`?request-id=${encodeURIComponent('ü'.repeat(65))}`),
    await set('?request-id='),
    await set('?request-id=%ff'),
    await set('?request-id=one', { 'Idempotency-Key': 'two' }),
    await set('', { 'Idempotency-Key': 'x'.repeat(129) }),
  ]) {
    expect(refused).toMatchObject({ status: 400, body: { type: 'urn:catena:problem:bad-parameter' } });
  }
  expect((await curlLike(port, 'PUT', '/set/a', ['Idempotency-Key: \xff'], 'x')).status).toBe(400);
  expect((await set('?request-id=same', { 'Idempotency-Key': 'same' })).status).toBe(200);
});

function utf8(text: string): string {
  return Buffer.from(text).toString('latin1');
}
