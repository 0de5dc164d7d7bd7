import type { Call } from '../../src/simulator/history.ts';
import { pictureOf } from '../../src/simulator/history-picture.ts';
import { checkHistory } from '../../src/simulator/linearizability.ts';
import type { FailingPart } from '../../src/simulator/linearizability-shrink.ts';
import { absent, client, created, get, got, put, remove, replaced } from './linearizability-histories.ts';

const a = client('a');
const b = client('b');

function failingPartOf(calls: readonly Call[]): FailingPart {
  const verdict = checkHistory(calls);
  if (verdict.kind !== 'no') throw new Error(`the verdict is ${verdict.kind}`);
  return verdict.part;
}

test('a failing part is drawn as a row for each client, with what was asked and told, and the answer that fits nowhere', () => {
  const part = failingPartOf([
    a.does([0, 10], put('x', 'one'), created, 1),
    a.does([20, 30], put('x', 'two'), replaced, 2),
    b.does([5, 12], get('x'), got('one', 1)),
    b.does([25], put('x', 'three')),
    b.does([40, 50], get('x'), got('one', 1)),
    b.does([60, 70], get('x'), absent),
  ]);
  expect(pictureOf(part)).toBe(
    `No order explains what b was told by call 3.

a  [1-]  [2-]
b              [3#]

   1  a  set x = "one" -> created @1  (0.0..10.0 ms)
   2  a  set x = "two" -> replaced @2  (20.0..30.0 ms)
   3  b  get x -> "one" @1  (40.0..50.0 ms)  <-- fits nowhere

Without it, this order explains the rest: 1 2
Unanswered calls left out, without which it is as wrong: 1`,
  );
});

test('an unanswered call that was seen and is gone again stays in the picture, in a row of its own', () => {
  const part = failingPartOf([
    a.does([0, 10], put('x', 'one'), created, 1),
    b.does([12], put('x', 'two')),
    b.does([20, 30], get('x'), got('two', 2)),
    b.does([40, 50], get('x'), got('one', 1)),
  ]);
  expect(pictureOf(part)).toContain(
    ['a  [1-]', 'b           [3-]  [4#]', '         [------2------->'].join('\n'),
  );
  expect(part.calls).toHaveLength(4);
});

test('the part ends at the first answer that is wrong, and has no calls on keys that have nothing to do with it', () => {
  const part = failingPartOf([
    a.does([0, 10], put('x', 'one'), created, 1),
    b.does([0, 10], put('y', 'one'), created, 2),
    b.batch([11, 20], [get('x'), get('y')], [got('one', 1), got('one', 2)]),
    a.does([30, 40], get('x'), absent),
    a.does([50, 60], get('x'), absent),
    b.does([50, 60], get('y'), absent),
  ]);
  expect(part.stuck.calledAtMs).toBe(30);
  expect(part.calls.map(({ calledAtMs }) => calledAtMs)).toEqual([0, 30]);
});

test('of a long history only the end is left, with what the keys held before it', () => {
  const before = Array.from({ length: 500 }, (_, i) =>
    a.does([i * 10, i * 10 + 5], put('x', `v${i}`), i === 0 ? created : replaced, i + 1),
  );
  const part = failingPartOf([
    ...before,
    a.does([6000, 6010], remove('x'), { kind: 'deleted', deleted: true }),
    b.does([6020, 6030], get('x'), got('v499', 500)),
  ]);
  expect(part.calls.length).toBeLessThan(10);
  expect(part.before).toEqual([expect.stringMatching(/^x = "v49\d" @49\d$/)]);
  expect(pictureOf(part)).toMatch(/^Before: x = "v49/m);
});

test('two versions that fall are a part of two calls', () => {
  const calls = [a.does([0, 10], put('x', '1'), created, 2), b.does([11, 20], put('y', '1'), created, 1)];
  expect(failingPartOf(calls).calls).toEqual(calls);
});
