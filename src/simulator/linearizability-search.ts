import { defined } from '../base/assert.ts';
import { type Bits, Memory, withBit } from './linearizability-memory.ts';
import { HIDDEN, type Model, type State, sameState } from './linearizability-model.ts';
import { Schedule } from './linearizability-schedule.ts';
import type { Task } from './linearizability-tasks.ts';
import type { Versions } from './linearizability-versions.ts';
import { Witnesses } from './linearizability-witnesses.ts';

/** What a search came to. `steps`: how often the model was asked. */
export type Found =
  /** `order`: one that explains all answers, with the unanswered calls that it needs. */
  | { readonly kind: 'order'; readonly steps: number; readonly order: readonly Task[] }
  /** `stuck`: it was tried in vain to get beyond the answer of this call. The one that is wrong may come later. */
  | { readonly kind: 'none'; readonly steps: number; readonly stuck: Task }
  | { readonly kind: 'gave-up'; readonly steps: number };

/** Where a search starts or ends: what the keys hold, and which unanswered calls have taken effect. */
export interface Standing {
  readonly state: State;
  readonly used: ReadonlySet<Task>;
}

interface End extends Standing {
  readonly order: readonly Task[];
}

/** A step that may be taken: `task` takes effect next, and `state` comes of it. */
interface Choice {
  readonly task: Task;
  readonly state: State;
  /** An unanswered call with a version that nobody names. */
  readonly isHidden: boolean;
}

/** A node in the tree of orders: what has been taken so far, and the choices from here. */
interface Place {
  readonly state: State;
  /** How many answered calls, in the order of their answers, are taken without a gap. */
  readonly base: number;
  readonly used: Bits;
  /** The unseen call just before, and the state before it. */
  readonly unseen: { readonly task: Task; readonly before: State; readonly count: number } | null;
  /** What the order is cut to when this place is left. */
  readonly lengthBefore: number;
  choices: readonly Choice[];
  nextChoice: number;
  hasTriedUnanswered: boolean;
}

/** What a search needs to know of the history as a whole, and its limits. */
export interface SearchOptions {
  readonly model: Model;
  readonly versions: Versions;
  readonly stepsMax: number;
  /** Most unseen calls in a row that are tried. With a limit an order that was not found may still exist. */
  readonly unseenMax?: number;
}

/**
 * Looks for one order, from any of the starts: quickly at first, since where some order explains the answers, one mostly
 * does in which each unseen call is seen by itself; then thoroughly, with as many steps again.
 */
export function findOrder(
  tasks: readonly Task[],
  starts: readonly Standing[],
  options: SearchOptions,
): Found {
  const quick = new Search(tasks, { ...options, unseenMax: 1 }).findOrder(starts);
  const unanswered = tasks.filter(({ told }) => told === null);
  if (quick.kind === 'order' || unanswered.length < 2) return quick;
  const thorough = new Search(tasks, options).findOrder(starts);
  return { ...thorough, steps: quick.steps + thorough.steps };
}

/**
 * Looks for an order that explains all answers: Wing & Gong, "Testing and verifying concurrent objects" (1993), with the
 * memory of Lowe, "Testing for linearizability" (2017); porcupine (Athalye) is the well-known implementation. Three things
 * are added, each of which leaves the verdict as it is:
 * - a call that changes nothing is taken at once where its answer fits, and never taken back: it stands in nobody's way;
 * - writes are taken in the order of their versions, where an answer told them or somebody saw them;
 * - an unanswered call whose version nobody names ("unseen") is taken only just before a call that sees what it did, or
 *   before another such. In any order it may be moved there, or left out: it has no end that it would have to come before,
 *   and up to there it changes nothing for anybody.
 */
export class Search {
  readonly #model: Model;
  readonly #versions: Versions;
  readonly #schedule: Schedule;
  readonly #stepsMax: number;
  readonly #unseenMax: number;
  readonly #memory = new Memory();
  readonly #witnesses: Witnesses;
  readonly #places: Place[] = [];
  /** What is taken, in order; the unanswered too. */
  readonly #order: Task[] = [];
  readonly #taken: Uint8Array;
  #steps = 0;
  /** The most answered calls, in the order of their answers, that were taken without a gap. */
  #furthest = 0;

  constructor(
    tasks: readonly Task[],
    { model, versions, stepsMax, unseenMax = Number.POSITIVE_INFINITY }: SearchOptions,
  ) {
    this.#unseenMax = unseenMax;
    this.#model = model;
    this.#versions = versions;
    this.#stepsMax = stepsMax;
    this.#schedule = new Schedule(tasks, versions);
    this.#witnesses = new Witnesses(tasks);
    this.#taken = new Uint8Array(this.#schedule.answered.length);
  }

