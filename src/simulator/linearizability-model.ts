import { unreachable } from '../base/assert.ts';
import type { Condition, Operation } from '../protocol/command.ts';
import type { ToldRecord, ToldResult } from './history.ts';
import type { Page, Task, Touch } from './linearizability-tasks.ts';

/** The version of a write whose version no answer of the history names. Equal to no version that anybody asks for. */
export const HIDDEN = -1;
/** The version within an entry that is refused as a whole; an answer may name it though nothing keeps it. */
export const UNKEPT = -2;

/** When a key that a task gave a lifetime may have gone, and when it must have; in ms. */
export type LifetimeOf = (
  ttlMs: number,
  task: Pick<Task, 'fromMs' | 'untilMs'>,
) => { readonly mayGoFromMs: number; readonly mustGoByMs: number | null };

/** What a key holds. Two that are equal are the same object, with the same `id`. */
export interface KeyState {
  readonly id: number;
  readonly bytes: string;
  readonly contentType: string;
  readonly version: number;
  /** From when on it may have expired; `null`: never. */
  readonly mayGoFromMs: number | null;
  /** From when on it must have expired; `null`: never. */
  readonly mustGoByMs: number | null;
}

/** What a group's keys hold (`null`: nothing), by number, and the highest version that was given out. */
export interface State {
  readonly top: number;
  readonly keys: readonly (KeyState | null)[];
}

/** What `size` keys hold before the first write. */
export const emptyState = (size: number): State => ({ top: 0, keys: Array<null>(size).fill(null) });

/** Whether two states of the same model are equal. */
export function sameState(a: State, b: State): boolean {
  return a === b || (a.top === b.top && a.keys.every((key, i) => key === b.keys[i]));
}

/** While a call is carried out: what the keys would hold if it is refused, and if it is not. */
interface Course {
  readonly refused: readonly (KeyState | null)[];
  readonly done: readonly (KeyState | null)[];
}

interface Effect {
  readonly next: KeyState | null;
  readonly result: ToldResult;
}

const DELETED: ToldResult = { kind: 'deleted', deleted: true };
const NOT_DELETED: ToldResult = { kind: 'deleted', deleted: false };
const CREATED: ToldResult = { kind: 'set', created: true };
const REPLACED: ToldResult = { kind: 'set', created: false };
const CHECKED: ToldResult = { kind: 'checked' };
const FOR_EVER = { mayGoFromMs: null, mustGoByMs: null };

/**
 * The store as a client may see it: what `replica/apply.ts` does, said anew and without its log. It is nondeterministic
 * only in that a key with a lifetime may have gone, or not yet.
 */
export class Model {
  readonly #lifetimeOf: LifetimeOf;
  readonly #interned = new Map<string, KeyState>();

  constructor(lifetimeOf: LifetimeOf) {
    this.#lifetimeOf = lifetimeOf;
  }

  /**
   * The states that there may be once `task` has taken effect as the entry `version`, and its answer, if it has one, was
   * what it is. None: it can't have happened here. `byMs`: the latest time at which it may have happened.
   */
  step(state: State, task: Task, { version, byMs }: { version: number; byMs: number }): State[] {
    if (task.page !== null) return turnPage(state, task.page, task.fromMs, byMs);
    let courses: Course[] = [{ refused: state.keys, done: state.keys }];
    const refusedAt = task.told?.kind === 'refused' ? task.told.index : -1;
    for (const [i, touch] of task.touches.entries()) {
      const next: Course[] = [];
      for (const course of courses) {
        for (const begun of touch.isFirst ? fork(course, touch.key, task.fromMs, byMs) : [course]) {
          const went = this.#carryOut(begun, touch, task, version, i);
          if (went !== null) next.push(went);
        }
      }
      courses = next;
      if (courses.length === 0 || i === refusedAt) break;
    }
    const top = version > 0 && refusedAt < 0 ? version : state.top;
    const ends = courses.map(({ refused, done }) => ({ top, keys: refusedAt >= 0 ? refused : done }));
    return ends.map((end) => (sameState(end, state) ? state : end));
  }

