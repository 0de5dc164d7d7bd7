import fc from 'fast-check';
import { prefersPlainText } from '../../src/http/value-format.ts';
import { call, curlLike, startNode } from './harness.ts';

const bytes = (...numbers: number[]) => new Uint8Array(numbers);

test.each([
  ['what has no type', undefined],
  ['text/plain', 'text/plain'],
  ['any text', 'text/markdown; charset=utf-8'],
  ['what curl -d sends', 'application/x-www-form-urlencoded'],
  ['a type in capitals', 'TEXT/Plain'],
])('%s comes back as a JSON string, or bare to who prefers text', async (_what, contentType) => {
  const node = await startNode();
  const headers = contentType === undefined ? [] : [`Content-Type: ${contentType}`];
  await curlLike(node.port, 'PUT', '/set/a', headers, 'gr\u00c3\u00bcn "\n');
  const json = await call(`${node.url}/get/a`);
  expect(json.headers.get('content-type')).toBe('application/json');
  expect(json.text).toBe('"grün \\"\\n"');
  const bare = await call(`${node.url}/get/a`, { headers: { Accept: 'text/plain' } });
  expect(bare.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  expect(bare.text).toBe('grün "\n');
});

test.each(['application/json', 'application/JSON; charset=utf-8', 'application/ld+json'])(
  '%s comes back as it was sent, under its type',
  async (contentType) => {
    const { url } = await startNode();
    const body = '{ "b" : 1.0,\n"a":[ "ü" ] }';
    await call(`${url}/set/a`, { method: 'PUT', body, headers: { 'Content-Type': contentType } });
    const got = await call(`${url}/get/a`, { headers: { Accept: 'text/plain' } });
    expect(got.text).toBe(body);
    expect(got.headers.get('content-type')).toBe(contentType);
  },
);

test('other bytes come back as they are, under their type, and never run as a page', async () => {
  const { url } = await startNode();
  const body = bytes(0, 255, 10, 13, 128);
  await call(`${url}/set/a`, { method: 'PUT', body, headers: { 'Content-Type': 'image/svg+xml' } });
  const got = await fetch(`${url}/get/a`);
  expect(new Uint8Array(await got.arrayBuffer())).toEqual(body);
  expect(got.headers.get('content-type')).toBe('image/svg+xml');
  expect(got.headers.get('content-security-policy')).toBe("default-src 'none'; sandbox");
  expect(got.headers.get('x-content-type-options')).toBe('nosniff');
});

test('no body is the empty text', async () => {
  const { url } = await startNode();
  expect((await call(`${url}/set/a`, { method: 'PUT' })).status).toBe(201);
  expect((await call(`${url}/get/a`)).text).toBe('""');
});

test.each([
  ['{"a":', 'application/json', 'bad-json'],
  ['', 'application/json', 'bad-json'],
  [bytes(0x22, 0xff, 0x22), 'application/json', 'bad-json'],
  [bytes(0xff), 'text/plain', 'bad-text'],
  [bytes(0xed, 0xa0, 0x80), '', 'bad-text'],
  ['x', 'nonsense', 'bad-request'],
  ['x', `text/${'x'.repeat(300)}`, 'bad-request'],
  ['x', 'text/plain; x=\u00e9', 'bad-request'],
])('the body %j as %s is refused: %s', async (body, contentType, type) => {
  const { url, service } = await startNode();
  const headers = contentType === '' ? {} : { 'Content-Type': contentType };
  const { status, body: problem } = await call(`${url}/set/a`, { method: 'PUT', body, headers });
  expect({ status, problem }).toMatchObject({ status: 400, problem: { type: `urn:catena:problem:${type}` } });
  expect(service.writes).toEqual([]);
});

test('JSON nested a million deep is taken or refused, and the node lives on', async () => {
  const { url } = await startNode();
  const headers = { 'Content-Type': 'application/json' };
  const deep = '['.repeat(500_000) + ']'.repeat(500_000);
  const { status } = await call(`${url}/set/a`, { method: 'PUT', body: deep, headers });
  expect([201, 400]).toContain(status);
  expect((await call(`${url}/healthz`)).status).toBe(200);
});

test('an encoded body is refused rather than stored as something else', async () => {
  const { url } = await startNode();
  const headers = { 'Content-Encoding': 'gzip' };
  expect((await call(`${url}/set/a`, { method: 'PUT', body: 'x', headers })).status).toBe(400);
});

test('any bytes of any kind of type come back from /get, /keys, /export and /batch as they were', async () => {
  const { url } = await startNode();
  const types = fc.constantFrom('application/octet-stream', 'image/png', 'x/y; z=1');
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), types, async (array, contentType) => {
      const body = new Uint8Array(array);
      await call(`${url}/set/a`, { method: 'PUT', body, headers: { 'Content-Type': contentType } });
      const got = await fetch(`${url}/get/a`);
      expect(new Uint8Array(await got.arrayBuffer())).toEqual(body);
      expect(got.headers.get('content-type')).toBe(contentType);
      const page = await call(`${url}/keys?values=true`);
      const [described] = (page.body as { keys: { value: string; encoding: 'utf8' | 'base64' }[] }).keys;
      expect(new Uint8Array(Buffer.from(described?.value ?? '', described?.encoding))).toEqual(body);
      const operations = [{ op: 'get', key: 'a' }];
      const batch = await call(`${url}/batch`, { method: 'POST', body: JSON.stringify({ operations }) });
      expect((batch.body as { results: unknown[] }).results[0]).toEqual(described);
      expect(JSON.parse((await call(`${url}/export`)).text)).toEqual(described);
    }),
    { numRuns: 30 },
  );
});

test.each([
  [undefined, false],
  ['*/*', false],
  ['application/json', false],
  ['text/plain', true],
  ['text/*', true],
  ['TEXT/PLAIN', true],
  ['text/plain, application/json', false],
  ['text/plain, application/json;q=0.9', true],
  ['text/plain;q=0.5, application/json', false],
  ['text/plain;q=0', false],
  ['text/html,application/xhtml+xml,*/*;q=0.8', false],
  ['text/plain;q=nonsense', false],
  ['*/*;q=0.1, text/plain;q=0.2', true],
  ['application/*, text/plain', false],
  ['image/png', false],
])('Accept: %s prefers bare text: %s', (accept, plain) => {
  expect(prefersPlainText(accept)).toBe(plain);
});
