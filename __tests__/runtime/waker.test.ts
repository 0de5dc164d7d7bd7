import { Waker } from '../../src/runtime/waker.ts';
import { ManualClock } from '../support/coordinator-world.ts';

function waking() {
  const clock = new ManualClock();
  const wokenAtMs: number[] = [];
  const waker = new Waker(() => wokenAtMs.push(clock.now().monotonicMs), { clock });
  return { clock, waker, wokenAtMs };
}

test('wakes at each time that was asked for, in their order, with one timer', async () => {
  const { clock, waker, wokenAtMs } = waking();
  for (const ms of [70, 30, 50, 30]) waker.at(ms);
  expect(clock.timers).toBe(1);
  await clock.advance(100);
  expect(wokenAtMs).toEqual([30, 50, 70]);
  expect(clock.timers).toBe(0);
});

test('a time that is past is now', async () => {
  const { clock, waker, wokenAtMs } = waking();
  await clock.advance(100);
  waker.at(40);
  await clock.advance(1);
  expect(wokenAtMs).toEqual([100]);
});

test('one that comes up while it is awake is kept', async () => {
  const clock = new ManualClock();
  const wokenAtMs: number[] = [];
  const waker = new Waker(
    () => {
      wokenAtMs.push(clock.now().monotonicMs);
      if (wokenAtMs.length < 3) waker.at(clock.now().monotonicMs + 5);
    },
    { clock },
  );
  waker.at(10);
  await clock.advance(100);
  expect(wokenAtMs).toEqual([10, 15, 20]);
});

test('of too many the earliest are kept', async () => {
  const { clock, waker, wokenAtMs } = waking();
  for (let ms = 100; ms > 0; ms--) waker.at(ms);
  await clock.advance(200);
  expect(wokenAtMs).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

test('stopped, it wakes nobody and leaves no timer', async () => {
  const { clock, waker, wokenAtMs } = waking();
  waker.at(10);
  waker.stop();
  expect(clock.timers).toBe(0);
  await clock.advance(100);
  expect(wokenAtMs).toEqual([]);
});
