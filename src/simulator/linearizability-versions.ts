import type { Call, ToldRecord } from './history.ts';
import type { Task, Touch } from './linearizability-tasks.ts';

/** A version that the search has to pass: in the order of versions writes took effect. */
export interface Milestone {
  readonly version: number;
  /** Who was told that this is its version; `null`: a call that was told nothing of it must have written it. */
  readonly owner: Task | null;
}

/** What all the answers of a group say about who wrote which version. */
export interface Versions {
  /** The first milestone above `top`, if there is one. O(log n). */
  after(top: number): Milestone | undefined;
  /** The versions, rising, that this call, which was not told its own, may have got: seen by somebody, claimed by nobody. */
  candidatesOf(task: Task): readonly number[];
  /** Whether what was read of `version`, if it was, is this value of this key. */
  couldBe(
    version: number,
    key: number,
    value: { readonly bytes: string; readonly contentType: string },
  ): boolean;
}

interface Mention {
  /** The keys it is said to be of, with what was read there, if it was. */
  readonly keys: Map<number, ToldRecord | null>;
  /** An answer showed that it exists; else somebody only asked for it. */
  isShown: boolean;
}

/**
 * Gathers what answers tell of versions. An unanswered write is cheap because of it: the version that it got is either
 * one of the few that were seen and that nobody claims, or is named nowhere and equal to no version asked for.
 */
export function versionsOf(tasks: readonly Task[]): Versions {
  const owners = tasks.filter((task) => task.version !== null);
  const claimed = new Set(owners.map((task) => task.version));
  const mentions = mentionsIn(tasks);
  const orphans = [...mentions].filter(([version]) => !claimed.has(version)).sort(([a], [b]) => a - b);
  const milestones: Milestone[] = owners.map((owner) => ({ version: owner.version ?? 0, owner }));
  for (const [version, { isShown }] of orphans) if (isShown) milestones.push({ version, owner: null });
  const couldBe: Versions['couldBe'] = (version, key, { bytes, contentType }) => {
    const record = mentions.get(version)?.keys.get(key) ?? null;
    if (record === null) return true;
    return record.bytes === bytes && (record.contentType === null || record.contentType === contentType);
  };
  const candidatesOf = (task: Task): number[] =>
    orphans
      .filter(
        ([version, { keys }]) =>
          [...task.stamped].some((key) => keys.has(key)) && mayHaveWritten(task, version, couldBe),
      )
      .map(([version]) => version);
  milestones.sort((a, b) => a.version - b.version);
  return { after: (top) => milestones[countUpTo(milestones, top)], candidatesOf, couldBe };
}

