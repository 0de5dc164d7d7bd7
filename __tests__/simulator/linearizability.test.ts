/** Each claim is a pair: a history that one order explains, and one next to it that none does. */
import type { Call } from '../../src/simulator/history.ts';
import { type CheckOptions, checkHistory } from '../../src/simulator/linearizability.ts';
import {
  absent,
  check,
  client,
  created,
  deleted,
  expire,
  get,
  got,
  increment,
  put,
  remove,
  replaced,
} from './linearizability-histories.ts';

const a = client('a');
const b = client('b');
const c = client('c');
const d = client('d');

function verdict(calls: readonly Call[], options: CheckOptions = {}): string {
  const { kind } = checkHistory(calls, options);
  // The order in which calls were recorded is no part of a history.
  expect(checkHistory([...calls].reverse(), options).kind).toBe(kind);
  return kind;
}

function pair(
  claim: string,
  { good, bad, options }: { good: Call[]; bad: Call[]; options?: CheckOptions },
): void {
  test(claim, () => {
    expect(verdict(good, options)).toBe('yes');
    expect(verdict(bad, options)).toBe('no');
  });
}

const x1 = a.does([0, 10], put('x', '1'), created, 1);

describe('registers (Herlihy & Wing 1990; the examples of porcupine)', () => {
  pair('a read shows what was written before it, or while it was under way', {
    good: [
      x1,
      b.does([5, 25], put('x', '2'), replaced, 2),
      c.does([11, 30], get('x'), got('1', 1)),
      d.does([12, 31], get('x'), got('2', 2)),
    ],
    bad: [x1, c.does([11, 20], get('x'), absent)],
  });
  pair('a read that began after a write was answered is not stale (etcd and Redis, by Jepsen)', {
    good: [x1, b.does([11, 20], put('x', '2'), replaced, 2), c.does([19, 30], get('x'), got('1', 1))],
    bad: [x1, b.does([11, 20], put('x', '2'), replaced, 2), c.does([21, 30], get('x'), got('1', 1))],
  });
  pair('a stale read is seen by the value where versions are not told', {
    good: [x1, b.does([11, 20], put('x', '2'), replaced), c.does([19, 30], get('x'), got('1', null))],
    bad: [x1, b.does([11, 20], put('x', '2'), replaced), c.does([21, 30], get('x'), got('1', null))],
  });
  pair('two reads during a write do not see it and then not see it', {
    good: [
      x1,
      b.does([11, 90], put('x', '2'), replaced, 2),
      c.does([20, 30], get('x'), got('1', 1)),
      d.does([31, 40], get('x'), got('2', 2)),
    ],
    bad: [
      x1,
      b.does([11, 90], put('x', '2'), replaced, 2),
      c.does([20, 30], get('x'), got('2', 2)),
      d.does([31, 40], get('x'), got('1', 1)),
    ],
  });
  pair('a value that nobody wrote is not read', {
    good: [x1, b.does([11, 20], get('x'), got('1', 1))],
    bad: [x1, b.does([11, 20], get('x'), got('7', 1))],
  });
  pair('an acknowledged write is not lost', {
    good: [x1, b.does([11, 20], remove('x'), deleted), c.does([21, 30], get('x'), absent)],
    bad: [x1, c.does([21, 30], get('x'), absent)],
  });
  pair('nor is one lost that failed over to another head, though later writes are kept', {
    good: [x1, b.does([11, 20], put('y', '2'), created, 2), c.does([21, 30], put('x', '3'), replaced, 3)],
    bad: [x1, b.does([11, 20], put('y', '2'), created, 2), c.does([21, 30], put('x', '3'), created, 3)],
  });
  pair('calls that meet in one instant overlap', {
    good: [x1, b.does([10, 20], get('x'), absent)],
    bad: [x1, b.does([10.1, 20], get('x'), absent)],
  });
});

