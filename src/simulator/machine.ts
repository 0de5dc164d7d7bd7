import { assert } from '../base/assert.ts';
import type { Now } from '../base/now.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { Scheduler } from './scheduler.ts';

/** The wall clock of a machine that is right, at the beginning of the world, in ms since 1970. */
const BEGINNING_MS = 1_700_000_000_000;
/** A timer that came a rounding error early waits once more for this long, in ms of the world. */
const TIMER_MS_MIN = 0.001;

/** How wrong a machine's clocks are. */
export interface ClockFaults {
  /** Ms that its clocks count in one ms of the world. */
  readonly rate: number;
  /** What its wall clock is ahead of the world's, in ms. */
  readonly wallOffMs: number;
}

/** A simulated machine: its clocks, and the process that runs there. Processes come and go, the machine stays. */
export class Machine {
  readonly name: string;
  readonly #scheduler: Scheduler;
  readonly #rate: number;
  #wallOffMs: number;
  /** How long its monotonic clock has stood still in all, in ms of the world. */
  #stoodMs = 0;
  #process: Process | null = null;

  constructor(name: string, { rate, wallOffMs }: ClockFaults, scheduler: Scheduler) {
    this.name = name;
    this.#rate = rate;
    this.#wallOffMs = wallOffMs;
    this.#scheduler = scheduler;
  }

  /** The process that runs here, `null` when none does. */
  get process(): Process | null {
    return this.#process;
  }

  /** Begins a process; the one before it must have died. */
  boot(): Process {
    assert(this.#process === null, () => `a process runs on ${this.name} already`);
    this.#process = new Process(this, this.#scheduler);
    return this.#process;
  }

  /** The process ends on this instant, in the midst of whatever it did. */
  kill(): void {
    this.#process?.end();
    this.#process = null;
  }

  now(): Now {
    return {
      monotonicMs: this.monotonicMs,
      wallMs: BEGINNING_MS + this.#wallOffMs + this.#scheduler.nowMs * this.#rate,
    };
  }

  get monotonicMs(): number {
    return (this.#scheduler.nowMs - this.#stoodMs) * this.#rate;
  }

  /** How long of the world's time its clocks need for so many ms. */
  worldMs(ms: number): number {
    return ms / this.#rate;
  }

  jumpWallClock(byMs: number): void {
    this.#wallOffMs += byMs;
  }

  /** The monotonic clock stood still for the last `forMs` of the world's time: the machine was suspended. */
  stoodStill(forMs: number): void {
    this.#stoodMs += forMs;
  }
}

/** What reaches a process: its timers, and what the machine's disk and network have for it. */
type Kind = 'timer' | 'arrival';

/**
 * A process of a machine. Whatever reaches it does so through here: while it is paused that waits, in order, and when it
 * has died it is lost.
 */
export class Process {
  readonly machine: Machine;
  readonly clock: Clock;
  readonly #scheduler: Scheduler;
  #dead = false;
  #paused = false;
  #held: { readonly kind: Kind; readonly call: () => void }[] = [];

  constructor(machine: Machine, scheduler: Scheduler) {
    this.machine = machine;
    this.#scheduler = scheduler;
    this.clock = {
      now: () => machine.now(),
      after: (delayMs, call) => this.#after(delayMs, call),
      defer: (call) => void scheduler.after(0, () => this.reach(call)),
    };
  }

  get name(): string {
    return this.machine.name;
  }

  get dead(): boolean {
    return this.#dead;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Has it deal with this now, or when it goes on, or never. */
  reach(call: () => void, kind: Kind = 'arrival'): void {
    if (this.#dead) return;
    if (this.#paused) this.#held.push({ kind, call });
    else call();
  }

  /** It gets no turn any more, though its machine runs on: SIGSTOP, a long garbage collection, a busy host. */
  pause(): void {
    this.#paused = true;
  }

  /** It goes on with all that has come meanwhile: the timers first, as an event loop does. */
  goOn(): void {
    if (!this.#paused) return;
    this.#paused = false;
    const held = this.#held;
    this.#held = [];
    for (const kind of ['timer', 'arrival'] as const) {
      for (const one of held) {
        if (one.kind === kind) this.#scheduler.after(0, () => this.reach(one.call, kind));
      }
    }
  }

  /** See `Machine.kill`. */
  end(): void {
    this.#dead = true;
    this.#held = [];
  }

  #after(delayMs: number, call: () => void): Cancel {
    const dueMs = this.machine.monotonicMs + delayMs;
    let cancel: Cancel = () => {};
    let cancelled = false;
    const fire = (): void => {
      if (cancelled) return;
      if (this.machine.monotonicMs < dueMs) wait();
      else call();
    };
    const wait = (): void => {
      const leftMs = this.machine.worldMs(dueMs - this.machine.monotonicMs);
      cancel = this.#scheduler.after(Math.max(leftMs, TIMER_MS_MIN), () => this.reach(fire, 'timer'));
    };
    wait();
    return () => {
      cancelled = true;
      cancel();
    };
  }
}