function countUpTo(milestones: readonly Milestone[], top: number): number {
  let low = 0;
  let high = milestones.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((milestones[middle]?.version ?? 0) <= top) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A quick no for a single set of another value than was read. */
function mayHaveWritten({ touches }: Task, version: number, couldBe: Versions['couldBe']): boolean {
  const [only, second] = touches;
  if (second !== undefined || only?.operation.op !== 'set') return true;
  return couldBe(version, only.key, only.operation.value);
}

function mentionsIn(tasks: readonly Task[]): Map<number, Mention> {
  const mentions = new Map<number, Mention>();
  const mention = (
    version: number | null,
    key: number,
    isShown: boolean,
    record: ToldRecord | null = null,
  ): void => {
    if (version === null || version <= 0) return;
    const found = mentions.get(version) ?? { keys: new Map<number, ToldRecord | null>(), isShown };
    mentions.set(version, found);
    found.keys.set(key, found.keys.get(key) ?? record);
    found.isShown ||= isShown;
  };
  for (const task of tasks) {
    for (const [key, version] of task.page?.shown ?? []) mention(version, key, true);
    for (const [i, touch] of task.touches.entries()) mentionIn(task, touch, i, mention);
  }
  return mentions;
}

type Note = (version: number | null, key: number, isShown: boolean, record?: ToldRecord | null) => void;

function mentionIn(task: Task, { operation, key }: Touch, i: number, mention: Note): void {
  const { told } = task;
  const result = told?.kind === 'done' ? told.results[i] : undefined;
  const held = result !== undefined && result.kind !== 'failed';
  const asked = askedVersion(operation);
  if (asked !== null) {
    const hadHeld = held || (told?.kind === 'refused' && i < told.index && !isOwn(task, key, i));
    mention(asked, key, hadHeld);
  }
  if (told?.kind === 'refused' && told.index === i && !isOwn(task, key, i)) mention(told.version, key, true);
  if (result?.kind === 'got') mention(result.record?.version ?? null, key, true, result.record ?? null);
  if (result?.kind === 'expiry' || result?.kind === 'failed') mention(result.version, key, true);
}

/** The versions that an answered call must have found when it took effect. */
export function versionsFoundBy(task: Task): { readonly key: number; readonly version: number }[] {
  const found: { key: number; version: number }[] = [];
  for (const [key, version] of task.page?.shown ?? []) found.push({ key, version });
  for (const [i, touch] of task.touches.entries()) {
    if (isOwn(task, touch.key, i)) continue;
    mentionIn(task, touch, i, (version, key, isShown) => {
      if (version !== null && version > 0 && isShown) found.push({ key, version });
    });
  }
  return found;
}

/** The versions that a refused batch asked for where it had written itself: by chance its own may have been one of them. */
export function ownVersionsAskedBy(task: Task): number[] {
  if (task.told?.kind !== 'refused') return [];
  return task.touches.flatMap(({ operation, key }, i) => {
    const asked = askedVersion(operation);
    return asked !== null && asked > 0 && isOwn(task, key, i) ? [asked] : [];
  });
}

/** In a refused batch: the key was written before in the batch itself, so its version is that of the entry, kept by nothing. */
function isOwn({ touches }: Task, key: number, i: number): boolean {
  return touches
    .slice(0, i)
    .some(
      (before) =>
        before.key === key && (before.operation.op === 'set' || before.operation.op === 'increment'),
    );
}

function askedVersion(operation: Touch['operation']): number | null {
  if (operation.op === 'check') return operation.version;
  if (operation.op !== 'set' && operation.op !== 'delete') return null;
  return operation.condition?.kind === 'version' ? operation.condition.version : null;
}

/**
 * Two calls that contradict the log, whatever their keys: both were told that the same version is theirs, or an answer
 * named a version before a write was called that then got the same or a lower one. `null`: there are none.
 */
export function fallingVersions(
  tasks: readonly Task[],
): { readonly seen: Call; readonly write: Call } | null {
  const events = tasks.flatMap((task) => versionsSeenBy(task).map((version) => ({ version, task })));
  events.sort((a, b) => b.version - a.version);
  const owners = new Map<number, Task>();
  let earliest: Task | null = null;
  let reached = 0;
  for (const { version, task } of events) {
    if (task.version !== version) continue;
    const owner = owners.get(version) ?? task;
    if (owner !== task) return { seen: owner.call, write: task.call };
    owners.set(version, task);
    for (let at = events[reached]; at !== undefined && at.version >= version; at = events[++reached]) {
      if (at.task.untilMs < (earliest?.untilMs ?? Number.POSITIVE_INFINITY)) earliest = at.task;
    }
    if (earliest !== null && earliest.untilMs < task.fromMs) return { seen: earliest.call, write: task.call };
  }
  return null;
}

function versionsSeenBy(task: Task): number[] {
  const seen: number[] = [];
  if (task.version !== null) seen.push(task.version);
  for (const version of task.page?.shown?.values() ?? []) seen.push(version);
  for (const [i, touch] of task.touches.entries()) {
    mentionIn(task, touch, i, (version, _key, isShown) => {
      if (version !== null && isShown) seen.push(version);
    });
  }
  return seen;
}
