import fc from 'fast-check';
import { LogClock } from '../../src/replica/log-clock.ts';

const now = (monotonicMs: number, wallMs: number) => ({ monotonicMs, wallMs });

test('it starts where it is told and goes on with the monotonic clock (§9)', () => {
  const clock = new LogClock();
  clock.start(5000, now(100, 5000));
  expect(clock.read(now(100, 5000))).toBe(5000);
  expect(clock.read(now(350, 5250))).toBe(5250);
});

test('within 10 s it leans toward the wall clock by a tenth of the time that goes by (§9)', () => {
  const ahead = new LogClock();
  ahead.start(0, now(0, 5000));
  expect(ahead.read(now(1000, 6000))).toBe(1100);
  const behind = new LogClock();
  behind.start(10_000, now(0, 5000));
  expect(behind.read(now(1000, 6000))).toBe(10_900);
});

test('it reaches the wall clock and then stays with it (§9)', () => {
  const clock = new LogClock();
  clock.start(0, now(0, 500));
  for (let ms = 0; ms <= 10_000; ms += 20) clock.read(now(ms, ms + 500));
  expect(clock.read(now(10_000, 10_500))).toBe(10_500);
});

test('a wall clock that is more than 10 s off is not followed at all (§9)', () => {
  for (const wallMs of [1_000_000, -1_000_000]) {
    const clock = new LogClock();
    clock.start(0, now(0, wallMs));
    expect(clock.read(now(1000, wallMs + 1000))).toBe(1000);
  }
});

test('an entry from further ahead takes it along, an older one does not (§9)', () => {
  const clock = new LogClock();
  clock.start(100, now(0, 100));
  clock.seen(700, now(0, 100));
  clock.seen(300, now(0, 100));
  expect(clock.read(now(0, 100))).toBe(700);
});

test('whatever the wall clock does, it never goes back and is never off the monotonic clock by more than a tenth (§9)', () => {
  const steps = fc.array(
    fc.record({
      passMs: fc.double({ min: 0, max: 2000, noNaN: true }),
      jumpMs: fc.oneof(
        fc.constant(0),
        fc.integer({ min: -9_000, max: 9_000 }),
        fc.integer({ min: -1e9, max: 1e9 }),
      ),
    }),
    { maxLength: 50 },
  );
  fc.assert(
    fc.property(steps, (all) => {
      const clock = new LogClock();
      clock.start(1000, now(0, 1000));
      let [monotonicMs, offMs, before] = [0, 1000, 1000];
      for (const { passMs, jumpMs } of all) {
        monotonicMs += passMs;
        offMs += jumpMs;
        const read = clock.read(now(monotonicMs, monotonicMs + offMs));
        expect(read).toBeGreaterThanOrEqual(before);
        before = read;
      }
      expect(Math.abs(before - 1000 - monotonicMs)).toBeLessThanOrEqual(0.1 * monotonicMs + 1);
    }),
  );
});

test('the time before an entry was seen is not counted a second time after it (§9)', () => {
  const clock = new LogClock();
  clock.start(0, now(0, 0));
  clock.seen(60_000, now(60_000, 60_000));
  expect(clock.read(now(60_100, 60_100))).toBe(60_100);
});