describe('unanswered calls', () => {
  const lost = b.does([11], put('x', '2'));
  pair('one may take effect at any time after its call, or never, but not before it', {
    good: [x1, lost, c.does([20, 30], get('x'), got('1', 1)), c.does([900, 910], get('x'), got('2', 5))],
    bad: [x1, b.does([40], put('x', '2')), c.does([20, 30], get('x'), got('2', 5))],
  });
  pair('what was seen of one does not go away again', {
    good: [x1, lost, c.does([20, 30], get('x'), got('2', 2)), c.does([40, 50], get('x'), got('2', 2))],
    bad: [x1, lost, c.does([20, 30], get('x'), got('2', 2)), c.does([40, 50], get('x'), got('1', 1))],
  });
  pair('one takes effect once', {
    good: [
      lost,
      c.does([20, 30], get('x'), got('2', 2)),
      c.does([31, 40], remove('x'), deleted),
      c.does([41, 50], get('x'), absent),
    ],
    bad: [
      lost,
      c.does([20, 30], get('x'), got('2', 2)),
      c.does([31, 40], remove('x'), deleted),
      c.does([41, 50], get('x'), got('2', 4)),
    ],
  });
  pair('one is known by whether the next set made the key', {
    good: [lost, c.does([20, 30], put('x', '3'), replaced, 9)],
    bad: [c.does([20, 30], put('x', '3'), replaced, 9)],
  });
  pair('an unanswered delete explains one absence, and not two', {
    good: [x1, b.does([11], remove('x')), c.does([20, 30], put('x', '3'), created, 3)],
    bad: [
      x1,
      b.does([11], remove('x')),
      c.does([20, 30], put('x', '3'), created, 3),
      c.does([31, 40], get('x'), absent),
    ],
  });
  pair('unanswered increments add up to what the next one says', {
    good: [
      b.does([0], increment('n', 2)),
      b.does([1], increment('n', 3)),
      b.does([2], increment('n', 8)),
      c.does([20, 30], increment('n'), { kind: 'incremented', value: 11 }, 9),
    ],
    bad: [
      b.does([0], increment('n', 2)),
      b.does([1], increment('n', 3)),
      b.does([2], increment('n', 8)),
      c.does([20, 30], increment('n'), { kind: 'incremented', value: 5 }, 9),
    ],
  });
  const xy = a.batch([0, 10], [put('x', '1'), put('y', '1')], [created, created], 1);
  const gone = [b.does([11], remove('x')), d.does([12], remove('y'))];
  pair('a batch may see what several did', {
    good: [xy, ...gone, c.batch([20, 30], [put('x', '2'), put('y', '2')], [created, created], 4)],
    bad: [xy, ...gone.slice(1), c.batch([20, 30], [put('x', '2'), put('y', '2')], [created, created], 4)],
  });
  pair('one may be seen by another alone, of which only the version is seen', {
    good: [
      a.does([0, 10], put('n', '5'), created, 1),
      b.does([11], remove('n')),
      d.does([12], increment('n')),
      c.does([20, 30], get('n'), got('1', 7)),
    ],
    bad: [
      a.does([0, 10], put('n', '5'), created, 1),
      d.does([12], increment('n')),
      c.does([20, 30], get('n'), got('1', 7)),
    ],
  });
  pair('a version that was seen puts one in its place among the writes', {
    good: [
      lost,
      c.does([20, 30], put('y', '3'), created, 9),
      c.batch([31, 40], [get('x'), get('y')], [got('2', 8), got('3', 9)]),
    ],
    bad: [
      lost,
      c.does([20, 30], put('y', '3'), created, 9),
      c.batch([31, 40], [get('x'), get('y')], [absent, got('3', 9)]),
      c.batch([41, 50], [get('x'), get('y')], [got('2', 8), got('3', 9)]),
    ],
  });
});

describe('increments', () => {
  const one = a.does([0, 10], increment('n'), { kind: 'incremented', value: 1 }, 1);
  pair('none is lost', {
    good: [one, b.does([5, 20], increment('n'), { kind: 'incremented', value: 2 }, 2)],
    bad: [one, b.does([5, 20], increment('n'), { kind: 'incremented', value: 1 }, 2)],
  });
  pair('a retry does not count twice', {
    good: [one, c.does([11, 20], get('n'), got('1', 1))],
    bad: [one, c.does([11, 20], get('n'), got('2', 2))],
  });
  pair('nor does an unanswered one', {
    good: [one, b.does([11], increment('n')), c.does([20, 30], get('n'), got('2', 2))],
    bad: [one, b.does([11], increment('n')), c.does([20, 30], get('n'), got('3', 3))],
  });
  const text = a.does([0, 10], put('x', 'one'), created, 1);
  pair('one is refused where the value is no integer, and only there', {
    good: [text, b.refused([11, 20], [increment('x')], { code: 'NOT_AN_INTEGER', version: 1 })],
    bad: [x1, b.refused([11, 20], [increment('x')], { code: 'NOT_AN_INTEGER', version: 1 })],
  });
});

