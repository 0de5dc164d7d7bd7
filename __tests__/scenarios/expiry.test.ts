import { set, single } from '../support/builders.ts';
import { Chain } from '../support/chain.ts';

const NAMES = ['n1', 'n2', 'n3'];

function chainWith(ttlMs: number): Chain {
  const chain = Chain.serving(NAMES);
  chain.head.write(single(set('passing', 'x', { ttlMs })));
  chain.settle();
  return chain;
}

const holders = (chain: Chain): string[] =>
  chain.nodes.filter(({ up }) => up.store.get('passing') !== undefined).map(({ name }) => name);

test('a key that is due is removed by an entry of the head, at the same seq on all replicas (§9)', () => {
  const chain = chainWith(500);
  chain.run(480);
  expect(holders(chain)).toEqual(NAMES);
  chain.until('the key is gone', () => chain.head.up.committed === 2);
  expect(holders(chain)).toEqual([]);
  chain.run(200);
  expect(chain.nodes.map(({ up }) => up.received)).toEqual([2, 2, 2]);
  expect(chain.node('n3').disk.entryAt(chain.tail.up.received)).toMatchObject({
    requestId: null,
    command: { kind: 'tick' },
  });
});

test('no replica removes a due key by its own clock (§9)', () => {
  const chain = chainWith(500);
  chain.lanes.hold('disk n3');
  chain.run(2000);
  expect(holders(chain)).toEqual(NAMES);
  chain.lanes.release();
  chain.settle();
  expect(holders(chain)).toEqual([]);
});

test('while a tick is in flight the head makes no other (§9)', () => {
  const chain = chainWith(100);
  chain.lanes.hold('disk n2');
  chain.run(1000);
  expect(chain.head.up.received).toBe(2);
});

test.each([
  ['an hour ahead', 3_600_000],
  ['an hour behind', -3_600_000],
])('a wall clock that jumps %s neither expires a key at once nor keeps it (§9)', (_, offMs) => {
  const chain = chainWith(1000);
  chain.run(500);
  chain.head.wallOffMs = offMs;
  chain.run(300);
  expect(holders(chain)).toEqual(NAMES);
  chain.run(300);
  expect(holders(chain)).toEqual([]);
});

test('a due key is removed by the new head when the old one dies first (§9)', () => {
  const chain = chainWith(300);
  chain.reorder(['n2', 'n3', 'n1']);
  chain.until('the chain is whole', () => chain.whole);
  chain.run(500);
  expect(holders(chain)).toEqual([]);
});

test('a head whose tick was dropped while another led the chain makes ticks again when its turn comes back (§9)', () => {
  const chain = chainWith(300);
  chain.lanes.hold('n1>n2');
  chain.run(350);
  expect(chain.head.up.received).toBe(2); // the tick is in n1's log alone
  chain.breakLinks('n1', 'n2');
  chain.lanes.release();
  // n2 comes first for a moment, too short for a tick of its own, and n1 drops what it lacks.
  chain.reorder(['n2', 'n1', 'n3']);
  chain.settle();
  expect(chain.node('n1').up.received).toBe(1);
  chain.reorder(NAMES);
  chain.settle();
  chain.run(1000);
  expect(holders(chain)).toEqual([]);
});
