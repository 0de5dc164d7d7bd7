import { NO_SEQ } from '../../src/base/ids.ts';
import { SNAPSHOT_WINDOW_PARTS } from '../../src/protocol/messages.ts';
import { increment, set, single } from '../support/builders.ts';
import { Chain } from '../support/chain.ts';
import type { Write } from '../support/chain-node.ts';

const ADD = single(increment('counter'));

/** So many writes to as many keys, one by one. */
function write(chain: Chain, count: number): void {
  for (let at = 0; at < count; at++) {
    chain.head.write(single(set(`key ${chain.head.up.received}`, 'x')));
    chain.settle();
  }
}

/** n1 and n2 serve, with so many keys; n3, which was a member, is down. */
function without(n3: 'empty' | 'as it was', { keys, before = 0 }: { keys: number; before?: number }): Chain {
  const chain = Chain.serving(['n1', 'n2', 'n3']);
  write(chain, before);
  chain.node('n3').kill();
  if (n3 === 'empty') chain.node('n3').disk.wipe();
  chain.choose(['n1', 'n2']);
  chain.until('the chain serves', () => chain.node('n2').up.ready);
  write(chain, keys);
  chain.course();
  return chain;
}

/** n3 starts and is named the joiner. */
function join(chain: Chain): void {
  const n3 = chain.node('n3');
  if (n3.replica === null) n3.start();
  chain.settle();
  chain.choose(['n1', 'n2'], { joiner: 'n3' });
}

/** A chain whose tail has a snapshot and no log before it, in the middle of sending it. */
function sending(keys = 40): Chain {
  const chain = without('empty', { keys });
  chain.node('n2').takeSnapshot();
  join(chain);
  chain.lanes.hold('store n3');
  chain.run(100);
  for (let count = 0; count < 4; count++) {
    chain.once('store n3');
    chain.settle();
  }
  return chain;
}

const joined = (chain: Chain) => chain.until('the joiner has caught up', () => chain.whole);
const digests = (chain: Chain) => new Set(chain.nodes.map(({ up }) => up.store.digest()));
const toJoiner = (course: readonly string[]) => course.filter((line) => line.startsWith('n2 → n3'));

test('a joiner gets a snapshot, then the log behind it, while writes go on (§4, §5)', () => {
  const chain = without('empty', { keys: 30 });
  chain.node('n2').takeSnapshot();
  join(chain);
  const writes: Write[] = [];
  for (let count = 0; count < 40; count++) {
    writes.push(chain.head.write(ADD));
    chain.run(5);
  }
  joined(chain);
  const course = chain.course();
  expect(course).toContain('n2 → n3 Snapshot of 30 from part 0');
  expect(course).toContain('n3 → n2 installed 30');
  expect(writes.every(({ reply }) => reply !== null && reply !== 'lost' && reply.kind === 'applied')).toBe(
    true,
  );
  expect(digests(chain).size).toBe(1);
  expect(chain.node('n3').up.store.digest()).toBe(chain.tail.up.store.digest());
  expect(chain.node('n2').openSnapshots).toBe(0);
});

test('no entry is sent while a snapshot is, and keep-alives are (§4)', () => {
  const chain = sending();
  chain.course();
  write(chain, 5);
  chain.run(2000);
  expect(toJoiner(chain.course()).every((line) => line.startsWith('n2 → n3 Append nothing'))).toBe(true);
  expect(chain.node('n3').up.sessions.upstream).toBe('reconciled');
  expect(chain.node('n2').up.sessions.downstream).toBe('streaming');
  chain.lanes.release();
  joined(chain);
  expect(digests(chain).size).toBe(1);
});

test('however slowly parts are stored, only a window of them is on its way', () => {
  const chain = without('empty', { keys: 60 });
  chain.node('n2').takeSnapshot();
  join(chain);
  chain.lanes.hold('store n3');
  chain.run(500);
  expect(chain.course().filter((line) => line.startsWith('n2 → n3 part')).length).toBe(SNAPSHOT_WINDOW_PARTS);
});

test('a congested link is sent no part until it has drained', () => {
  const chain = Chain.serving(['n1', 'n2', 'n3'], { congestedAbove: 2 });
  chain.node('n3').kill();
  chain.node('n3').disk.wipe();
  chain.choose(['n1', 'n2']);
  chain.run(100);
  for (let count = 0; count < 30; count++) write(chain, 1);
  chain.node('n2').takeSnapshot();
  join(chain);
  chain.until('the snapshot begins', () => chain.course().some((line) => line.includes('Snapshot of')));
  chain.lanes.hold('n2>n3');
  chain.settle();
  expect(chain.course().filter((line) => line.startsWith('n2 → n3 part')).length).toBeLessThanOrEqual(3);
  chain.lanes.release();
  joined(chain);
  expect(digests(chain).size).toBe(1);
});

