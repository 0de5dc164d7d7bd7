import { increment, single } from '../support/builders.ts';
import { Chain } from '../support/chain.ts';

const ADD = single(increment('counter'));
const NAMES = ['n1', 'n2', 'n3'];

test('the tail alone serves reads, the head alone takes writes (§7, §3)', () => {
  const chain = Chain.serving(NAMES);
  expect(chain.nodes.map((node) => node.servesReads)).toEqual([false, false, true]);
  expect(chain.nodes.map(({ up }) => up.takesWrites)).toEqual([true, false, false]);
  expect(chain.nodes.map(({ up }) => up.ready)).toEqual([true, true, true]);
});

test('a new incarnation of the tail serves no read until it has committed all that may have been shown (§7)', () => {
  const chain = Chain.serving(NAMES);
  chain.head.write(ADD);
  chain.settle();
  expect(chain.tail.up.committed).toBe(1);
  chain.tail.kill();
  chain.tail.start();
  // Its disk has the entry, but nothing was written since that would say that it is committed.
  expect(chain.tail.up).toMatchObject({ received: 1, committed: 0 });
  chain.lanes.hold('n2>n3');
  chain.settle();
  expect(chain.tail.up).toMatchObject({ active: true, readFloor: null, ready: false });
  expect(chain.tail.servesReads).toBe(false);
  chain.once('n2>n3'); // Hello
  chain.settle();
  expect(chain.tail.up).toMatchObject({ readFloor: 1, committed: 0, ready: false });
  expect(chain.tail.servesReads).toBe(false);
  chain.lanes.release();
  chain.until('the fence of the start is over', () => chain.tail.up.ready);
  expect(chain.tail.up).toMatchObject({ readFloor: 1, committed: 1, ready: true });
  expect(chain.tail.servesReads).toBe(true);
});

test('a tail whose disk lost what it had shown serves no read until it has it again (§7)', () => {
  const chain = Chain.serving(NAMES);
  chain.head.write(ADD);
  chain.head.write(ADD);
  chain.settle();
  const { tail } = chain;
  tail.kill();
  tail.damaged = true;
  tail.disk.lose(2);
  chain.lanes.hold('read n2');
  tail.start();
  chain.settle();
  expect(tail.up).toMatchObject({ received: 0, committed: 0, readFloor: 2 });
  expect(tail.servesReads).toBe(false);
  chain.lanes.release();
  chain.until('the tail serves', () => tail.servesReads);
  expect(tail.up.store.get('counter')?.value.bytes).toBe('2');
});

test('a member that becomes the tail shows nothing older than what it had received (§7)', () => {
  const chain = Chain.serving(NAMES);
  chain.lanes.hold('n3>n2');
  chain.head.write(ADD);
  chain.settle(); // n3 has shown it; n2 has not learned that it is committed
  chain.reorder(['n1', 'n3', 'n2']);
  chain.lanes.hold('n1>n3');
  chain.settle();
  expect(chain.node('n2').up).toMatchObject({ role: 'tail', active: true, committed: 0 });
  expect(chain.node('n2').servesReads).toBe(false);
  chain.lanes.release();
  chain.until('the chain is whole', () => chain.whole);
  expect(chain.node('n2').up).toMatchObject({ committed: 1 });
  expect(chain.node('n2').servesReads).toBe(true);
});

test('a readFloor above entries that Resume drops is lowered with them, so that reads go on (§7)', () => {
  const chain = Chain.serving(NAMES);
  chain.lanes.hold('disk n1');
  chain.head.write(ADD);
  chain.settle();
  chain.head.kill();
  chain.lanes.release();
  chain.lanes.hold('n1>n2');
  chain.head.start();
  chain.settle();
  expect(chain.tail.up).toMatchObject({ received: 1 });
  expect(chain.tail.servesReads).toBe(false);
  chain.lanes.release();
  chain.until('the tail serves', () => chain.tail.servesReads);
  expect(chain.tail.up).toMatchObject({ received: 0, readFloor: 0, ready: true });
});

test('a tail that has not adopted the new epoch shows nothing that it could have missed (§3, §7)', () => {
  const chain = Chain.serving(NAMES);
  chain.lanes.hold('tell n3', 'n2>n3', 'n1>n3');
  chain.reorder(['n3', 'n1', 'n2']);
  chain.settle();
  expect(chain.node('n3').up).toMatchObject({ role: 'tail' });
  expect(chain.node('n3').servesReads).toBe(true);
  expect(chain.node('n2').up).toMatchObject({ role: 'tail' });
  expect(chain.node('n2').servesReads).toBe(false);
  chain.lanes.release();
  chain.until('the chain is whole', () => chain.whole);
  expect(chain.nodes.map((node) => node.servesReads)).toEqual([false, true, false]);
});