  /** A key state that is the same object as every equal one. */
  intern(held: Omit<KeyState, 'id'>): KeyState {
    const { bytes, contentType, version, mayGoFromMs, mustGoByMs } = held;
    const name = `${version} ${mayGoFromMs} ${mustGoByMs} ${contentType.length} ${contentType}${bytes}`;
    let state = this.#interned.get(name);
    if (state === undefined) {
      state = { id: this.#interned.size + 1, bytes, contentType, version, mayGoFromMs, mustGoByMs };
      this.#interned.set(name, state);
    }
    return state;
  }

  #carryOut(
    course: Course,
    { operation, key }: Touch,
    task: Task,
    version: number,
    i: number,
  ): Course | null {
    const present = course.done[key] ?? null;
    const { next, result } = this.#apply(present, operation, task, version);
    if (!fits(result, task, i)) return null;
    return next === present ? course : { refused: course.refused, done: course.done.with(key, next) };
  }

  #apply(present: KeyState | null, operation: Operation, task: Task, version: number): Effect {
    switch (operation.op) {
      case 'set': {
        if (!holds(operation.condition, present)) return failed('PRECONDITION_FAILED', present);
        const { value, ttlMs } = operation;
        const next = this.intern({ ...value, version, ...this.#lifetime(ttlMs, task) });
        return { next, result: present === null ? CREATED : REPLACED };
      }
      case 'delete':
        if (!holds(operation.condition, present)) return failed('PRECONDITION_FAILED', present);
        return { next: null, result: present === null ? NOT_DELETED : DELETED };
      case 'increment':
        return this.#increment(present, operation.by, version);
      case 'expire': {
        if (present === null) return failed('KEY_NOT_FOUND', present);
        const next = this.intern({ ...present, ...this.#lifetime(operation.ttlMs, task) });
        return { next, result: { kind: 'expiry', version: present.version } };
      }
      case 'get':
        return { next: present, result: { kind: 'got', record: present } };
      case 'check':
        return operation.version === versionOf(present)
          ? { next: present, result: CHECKED }
          : failed('PRECONDITION_FAILED', present);
      default:
        return unreachable(operation);
    }
  }

  #increment(present: KeyState | null, by: number, version: number): Effect {
    const before = present === null ? 0n : integerOf(present.bytes);
    if (before === null) return failed('NOT_AN_INTEGER', present);
    const sum = before + BigInt(by);
    if (!isSafe(sum)) return failed('OUT_OF_RANGE', present);
    const kept = present ?? { contentType: '', ...FOR_EVER };
    const next = this.intern({ ...kept, bytes: String(sum), version });
    return { next, result: { kind: 'incremented', value: Number(sum) } };
  }

  #lifetime(ttlMs: number | null, task: Task): Pick<KeyState, 'mayGoFromMs' | 'mustGoByMs'> {
    return ttlMs === null ? FOR_EVER : this.#lifetimeOf(ttlMs, task);
  }
}

/** The same course with the key as it is, and with the key expired; whichever the times allow. */
function fork(course: Course, key: number, fromMs: number, byMs: number): Course[] {
  const present = course.done[key] ?? null;
  if (present === null || !mayHaveGone(present, byMs)) return [course];
  const gone = { refused: course.refused.with(key, null), done: course.done.with(key, null) };
  return mustHaveGone(present, fromMs) ? [gone] : [course, gone];
}

function mayHaveGone({ mayGoFromMs }: KeyState, byMs: number): boolean {
  return mayGoFromMs !== null && mayGoFromMs <= byMs;
}

function mustHaveGone({ mustGoByMs }: KeyState, fromMs: number): boolean {
  return mustGoByMs !== null && mustGoByMs < fromMs;
}

/** Whether the `i`-th result is what the client was told; one that was told nothing takes all but a failed atomic batch. */
function fits(result: ToldResult, { told, isAtomic }: Task, i: number): boolean {
  if (told === null) return result.kind !== 'failed' || !isAtomic;
  if (told.kind === 'refused' && told.index === i) {
    return agrees(result, { kind: 'failed', code: told.code, version: told.version });
  }
  if (told.kind === 'refused') return result.kind !== 'failed';
  const said = told.kind === 'done' ? told.results[i] : undefined;
  return said !== undefined && agrees(result, said);
}

function agrees(is: ToldResult, said: ToldResult): boolean {
  switch (said.kind) {
    case 'set':
      return is.kind === 'set' && is.created === said.created;
    case 'deleted':
      return is.kind === 'deleted' && is.deleted === said.deleted;
    case 'incremented':
      return is.kind === 'incremented' && is.value === said.value;
    case 'expiry':
      return is.kind === 'expiry' && sameVersion(is.version, said.version);
    case 'got':
      return is.kind === 'got' && (said.record === undefined || sameRecord(is.record ?? null, said.record));
    case 'checked':
      return is.kind === 'checked';
    case 'failed':
      return is.kind === 'failed' && is.code === said.code && sameVersion(is.version, said.version);
    default:
      return unreachable(said);
  }
}

function sameRecord(is: ToldRecord | null, said: ToldRecord | null): boolean {
  if (is === null || said === null) return is === said;
  return (
    is.bytes === said.bytes &&
    (said.contentType === null || is.contentType === said.contentType) &&
    sameVersion(is.version, said.version)
  );
}

function sameVersion(is: number | null, said: number | null): boolean {
  return said === null || is === said || (is === UNKEPT && said > 0);
}

/** A page shows, of the keys in its range and up to its end, all that are there and none that are not. */
function turnPage(
  state: State,
  { keys: range, shown, hasMore }: Page,
  fromMs: number,
  byMs: number,
): State[] {
  if (shown === null) return [];
  let { keys } = state;
  let left = shown.size;
  let isMoreSeen = false;
  for (const key of range) {
    const present = keys[key] ?? null;
    if (left === 0 && hasMore) {
      isMoreSeen = present !== null && !mustHaveGone(present, fromMs);
      if (isMoreSeen) break;
      continue;
    }
    const version = shown.get(key);
    if (version !== undefined) {
      left -= 1;
      if (present?.version !== version || mustHaveGone(present, fromMs)) return [];
    } else if (present !== null) {
      if (!mayHaveGone(present, byMs)) return [];
      keys = keys.with(key, null);
    }
  }
  if (left > 0 || isMoreSeen !== hasMore) return [];
  return [keys === state.keys ? state : { top: state.top, keys }];
}

function holds(condition: Condition | null, present: KeyState | null): boolean {
  if (condition === null) return true;
  switch (condition.kind) {
    case 'version':
      return condition.version === versionOf(present);
    case 'exists':
      return present !== null;
    case 'absent':
      return present === null;
    default:
      return unreachable(condition);
  }
}

function failed(
  code: 'PRECONDITION_FAILED' | 'KEY_NOT_FOUND' | 'NOT_AN_INTEGER' | 'OUT_OF_RANGE',
  present: KeyState | null,
): Effect {
  return { next: present, result: { kind: 'failed', code, version: versionOf(present) } };
}

function versionOf(present: KeyState | null): number {
  return present?.version ?? 0;
}

/** The integer that a value is by JSON's grammar and within +-(2^53-1), else `null`. */
function integerOf(bytes: string): bigint | null {
  if (!/^(?:0|-?[1-9]\d{0,15}|-0)$/.test(bytes)) return null;
  const integer = BigInt(bytes);
  return isSafe(integer) ? integer : null;
}

function isSafe(integer: bigint): boolean {
  return integer >= BigInt(Number.MIN_SAFE_INTEGER) && integer <= BigInt(Number.MAX_SAFE_INTEGER);
}
