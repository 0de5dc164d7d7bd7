import { seq } from '../../src/base/ids.ts';
import { increment, single } from '../support/builders.ts';
import { Chain } from '../support/chain.ts';

const ADD = single(increment('counter'));

/** A chain that has committed so many writes everywhere. */
function chainWith(names: readonly string[], writes: number): Chain {
  const chain = Chain.serving(names);
  for (let count = 0; count < writes; count++) chain.head.write(ADD);
  chain.settle();
  chain.course();
  return chain;
}

/** Everybody is told a new epoch of the same members. */
function newEpoch(chain: Chain): void {
  chain.reorder(chain.order.map(({ name }) => name));
}

test('agreement runs from head to tail: each opens its session when its own is reconciled (§4)', () => {
  const chain = chainWith(['n1', 'n2', 'n3'], 1);
  newEpoch(chain);
  chain.settle();
  expect(chain.course().filter((line) => line.includes('→'))).toEqual([
    'n1 → n2 Hello in 2, received 1',
    'n2 → n1 Welcome, committed 1',
    'n1 → n2 Resume after 1',
    'n1 → n2 Append nothing, durable 1',
    'n2 → n3 Hello in 2, received 1',
    'n3 → n2 Welcome, committed 1',
    'n2 → n3 Resume after 1',
    'n2 → n3 Append nothing, durable 1',
  ]);
});

test('what a successor holds and the head has lost is dropped all the way down (§4)', () => {
  const chain = chainWith(['n1', 'n2', 'n3'], 2);
  chain.lanes.hold('disk n1');
  const write = chain.head.write(ADD);
  chain.settle();
  chain.node('n1').kill();
  chain.lanes.release();
  chain.node('n1').start();
  chain.until('the chain is whole', () => chain.whole);
  const course = chain.course();
  expect(course).toContain('n2 → n1 Welcome, committed 2, holds 1/3');
  expect(course).toContain('n2 drops what is beyond 2');
  expect(course).toContain('n3 drops what is beyond 2');
  expect(write.reply).toBe('lost');
  expect(chain.nodes.map(({ up }) => up.received)).toEqual([2, 2, 2]);
});

test('what a successor has lost of what was not committed yet is sent again (§4)', () => {
  const chain = chainWith(['n1', 'n2', 'n3'], 2);
  chain.lanes.hold('disk n2');
  const writes = [chain.head.write(ADD), chain.head.write(ADD)];
  chain.settle();
  chain.node('n2').kill({ kept: { jobs: 1, saves: 0 } });
  chain.lanes.release();
  chain.node('n2').start();
  chain.until('the chain is whole', () => chain.whole);
  expect(chain.course()).toContain('n1 → n2 Resume after 3');
  expect(writes.map(({ reply }) => reply)).toMatchObject([{ kind: 'applied' }, { kind: 'applied' }]);
});

test('entries of an epoch that the head knows nothing of make room for its own at the same seq (§4, I1)', () => {
  const chain = chainWith(['n1', 'n2', 'n3'], 1);
  chain.lanes.hold('disk n1');
  chain.head.write(ADD);
  chain.head.write(ADD);
  chain.settle();
  chain.node('n1').kill();
  chain.lanes.release();
  chain.lanes.hold('n1>n2');
  chain.node('n1').start();
  chain.settle();
  const write = chain.head.write(ADD);
  chain.settle();
  chain.course();
  chain.lanes.release();
  chain.settle();
  expect(chain.course().filter((line) => /^n1 →|n2 → n1 W|drops/.test(line))).toEqual([
    'n2 → n1 Welcome, committed 1, holds 1/3',
    'n1 → n2 Resume after 1',
    'n2 drops what is beyond 1',
    'n1 → n2 Append 2/2, durable 2',
    'n3 drops what is beyond 1',
  ]);
  chain.until('the fence of the start is over', () => write.reply !== null);
  expect(write.reply).toMatchObject({ kind: 'applied', outcome: { seq: 2 } });
  expect(chain.nodes.map(({ disk }) => disk.read(seq(0))?.map(({ epoch }) => epoch))).toEqual([
    [1, 2],
    [1, 2],
    [1, 2],
  ]);
});