test.each([
  ['a broken connection', (chain: Chain) => chain.breakLinks('n2', 'n3')],
  ['a new epoch', (chain: Chain) => chain.choose(['n1', 'n2'], { joiner: 'n3' })],
  [
    'being struck out for a while',
    (chain: Chain) => {
      chain.choose(['n1', 'n2']);
      chain.run(100);
      write(chain, 3);
      chain.choose(['n1', 'n2'], { joiner: 'n3' });
    },
  ],
])('a transfer that %s interrupted goes on at the part where it was (§4)', (_, interrupt) => {
  const chain = sending();
  chain.course();
  interrupt(chain);
  chain.run(60);
  chain.lanes.release();
  joined(chain);
  const [begun] = toJoiner(chain.course()).filter((line) => line.includes('Snapshot of'));
  // Four were stored by then, the rest of the window was on its way to the disk.
  expect(begun).toMatch(/^n2 → n3 Snapshot of 40 from part (?:[4-9]|1\d)$/);
  expect(digests(chain).size).toBe(1);
  expect(chain.node('n2').openSnapshots).toBe(0);
});

test('no session begins before the disk has done what the one before it asked for', () => {
  const chain = sending();
  chain.breakLinks('n2', 'n3');
  chain.run(200);
  chain.course();
  chain.run(200);
  expect(chain.course().join('\n')).not.toContain('n3 → n2 Welcome');
  chain.lanes.release();
  joined(chain);
});

test('a sender that was restarted goes on with the snapshot that it still has (§4)', () => {
  const chain = sending();
  chain.node('n2').kill();
  chain.node('n2').start();
  chain.lanes.release();
  chain.settle();
  chain.choose(['n1', 'n2'], { joiner: 'n3' });
  joined(chain);
  expect(chain.course().join('\n')).toMatch(/n2 → n3 Snapshot of 40 from part (?:[1-9]|1\d)\n/);
  expect(digests(chain).size).toBe(1);
});

test('a sender whose snapshot is another by now starts anew (§4)', () => {
  const chain = sending();
  chain.breakLinks('n2', 'n3');
  chain.settle();
  write(chain, 4);
  chain.node('n2').takeSnapshot();
  chain.lanes.release();
  chain.course();
  joined(chain);
  expect(chain.course()).toContain('n2 → n3 Snapshot of 44 from part 0');
  expect(digests(chain).size).toBe(1);
});

test('a receiver that was restarted starts anew (§4)', () => {
  const chain = sending();
  chain.node('n3').kill();
  chain.course();
  chain.lanes.release();
  join(chain);
  joined(chain);
  expect(chain.course()).toContain('n2 → n3 Snapshot of 40 from part 0');
  expect(digests(chain).size).toBe(1);
});

test('a joiner that an old snapshot brought in restarts from it, and from the log behind it', () => {
  const chain = without('empty', { keys: 10 });
  chain.node('n2').takeSnapshot();
  join(chain);
  joined(chain);
  write(chain, 5);
  chain.node('n3').kill();
  chain.course();
  join(chain);
  joined(chain);
  expect(chain.course().join('\n')).not.toContain('Snapshot of');
  expect(digests(chain).size).toBe(1);
});

test('a joiner with an old log catches up by the log alone (§4)', () => {
  const chain = without('as it was', { before: 5, keys: 20 });
  chain.node('n2').takeSnapshot({ keep: 20 });
  join(chain);
  joined(chain);
  const course = chain.course();
  expect(course).toContain('n2 → n3 Resume after 5');
  expect(course.join('\n')).not.toContain('Snapshot of');
  expect(digests(chain).size).toBe(1);
});

test('a joiner with a log that is too old gets a snapshot all the same (§4)', () => {
  const chain = without('as it was', { before: 5, keys: 20 });
  chain.node('n2').takeSnapshot({ keep: 19 });
  join(chain);
  joined(chain);
  expect(chain.course()).toContain('n2 → n3 Snapshot of 25 from part 0');
  expect(digests(chain).size).toBe(1);
});

