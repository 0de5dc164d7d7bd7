import { increment, single } from '../support/builders.ts';
import { Chain } from '../support/chain.ts';

const ADD = single(increment('counter'));
const DISKS = ['disk n1', 'disk n2', 'disk n3'];

test('a write costs one sync and one trip down and up the chain (§3)', () => {
  const chain = Chain.serving(['n1', 'n2', 'n3']);
  chain.lanes.hold(...DISKS);
  const write = chain.head.write(ADD);
  chain.settle();
  expect(chain.course()).toEqual([
    'n1 takes a write',
    'n1 → n2 Append 1/1, durable 0',
    'n2 → n3 Append 1/1, durable 0',
  ]);
  expect(DISKS.every((disk) => chain.lanes.waits(disk))).toBe(true);
  expect(write.reply).toBeNull();
  chain.lanes.release();
  chain.settle();
  const course = chain.course();
  expect(course.filter((line) => line.includes('has synced'))).toEqual([
    'n1 has synced 1',
    'n2 has synced 1',
    'n3 has synced 1',
  ]);
  expect(course.slice(-3)).toEqual(['n3 → n2 Ack 1', 'n2 → n1 Ack 1', 'n1 answers done 1']);
  expect(write.reply).toMatchObject({ kind: 'applied', replayed: false });
});

test.each([
  [['n1', 'n2', 'n3']],
  [['n1', 'n3', 'n2']],
  [['n2', 'n1', 'n3']],
  [['n2', 'n3', 'n1']],
  [['n3', 'n1', 'n2']],
  [['n3', 'n2', 'n1']],
])('nothing is answered before the disks of all have it, whichever syncs first: %j (§3)', (order) => {
  const chain = Chain.serving(['n1', 'n2', 'n3']);
  chain.lanes.hold(...DISKS);
  const write = chain.head.write(ADD);
  chain.settle();
  for (const name of order) {
    expect(write.reply).toBeNull();
    expect(chain.nodes.map(({ up }) => up.committed)).toEqual([0, 0, 0]);
    chain.once(`disk ${name}`);
    chain.settle();
  }
  expect(write.reply).toMatchObject({ kind: 'applied' });
  expect(chain.nodes.map(({ up }) => up.committed)).toEqual([1, 1, 1]);
});

test('the tail commits, and the others learn it one after the other on the way up (§3)', () => {
  const chain = Chain.serving(['n1', 'n2', 'n3']);
  chain.lanes.hold('n3>n2', 'n2>n1');
  const write = chain.head.write(ADD);
  chain.settle();
  expect(chain.nodes.map(({ up }) => up.committed)).toEqual([0, 0, 1]);
  chain.once('n3>n2');
  chain.settle();
  expect(chain.nodes.map(({ up }) => up.committed)).toEqual([0, 1, 1]);
  expect(write.reply).toBeNull();
  chain.once('n2>n1');
  expect(chain.nodes.map(({ up }) => up.committed)).toEqual([1, 1, 1]);
  expect(write.reply).toMatchObject({ kind: 'applied' });
});

test('a change of upstreamDurable alone is worth a message (§3)', () => {
  const chain = Chain.serving(['n1', 'n2', 'n3']);
  chain.lanes.hold('disk n1');
  chain.head.write(ADD);
  chain.settle();
  chain.course();
  chain.once('disk n1');
  chain.settle();
  expect(chain.course()).toEqual([
    'n1 has synced 1',
    'n1 → n2 Append nothing, durable 1',
    'n2 → n3 Append nothing, durable 1',
    'n3 → n2 Ack 1',
    'n2 → n1 Ack 1',
    'n1 answers done 1',
  ]);
});

test('a middle whose own disk is behind tells no more than that (§3)', () => {
  const chain = Chain.serving(['n1', 'n2', 'n3']);
  chain.lanes.hold('disk n2');
  chain.head.write(ADD);
  chain.settle();
  expect(chain.course()).not.toContain('n2 → n3 Append nothing, durable 1');
  expect(chain.node('n3').up).toMatchObject({ received: 1, durable: 1, committed: 0 });
});

test('the writes of one turn travel in one Append and are synced together (§3)', () => {
  const chain = Chain.serving(['n1', 'n2']);
  const writes = [1, 2, 3].map(() => chain.head.write(ADD));
  chain.settle();
  expect(chain.course()).toEqual([
    'n1 takes a write',
    'n1 takes a write',
    'n1 takes a write',
    'n1 → n2 Append 1/1 1/2 1/3, durable 0',
    'n1 has synced 3',
    'n1 → n2 Append nothing, durable 3',
    'n2 has synced 3',
    'n2 → n1 Ack 3',
    'n1 answers done 1',
    'n1 answers done 2',
    'n1 answers done 3',
  ]);
  expect(writes.map(({ reply }) => reply)).toMatchObject([
    { outcome: { results: [{ value: 1 }] } },
    { outcome: { results: [{ value: 2 }] } },
    { outcome: { results: [{ value: 3 }] } },
  ]);
});

test('what comes while a sync is under way is taken by the next one, all of it (§3)', () => {
  const chain = Chain.serving(['n1', 'n2']);
  chain.lanes.hold('disk n1');
  for (let count = 0; count < 4; count++) {
    chain.head.write(ADD);
    chain.settle();
  }
  chain.course();
  chain.lanes.release();
  chain.settle();
  expect(chain.course().filter((line) => line.startsWith('n1 has synced'))).toEqual([
    'n1 has synced 1',
    'n1 has synced 4',
  ]);
});

test('a chain of one commits when its own disk has the entry (§2, §3)', () => {
  const chain = Chain.serving(['n1']);
  expect(chain.head.up).toMatchObject({ role: 'only', takesWrites: true, ready: true });
  expect(chain.head.servesReads).toBe(true);
  chain.lanes.hold('disk n1');
  const write = chain.head.write(ADD);
  chain.settle();
  expect(write.reply).toBeNull();
  chain.lanes.release();
  chain.settle();
  expect(chain.course()).toEqual(['n1 takes a write', 'n1 has synced 1', 'n1 answers done 1']);
});

test('a disk that fails stops its replica: the clients in flight learn nothing certain, later ones are refused (§3)', () => {
  const chain = Chain.serving(['n1', 'n2']);
  chain.lanes.hold('disk n1');
  const write = chain.head.write(ADD);
  chain.settle();
  chain.head.happened({ kind: 'failed', reason: 'no space left' });
  expect(write.reply).toMatchObject({ kind: 'unknown' });
  expect(chain.head.up).toMatchObject({ broken: 'no space left', takesWrites: false, ready: false });
  expect(chain.head.write(ADD).reply).toEqual({ kind: 'refused', code: 'BROKEN' });
  chain.lanes.release();
  chain.run(1000);
  expect(chain.node('n2').up.committed).toBe(0);
});