test('a sync in flight for what was dropped counts for nothing (§3)', () => {
  const chain = chainWith(['n1', 'n2', 'n3'], 1);
  chain.lanes.hold('disk n1', 'disk n2');
  chain.head.write(ADD);
  chain.settle();
  chain.node('n1').kill();
  chain.lanes.release('disk n1');
  chain.node('n1').start();
  chain.settle();
  const write = chain.head.write(ADD);
  chain.settle();
  expect(chain.node('n2').up).toMatchObject({ received: 2, durable: 1 });
  chain.once('disk n2');
  chain.settle();
  expect(chain.node('n2').up).toMatchObject({ received: 2, durable: 1 });
  expect(write.reply).toBeNull();
  chain.lanes.release();
  chain.until('the fence of the start is over', () => write.reply !== null);
  expect(write.reply).toMatchObject({ kind: 'applied' });
});

test('a successor that lost committed entries gets them from the disk of its predecessor (§4)', () => {
  const chain = chainWith(['n1', 'n2', 'n3'], 7);
  const tail = chain.node('n3');
  tail.kill();
  tail.damaged = true;
  tail.disk.lose(5);
  tail.start();
  chain.until('the chain is whole', () => chain.whole);
  const course = chain.course();
  expect(course).toContain('n2 → n3 Resume after 2');
  expect(course.filter((line) => line.includes('reads after'))).toEqual([
    'n2 reads after 2 from its disk',
    'n2 reads after 4 from its disk',
    'n2 reads after 6 from its disk',
  ]);
  expect(tail.up.store.digest()).toBe(chain.head.up.store.digest());
});

test('writes that come while a successor catches up from the disk follow in order (§4)', () => {
  const chain = chainWith(['n1', 'n2'], 5);
  const tail = chain.node('n2');
  tail.kill();
  tail.damaged = true;
  tail.disk.lose(4);
  chain.lanes.hold('read n1');
  tail.start();
  chain.settle();
  const write = chain.head.write(ADD);
  chain.settle();
  expect(tail.up.received).toBe(1);
  chain.lanes.release();
  chain.until('the write is answered', () => write.reply !== null);
  expect(write.reply).toMatchObject({ kind: 'applied', outcome: { results: [{ value: 6 }] } });
});

test('a predecessor whose log ends before what its successor knows to be committed stops as corrupt (§4)', () => {
  const chain = chainWith(['n1', 'n2', 'n3'], 3);
  const { head } = chain;
  head.kill();
  head.damaged = true;
  head.disk.lose(1);
  head.start();
  chain.run(1000);
  expect(chain.course()).toContain('n1 fails as CORRUPT');
  expect(head.up.broken).toContain('lost what it had synced');
  expect(head.up).toMatchObject({ takesWrites: false, ready: false });
  expect(chain.nodes.slice(1).map(({ up }) => up.received)).toEqual([3, 3]);
});

test('a middle that lost committed entries is made good by its predecessor or stops; it asserts nothing away (§4)', () => {
  const chain = chainWith(['n1', 'n2', 'n3'], 4);
  const middle = chain.node('n2');
  middle.kill();
  middle.damaged = true;
  middle.disk.lose(2);
  chain.lanes.hold('disk n2');
  middle.start();
  chain.settle(); // what n1 sent is received and not synced when n3 says what it knows to be committed
  chain.lanes.release();
  chain.run(1000);
  expect(chain.whole || middle.up.broken !== null).toBe(true);
});

test('a middle that is told by an Ack of more than its damaged disk holds is made good or stops as well (§4)', () => {
  const chain = chainWith(['n1', 'n2', 'n3', 'n4'], 2);
  chain.lanes.hold('n4>n3');
  chain.head.write(ADD);
  chain.head.write(ADD);
  chain.settle(); // n4 alone knows 3 and 4 to be committed
  const middle = chain.node('n2');
  middle.kill();
  middle.damaged = true;
  middle.disk.lose(2);
  chain.breakLinks('n3', 'n4');
  chain.lanes.release();
  chain.lanes.hold('disk n2');
  middle.start();
  chain.settle();
  chain.lanes.release();
  chain.run(1000);
  expect(chain.whole || middle.up.broken !== null).toBe(true);
});