test('a joiner drops what it holds and the chain never committed (§4)', () => {
  const chain = Chain.serving(['n1', 'n2', 'n3']);
  write(chain, 3);
  chain.lanes.hold('disk n1', 'disk n2');
  chain.head.write(ADD);
  chain.settle();
  chain.node('n3').kill();
  for (const name of ['n1', 'n2']) {
    chain.node(name).kill();
    chain.node(name).start();
  }
  chain.lanes.release();
  chain.settle();
  chain.choose(['n1', 'n2']);
  chain.until('the chain serves', () => chain.node('n2').up.ready && chain.head.up.takesWrites);
  chain.head.write(single(set('another', 'x')));
  chain.settle();
  join(chain);
  joined(chain);
  expect(chain.course()).toContain('n3 drops what is beyond 3');
  expect(digests(chain).size).toBe(1);
});

test('a joiner whose committed entries are not those of the chain stops, and the chain serves on (§4)', () => {
  const chain = without('as it was', { before: 5, keys: 0 });
  // The survivors had lost the last two, as a forced configuration may; what they made since is another history.
  for (const name of ['n1', 'n2']) {
    const node = chain.node(name);
    node.kill();
    node.damaged = true;
    node.disk.lose(2);
  }
  for (const name of ['n1', 'n2']) chain.node(name).start();
  chain.checks.forget(3);
  chain.node('n3').outcast = true;
  chain.until('the chain serves', () => chain.node('n2').up.ready);
  for (const more of [0, 6]) {
    write(chain, more);
    join(chain);
    chain.until('the joiner has stopped', () => chain.node('n3').up.broken !== null);
    expect(chain.course()).toContain('n3 fails as CORRUPT');
    expect(chain.nodes.map(({ up }) => up.broken !== null)).toEqual([false, false, true]);
    const one = chain.head.write(ADD);
    chain.until('the write is answered', () => one.reply !== null);
    expect(one.reply).toMatchObject({ kind: 'applied' });
    chain.node('n3').kill();
  }
});

test('nothing waits for a joiner, and what it says commits nothing (§5)', () => {
  const chain = without('empty', { keys: 4 });
  join(chain);
  joined(chain);
  chain.lanes.hold('disk n3', 'n3>n2');
  const answered = chain.head.write(ADD);
  chain.settle();
  expect(answered.reply).toMatchObject({ kind: 'applied' });
  chain.lanes.release();
  chain.settle();
  chain.lanes.hold('disk n2');
  const waiting = chain.head.write(ADD);
  chain.run(300);
  expect(chain.node('n3').up.durable).toBe(chain.head.up.received);
  expect(waiting.reply).toBeNull();
  expect(chain.node('n3').up.committed).toBe(chain.head.up.received - 1);
});

test('a joiner is ready when what it was told to be committed is on its disk within a lease (§5)', () => {
  const chain = sending();
  const n3 = chain.node('n3');
  expect(n3.up).toMatchObject({ role: 'joiner', ready: false });
  chain.lanes.release('store n3');
  chain.lanes.hold('disk n3');
  write(chain, 3);
  chain.run(300);
  expect(n3.up).toMatchObject({ committed: 40, ready: false });
  chain.lanes.release();
  chain.settle();
  expect(n3.up).toMatchObject({ committed: 43, ready: true, readFloor: expect.any(Number) });
  chain.partition('n2', 'n3');
  chain.run(700);
  expect(n3.up.ready).toBe(false);
});

test('a joiner whose disk is a little slower than a steady stream of writes is ready all the same (§5)', () => {
  const chain = Chain.serving(['n1', 'n2', 'n3']);
  chain.choose(['n1', 'n2'], { fenced: true });
  chain.run(1000);
  chain.choose(['n1', 'n2'], { joiner: 'n3' });
  chain.until('it is ready', () => chain.node('n3').up.ready);
  chain.lanes.hold('disk n3');
  for (let turn = 0; turn < 200; turn++) {
    chain.head.write(ADD, { waitMs: 60_000 });
    chain.run(10);
    if (turn % 2 === 0 || chain.lanes.next('disk n3').length === 0) continue;
    chain.once('disk n3');
    chain.settle();
    expect(chain.node('n3').up.durable).toBeLessThan(chain.head.up.received + 1);
  }
  expect(chain.node('n3').up.ready).toBe(true);
});

test('a member appended before it has caught up holds commits back until it has, and serves then (§5)', () => {
  const chain = sending();
  chain.choose(['n1', 'n2', 'n3']);
  const one = chain.head.write(ADD);
  chain.run(300);
  expect(one.reply).toBeNull();
  expect(chain.node('n3').up).toMatchObject({ ready: false });
  expect(chain.node('n3').servesReads).toBe(false);
  chain.lanes.release();
  joined(chain);
  expect(one.reply).toMatchObject({ kind: 'applied' });
  expect(chain.node('n3').up).toMatchObject({ role: 'tail', ready: true });
  expect(digests(chain).size).toBe(1);
});

