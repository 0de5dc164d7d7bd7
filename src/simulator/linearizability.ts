import type { Call } from './history.ts';
import { emptyState, type LifetimeOf, Model } from './linearizability-model.ts';
import { projectionsOf } from './linearizability-projection.ts';
import { findOrder } from './linearizability-search.ts';
import { type FailingPart, Shrinker } from './linearizability-shrink.ts';
import { type Group, groupsOf, type Task, tasksOf } from './linearizability-tasks.ts';
import { fallingVersions, versionsOf } from './linearizability-versions.ts';

const STEPS_MAX = 5_000_000;
/** For each of the searches, some dozens, that make a failing part small. */
const SHRINK_STEPS_MAX = 300_000;
/** Log clocks run within 10 % of real time, and lean; PROTOCOL.md sections 0 and 9. */
const EXPIRY: ExpiryBounds = { earliestPart: 0.85, latestPart: null, slackMs: 20 };

/** How a history is judged. */
export interface CheckOptions {
  /** Steps of the search until it gives up, for each group of keys that have to be judged together. */
  readonly stepsMax?: number;
  readonly expiry?: ExpiryBounds;
}

/** How far from the asked lifetime, as clients' clocks measure it, a key may vanish. */
export interface ExpiryBounds {
  /** A key may vanish from `calledAtMs + ttlMs * earliestPart - slackMs` on. */
  readonly earliestPart: number;
  /** A key must have vanished by `answeredAtMs + ttlMs * latestPart + slackMs`; `null`: it never must. */
  readonly latestPart: number | null;
  readonly slackMs: number;
}

/** What the check found. `steps` is the work it took, the same for the same history. */
export type Verdict =
  | { readonly kind: 'yes'; readonly steps: number }
  /** `part` can't be explained by any order; draw it with `pictureOf`. */
  | { readonly kind: 'no'; readonly steps: number; readonly part: FailingPart }
  /** Some keys took more than `stepsMax`; none was found wrong. */
  | { readonly kind: 'gave-up'; readonly steps: number; readonly keys: readonly string[] };

/** Whether one order explains all that clients were told. */
export function checkHistory(calls: readonly Call[], options: CheckOptions = {}): Verdict {
  const { stepsMax = STEPS_MAX, expiry = EXPIRY } = options;
  const groups = groupsOf(calls);
  const falling = fallingVersions(groups.flatMap(tasksOf));
  if (falling !== null) return { kind: 'no', steps: 0, part: partOfFalling(falling) };
  const model = new Model(lifetimeBy(expiry));
  let steps = 0;
  const open: string[] = [];
  for (const group of groups) {
    const verdict = checkGroup(group, model, stepsMax);
    steps += verdict.steps;
    if (verdict.kind === 'no') return { ...verdict, steps };
    if (verdict.kind === 'gave-up') open.push(...verdict.keys);
  }
  return open.length === 0 ? { kind: 'yes', steps } : { kind: 'gave-up', steps, keys: open };
}

/** A group of several keys is looked at key by key first: what is wrong there is found soon, and drawn small. */
function checkGroup(group: Group, model: Model, stepsMax: number): Verdict {
  let steps = 0;
  const parts = group.keys.length > 1 ? projectionsOf(group) : [];
  for (const part of [...parts, group]) {
    const tasks = tasksOf(part);
    const start = { state: emptyState(part.keys.length), used: new Set<Task>() };
    const found = findOrder(tasks, [start], { model, versions: versionsOf(tasks), stepsMax });
    steps += found.steps;
    if (found.kind === 'none') {
      const shrinker = new Shrinker({ model, stepsMax: Math.min(stepsMax, SHRINK_STEPS_MAX) });
      return { kind: 'no', steps, part: shrinker.shrink(part.calls, found.stuck) };
    }
    if (part === group && found.kind === 'gave-up') return { kind: 'gave-up', steps, keys: group.keys };
  }
  return { kind: 'yes', steps };
}

function partOfFalling({ seen, write }: { seen: Call; write: Call }): FailingPart {
  return { calls: [seen, write], before: [], order: [seen], stuck: write, leftOut: 0 };
}

/** A lifetime counts from the entry's time, which lies between call and answer, by a clock that is not quite right. */
function lifetimeBy({ earliestPart, latestPart, slackMs }: ExpiryBounds): LifetimeOf {
  return (ttlMs, { fromMs, untilMs }) => {
    const isBound = latestPart !== null && untilMs !== Number.POSITIVE_INFINITY;
    return {
      mayGoFromMs: fromMs + ttlMs * earliestPart - slackMs,
      mustGoByMs: isBound ? untilMs + ttlMs * latestPart + slackMs : null,
    };
  };
}
