import { defined } from '../base/assert.ts';
import type { Call } from './history.ts';
import { emptyState, type KeyState, type Model } from './linearizability-model.ts';
import { type Found, findOrder, Search, type Standing } from './linearizability-search.ts';
import { changedNothing, type Group, groupsOf, type Task, tasksOf } from './linearizability-tasks.ts';
import { versionsOf } from './linearizability-versions.ts';

/** A part of a history that no order explains. */
export interface FailingPart {
  /** In the order of their calls. */
  readonly calls: readonly Call[];
  /** What the keys may hold before the first call, in words, one for each possibility; empty when all are absent. */
  readonly before: readonly string[];
  /** The call whose answer fits nowhere: the first answer that made the history wrong. */
  readonly stuck: Call;
  /** An order that explains all answers but that one, with the unanswered calls that it needs. */
  readonly order: readonly Call[];
  /** How many unanswered calls, without which it is as wrong, were left out of `calls`. */
  readonly leftOut: number;
}

/** What the keys may hold before the first call, and which unanswered calls have taken effect by then. */
interface Beginning {
  readonly top: number;
  readonly held: ReadonlyMap<string, KeyState>;
  readonly used: ReadonlySet<Call>;
}

interface Part {
  readonly calls: readonly Call[];
  readonly beginnings: readonly Beginning[];
}

/** A part that fails by the answer of `stuck`, and without that answer is explained by `order`. */
interface Failing {
  readonly part: Part;
  readonly stuck: Call;
  readonly order: readonly Call[];
}

/** Answered calls with an effect on the keys of the stuck one that are kept before it, so that the picture tells a story. */
const STORY_CALLS = 6;
const BEGINNINGS_MAX = 4;
const FROM_NOTHING: readonly Beginning[] = [{ top: 0, held: new Map(), used: new Set() }];

/**
 * Makes a failing group small: cuts it after the first answer that no order explains, cuts off a beginning whose possible
 * ends are known exactly, then leaves out calls that changed nothing, and unanswered ones, as long as the part stays wrong
 * by this answer and right without it.
 */
export class Shrinker {
  readonly #model: Model;
  readonly #stepsMax: number;

  constructor({ model, stepsMax }: { model: Model; stepsMax: number }) {
    this.#model = model;
    this.#stepsMax = stepsMax;
  }

  /** @param stuck where the search of all these calls, which fail together, got stuck. */
  shrink(calls: readonly Call[], stuck: Task): FailingPart {
    const ended = this.#shortestPrefix(calls, stuck);
    const begun = this.#withoutBeginning(ended) ?? ended;
    const { part, ...small } = this.#withoutBystanders(begun);
    const unanswered = (all: readonly Call[]) => all.filter(({ answer }) => answer === null).length;
    return {
      calls: [...part.calls].sort((a, b) => a.calledAtMs - b.calledAtMs),
      before: [...new Set(part.beginnings.map(inWords))].filter((words) => words !== ''),
      leftOut: unanswered(begun.part.calls) - unanswered(part.calls),
      ...small,
    };
  }

