import type { Cancel, Clock } from '../ports/clock.ts';

/**
 * The life of one process of a test chain, from a start to the kill behind it: a process in all but name. When it ends, nothing that
 * it waits for comes about any more, so that its code stands still as that of a killed process does.
 */
export class Life {
  readonly clock: Clock;
  readonly #controller = new AbortController();
  readonly #ends = new Set<() => void>();
  readonly #pending = new Set<Promise<void>>();

  /** `clock` is the one of its machine. */
  constructor(clock: Clock) {
    this.clock = mortalClock(clock, this);
  }

  /** Aborts when it ends. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get over(): boolean {
    return this.signal.aborted;
  }

  /** Calls this when it ends, unless that is cancelled. */
  atEnd(call: () => void): Cancel {
    this.#ends.add(call);
    return () => this.#ends.delete(call);
  }

  /** Ends as `work` does, if this life isn't over by then; else never. `late` gets what nobody waits for any more. */
  lived<T>(work: Promise<T>, late: (value: T) => unknown = () => {}): Promise<T> {
    return new Promise((resolve, reject) => {
      const settled = work.then(
        async (value) => {
          if (this.over) await late(value);
          else resolve(value);
        },
        (error: unknown) => {
          if (!this.over) reject(error);
        },
      );
      this.#pending.add(settled);
      void settled.then(() => this.#pending.delete(settled));
    });
  }

  /** Rejects with this error when it ends. */
  orElse<T>(work: Promise<T>, error: () => Error): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.atEnd(() => reject(error()));
      void work.then(resolve, reject).finally(cancel);
    });
  }

  /** Ends it at once. Resolves when this machine has let go of all that it held. */
  async end(): Promise<void> {
    this.#controller.abort();
    for (const call of this.#ends) call();
    this.#ends.clear();
    await Promise.all(this.#pending);
  }
}

/** A clock of which the dead hear nothing. */
function mortalClock(clock: Clock, life: Life): Clock {
  return {
    now: () => clock.now(),
    after: (delayMs, call) => {
      if (life.over) return () => {};
      const unwatch = life.atEnd(() => cancel());
      const cancel = clock.after(delayMs, () => {
        unwatch();
        call();
      });
      return () => {
        unwatch();
        cancel();
      };
    },
    defer: (call) =>
      clock.defer(() => {
        if (!life.over) call();
      }),
  };
}