describe('conditions', () => {
  pair('of two writes that want the same version, one wins (lost update; Adya 1999, P4)', {
    good: [
      x1,
      b.does([11, 20], put('x', '2', { ifVersion: 1 }), replaced, 2),
      c.refused([11, 21], [put('x', '3', { ifVersion: 1 })], { version: 2 }),
    ],
    bad: [
      x1,
      b.does([11, 20], put('x', '2', { ifVersion: 1 }), replaced, 2),
      c.does([11, 21], put('x', '3', { ifVersion: 1 }), replaced, 3),
    ],
  });
  pair('a refusal names the version that the key had', {
    good: [x1, b.refused([11, 20], [put('x', '2', { ifVersion: 7 })], { version: 1 })],
    bad: [x1, b.refused([11, 20], [put('x', '2', { ifVersion: 7 })], { version: 3 })],
  });
  pair('a refused write is not seen', {
    good: [
      x1,
      b.refused([11, 20], [put('x', '2', { ifVersion: 7 })], { version: 1 }),
      c.does([21, 30], get('x'), got('1', 1)),
    ],
    bad: [
      x1,
      b.refused([11, 20], [put('x', '2', { ifVersion: 7 })], { version: 1 }),
      c.does([21, 30], get('x'), got('2', 2)),
    ],
  });
  pair('nothing is refused whose condition holds', {
    good: [x1, b.refused([5, 20], [put('x', '2', { ifVersion: 1 })], { version: 0 })],
    bad: [x1, b.refused([11, 20], [put('x', '2', { ifVersion: 1 })], { version: null })],
  });
  pair('an unanswered conditional write happens only where its condition holds', {
    good: [x1, b.does([11], put('x', '2', { ifVersion: 1 })), c.does([20, 30], get('x'), got('2', 2))],
    bad: [
      x1,
      d.does([11, 12], put('x', '3'), replaced, 2),
      b.does([13], put('x', '2', { ifVersion: 1 })),
      c.does([20, 30], get('x'), got('2', 3)),
    ],
  });
});

describe('versions', () => {
  pair('those of a key rise', {
    good: [x1, b.does([11, 20], put('x', '2'), replaced, 2)],
    bad: [a.does([0, 10], put('x', '1'), created, 2), b.does([11, 20], put('x', '2'), replaced, 1)],
  });
  pair('they rise in time over all keys, since they count one log', {
    good: [a.does([0, 12], put('x', '1'), created, 2), b.does([11, 20], put('y', '2'), created, 1)],
    bad: [a.does([0, 10], put('x', '1'), created, 2), b.does([11, 20], put('y', '2'), created, 1)],
  });
  pair('no two writes get the same', {
    good: [x1, b.does([5, 20], put('x', '2'), replaced, 2)],
    bad: [x1, b.does([5, 20], put('x', '2'), replaced, 1)],
  });
  pair('not even of different keys', {
    good: [x1, b.does([5, 20], put('y', '2'), created, 2)],
    bad: [x1, b.does([5, 20], put('y', '2'), created, 1)],
  });
  pair('a write gets one that no earlier answer has shown', {
    good: [
      b.does([0], put('y', '1')),
      c.does([5, 20], get('y'), got('1', 7)),
      a.does([19, 30], put('x', '2'), created, 5),
    ],
    bad: [
      b.does([0], put('y', '1')),
      c.does([5, 20], get('y'), got('1', 7)),
      a.does([21, 30], put('x', '2'), created, 5),
    ],
  });
});

