import type { Answer } from '../../src/client/caller.ts';
import { chainFrom, newer } from '../../src/client/chain-view.ts';

const NODES = {
  n1: { urls: ['http://node-1:4466', 'http://localhost:4466'], peer: 'node-1:5466' },
  n2: { urls: ['http://node-2:4466', 'http://localhost:4467'], peer: 'node-2:5466' },
};
const PAGE = {
  topology: {
    nodes: NODES,
    coordinators: {
      c1: { urls: ['http://coordinator:4460', 'http://localhost:4460'], peer: 'coordinator:5460' },
    },
    limits: { batchBytes: 1234 },
  },
  version: 2,
  configuration: {
    epoch: 7,
    members: [{ node: 'n2' }, { node: 'n1' }],
    joiner: { node: 'n3' },
    reads: 'any',
  },
};

function answer(body: unknown, { status = 200, node = 'n1' } = {}): Answer {
  const headers = { get: (name: string) => (name === 'catena-node' ? node : null) };
  return { status, headers, body: new TextEncoder().encode(JSON.stringify(body)) };
}

test('it says what the chain is', () => {
  expect(chainFrom(answer(PAGE), 'http://localhost:4466')).toMatchObject({
    epoch: 7,
    members: ['n2', 'n1'],
    joiner: 'n3',
    reads: 'any',
    version: 2,
    batchBytes: 1234,
  });
});

test.each([
  ['from the host', 'http://localhost:4466', 'n1', 'http://localhost:4467'],
  ['by another name of the loopback', 'http://127.0.0.1:4466', 'n1', 'http://localhost:4467'],
  ['within the network of containers', 'http://node-1:4466', 'n1', 'http://node-2:4466'],
  ['by the coordinator', 'http://localhost:4460', 'c1', 'http://localhost:4467'],
  ['by a name that nobody knows', 'http://elsewhere:1', 'n1', 'http://node-2:4466'],
])('asked %s, a node is reached on that network', (_, base, node, url) => {
  expect(chainFrom(answer(PAGE, { node }), base)?.urls.n2).toBe(url);
});

test('a chain before its first configuration has no members', () => {
  const chain = chainFrom(answer({ ...PAGE, configuration: null }), 'http://localhost:4466');
  expect(chain).toMatchObject({ epoch: 0, members: [], urls: { n1: 'http://localhost:4466' } });
});

test.each([
  ['text', 'hello'],
  ['other JSON', {}],
  ['a chain without members', { ...PAGE, configuration: { epoch: 7 } }],
  ['no addresses', { ...PAGE, topology: { ...PAGE.topology, nodes: { n1: { urls: [] } } } }],
  [
    'addresses that are none',
    { ...PAGE, topology: { ...PAGE.topology, nodes: { n1: { urls: ['ftp://x'] } } } },
  ],
])('%s is no chain', (_, body) => {
  expect(chainFrom(answer(body), 'http://localhost:4466')).toBeNull();
  expect(chainFrom(answer(PAGE, { status: 500 }), 'http://localhost:4466')).toBeNull();
});

test('the later epoch counts, then the later version', () => {
  const known = chainFrom(answer(PAGE), 'http://localhost:4466');
  if (known === null) throw new Error('the page was not read');
  const later = { ...known, version: 3 };
  const older = { ...known, epoch: 6, version: 9 };
  expect(newer(null, known)).toBe(known);
  expect(newer(known, { ...known })).toBe(known);
  expect(newer(known, later)).toBe(later);
  expect(newer(known, older)).toBe(known);
  expect(newer(older, known)).toBe(known);
});
