import type { Look } from '../../src/cli/status-look.ts';
import { ratesBetween } from '../../src/cli/status-look.ts';
import { statusLine, statusText } from '../../src/cli/status-text.ts';
import type { NodeState } from '../../src/client/types.ts';

const state = (node: string, role: string, more: object = {}): NodeState => ({
  node,
  role,
  epoch: 7,
  received: 1200,
  durable: 1200,
  committed: 1200,
  keys: 34_567,
  ready: true,
  lag: 0,
  lease: { needed: false, leftMs: 0 },
  ...more,
});

const LOOK: Look = {
  atMs: 0,
  name: 'shop',
  epoch: 7,
  members: ['n1', 'n2'],
  joiner: 'node-3',
  nodes: {
    n1: state('n1', 'head', { lag: 3, waiting: { reads: null, writes: 'its successor is slow' } }),
    n2: state('n2', 'tail', { lease: { needed: true, leftMs: 151.6 } }),
    'node-3': state('node-3', 'joiner', {
      ready: false,
      transfer: { bytes: 43, bytesTotal: 100 },
      committed: 0,
    }),
    n4: state('n4', 'spare', { ready: false, problem: 'its disk is\u001b[31m full' }),
    n5: null,
  },
  urls: { n5: 'http://localhost:4470' },
  coordinators: [
    { name: 'c1', url: 'http://localhost:4460', state: { waitingFor: ['node-3'], problem: null } },
  ],
};

test('draws members head first, a joiner with its progress, others below, and what is wrong', () => {
  expect(statusText(LOOK, { n1: 1234.4, n2: null })).toBe(
    [
      'shop  epoch 7, 2 in the chain',
      '',
      '    node    role         epoch    keys  committed  lag  lease left  commits/s',
      '  ● n1      head             7  34,567      1,200    3           -      1,234',
      '  │',
      '  ● n2      tail             7  34,567      1,200    0      152 ms          -',
      '  ┆',
      '  ○ node-3  joiner 43 %      7  34,567          0    0           -          -',
      '',
      '  ○ n4      spare            7  34,567      1,200    0           -          -',
      '  ○ n5      not reachable at http://localhost:4470',
      '',
      'n1: writes wait: its successor is slow',
      'n4: its disk is [31m full',
      'coordinator c1: waits: node-3',
    ].join('\n'),
  );
});

test('says the same in a line', () => {
  expect(statusLine(LOOK, { n1: 5, n2: 0 })).toBe(
    'epoch 7: n1 head 1,200 lag 3 5/s -> n2 tail 1,200 lag 0 0/s -> node-3 joins 43 %',
  );
});

test('a member that does not answer is drawn in its place', () => {
  const text = statusText({ ...LOOK, joiner: null, nodes: { ...LOOK.nodes, n2: null } }, {});
  expect(text).toMatch(/● n1 .*\n {2}│\n {2}● n2 +not reachable at any address\n\n {2}○ node-3/);
});

test('rates are what was committed between two looks, by the time between them', () => {
  const n1 = state('n1', 'head', { committed: 1700 });
  const later: Look = { ...LOOK, atMs: 500, nodes: { ...LOOK.nodes, n1, n5: state('n5', 'spare') } };
  expect(ratesBetween(LOOK, later)).toMatchObject({ n1: 1000, n2: 0, n5: null });
  // One that was emptied, to be given a copy, has not committed less than nothing.
  expect(ratesBetween(later, { ...LOOK, atMs: 1000 })).toMatchObject({ n1: 0, n5: null });
});