describe('batches', () => {
  const both = a.batch([0, 10], [put('x', '1'), put('y', '1')], [created, created], 1);
  pair('one is seen whole or not at all', {
    good: [
      both,
      b.batch([5, 20], [get('x'), get('y')], [absent, absent]),
      c.batch([6, 21], [get('x'), get('y')], [got('1', 1), got('1', 1)]),
    ],
    bad: [both, b.batch([5, 20], [get('x'), get('y')], [got('1', 1), absent])],
  });
  pair('an unanswered one as well', {
    good: [
      a.batch([0], [put('x', '1'), put('y', '1')]),
      b.does([5, 20], get('x'), got('1', 1)),
      b.does([21, 30], get('y'), got('1', 1)),
    ],
    bad: [
      a.batch([0], [put('x', '1'), put('y', '1')]),
      b.does([5, 20], get('x'), got('1', 1)),
      b.does([21, 30], get('y'), absent),
    ],
  });
  pair('a refused one leaves nothing behind', {
    good: [
      x1,
      b.refused([11, 20], [put('y', '2'), check('x', 7)], { index: 1, version: 1 }),
      c.does([21, 30], get('y'), absent),
    ],
    bad: [
      x1,
      b.refused([11, 20], [put('y', '2'), check('x', 7)], { index: 1, version: 1 }),
      c.does([21, 30], get('y'), got('2', 2)),
    ],
  });
  pair('where each operation stands alone, those that hold take effect and those that fail do not', {
    good: [
      x1,
      b.loose(
        [11, 20],
        [check('x', 7), put('y', '2')],
        [{ kind: 'failed', code: 'PRECONDITION_FAILED', version: 1 }, created],
        2,
      ),
      c.does([21, 30], get('y'), got('2', 2)),
    ],
    bad: [
      x1,
      b.loose(
        [11, 20],
        [check('x', 7), put('y', '2')],
        [{ kind: 'failed', code: 'PRECONDITION_FAILED', version: 1 }, created],
        2,
      ),
      c.does([21, 30], get('y'), absent),
    ],
  });
  pair('a refused batch may name the version that its own undone write had', {
    good: [
      x1,
      b.refused([11, 20], [put('x', '2'), check('x', 1)], { index: 1, version: 2 }),
      c.does([21, 30], get('x'), got('1', 1)),
    ],
    bad: [x1, b.refused([11, 20], [check('x', 7)], { version: 2 }), c.does([21, 30], get('x'), got('1', 1))],
  });
  pair('or have guessed it', {
    good: [
      x1,
      b.refused([11, 20], [put('x', '2'), check('x', 2), check('y', 9)], { index: 2, version: 0 }),
      c.does([21, 30], get('x'), got('1', 1)),
    ],
    bad: [
      x1,
      b.refused([11, 20], [put('x', '2'), check('x', 1), check('y', 9)], { index: 2, version: 0 }),
      c.does([21, 30], get('x'), got('1', 1)),
    ],
  });
  const y1 = a.does([0, 11], put('y', '1'), created, 2);
  const reads = [get('x'), get('y')];
  pair('two that each check what the other writes do not both hold (write skew; Adya 1999, G2)', {
    good: [
      x1,
      y1,
      b.batch([12, 20], [check('x', 1), put('y', '0')], [{ kind: 'checked' }, replaced], 3),
      c.refused([12, 21], [check('y', 2), put('x', '0')], { version: 3 }),
    ],
    bad: [
      x1,
      y1,
      b.batch([12, 20], [check('x', 1), put('y', '0')], [{ kind: 'checked' }, replaced], 3),
      c.batch([12, 21], [check('y', 2), put('x', '0')], [{ kind: 'checked' }, replaced], 4),
    ],
  });
  pair('two readers see two writes in the same order (long fork; Adya 1999, G-SIb)', {
    good: [
      x1,
      y1,
      c.batch([1, 9], reads, [got('1', 1), absent]),
      d.batch([1, 9], reads, [got('1', 1), got('1', 2)]),
    ],
    bad: [
      a.does([0, 10], put('x', '1'), created),
      b.does([0, 10], put('y', '1'), created),
      c.batch([1, 9], reads, [got('1', null), absent]),
      d.batch([1, 9], reads, [absent, got('1', null)]),
    ],
  });
  pair('two that read each other are in a circle (Adya 1999, G1c)', {
    good: [
      a.batch([0, 10], [put('x', '1'), get('y')], [created, absent], 1),
      b.batch([0, 10], [put('y', '1'), get('x')], [created, got('1', 1)], 2),
    ],
    bad: [
      a.batch([0, 10], [put('x', '1'), get('y')], [created, got('1', 2)], 1),
      b.batch([0, 10], [put('y', '1'), get('x')], [created, got('1', 1)], 2),
    ],
  });
});

describe('a queue of two places (Herlihy & Wing 1990, figure 1)', () => {
  const enqueue = (value: string, slot: string) => put(slot, value, { ifVersion: 0 });
  pair('what was put in first, and alone, comes out first', {
    good: [
      a.does([0, 10], enqueue('u', 's1'), created, 1),
      b.does([5, 20], enqueue('v', 's2'), created, 2),
      c.batch([21, 30], [get('s1'), remove('s1')], [got('u', 1), deleted]),
      d.batch([31, 40], [get('s2'), remove('s2')], [got('v', 2), deleted]),
    ],
    bad: [
      a.does([0, 10], enqueue('u', 's1'), created, 1),
      b.does([11, 20], enqueue('v', 's2'), created, 2),
      c.batch([21, 30], [get('s1'), get('s2'), remove('s2')], [absent, got('v', 2), deleted]),
    ],
  });
});