  /** Looks for one order, from any of the starts. */
  findOrder(starts: readonly Standing[]): Found {
    const first = this.#walk(starts).next().value;
    if (first === null) return { kind: 'gave-up', steps: this.#steps };
    if (first !== undefined) return { kind: 'order', steps: this.#steps, order: first.order };
    const stuck = defined(this.#schedule.answered[this.#furthest], () => 'a call that was not taken');
    return { kind: 'none', steps: this.#steps, stuck };
  }

  /** All that may be once every answered call has taken effect, but for what does no more than another; `null`: gave up. */
  findEnds(starts: readonly Standing[]): Standing[] | null {
    const ends: Standing[] = [];
    for (const ended of this.#walk(starts)) {
      if (ended === null) return null;
      ends.push(ended);
    }
    return ends;
  }

  /** Depth first; yields each end that it reaches, and `null` when it gives up. */
  *#walk(starts: readonly Standing[]): Generator<End | null, undefined> {
    for (const { state, used } of starts) {
      const root = { state, base: 0, used: this.#schedule.bitsOf(used), unseen: null };
      let ended = this.#enter(root, 0);
      for (;;) {
        if (ended !== null) yield ended;
        const place = this.#places.at(-1);
        if (place === undefined) break;
        if (this.#steps > this.#stepsMax) {
          yield null;
          return;
        }
        const choice = this.#nextChoice(place);
        ended = choice === undefined ? this.#leave(place) : this.#follow(place, choice);
      }
    }
  }

  #follow(place: Place, { task, state, isHidden }: Choice): End | null {
    const lengthBefore = this.#order.length;
    this.#take(task);
    const { base } = place;
    const used = task.told === null ? withBit(place.used, this.#schedule.numberOf(task)) : place.used;
    const count = (place.unseen?.count ?? 0) + 1;
    const unseen = isHidden ? { task, before: place.state, count } : null;
    return this.#enter({ state, base, used, unseen }, lengthBefore);
  }

  /** Goes on to a place, with all that changes nothing taken at once. Returns the end, if it is one. */
  #enter(
    { state, used, ...from }: Pick<Place, 'state' | 'base' | 'used' | 'unseen'>,
    lengthBefore: number,
  ): End | null {
    let { base, unseen } = from;
    for (;;) {
      while (this.#taken[base] === 1) base += 1;
      const silent = this.#silentTask(state, base, unseen?.task ?? null);
      if (silent === null) break;
      this.#take(silent);
      unseen = null;
    }
    const isEnd = base === this.#taken.length;
    if (isEnd) {
      const end = { state, used: this.#schedule.tasksOf(used), order: [...this.#order] };
      this.#cutOrder(lengthBefore);
      return end;
    }
    if (!this.#memory.note(this.#nameOf(state, base, unseen?.task ?? null), used)) {
      this.#cutOrder(lengthBefore);
      return null;
    }
    this.#furthest = Math.max(this.#furthest, base);
    this.#places.push({
      ...{ state, base, used, unseen, lengthBefore },
      choices: this.#answeredChoices(state, base, unseen),
      nextChoice: 0,
      hasTriedUnanswered: false,
    });
    return null;
  }

  #leave(place: Place): null {
    this.#places.pop();
    this.#cutOrder(place.lengthBefore);
    return null;
  }

  #take(task: Task): void {
    this.#order.push(task);
    if (task.told === null) return;
    this.#taken[this.#schedule.numberOf(task)] = 1;
    this.#witnesses.take(task);
  }

  #cutOrder(length: number): void {
    for (const task of this.#order.splice(length)) {
      if (task.told === null) continue;
      this.#taken[this.#schedule.numberOf(task)] = 0;
      this.#witnesses.giveBack(task);
    }
  }