/** All parts are stored, and the disk is about to put them in force. */
function installing(): Chain {
  const chain = sending();
  for (let begun = false; !begun; begun = chain.course().includes('n3 begins to install')) {
    chain.once('store n3');
    chain.settle();
  }
  return chain;
}

test.each([
  ['its connection breaks', (chain: Chain) => chain.breakLinks('n2', 'n3')],
  [
    'an epoch begins in which it is still the joiner',
    (chain: Chain) => chain.choose(['n1', 'n2'], { joiner: 'n3' }),
  ],
  ['it is struck out', (chain: Chain) => chain.choose(['n1', 'n2'])],
  ['it becomes a member', (chain: Chain) => chain.choose(['n1', 'n2', 'n3'])],
  ['it becomes a member between two others', (chain: Chain) => chain.choose(['n1', 'n3', 'n2'])],
])('while a snapshot is put in force nothing else begins, though %s', (_, meanwhile) => {
  const chain = installing();
  meanwhile(chain);
  chain.course();
  chain.run(200);
  const n3 = chain.node('n3');
  expect(
    chain
      .course()
      .filter((line) => line.startsWith('n3 →'))
      .join(),
  ).not.toContain('Welcome');
  expect(n3.up).toMatchObject({ committed: NO_SEQ, ready: false, takesWrites: false });
  chain.lanes.release();
  chain.settle();
  expect(n3.up.committed).toBe(40);
  write(chain, 2);
  chain.choose(['n1', 'n2'], { joiner: 'n3' });
  joined(chain);
  expect(digests(chain).size).toBe(1);
});

test('a node that was forced to be the head while a snapshot was put in force makes entries behind it alone', () => {
  const chain = installing();
  for (const name of ['n1', 'n2']) chain.node(name).kill();
  chain.choose(['n3']);
  chain.run(200);
  const early = chain.node('n3').write(ADD);
  expect(early.reply).toMatchObject({ kind: 'moved', to: null });
  chain.lanes.release();
  chain.settle();
  const one = chain.node('n3').write(ADD);
  chain.run(400);
  expect(one.reply).toMatchObject({ kind: 'applied', outcome: { seq: 41 } });
});

test('a replica that breaks while a snapshot is put in force stays broken, and comes back with it', () => {
  const chain = installing();
  const n3 = chain.node('n3');
  n3.happened({ kind: 'failed', reason: 'the test' });
  chain.lanes.release();
  chain.settle();
  expect(n3.up).toMatchObject({ broken: 'the test', committed: 40 });
  n3.kill();
  join(chain);
  joined(chain);
  expect(digests(chain).size).toBe(1);
});

test('a receiver that dies while a snapshot is put in force starts anew, or finds it in force', () => {
  for (const done of [false, true]) {
    const chain = installing();
    if (done) chain.once('store n3');
    chain.node('n3').kill();
    chain.lanes.release();
    join(chain);
    joined(chain);
    expect(digests(chain).size).toBe(1);
  }
});

test('the log behind a snapshot is kept until it has been sent, however much is cut off meanwhile', () => {
  const chain = sending();
  for (let count = 0; count < 5; count++) {
    write(chain, 3);
    chain.node('n2').takeSnapshot();
  }
  chain.lanes.hold('read n2');
  chain.lanes.release('store n3');
  chain.run(200);
  chain.node('n2').takeSnapshot();
  chain.lanes.release();
  joined(chain);
  const begun = toJoiner(chain.course()).filter((line) => line.includes('Snapshot of'));
  expect(begun).toEqual(['n2 → n3 Snapshot of 40 from part 0']);
  expect(chain.node('n2').openSnapshots).toBe(0);
  expect(digests(chain).size).toBe(1);
});

test('a tail reports a joiner that it can not reach, and the chain serves on', () => {
  const chain = without('empty', { keys: 4 });
  join(chain);
  joined(chain);
  chain.partition('n2', 'n3');
  chain.run(1500);
  const { up } = chain.node('n2');
  expect(up.unreachable({ monotonicMs: chain.nowMs, wallMs: 0 }).map(({ node }) => node)).toEqual(['n3']);
  expect(up).toMatchObject({ ready: true, flowsOn: true });
  const one = chain.head.write(ADD);
  chain.settle();
  expect(one.reply).toMatchObject({ kind: 'applied' });
});
