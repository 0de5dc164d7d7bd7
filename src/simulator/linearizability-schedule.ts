import { defined } from '../base/assert.ts';
import { type Bits, hasBit, noBits, withBit } from './linearizability-memory.ts';
import { HIDDEN, UNKEPT } from './linearizability-model.ts';
import type { Task } from './linearizability-tasks.ts';
import { ownVersionsAskedBy, type Versions } from './linearizability-versions.ts';

/** Which calls may be next: by their times, and by the versions that they were told or may have got. */
export class Schedule {
  /** In the order of their answers. */
  readonly answered: readonly Task[];
  /** The unanswered calls that touch several keys. */
  readonly wideUnanswered: readonly Task[];
  /** In the order of their calls. */
  readonly #unanswered: readonly Task[];
  /** The place of each in its list. */
  readonly #numbers = new Map<Task, number>();
  readonly #inFlight: readonly (readonly Task[])[];
  /** Of each unanswered call: the one before it, if any, that asked for the very same. */
  readonly #twins: readonly (number | null)[];
  readonly #candidates: ReadonlyMap<Task, readonly number[]>;
  readonly #versions: Versions;

  constructor(tasks: readonly Task[], versions: Versions) {
    this.#versions = versions;
    this.answered = tasks
      .filter(({ told }) => told !== null)
      .sort((a, b) => a.untilMs - b.untilMs || a.fromMs - b.fromMs);
    this.#unanswered = tasks.filter(({ told }) => told === null).sort((a, b) => a.fromMs - b.fromMs);
    for (const [i, task] of this.answered.entries()) this.#numbers.set(task, i);
    for (const [i, task] of this.#unanswered.entries()) this.#numbers.set(task, i);
    this.wideUnanswered = this.#unanswered.filter(({ keys }) => keys.size > 1);
    this.#inFlight = flights(this.answered);
    this.#twins = twinsOf(this.#unanswered);
    const unclaimed = tasks.filter(({ version, stamped }) => version === null && stamped.size > 0);
    this.#candidates = new Map(
      unclaimed.map((task) => [task, task.isSilent ? ownVersionsAskedBy(task) : versions.candidatesOf(task)]),
    );
  }

  /** The place of a task among the answered, or among the unanswered. */
  numberOf(task: Task): number {
    return defined(this.#numbers.get(task), () => 'a task of another search');
  }

  /** By when the next call must have taken effect, if the first `base` answered calls have. */
  byMs(base: number): number {
    return this.answered[base]?.untilMs ?? Number.POSITIVE_INFINITY;
  }

  /** The answered calls that may be next once the first `base` are taken; some of these may be taken as well. */
  inFlight(base: number): readonly Task[] {
    return this.#inFlight[base] ?? [];
  }

  /** The unanswered calls that may be next; of those that asked for the same, the first alone. */
  *unansweredBy(base: number, used: Bits): Generator<Task, undefined> {
    const byMs = this.byMs(base);
    for (const [i, task] of this.#unanswered.entries()) {
      if (task.fromMs > byMs) break;
      const twin = this.#twins[i] ?? null;
      if (!hasBit(used, i) && (twin === null || hasBit(used, twin))) yield task;
    }
  }

  /** The versions that a task may get as the next one after version `top`. */
  versionsFor(task: Task, top: number): readonly number[] {
    const next = this.#versions.after(top);
    if (task.version !== null) return next?.owner === task ? [task.version] : [];
    const candidates = this.#candidates.get(task) ?? [];
    if (task.isSilent) return [UNKEPT, ...candidates.filter((version) => version > top)];
    if (candidates.length === 0) return [HIDDEN];
    const last = next?.version ?? Number.POSITIVE_INFINITY;
    return [...candidates.filter((version) => version > top && version <= last), HIDDEN];
  }

  bitsOf(used: ReadonlySet<Task>): Bits {
    let bits = noBits(this.#unanswered.length);
    for (const [i, task] of this.#unanswered.entries()) if (used.has(task)) bits = withBit(bits, i);
    return bits;
  }

  tasksOf(used: Bits): Set<Task> {
    return new Set(this.#unanswered.filter((_, i) => hasBit(used, i)));
  }
}

/** Of each answered call: those that end no sooner and had begun when it ended. As many as there are clients, at most. */
function flights(answered: readonly Task[]): Task[][] {
  const byCall = [...answered].sort((a, b) => a.fromMs - b.fromMs);
  const open = new Set<Task>();
  let called = 0;
  return answered.map((task) => {
    for (
      let next = byCall[called];
      next !== undefined && next.fromMs <= task.untilMs;
      next = byCall[++called]
    ) {
      open.add(next);
    }
    const inFlight = [...open];
    open.delete(task);
    return inFlight;
  });
}

function twinsOf(unanswered: readonly Task[]): (number | null)[] {
  const last = new Map<string, number>();
  return unanswered.map(({ call }, i) => {
    const asked = JSON.stringify(call.asked);
    const twin = last.get(asked) ?? null;
    last.set(asked, i);
    return twin;
  });
}