  #silentTask(state: State, base: number, unseen: Task | null): Task | null {
    for (const task of this.#schedule.inFlight(base)) {
      if (!task.isSilent || this.#isTaken(task) || (unseen !== null && !shareKey(task.keys, unseen.keys)))
        continue;
      const versions = this.#schedule.versionsFor(task, state.top);
      if (versions.some((version) => this.#step(state, task, version, base).includes(state))) return task;
    }
    return null;
  }

  #nextChoice(place: Place): Choice | undefined {
    if (place.nextChoice === place.choices.length && !place.hasTriedUnanswered) {
      place.hasTriedUnanswered = true;
      place.choices = this.#unansweredChoices(place);
      place.nextChoice = 0;
    }
    const choice = place.choices[place.nextChoice];
    place.nextChoice += 1;
    return choice;
  }

  #answeredChoices(state: State, base: number, unseen: Place['unseen']): Choice[] {
    const choices: Choice[] = [];
    const versioned: Choice[] = [];
    for (const task of this.#schedule.inFlight(base)) {
      if (this.#isTaken(task) || (unseen !== null && !shareKey(task.keys, unseen.task.keys))) continue;
      for (const version of this.#schedule.versionsFor(task, state.top)) {
        for (const next of this.#news(state, task, version, base, unseen)) {
          (version > 0 ? versioned : choices).push({ task, state: next, isHidden: false });
        }
      }
    }
    // What the version orders is rarely wrong; a delete whose version is not told may come too early unnoticed.
    return [...versioned, ...choices];
  }

  #unansweredChoices({ state, base, used, unseen }: Place): Choice[] {
    const choices: Choice[] = [];
    const tasks = [...this.#schedule.unansweredBy(base, used)];
    const lookedAt = this.#keysLookedAt(state, base, tasks);
    for (const task of tasks) {
      if (!shareKey(task.keys, lookedAt)) continue;
      for (const version of this.#schedule.versionsFor(task, state.top)) {
        const isHidden = version === HIDDEN;
        if (isHidden && (unseen?.count ?? 0) >= this.#unseenMax) continue;
        if (!isHidden && unseen !== null && !shareKey(task.keys, unseen.task.keys)) continue;
        for (const next of this.#news(state, task, version, base, unseen)) {
          if (!sameState(next, state)) choices.push({ task, state: next, isHidden });
        }
      }
    }
    return choices;
  }

  /**
   * The states that come of a task. After an unseen call only those that need it just there: not what comes without it as
   * well, nor what comes of the two the other way round (of two unseen ones that is so for one way alone).
   */
  #news(state: State, task: Task, version: number, base: number, unseen: Place['unseen']): State[] {
    const states = this.#step(state, task, version, base).filter(
      (next) => !this.#witnesses.forbid(task, state, next),
    );
    if (unseen === null || states.length === 0) return states;
    const others = this.#step(unseen.before, task, version, base);
    const isInOrder = version === HIDDEN && task.told === null && this.#isAfter(task, unseen.task);
    if (!isInOrder) {
      others.push(...others.flatMap((without) => this.#step(without, unseen.task, HIDDEN, base)));
    }
    return states.filter((next) => !others.some((other) => sameState(next, other)));
  }

  #isAfter(task: Task, other: Task): boolean {
    return this.#schedule.numberOf(task) > this.#schedule.numberOf(other);
  }

  #step(state: State, task: Task, version: number, base: number): State[] {
    this.#steps += 1;
    const states = this.#model.step(state, task, { version, byMs: this.#schedule.byMs(base) });
    if (task.version !== null || version <= 0) return states;
    return states.filter(({ keys }) =>
      [...task.stamped].every((key) => {
        const held = keys[key];
        return held?.version !== version || this.#versions.couldBe(version, key, held);
      }),
    );
  }

  /** The keys of the calls that may be next and be seen, and of the unseen ones that may come just before these. */
  #keysLookedAt(state: State, base: number, unanswered: readonly Task[]): ReadonlySet<number> {
    const keys = new Set<number>();
    const answered = this.#schedule.inFlight(base).filter((task) => !this.#isTaken(task));
    for (const task of [...answered, ...unanswered]) {
      const versions = this.#schedule.versionsFor(task, state.top);
      const isSeen = task.told === null ? versions.some((version) => version > 0) : versions.length > 0;
      if (isSeen) for (const key of task.keys) keys.add(key);
    }
    for (let size = -1; size !== keys.size; ) {
      size = keys.size;
      for (const { keys: wide } of this.#schedule.wideUnanswered) {
        if (shareKey(wide, keys)) for (const key of wide) keys.add(key);
      }
    }
    return keys;
  }

  #isTaken(task: Task): boolean {
    return this.#taken[this.#schedule.numberOf(task)] === 1;
  }

  /** Everything that what may come depends on, but for the unanswered calls that are used up. */
  #nameOf({ top, keys }: State, base: number, unseen: Task | null): string {
    let name = `${top}/${base}/${unseen === null ? '' : this.#schedule.numberOf(unseen)}`;
    for (const task of this.#schedule.inFlight(base)) {
      if (this.#isTaken(task)) name += `+${this.#schedule.numberOf(task)}`;
    }
    for (const key of keys) name += `,${key?.id ?? 0}`;
    return name;
  }
}

function shareKey(a: ReadonlySet<number>, b: ReadonlySet<number>): boolean {
  const [few, many] = a.size < b.size ? [a, b] : [b, a];
  for (const key of few) if (many.has(key)) return true;
  return false;
}
