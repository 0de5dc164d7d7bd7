import { systemClock } from '../../src/platform/clock.ts';

const wait = (delayMs: number): Promise<void> =>
  new Promise((resolve) => systemClock.after(delayMs, resolve));

test('a call never comes before its delay has gone by', async () => {
  for (const delayMs of [0, 0.4, 1, 1.7, 3, 5.5]) {
    const before = systemClock.now().monotonicMs;
    await wait(delayMs);
    expect(systemClock.now().monotonicMs - before).toBeGreaterThanOrEqual(delayMs);
  }
});

test('a cancelled call never comes, and cancelling one that came is harmless', async () => {
  const calls: string[] = [];
  const cancel = systemClock.after(1, () => calls.push('cancelled'));
  const late = systemClock.after(1, () => calls.push('late'));
  cancel();
  await wait(5);
  late();
  expect(calls).toEqual(['late']);
});

test('a wait longer than Node timers can hold does not fire at once', async () => {
  const calls: string[] = [];
  const cancel = systemClock.after(2 ** 40, () => calls.push('fired'));
  await wait(5);
  cancel();
  expect(calls).toEqual([]);
});

test('what is deferred runs behind everything that this turn does, microtasks too', async () => {
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    systemClock.defer(() => {
      order.push('deferred');
      resolve();
    });
    queueMicrotask(() => order.push('microtask'));
    order.push('turn');
  });
  expect(order).toEqual(['turn', 'microtask', 'deferred']);
});

test('the wall clock tells the time of day in ms', () => {
  expect(new Date(systemClock.now().wallMs).getUTCFullYear()).toBeGreaterThanOrEqual(2024);
});
