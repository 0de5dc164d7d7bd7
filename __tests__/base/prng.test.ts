import { Prng } from '../../src/base/prng.ts';

const take = (prng: Prng, count: number) => Array.from({ length: count }, () => prng.next());

test('the same seed gives the same numbers, another seed others', () => {
  expect(take(new Prng(7), 50)).toEqual(take(new Prng(7), 50));
  expect(take(new Prng(7), 50)).not.toEqual(take(new Prng(8), 50));
  expect(take(new Prng(7), 50)).not.toEqual(take(new Prng(7 + 2 ** 32), 50));
});

test('a fork depends on the seed and its name alone, not on what was drawn before', () => {
  const prng = new Prng(7);
  const before = take(prng.fork('disk'), 20);
  take(prng, 100);
  expect(take(prng.fork('disk'), 20)).toEqual(before);
  expect(take(prng.fork('network'), 20)).not.toEqual(before);
  expect(take(new Prng(8).fork('disk'), 20)).not.toEqual(before);
});

test('numbers fill their range evenly', () => {
  const prng = new Prng(3);
  const counts = Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) {
    const at = prng.below(10);
    counts[at] = (counts[at] ?? 0) + 1;
  }
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
  const between = Array.from({ length: 1000 }, () => prng.between(-2, 5));
  expect(Math.min(...between)).toBeGreaterThanOrEqual(-2);
  expect(Math.max(...between)).toBeLessThan(5);
});

test('what never happens never does, and what always happens does', () => {
  const prng = new Prng(1);
  const draws = Array.from({ length: 1000 }, () => [prng.chance(0), prng.chance(1)]);
  expect(draws.every(([never, always]) => !never && always)).toBe(true);
});

test('a shuffled list has the same members, in every order sooner or later', () => {
  const prng = new Prng(5);
  const orders = new Set(Array.from({ length: 200 }, () => prng.shuffled(['a', 'b', 'c']).join('')));
  expect([...orders].sort()).toEqual(['abc', 'acb', 'bac', 'bca', 'cab', 'cba']);
});