test('a head that lost a committed entry and made another in its place does not go unnoticed (§4, I4)', () => {
  const chain = chainWith(['n1', 'n2', 'n3'], 2);
  chain.lanes.hold('n3>n2');
  chain.head.write(ADD);
  chain.settle(); // n3 alone knows 3 to be committed, and shows it to readers
  expect(chain.tail.up.committed).toBe(3);
  const { head } = chain;
  head.kill();
  head.damaged = true;
  head.disk.lose(1);
  chain.lanes.release();
  chain.lanes.hold('n1>n2');
  head.start();
  chain.settle();
  head.write(single(increment('another')));
  chain.settle();
  chain.lanes.release();
  chain.run(1000); // the checks compare the stores of all that are at the same seq
  expect(chain.nodes.some(({ up }) => up.broken !== null)).toBe(true);
});

test('an Ack that was lost with its connection is made good by the next Welcome (§4)', () => {
  const chain = chainWith(['n1', 'n2', 'n3'], 0);
  chain.lanes.hold('n3>n2');
  const write = chain.head.write(ADD);
  chain.settle();
  expect(chain.nodes.map(({ up }) => up.committed)).toEqual([0, 0, 1]);
  chain.breakLinks('n2', 'n3');
  chain.lanes.release();
  chain.course();
  chain.until('the write is answered', () => write.reply !== null);
  const course = chain.course();
  expect(course).toContain('n3 → n2 Welcome, committed 1');
  expect(course).not.toContain('n3 → n2 Ack 1');
  expect(write.reply).toMatchObject({ kind: 'applied' });
});

test('after a mere connection loss the two go on in the same epoch and nothing is dropped (§4)', () => {
  const chain = chainWith(['n1', 'n2', 'n3'], 1);
  chain.lanes.hold('n1>n2');
  const write = chain.head.write(ADD);
  chain.settle();
  chain.breakLinks('n1', 'n2');
  chain.lanes.release();
  chain.until('the write is answered', () => write.reply !== null);
  const course = chain.course().join('\n');
  expect(course).toContain('n1 → n2 Hello in 1, received 2');
  expect(course).toContain('n1 → n2 Append 1/2');
  expect(course).not.toContain('drops');
  expect(course).not.toContain('n2 → n3 Hello');
});

test('what was said of disks in an earlier session counts for nothing in the next (§3)', () => {
  const chain = chainWith(['n1', 'n2'], 0);
  chain.lanes.hold('disk n2');
  const write = chain.head.write(ADD);
  chain.settle();
  chain.breakLinks('n1', 'n2');
  chain.settle();
  chain.lanes.hold('n1>n2');
  chain.run(100);
  chain.once('disk n2');
  chain.settle();
  expect(chain.node('n2').up).toMatchObject({ durable: 1, committed: 0 });
  expect(write.reply).toBeNull();
  chain.lanes.release();
  chain.until('the write is answered', () => write.reply !== null);
});

test('a Hello of a lower epoch is answered with Stale, and its sender adopts what that says (§4)', () => {
  const chain = chainWith(['n1', 'n2', 'n3'], 1);
  chain.lanes.hold('tell n1');
  newEpoch(chain);
  chain.until('n1 has learned of epoch 2', () => chain.node('n1').up.configuration?.epoch === 2);
  expect(chain.course()).toContain('n2 → n1 Stale, 2 is later');
  chain.until('the chain is whole', () => chain.whole);
  const write = chain.head.write(ADD);
  chain.settle();
  expect(write.reply).toMatchObject({ kind: 'applied' });
});

test('a Hello of a higher epoch brings its configuration, and is answered once that is on disk (§2, §4)', () => {
  const chain = chainWith(['n1', 'n2', 'n3'], 1);
  chain.lanes.hold('tell n2', 'save n2', 'tell n3', 'save n3');
  newEpoch(chain);
  chain.until('n2 has heard of epoch 2', () => chain.node('n2').up.configuration?.epoch === 2);
  chain.settle();
  expect(chain.node('n2').up.active).toBe(false);
  expect(chain.course().join('\n')).not.toContain('n2 → n1 Welcome');
  chain.once('save n2');
  chain.settle();
  expect(chain.course()).toContain('n2 → n1 Welcome, committed 1');
  expect(chain.node('n2').disk.configuration?.epoch).toBe(2);
  chain.lanes.release('save n3');
  chain.until('the chain is whole', () => chain.whole);
});

