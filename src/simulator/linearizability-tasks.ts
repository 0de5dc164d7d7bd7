import { compareUtf8 } from '../base/utf8.ts';
import type { Operation } from '../protocol/command.ts';
import { isWrite } from '../protocol/command.ts';
import type { Asked, Call, Told, ToldResult } from './history.ts';

/** One operation of a call, its key as a number. */
export interface Touch {
  readonly operation: Operation;
  readonly key: number;
  /** No operation before it in the same call has this key. */
  readonly isFirst: boolean;
}

/** A page: the keys of the history that it could show, in order, and what it showed. */
export interface Page {
  readonly keys: readonly number[];
  /** The versions that were shown; `null` for what no page can look like, whatever the keys hold. */
  readonly shown: ReadonlyMap<number, number> | null;
  readonly hasMore: boolean;
}

/** A call made ready for the search: keys as numbers, and what its answer says about versions. */
export interface Task {
  readonly call: Call;
  readonly fromMs: number;
  /** `Infinity` for a call without answer. */
  readonly untilMs: number;
  readonly told: Told | null;
  readonly isAtomic: boolean;
  readonly touches: readonly Touch[];
  readonly page: Page | null;
  /** All keys that it looks at or changes. */
  readonly keys: ReadonlySet<number>;
  /** Keys whose version it may set to its own. */
  readonly stamped: ReadonlySet<number>;
  /** The version of its entry, where an answer told it; `null` also for what writes nothing. */
  readonly version: number | null;
  /** It was answered, changed nothing, and no version is told of its entry. */
  readonly isSilent: boolean;
}

/** Calls that share no key with any others. */
export interface Group {
  /** In the order of UTF-8 bytes; a task names a key by its index here. */
  readonly keys: readonly string[];
  readonly calls: readonly Call[];
}

/** Whether a call could change anything. */
function mayWrite(call: Call): boolean {
  return call.asked.kind === 'operations' && call.asked.operations.some(isWrite);
}

/** Whether a call was answered, and changed nothing: leaving it out of a good history leaves a good history. */
export function changedNothing(call: Call): boolean {
  if (call.answer === null) return false;
  if (!mayWrite(call) || call.answer.told.kind !== 'done') return true;
  return call.answer.told.results.every(wroteNothing);
}

function wroteNothing(result: ToldResult): boolean {
  return (
    result.kind === 'got' ||
    result.kind === 'checked' ||
    result.kind === 'failed' ||
    (result.kind === 'deleted' && !result.deleted)
  );
}

/** Splits a history into groups that can be judged each by itself, since linearizability is local (Herlihy & Wing 1990). */
export function groupsOf(calls: readonly Call[]): Group[] {
  const parents = new Map<string, string>();
  for (const call of calls) for (const key of namedKeys(call)) parents.set(key, key);
  const all = [...parents.keys()].sort(compareUtf8);
  const keysOf = (call: Call): readonly string[] => {
    const { asked } = call;
    return asked.kind === 'page' ? all.filter((key) => key.startsWith(asked.prefix)) : namedKeys(call);
  };
  const tied = calls.map(keysOf);
  for (const [first, ...others] of tied) {
    if (first === undefined) continue;
    for (const key of others) parents.set(rootOf(parents, key), rootOf(parents, first));
  }
  const groups = new Map<string, { keys: string[]; calls: Call[] }>();
  for (const key of all) {
    const root = rootOf(parents, key);
    const group = groups.get(root);
    if (group === undefined) groups.set(root, { keys: [key], calls: [] });
    else group.keys.push(key);
  }
  for (const [i, call] of calls.entries()) {
    const first = tied[i]?.[0];
    if (first !== undefined) groups.get(rootOf(parents, first))?.calls.push(call);
  }
  return [...groups.values()];
}

function rootOf(parents: Map<string, string>, key: string): string {
  let root = key;
  for (let up = parents.get(root); up !== undefined && up !== root; up = parents.get(root)) root = up;
  for (let at = key; at !== root; ) {
    const up = parents.get(at) ?? root;
    parents.set(at, root);
    at = up;
  }
  return root;
}

/** The keys that a call and its answer name; a page that shows a key which nobody wrote is wrong, so these count as well. */
function namedKeys({ asked, answer }: Call): string[] {
  if (asked.kind === 'operations') return asked.operations.map(({ key }) => key);
  return answer?.told.kind === 'page' ? answer.told.keys.map(({ key }) => key) : [];
}

/** Makes the calls of a group ready. Reads without an answer are left out: they say nothing. */
export function tasksOf({ keys, calls }: Group): Task[] {
  const numbers = new Map(keys.map((key, i) => [key, i]));
  return calls
    .filter((call) => call.answer !== null || mayWrite(call))
    .map((call) => taskOf(call, keys, numbers));
}

function taskOf(call: Call, keys: readonly string[], numbers: ReadonlyMap<string, number>): Task {
  const { asked, answer } = call;
  const touches = asked.kind === 'operations' ? touchesOf(asked.operations, numbers) : [];
  const page = asked.kind === 'page' && answer !== null ? pageOf(asked, answer.told, numbers, keys) : null;
  const stamps = touches.filter(({ operation: { op } }) => op === 'set' || op === 'increment');
  const told = answer?.told ?? null;
  const version = told?.kind === 'done' && mayWrite(call) ? told.version : null;
  return {
    call,
    fromMs: call.calledAtMs,
    untilMs: answer?.atMs ?? Number.POSITIVE_INFINITY,
    told,
    isAtomic: asked.kind === 'operations' && asked.atomic,
    touches,
    page,
    keys: new Set(page?.keys ?? touches.map(({ key }) => key)),
    stamped: new Set(stamps.map(({ key }) => key)),
    version,
    isSilent: version === null && changedNothing(call),
  };
}

function touchesOf(operations: readonly Operation[], numbers: ReadonlyMap<string, number>): Touch[] {
  const seen = new Set<string>();
  return operations.map((operation) => {
    const isFirst = !seen.has(operation.key);
    seen.add(operation.key);
    return { operation, key: numbers.get(operation.key) ?? 0, isFirst };
  });
}

function pageOf(
  { prefix, after, limit }: Extract<Asked, { kind: 'page' }>,
  told: Told,
  numbers: ReadonlyMap<string, number>,
  names: readonly string[],
): Page {
  const inRange = (key: string) => key.startsWith(prefix) && (after === null || compareUtf8(key, after) > 0);
  const keys = names.flatMap((key, i) => (inRange(key) ? [i] : []));
  if (told.kind !== 'page') return { keys, shown: null, hasMore: false };
  const hasMore = told.next !== null;
  const isRising = told.keys.every(({ key }, i) => {
    const before = told.keys[i - 1];
    return inRange(key) && (before === undefined || compareUtf8(before.key, key) < 0);
  });
  const isFull = told.keys.length === limit && told.next === told.keys.at(-1)?.key;
  if (!isRising || told.keys.length > limit || (hasMore && !isFull)) return { keys, shown: null, hasMore };
  const shown = new Map(told.keys.map(({ key, version }) => [numbers.get(key) ?? -1, version]));
  return { keys, shown, hasMore };
}
