import { batch, increment, set, single } from '../support/builders.ts';
import { Chain } from '../support/chain.ts';

const ADD = single(increment('counter'));
const NAMES = ['n1', 'n2', 'n3'];

/** So that n3 hears nothing and nobody hears it, and the coordinator drops it. */
function cutOff(chain: Chain, name: string, rest: readonly string[]): void {
  for (const other of rest) chain.partition(name, other);
  chain.lanes.hold(`tell ${name}`);
}

test('the tail serves reads for a lease after its last grant, and no longer (§7)', () => {
  const chain = Chain.serving(NAMES);
  expect(chain.tail.servesReads).toBe(true);
  chain.partition('n2', 'n3');
  chain.run(160);
  expect(chain.tail.servesReads).toBe(true);
  chain.run(60);
  expect(chain.tail.servesReads).toBe(false);
  chain.heal('n2', 'n3');
  chain.until('the lease is renewed', () => chain.tail.servesReads);
});

test('a lease hangs on the head: it ends when the link above is cut, though the own one holds (§7)', () => {
  const chain = Chain.serving(NAMES);
  chain.partition('n1', 'n2');
  chain.run(220);
  expect(chain.tail.servesReads).toBe(false);
});

test('a dropped tail that knows of nothing shows no old value: what it lacks is committed after its lease (§7)', () => {
  const chain = Chain.serving(NAMES);
  cutOff(chain, 'n3', ['n1', 'n2']);
  chain.choose(['n1', 'n2'], { fenced: true });
  chain.settle();
  const write = chain.head.write(ADD);
  chain.settle();
  expect(chain.node('n3').servesReads).toBe(true);
  expect(write.reply).toBeNull();
  // ChainChecks reads wherever reads are served, after every step.
  chain.until('the write is committed', () => write.reply !== null);
  expect(chain.node('n3').servesReads).toBe(false);
  expect(chain.node('n2').servesReads).toBe(true);
});

test('without a fence nothing waits: the dropped node had confirmed it, or served no reads (§6)', () => {
  const chain = Chain.serving(NAMES);
  chain.head.kill();
  chain.choose(['n2', 'n3']);
  chain.settle();
  const write = chain.head.write(ADD);
  chain.settle();
  expect(write.reply).toMatchObject({ kind: 'applied' });
});

test('the wait is handed down by Hello: a tail that adopted early waits as long as its predecessor (§7)', () => {
  const chain = Chain.serving(['n1', 'n2', 'n3', 'n4']);
  cutOff(chain, 'n4', ['n1', 'n2', 'n3']);
  chain.lanes.hold('tell n1', 'tell n2');
  chain.partition('n2', 'n3');
  chain.choose(['n1', 'n2', 'n3'], { fenced: true });
  chain.run(200);
  chain.lanes.release('tell n1', 'tell n2');
  chain.heal('n2', 'n3');
  const write = chain.head.write(ADD);
  chain.until('the chain agrees', () => chain.node('n3').up.received === 1);
  expect(chain.node('n3').up.fenceLeftMs({ monotonicMs: chain.nowMs, wallMs: 0 })).toBeGreaterThan(100);
  expect(chain.node('n3').up.role).toBe('tail');
  expect(write.reply).toBeNull();
  chain.until('the write is committed', () => write.reply !== null);
});

test('a fence is raised by whoever skipped the epoch that began with it (§7)', () => {
  const chain = Chain.serving(['n1', 'n2', 'n3', 'n4']);
  chain.lanes.hold('tell n3');
  chain.partition('n2', 'n3');
  cutOff(chain, 'n4', ['n1', 'n2', 'n3']);
  chain.choose(['n1', 'n2', 'n3'], { fenced: true });
  chain.choose(['n1', 'n2', 'n3']);
  chain.lanes.release('tell n3');
  chain.heal('n2', 'n3');
  chain.settle();
  expect(chain.node('n3').up.fenceLeftMs({ monotonicMs: chain.nowMs, wallMs: 0 })).toBeGreaterThan(0);
});

test('a start has a fence, since nobody knows what its last incarnation had granted (§7)', () => {
  const chain = Chain.serving(NAMES);
  expect(chain.tail.up.fenceLeftMs({ monotonicMs: chain.nowMs, wallMs: 0 })).toBe(0);
  chain.tail.kill();
  chain.tail.start();
  chain.settle();
  const write = chain.head.write(ADD);
  chain.settle();
  expect(write.reply).toBeNull();
  chain.until('the write is committed', () => write.reply !== null);
});

test('a member that was asked to stop serves no read in its epoch, and does again in a later one (§6)', () => {
  const chain = Chain.serving(NAMES);
  chain.tail.happened({ kind: 'stop-serving', epoch: chain.epoch });
  expect(chain.tail.up.stopped).toBe(true);
  expect(chain.tail.servesReads).toBe(false);
  // Writes go on until the next configuration.
  const write = chain.head.write(ADD);
  chain.settle();
  expect(write.reply).toMatchObject({ kind: 'applied' });
  chain.choose(NAMES);
  chain.until('the chain is whole', () => chain.whole && chain.tail.servesReads);
  expect(chain.tail.up.stopped).toBe(false);
});

test('to be asked to stop in an epoch that is over means nothing (§6)', () => {
  const chain = Chain.serving(NAMES);
  const { epoch } = chain;
  chain.choose(NAMES);
  chain.settle();
  chain.tail.happened({ kind: 'stop-serving', epoch });
  expect(chain.tail.up.stopped).toBe(false);
});

