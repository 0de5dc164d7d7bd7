import { call, curlLike, raw, rawRequest, startChain } from './harness.ts';

const NAMES = ['n1', 'n2', 'n3'] as const;
const locationOf = ({ head }: { head: string }) => new URL(/^Location: (.*)\r?$/m.exec(head)?.[1] ?? '');

const KEYS = [
  ['fw/a/../b', 'fw/a/../b'],
  ['fw/./b', 'fw/./b'],
  ['../b', '../b'],
  ['a/%2e%2E/b', 'a/../b'],
  ['a/..', 'a/..'],
  ['a\\b', 'a\\b'],
  ['a\\..\\b', 'a\\..\\b'],
  ['a#b', 'a#b'],
  ['a//b', 'a//b'],
  ['/b', '/b'],
  ['a%23b%5C%2F', 'a#b\\/'],
] as const;

test.each(KEYS)('forwarded, the key in %s is kept as it comes', async (path, key) => {
  const { n2, store } = await startChain(NAMES);
  const set = await curlLike(n2.port, 'PUT', `/set/${path}?forward=true`, [], 'value');
  expect(JSON.parse(set.body)).toEqual({ key, version: 1 });
  expect([...store.records.keys()]).toEqual([key]);
  const got = await curlLike(n2.port, 'GET', `/get/${path}?forward=true`, [], '');
  expect(got).toMatchObject({ status: 200, body: '"value"' });
});

test.each(KEYS)('redirected, the key in %s is the same for one who tidies addresses', async (path, key) => {
  const { n2, store } = await startChain(NAMES);
  const answer = await raw(n2.port, rawRequest('PUT', `/set/${path}?ttl=9`));
  const location = locationOf(answer);
  expect(location.hash).toBe('');
  await call(location.href, { method: 'PUT', body: 'value' });
  expect([...store.records.keys()]).toEqual([key]);
  expect(store.records.get(key)?.expiresAtMs).not.toBeNull();
});

test('a # in a query that is redirected is kept', async () => {
  const { n1 } = await startChain(NAMES);
  const { search, hash } = locationOf(await raw(n1.port, rawRequest('GET', '/keys?prefix=a#b&limit=2')));
  expect({ search, hash }).toEqual({ search: '?prefix=a%23b&limit=2', hash: '' });
});