describe('pages', () => {
  const y2 = b.does([11, 20], put('y', '2'), created, 2);
  pair('one shows all keys of an instant', {
    good: [x1, y2, c.lists([15, 30], '', { x: 1 }), c.lists([31, 40], '', { x: 1, y: 2 })],
    bad: [x1, y2, c.lists([21, 30], '', { y: 2 })],
  });
  pair('one does not contradict the reads before it', {
    good: [x1, y2, c.does([12, 14], get('y'), got('2', 2)), c.lists([15, 30], '', { x: 1, y: 2 })],
    bad: [x1, y2, c.does([12, 14], get('y'), got('2', 2)), c.lists([15, 30], '', { x: 1 })],
  });
  pair('one does not mix two instants', {
    good: [
      x1,
      y2,
      c.does([21, 40], put('x', '3'), replaced, 3),
      d.does([21, 40], put('y', '4'), replaced, 4),
      a.lists([21, 40], '', { x: 3, y: 2 }),
    ],
    bad: [
      x1,
      y2,
      c.does([21, 40], put('x', '3'), replaced, 3),
      d.does([21, 40], put('y', '4'), replaced, 4),
      a.lists([21, 40], '', { x: 1, y: 4 }),
    ],
  });
  pair('one ends where it says: with more behind it, or none', {
    good: [
      x1,
      y2,
      c.lists([21, 30], '', { x: 1 }, { limit: 1, next: 'x' }),
      c.lists([31, 40], '', { y: 2 }, { limit: 1, after: 'x' }),
    ],
    bad: [x1, y2, c.lists([21, 30], '', { x: 1 }, { limit: 1 })],
  });
  pair('one has no more keys than was asked for, in order, and none that nobody wrote', {
    good: [x1, y2, c.lists([21, 30], 'y', { y: 2 }, { limit: 1 })],
    bad: [x1, y2, c.lists([21, 30], '', { x: 1, y: 2 }, { limit: 1 })],
  });
  pair('a key that nobody wrote is on none', {
    good: [x1, c.lists([21, 30], 'z', {})],
    bad: [x1, c.lists([21, 30], 'z', { z: 1 })],
  });
});

describe('lifetimes', () => {
  const short = a.does([0, 10], put('x', '1', { ttlMs: 1000 }), created, 1);
  pair('a key does not vanish early, whichever clock is off by 10 %', {
    good: [short, c.does([840, 850], get('x'), absent)],
    bad: [short, c.does([800, 820], get('x'), absent)],
  });
  pair('a key for ever does not vanish', {
    good: [
      short,
      b.does([20, 30], expire('x', null), { kind: 'expiry', version: 1 }),
      c.does([9000, 9010], get('x'), got('1', 1)),
    ],
    bad: [
      short,
      b.does([20, 30], expire('x', null), { kind: 'expiry', version: 1 }),
      c.does([9000, 9010], get('x'), absent),
    ],
  });
  pair('an increment keeps the lifetime, a set ends it', {
    good: [
      short,
      b.does([20, 30], increment('x'), { kind: 'incremented', value: 2 }, 2),
      c.does([900, 910], get('x'), absent),
    ],
    bad: [short, b.does([20, 30], put('x', '2'), replaced, 2), c.does([900, 910], get('x'), absent)],
  });
  pair('what has vanished does not come back', {
    good: [short, c.does([900, 910], get('x'), got('1', 1)), c.does([920, 930], get('x'), absent)],
    bad: [short, c.does([900, 910], get('x'), absent), c.does([920, 930], get('x'), got('1', 1))],
  });
  pair('an absence that is too early is not explained by one that would be in time', {
    good: [short, c.does([700, 2000], get('x'), absent), d.does([800, 820], get('x'), got('1', 1))],
    bad: [short, c.does([700, 2000], get('x'), absent), d.does([800, 820], put('x', '2'), created, 3)],
  });
  pair('with a bound, a key vanishes in the end', {
    options: { expiry: { earliestPart: 0.85, latestPart: 2, slackMs: 20 } },
    good: [short, c.does([2000, 2010], get('x'), got('1', 1))],
    bad: [short, c.does([2031, 2040], get('x'), got('1', 1))],
  });
});

describe('remembered outcomes', () => {
  const replayed = (version: number) =>
    a.batch([0, 50], [put('x', '1'), get('y')], [created, { kind: 'got', record: undefined }], version);
  pair('a retry is told the outcome of the first attempt, without values', {
    good: [
      replayed(1),
      b.does([10, 20], put('x', '2'), replaced, 2),
      c.does([51, 60], get('x'), got('2', 2)),
    ],
    bad: [replayed(3), b.does([10, 20], put('x', '2'), replaced, 2), c.does([51, 60], get('x'), got('2', 2))],
  });
});

test('a search that is too long is given up, and says for which keys', () => {
  const calls = [x1, a.does([11, 20], put('y', '1'), created, 2)];
  expect(checkHistory(calls, { stepsMax: 0 })).toMatchObject({ kind: 'gave-up', keys: ['x', 'y'] });
});