test('a store that was made after a long lease was shortened waits for the long one all the same (§7)', () => {
  const chain = Chain.serving(NAMES);
  chain.choose(['n1', 'n3'], { fenced: true, leaseMs: 10_000 });
  chain.run(500);
  chain.node('n2').kill();
  chain.node('n2').disk.wipe();
  chain.run(12_000);
  cutOff(chain, 'n3', ['n1', 'n2']);
  chain.choose(['n1'], { fenced: true });
  chain.run(40);
  chain.choose(['n1'], { leaseMs: 200 });
  chain.run(40);
  chain.node('n2').start();
  chain.settle();
  chain.choose(['n1'], { joiner: 'n2' });
  chain.until('n2 has caught up', () => chain.node('n2').up.ready);
  chain.choose(['n1', 'n2']);
  chain.until('n2 is ready', () => chain.node('n2').up.ready && chain.node('n2').up.role === 'tail');
  chain.node('n1').kill({ silent: true });
  chain.node('n2').kill();
  chain.node('n2').start();
  chain.settle();
  chain.choose(['n2'], { fenced: true });
  chain.settle();
  const write = chain.node('n2').write(ADD, { waitMs: 60_000 });
  chain.run(1000);
  expect(chain.node('n3').servesReads).toBe(true);
  expect(write.reply).toBeNull();
});

describe('reads at any replica (§7)', () => {
  function any(): Chain {
    const chain = Chain.serving(NAMES);
    chain.choose(NAMES, { reads: 'any' });
    chain.until('every member serves', () => chain.nodes.every((node) => node.servesReads));
    return chain;
  }

  test('every member serves a key that nobody is writing, and asks about one that somebody is', () => {
    const chain = any();
    chain.lanes.hold('n3>n2');
    chain.head.write(ADD);
    chain.settle();
    expect(chain.tail.up.committed).toBe(1);
    expect(chain.nodes.map(({ up }) => up.isClean(['counter']))).toEqual([false, false, true]);
    expect(chain.nodes.map(({ up }) => up.isClean(['other']))).toEqual([true, true, true]);
    expect(chain.nodes.map(({ up }) => up.isClean(null))).toEqual([false, false, true]);
    const ticket = chain.head.ask();
    chain.settle();
    expect(chain.head.settled.has(ticket)).toBe(false);
    chain.lanes.release();
    chain.settle();
    expect(chain.head.settled.has(ticket)).toBe(true);
    expect(chain.head.up.store.get('counter')?.value.bytes).toBe('1');
  });

  test('questions of several replicas go together, and one that was lost with its link is asked again', () => {
    const chain = any();
    chain.lanes.hold('n2>n3');
    const tickets = [chain.head.ask(), chain.head.ask()];
    chain.once('n1>n2');
    const own = chain.node('n2').ask();
    chain.breakLinks('n2', 'n3');
    chain.lanes.release();
    chain.until('all are answered', () => chain.node('n2').settled.has(own) && chain.head.settled.size === 2);
    expect(tickets.every((ticket) => chain.head.settled.has(ticket))).toBe(true);
  });

  test('a pending tick counts for every key that expires', () => {
    const chain = any();
    chain.head.write(single(set('brief', 'x', { ttlMs: 100 })));
    chain.head.write(single(set('lasting', 'x')));
    chain.settle();
    chain.lanes.hold('disk n3');
    chain.until('the tick is made', () => chain.head.up.received === 3);
    expect(chain.head.up.isClean(['brief'])).toBe(false);
    expect(chain.head.up.isClean(['lasting'])).toBe(true);
    chain.lanes.release();
    chain.settle();
    expect(chain.head.up.isClean(['brief'])).toBe(true);
  });

  test('batches count key by key; only reading changes nothing', () => {
    const chain = any();
    chain.lanes.hold('disk n3');
    chain.head.write(batch([set('a', 'x'), { op: 'get', key: 'b' }, increment('c')]));
    chain.settle();
    const { up } = chain.node('n2');
    expect([['a'], ['b'], ['c'], ['b', 'a']].map((keys) => up.isClean(keys))).toEqual([
      false,
      true,
      false,
      false,
    ]);
  });

  test("a reader's lease hangs on every other member, below it too", () => {
    const chain = any();
    chain.partition('n2', 'n3');
    chain.run(260);
    expect(chain.nodes.map((node) => node.servesReads)).toEqual([false, false, false]);
    chain.heal('n2', 'n3');
    chain.until('all serve again', () => chain.nodes.every((node) => node.servesReads));
  });

  test('a dropped head shows no old value', () => {
    const chain = any();
    cutOff(chain, 'n1', ['n2', 'n3']);
    chain.choose(['n2', 'n3'], { fenced: true });
    chain.settle();
    const write = chain.head.write(ADD);
    chain.settle();
    expect(chain.node('n1').servesReads).toBe(true);
    expect(write.reply).toBeNull();
    chain.until('the write is committed', () => write.reply !== null);
    expect(chain.node('n1').servesReads).toBe(false);
  });

  test('it is switched back like any edit', () => {
    const chain = any();
    chain.choose(NAMES, { reads: 'tail' });
    chain.settle();
    chain.until('the tail serves', () => chain.tail.servesReads);
    expect(chain.nodes.map((node) => node.servesReads)).toEqual([false, false, true]);
  });
});
