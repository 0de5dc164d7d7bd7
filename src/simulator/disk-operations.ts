import { assert } from '../base/assert.ts';
import type { Prng } from '../base/prng.ts';
import type { Cancel } from '../ports/clock.ts';
import type { Process } from './machine.ts';
import type { Scheduler } from './scheduler.ts';

/**
 * What can be made to fail: reading (a size, a list and opening, too); writing and truncating; syncing a file; making, moving
 * and removing names; syncing a directory.
 */
export type DiskFault = 'read' | 'write' | 'sync' | 'name' | 'sync-directory';

/** What a process asks for: locking and closing can't be made to fail. */
export type OperationKind = DiskFault | 'handle';

/** How long an operation takes at the usual speed, in ms of the world: from, up to. */
const TIMES_MS: Readonly<Record<OperationKind, readonly [number, number]>> = {
  read: [0.02, 0.1],
  write: [0.05, 0.3],
  sync: [0.3, 4],
  name: [0.02, 0.1],
  'sync-directory': [0.3, 4],
  handle: [0.02, 0.1],
};
const HICCUP_MS = 30;
const HICCUP_PROBABILITY = 0.01;

interface Operation {
  readonly process: Process;
  readonly finish: () => void;
  readonly cancel: Cancel;
}

/** What a disk is doing: each operation takes its time, and happens in the kernel at the end of it. */
export class DiskOperations {
  readonly #scheduler: Scheduler;
  readonly #times: Prng;
  readonly #fates: Prng;
  readonly #inFlight = new Set<Operation>();
  readonly #faults = new Set<DiskFault>();
  #factor = 1;
  #nextSyncMs = 0;

  constructor({ scheduler, times, fates }: { scheduler: Scheduler; times: Prng; fates: Prng }) {
    this.#scheduler = scheduler;
    this.#times = times;
    this.#fates = fates;
  }

  /** How much longer everything takes than usual, that begins from now on. */
  slow(factor: number): void {
    this.#factor = factor;
  }

  /** The next sync of a file takes so many ms longer. */
  delayNextSync(byMs: number): void {
    this.#nextSyncMs = byMs;
  }

  /** The next such operation fails. */
  fail(fault: DiskFault): void {
    this.#faults.add(fault);
  }

  /** Nothing fails any more, and all is as quick as usual. */
  heal(): void {
    this.#faults.clear();
    this.#factor = 1;
    this.#nextSyncMs = 0;
  }

  /**
   * Does something for a process. What comes of it reaches the process as it can be reached; for one that has died it never
   * ends.
   *
   * @param work is told whether it has to fail, and throws if so.
   */
  begin<T>(process: Process, kind: OperationKind, work: (fails: boolean) => T): Promise<T> {
    // What a dead process still seems to do is no more than promises going on within it.
    if (process.dead) return new Promise(() => undefined);
    const fails = kind !== 'handle' && this.#faults.delete(kind);
    return new Promise((resolve, reject) => {
      const finish = () => {
        this.#inFlight.delete(operation);
        try {
          const result = work(fails);
          process.reach(() => resolve(result));
        } catch (error) {
          process.reach(() => reject(error));
        }
      };
      const cancel = this.#scheduler.after(this.#durationMs(kind), () => {
        if (!process.dead) finish();
      });
      const operation = { process, finish, cancel };
      this.#inFlight.add(operation);
    });
  }

  /** All processes have died: each operation that was in flight happens now, in any order, or never. */
  settle(): void {
    for (const { process, finish, cancel } of this.#fates.shuffled([...this.#inFlight])) {
      assert(process.dead, () => `${process.name} still uses its disk`);
      cancel();
      if (this.#fates.chance(0.5)) finish();
    }
    this.#inFlight.clear();
  }

  #durationMs(kind: OperationKind): number {
    const [from, to] = TIMES_MS[kind];
    const isSync = kind === 'sync' || kind === 'sync-directory';
    const hiccupMs = isSync && this.#times.chance(HICCUP_PROBABILITY) ? HICCUP_MS : 0;
    const delayMs = kind === 'sync' ? this.#nextSyncMs : 0;
    if (kind === 'sync') this.#nextSyncMs = 0;
    return (this.#times.between(from, to) + hiccupMs) * this.#factor + delayMs;
  }
}