  /** Every prefix of a linearizable history is linearizable, so there is a first answer that breaks it. */
  #shortestPrefix(calls: readonly Call[], { call, untilMs }: Task): Failing {
    const ends = calls
      .filter(({ answer }) => answer !== null)
      .sort((a, b) => (a.answer?.atMs ?? 0) - (b.answer?.atMs ?? 0));
    const upTo = (i: number): Part => ({
      calls: prefixOf(calls, ends[i]?.answer?.atMs ?? 0),
      beginnings: FROM_NOTHING,
    });
    const isWrong = (i: number) => i >= ends.length - 1 || this.#judge(upTo(i)).kind === 'none';
    const first = firstWhere(
      isWrong,
      Math.max(
        0,
        ends.findIndex(({ answer }) => answer?.atMs === untilMs),
      ),
    );
    const part = upTo(first);
    const breaking = ends[first] ?? call;
    return this.#asFailing(part, breaking) ?? { part, stuck: breaking, order: [] };
  }

  #withoutBeginning({ part, stuck }: Failing): Failing | null {
    const group = groupWith(part.calls, stuck);
    const tasks = tasksOf(group);
    const keys = tasks.find(({ call }) => call === stuck)?.keys ?? new Set();
    const story = tasks
      .filter(({ told, call }) => told !== null && !changedNothing(call))
      .filter((task) => [...task.keys].some((key) => keys.has(key)))
      .sort((a, b) => b.untilMs - a.untilMs);
    const cutMs = quietBefore(tasks, story[STORY_CALLS - 1]?.fromMs ?? Number.NEGATIVE_INFINITY);
    const early = tasks.filter(({ fromMs, untilMs, told }) => (told === null ? fromMs : untilMs) < cutMs);
    if (!early.some(({ told }) => told !== null)) return null;
    const options = { model: this.#model, versions: versionsOf(tasks), stepsMax: this.#stepsMax };
    const start = { state: emptyState(group.keys.length), used: new Set<Task>() };
    const ends = new Search(early, options).findEnds([start]);
    if (ends === null || ends.length > BEGINNINGS_MAX) return null;
    const later = tasks.filter(({ untilMs }) => untilMs > cutMs).map(({ call }) => call);
    return this.#asFailing({ calls: later, beginnings: ends.map((end) => beginningOf(end, group)) }, stuck);
  }

  #withoutBystanders(failing: Failing): Failing {
    let best = this.#narrowed(failing);
    let left = best.part.calls.filter(
      (call) => call !== best.stuck && (call.answer === null || changedNothing(call)),
    );
    for (let size = left.length; size >= 1; size = Math.floor(size / 2)) {
      for (let i = 0; i < left.length; ) {
        const chunk = new Set(left.slice(i, i + size));
        const calls = best.part.calls.filter((call) => !chunk.has(call));
        const smaller = this.#asFailing({ ...best.part, calls }, best.stuck);
        if (smaller === null) i += size;
        else {
          best = this.#narrowed(smaller);
          left = left.filter((call) => !chunk.has(call));
        }
      }
    }
    return best;
  }

  /** Without the calls that, now that others are gone, share no key with the stuck one even by way of others. */
  #narrowed(failing: Failing): Failing {
    const { calls } = groupWith(failing.part.calls, failing.stuck);
    if (calls.length === failing.part.calls.length) return failing;
    return this.#asFailing({ ...failing.part, calls }, failing.stuck) ?? failing;
  }

  /** `null` unless the part is wrong, and right without this answer. */
  #asFailing(part: Part, stuck: Call): Failing | null {
    if (this.#judge(part).kind !== 'none') return null;
    const unanswered = { ...stuck, answer: null };
    const calls = part.calls.map((call) => (call === stuck ? unanswered : call));
    const without = this.#judge({ ...part, calls });
    if (without.kind !== 'order') return null;
    return {
      part,
      stuck,
      order: without.order.map(({ call }) => call).filter((call) => call !== unanswered),
    };
  }

  /** Of calls that may fall into several groups by now: the verdict on all, with an order for each after the other. */
  #judge(part: Part): Found {
    const order: Task[] = [];
    let steps = 0;
    for (const group of groupsOf(part.calls)) {
      const tasks = tasksOf(group);
      const starts = part.beginnings.map((beginning) => standingOf(beginning, group, tasks));
      const options = { model: this.#model, versions: versionsOf(tasks), stepsMax: this.#stepsMax };
      const found = findOrder(tasks, starts, options);
      steps += found.steps;
      if (found.kind !== 'order') return found;
      order.push(...found.order);
    }
    return { kind: 'order', steps, order };
  }
}

/** The first number for which it holds, if for all after it it holds too; quick if that is not far behind `guess`. */
function firstWhere(holds: (i: number) => boolean, guess: number): number {
  let low = 0;
  let high = guess;
  for (let stride = 1; !holds(high); stride *= 2) {
    low = high + 1;
    high += stride;
  }
  // Mostly the guess is right.
  if (high > low && !holds(high - 1)) return high;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** What had been seen of the history at a moment: what was answered later was not answered yet. */
function prefixOf(calls: readonly Call[], atMs: number): Call[] {
  return calls
    .filter(({ calledAtMs }) => calledAtMs <= atMs)
    .map((call) => (call.answer !== null && call.answer.atMs > atMs ? { ...call, answer: null } : call));
}

/** The last moment at or before the given one at which no answered call was under way. */
function quietBefore(tasks: readonly Task[], latestMs: number): number {
  let cutMs = latestMs;
  for (const task of tasks.filter(({ told }) => told !== null).sort((a, b) => b.untilMs - a.untilMs)) {
    if (task.untilMs < cutMs) break;
    cutMs = Math.min(cutMs, task.fromMs);
  }
  return cutMs;
}

function groupWith(calls: readonly Call[], one: Call): Group {
  return defined(
    groupsOf(calls).find((group) => group.calls.includes(one)),
    () => 'the group of a call',
  );
}

function beginningOf({ state, used }: Standing, { keys }: Group): Beginning {
  const held = keys.flatMap((key, i) => {
    const holds = state.keys[i] ?? null;
    return holds === null ? [] : [[key, holds] as const];
  });
  return { top: state.top, held: new Map(held), used: new Set([...used].map(({ call }) => call)) };
}

function standingOf({ top, held, used }: Beginning, { keys }: Group, tasks: readonly Task[]): Standing {
  return {
    state: { top, keys: keys.map((key) => held.get(key) ?? null) },
    used: new Set(tasks.filter(({ call }) => used.has(call))),
  };
}

function inWords({ held }: Beginning): string {
  return [...held]
    .map(
      ([key, { bytes, version }]) => `${key} = ${JSON.stringify(bytes)}${version > 0 ? ` @${version}` : ''}`,
    )
    .join(', ');
}
