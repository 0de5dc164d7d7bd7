import { Machine } from '../../src/simulator/machine.ts';
import { Scheduler } from '../../src/simulator/scheduler.ts';

/** Lets everything happen that is due within so many ms of the world. */
function pass(scheduler: Scheduler, ms: number): void {
  const endMs = scheduler.nowMs + ms;
  scheduler.after(ms, () => {});
  while ((scheduler.nextMs() ?? Number.POSITIVE_INFINITY) <= endMs) scheduler.step();
}

function machineOf({ rate = 1, wallOffMs = 0 } = {}) {
  const scheduler = new Scheduler();
  const machine = new Machine('n1', { rate, wallOffMs }, scheduler);
  return { scheduler, machine, process: machine.boot() };
}

describe('the one line of time', () => {
  test('events happen in the order of their times, and of two at one instant the one asked for first', () => {
    const scheduler = new Scheduler();
    const seen: string[] = [];
    for (const [name, atMs] of [
      ['c', 5],
      ['a', 1],
      ['d', 5],
      ['b', 3],
    ] as const) {
      scheduler.after(atMs, () => seen.push(`${name} ${scheduler.nowMs}`));
    }
    while (scheduler.step());
    expect(seen).toEqual(['a 1', 'b 3', 'c 5', 'd 5']);
  });

  test('what was taken back does not happen, and holds nothing up', () => {
    const scheduler = new Scheduler();
    const seen: string[] = [];
    const cancel = scheduler.after(1, () => seen.push('a'));
    scheduler.after(2, () => seen.push('b'));
    cancel();
    expect(scheduler.nextMs()).toBe(2);
    while (scheduler.step());
    expect(seen).toEqual(['b']);
    expect(scheduler.nextMs()).toBeNull();
  });

  test('a thousand events come out in order however they went in', () => {
    const scheduler = new Scheduler();
    const seen: number[] = [];
    for (let i = 0; i < 1000; i++) scheduler.after((i * 7919) % 1009, () => seen.push(scheduler.nowMs));
    while (scheduler.step());
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen).toHaveLength(1000);
  });
});

describe('clocks', () => {
  test('a timer never fires before its time by the clock of its own machine, whatever that clock is worth', () => {
    for (const rate of [0.955, 1, 1.045]) {
      const { scheduler, process } = machineOf({ rate });
      let firedAtMs = 0;
      process.clock.after(100, () => {
        firedAtMs = process.clock.now().monotonicMs;
      });
      pass(scheduler, 90);
      expect(firedAtMs).toBe(0);
      pass(scheduler, 20);
      expect(firedAtMs).toBeGreaterThanOrEqual(100);
      expect(firedAtMs).toBeLessThan(100.1);
    }
  });

  test('a wall clock jumps without the monotonic clock', () => {
    const { machine, process } = machineOf({ wallOffMs: 5 });
    const before = process.clock.now();
    machine.jumpWallClock(-3000);
    expect(process.clock.now()).toEqual({ ...before, wallMs: before.wallMs - 3000 });
  });

  test('a machine that was suspended lost that time by its monotonic clock, and its timers wait on', () => {
    const { scheduler, machine, process } = machineOf();
    let fired = false;
    process.clock.after(100, () => {
      fired = true;
    });
    pass(scheduler, 50);
    process.pause();
    pass(scheduler, 1000);
    machine.stoodStill(1000);
    process.goOn();
    expect(machine.monotonicMs).toBe(50);
    pass(scheduler, 40);
    expect(fired).toBe(false);
    pass(scheduler, 20);
    expect(fired).toBe(true);
  });
});

describe('a process', () => {
  test('that is paused deals with what came meanwhile when it goes on: the timers first, each kind in its order', () => {
    const { scheduler, process } = machineOf();
    const seen: string[] = [];
    process.pause();
    process.reach(() => seen.push('arrival 1'));
    process.clock.after(5, () => seen.push('timer 1'));
    process.clock.after(6, () => seen.push('timer 2'));
    pass(scheduler, 10);
    process.reach(() => seen.push('arrival 2'));
    expect(seen).toEqual([]);
    process.goOn();
    pass(scheduler, 1);
    expect(seen).toEqual(['timer 1', 'timer 2', 'arrival 1', 'arrival 2']);
  });

  test('that has died is reached by nothing any more, not even by what it had deferred', () => {
    const { scheduler, machine, process } = machineOf();
    const seen: string[] = [];
    process.clock.after(5, () => seen.push('timer'));
    process.clock.defer(() => seen.push('deferred'));
    machine.kill();
    process.reach(() => seen.push('arrival'));
    pass(scheduler, 10);
    expect(seen).toEqual([]);
    expect(machine.process).toBeNull();
  });

  test('two do not run on one machine at once', () => {
    const { machine } = machineOf();
    expect(() => machine.boot()).toThrow('a process runs on n1 already');
  });
});
