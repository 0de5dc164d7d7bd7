import type { State } from './linearizability-model.ts';
import type { Task } from './linearizability-tasks.ts';
import { versionsFoundBy } from './linearizability-versions.ts';

/**
 * The answered calls still to be taken that found a key at a certain version. A version never comes back, so as long as
 * there is one for what a key holds now, that key must be left as it is: most wrong turns are seen at once by this.
 */
export class Witnesses {
  readonly #slots = new Map<number, Map<number, number>>();
  readonly #slotsOf = new Map<Task, readonly number[]>();
  readonly #left: number[] = [];

  constructor(tasks: readonly Task[]) {
    for (const task of tasks) {
      const found = versionsFoundBy(task).map(({ key, version }) => this.#slotOf(key, version));
      const slots = [...new Set(found)];
      if (slots.length > 0) this.#slotsOf.set(task, slots);
      this.#add(task, 1);
    }
  }

  /** The task has been taken. */
  take(task: Task): void {
    this.#add(task, -1);
  }

  /** The task is to be taken again. */
  giveBack(task: Task): void {
    this.#add(task, 1);
  }

  /** Whether going from one state to another by `task` leaves another task with nothing to find. */
  forbid(task: Task, from: State, to: State): boolean {
    if (from.keys === to.keys) return false;
    for (const key of task.keys) {
      const version = from.keys[key]?.version ?? 0;
      if (version <= 0 || to.keys[key]?.version === version) continue;
      const slot = this.#slots.get(key)?.get(version);
      if (slot === undefined) continue;
      const own = this.#slotsOf.get(task)?.includes(slot) ? 1 : 0;
      if ((this.#left[slot] ?? 0) > own) return true;
    }
    return false;
  }

  #add(task: Task, by: 1 | -1): void {
    for (const slot of this.#slotsOf.get(task) ?? []) this.#left[slot] = (this.#left[slot] ?? 0) + by;
  }

  #slotOf(key: number, version: number): number {
    let ofKey = this.#slots.get(key);
    if (ofKey === undefined) {
      ofKey = new Map();
      this.#slots.set(key, ofKey);
    }
    let slot = ofKey.get(version);
    if (slot === undefined) {
      slot = this.#left.length;
      this.#left.push(0);
      ofKey.set(version, slot);
    }
    return slot;
  }
}