test('a configuration that was not on disk when its node died was never acted in (§2)', () => {
  const chain = chainWith(['n1', 'n2', 'n3'], 1);
  chain.lanes.hold('save n1', 'save n2', 'save n3');
  newEpoch(chain);
  chain.settle();
  expect(chain.nodes.map(({ up }) => up.active)).toEqual([false, false, false]);
  expect(chain.nodes.flatMap(({ up, servesReads }) => [up.takesWrites, servesReads, up.ready])).not.toContain(
    true,
  );
  expect(chain.course().filter((line) => line.includes('→'))).toEqual([]);
  expect(chain.node('n1').write(ADD).reply).toMatchObject({ kind: 'moved', to: null });
});

test.each(['n2', 'n3'])('nothing commits in an epoch that %s has not adopted (§3)', (behind) => {
  const chain = chainWith(['n1', 'n2', 'n3'], 1);
  chain.lanes.hold(`tell ${behind}`, 'n1>n2', 'n2>n3');
  if (behind === 'n3') chain.lanes.release('n1>n2');
  newEpoch(chain);
  chain.settle();
  const write = chain.head.write(ADD);
  chain.run(200);
  expect(write.reply).toBeNull();
  expect(chain.nodes.map(({ up }) => up.committed)).toEqual([1, 1, 1]);
  chain.lanes.release();
  chain.until('the write is answered', () => write.reply !== null);
  expect(write.reply).toMatchObject({ kind: 'applied' });
});

test('each link carries something both ways at least every lease/5 (§4)', () => {
  const chain = chainWith(['n1', 'n2'], 1);
  chain.run(1000);
  const course = chain.course();
  const { leaseMs } = chain.configurations[0] ?? { leaseMs: 0 };
  const times = 1000 / (leaseMs / 5);
  expect(course.filter((line) => line.startsWith('n1 → n2 Append nothing')).length).toBeGreaterThanOrEqual(
    times - 1,
  );
  expect(course.filter((line) => line.startsWith('n2 → n1 Ack 1')).length).toBeGreaterThanOrEqual(times - 1);
  expect(course.filter((line) => line.includes('Hello'))).toEqual([]);
});

test.each(['n1>n2', 'n2>n1'])(
  'a link that is silent in one direction (%s) is given up, dialled anew, and what it had in it counts for nothing (§4)',
  (direction) => {
    const chain = chainWith(['n1', 'n2'], 1);
    chain.lanes.hold(direction);
    const write = chain.head.write(ADD);
    chain.run(600);
    const course = chain.course().join('\n');
    expect(course).toMatch(/n\d loses a connection|n1 → n2 Hello/);
    chain.lanes.release();
    chain.until('the write is answered', () => write.reply !== null);
    expect(chain.course().join('\n')).toContain('n1 → n2 Resume after');
    expect(write.reply).toMatchObject({ kind: 'applied', outcome: { results: [{ value: 2 }] } });
  },
);

test('neighbours that are out of reach for suspectAfter name each other, until they are reconciled (§4)', () => {
  const chain = chainWith(['n1', 'n2', 'n3'], 1);
  const blamed = () =>
    chain.nodes.map(({ up }) =>
      up.unreachable({ monotonicMs: chain.nowMs, wallMs: 0 }).map(({ node }) => node),
    );
  expect(blamed()).toEqual([[], [], []]);
  chain.partition('n2', 'n3');
  chain.run(1500);
  expect(blamed()).toEqual([[], ['n3'], ['n2']]);
  chain.heal('n2', 'n3');
  chain.until('the chain is whole', () => chain.whole);
  chain.run(100);
  expect(blamed()).toEqual([[], [], []]);
});

test('a congested link is sent no entries until it has drained, and then all (§3, §4)', () => {
  const chain = Chain.serving(['n1', 'n2'], { congestedAbove: 1 });
  chain.lanes.hold('n1>n2');
  const writes = Array.from({ length: 5 }, () => {
    const write = chain.head.write(ADD);
    chain.settle();
    return write;
  });
  expect(chain.course().filter((line) => line.startsWith('n1 → n2 Append 1/'))).toEqual([
    'n1 → n2 Append 1/1, durable 0',
  ]);
  chain.lanes.release();
  chain.settle();
  const course = chain.course();
  expect(course).toContain('n1 has drained');
  expect(course).toContain('n1 → n2 Append 1/2 1/3 1/4 1/5, durable 5');
  expect(writes.map(({ reply }) => reply)).toMatchObject(Array(5).fill({ kind: 'applied' }));
});
