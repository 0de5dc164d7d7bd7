import { assert } from '../base/assert.ts';
import type { NodeId } from '../base/ids.ts';
import { isPlanted } from '../base/planted.ts';
import type { Configuration, Incarnation } from '../protocol/configuration.ts';
import { raisesFence } from './fence.ts';
import { namesOf, renamed, without } from './membership.ts';
import { namedInPlace, restartedInMemory } from './restart.ts';
import { type Change, type Lesson, NOTHING, type Ruling, type View } from './rule.ts';
import { type Placed, standingsOf } from './standing.ts';
import { listed } from './words.ts';

/**
 * Rule 2: members that are lost, or that should not go on, leave; those that restarted get their new incarnation in the
 * same place. A drop must leave a member that is ready and can serve, since an acknowledged write could be lost; naming
 * in place needs no such member: after a power cut of all, all come back. PROTOCOL.md §6.
 */
export function heal(view: View): Ruling {
  const { configuration } = view;
  if (configuration === null) return NOTHING;
  const placed = inPlaceOrNot(view, standingsOf(view));
  const waits = placed.flatMap(wordsFor);
  const leaving = leavingOf(view, placed);
  const restarted = placed.flatMap(({ is }) => (is.kind === 'restarted' ? [is.as] : []));
  if (!canServe(view, placed, leaving)) {
    if (leaving.length > 0) waits.push(NOBODY_LEFT);
    const isStuck = restarted.length === 0 || isPlanted('stuck-before-first-ready');
    const change = isStuck ? null : namedInPlace(view, configuration, restarted);
    return { change, waits };
  }
  const dropped = leaving.filter(mayLeaveNow(view, leaving, restarted));
  const change = changeOf(view, configuration, dropped, restarted);
  const [first] = leaving;
  if (change !== null || first === undefined) return { change, waits };
  return { change, waits: [...waits, `${first.member.node} is asked to stop`], stop: first.member.node };
}

/** The members that stay unless somebody asks for more: those that this rule has no reason to drop. */
export function staying(view: View): readonly Placed[] {
  const placed = inPlaceOrNot(view, standingsOf(view));
  const leaving = leavingOf(view, placed);
  return placed.filter((one) => !leaving.includes(one));
}

/**
 * Whether a member can be dropped now, or has to be asked to stop first: when it has, or gives no answer, the drop costs
 * no more waiting than it must.
 */
export function isDroppable(view: View, member: Incarnation): boolean {
  const { suspectAfterMs } = view.wanted.topology.timing;
  const unanswered = view.asked?.node === member.node && view.asked.forMs >= suspectAfterMs;
  return unanswered || !raisesFence(view, [member]);
}

/** A member that is merely slow is not dropped for less than so many others. */
const COPIES_MIN = 2;

const NOBODY_LEFT =
  'no member is removed: none of the others is ready, heard and running, so an acknowledged write could be lost';

function inPlaceOrNot({ wanted }: View, placed: readonly Placed[]): readonly Placed[] {
  return wanted.topology.durability === 'memory' ? restartedInMemory(placed) : placed;
}

function hasToLeave({ is }: Placed): boolean {
  return is.kind === 'gone' || is.kind === 'sick' || (is.kind === 'recovering' && is.overdue);
}

/**
 * A slow member is better than none, and two copies are better than one: those that are sick but take writes stay unless two
 * others are left, spares that could take their places included.
 */
function leavingOf(view: View, placed: readonly Placed[]): readonly Placed[] {
  const leaving = placed.filter(hasToLeave);
  const left = placed.length - leaving.length + sparesOf(view, placed).length;
  if (left >= COPIES_MIN && canServe(view, placed, leaving)) return leaving;
  return leaving.filter(({ is }) => is.kind !== 'sick' || is.readOnly);
}

function sparesOf({ wanted, heard, sights }: View, placed: readonly Placed[]): readonly NodeId[] {
  return wanted.topology.chain.filter((node) => {
    const member = placed.some((one) => one.member.node === node);
    return !member && heard.get(node)?.phase === 'running' && sights.get(node)?.resting !== true;
  });
}

function canServe({ ready }: View, placed: readonly Placed[], leaving: readonly Placed[]): boolean {
  return placed.some((one) => {
    if (leaving.includes(one)) return false;
    if (!ready.includes(one.member.node) && !isPlanted('left-to-unready')) return false;
    if (one.is.kind === 'sick') return !one.is.readOnly;
    return one.is.kind === 'well' || one.is.kind === 'restarted';
  });
}

/**
 * A sick one is asked to stop first, unless the fence rises for another one anyway. One that is read-only can't take up what
 * comes next, so it leaves with the first change that there is.
 */
function mayLeaveNow(
  view: View,
  leaving: readonly Placed[],
  restarted: readonly Incarnation[],
): (placed: Placed) => boolean {
  const lost = leaving.filter(({ is }) => is.kind !== 'sick').map(({ member }) => member);
  const fenced = raisesFence(view, lost);
  const changes = lost.length > 0 || restarted.length > 0;
  return ({ member, is }) =>
    is.kind !== 'sick' || fenced || (is.readOnly && changes) || isDroppable(view, member);
}

function changeOf(
  view: View,
  configuration: Configuration,
  dropped: readonly Placed[],
  restarted: readonly Incarnation[],
): Change | null {
  if (dropped.length === 0) {
    return restarted.length === 0 ? null : namedInPlace(view, configuration, restarted);
  }
  const members = dropped.map(({ member }) => member);
  const names = members.map(({ node }) => node);
  const fenced = raisesFence(view, members);
  const chain = renamed(without(configuration, { dropped: names, fenced }), restarted);
  return {
    chain,
    ready: view.ready.filter((node) => !names.includes(node)),
    reason: [...dropped.map(reasonFor), ...restarted.map(({ node }) => `${node} restarted`)].join('; '),
    change: wordsForChange(configuration, names, restarted),
    lessons: dropped.flatMap((one) => lessonsOf(view, one)),
  };
}

function wordsForChange(
  { joiner }: Configuration,
  dropped: readonly NodeId[],
  restarted: readonly Incarnation[],
): string {
  const words = [`removed ${listed(dropped)}`];
  if (joiner !== null) words.push(`struck out the joiner ${joiner.node}`);
  if (restarted.length > 0) words.push(`${listed(namesOf({ members: restarted }))} named in place`);
  return words.join(', ');
}

function lessonsOf({ doubted }: View, { member, is }: Placed): Lesson[] {
  if (is.kind !== 'gone' || !is.suspected) return [];
  const lessons: Lesson[] = [{ kind: 'suspected', who: member }];
  if (is.by !== null && doubted?.node !== member.node) lessons.push({ kind: 'doubted', who: is.by });
  return lessons;
}

function reasonFor({ member, is }: Placed): string {
  assert('why' in is, () => `${member.node} is dropped though it is ${is.kind}`);
  return is.why;
}

function wordsFor({ member: { node }, is }: Placed): string[] {
  switch (is.kind) {
    case 'absent':
      return [`${node} is not heard`];
    case 'gone':
      return [is.wait];
    case 'sick':
      return [is.why];
    case 'recovering':
      return [`${node} restarted and is reading its log`];
    default:
      return [];
  }
}
