import { defined } from '../base/assert.ts';
import type { NodeId } from '../base/ids.ts';
import { type Incarnation, sameIncarnation } from '../protocol/configuration.ts';
import type { NodeReport } from '../protocol/messages.ts';
import type { Timing } from '../protocol/topology.ts';
import { verdicts } from './blame.ts';
import type { Sight, View } from './rule.ts';
import { inMs } from './words.ts';

/** How a member of the configuration is now. */
export type Standing =
  /** Heard as the incarnation that the configuration names, and nothing is wrong with it. */
  | { readonly kind: 'well' }
  /** Not heard, though not for long enough to say more. */
  | { readonly kind: 'absent' }
  /** A later start on the same store, with a sound log: it may be named in place. */
  | { readonly kind: 'restarted'; readonly as: Incarnation }
  /** A later start that is still reading its log; `overdue` when it has taken longer than a disk may stall. */
  | { readonly kind: 'recovering'; readonly overdue: boolean; readonly why: string }
  /** It takes part as well as it can, and another should take its place. */
  | { readonly kind: 'sick'; readonly readOnly: boolean; readonly why: string }
  /** It has to leave. `suspected`: it may be alive and well all the same. */
  | {
      readonly kind: 'gone';
      readonly why: string;
      /** The same in words that don't change while it lasts. */
      readonly wait: string;
      readonly suspected: boolean;
      /** Its neighbour that can't reach it, where that is why. */
      readonly by: Incarnation | null;
    };

/** A member and how it is. */
export interface Placed {
  readonly member: Incarnation;
  readonly is: Standing;
}

/** How each member is, head first. Blame counts only against those that nothing else is the matter with. */
export function standingsOf(view: View): readonly Placed[] {
  const { configuration, wanted } = view;
  const { members } = defined(configuration, () => 'a configuration that has members');
  const placed = members.map((member) => {
    const sight = defined(view.sights.get(member.node), () => `how the member ${member.node} is`);
    return { member, is: standingOf(member, sight, wanted.topology.timing) };
  });
  const blamed = verdicts(
    view,
    placed.filter(mayBeBlamed(view)).map(({ member }) => member),
  );
  return placed.map(({ member, is }) => ({ member, is: blamed.get(member.node) ?? is }));
}

function mayBeBlamed({ sights }: View): (placed: Placed) => boolean {
  return ({ member, is }) => {
    const last = sights.get(member.node)?.last ?? null;
    if (is.kind !== 'well' && is.kind !== 'absent') return false;
    return last === null || sameIncarnation(last.incarnation, member);
  };
}

function standingOf(member: Incarnation, sight: Sight, timing: Timing): Standing {
  const { last } = sight;
  if (last !== null) {
    const { incarnation, phase } = last;
    const later = incarnation.storeId === member.storeId && incarnation.boot >= member.boot;
    // Nothing that it could do later in this life would undo these.
    if (later && phase === 'broken') return gone(member, `is broken: ${problemOf(last)}`);
    if (later && phase === 'stopping') return gone(member, 'is stopping');
    if (sight.heard) return heardStanding(member, last, sight, timing);
  }
  return unheard(member, sight, timing);
}

function heardStanding(member: Incarnation, last: NodeReport, sight: Sight, timing: Timing): Standing {
  const { node } = member;
  const { incarnation, phase, stalledMs } = last;
  if (incarnation.storeId !== member.storeId) return gone(member, OTHER_STORE);
  if (incarnation.boot < member.boot) return gone(member, OLD_COPY);
  if (phase === 'recovering') {
    const why = `${node} has been reading its log for ${inMs(sight.recoveringMs)}`;
    return { kind: 'recovering', overdue: sight.recoveringMs >= timing.stallAfterMs, why };
  }
  if (incarnation.boot > member.boot) {
    if (last.readOnly) return gone(member, `restarted and takes no writes: ${problemOf(last)}`);
    return { kind: 'restarted', as: incarnation };
  }
  if (stalledMs >= timing.stallAfterMs) {
    return {
      ...gone(member, `has a disk that does not finish its writes`),
      why: `${node}'s disk has not finished a write for ${inMs(stalledMs)}`,
    };
  }
  if (phase !== 'sick') return { kind: 'well' };
  return { kind: 'sick', readOnly: last.readOnly, why: `${node} says: ${problemOf(last)}` };
}

/** Evidence against a node that is not heard: how it is said, or `null` while there is not enough. */
export function absence(node: NodeId, sight: Sight, { heartbeatMs }: Timing): string | null {
  const { refusedMs, silentMs, silentMsMax, last, linked } = sight;
  const refused = !linked && refusedMs !== null && refusedMs >= heartbeatMs;
  const lost = silentMs >= silentMsMax;
  // A coordinator that has just started would else remove, one by one, those that come up with it.
  if (last === null && !lost) return null;
  if (refused) return `${node} refused connections for ${inMs(refusedMs)}`;
  return lost ? `${node} was silent for ${inMs(silentMs)}` : null;
}

function unheard(member: Incarnation, sight: Sight, timing: Timing): Standing {
  const why = absence(member.node, sight, timing);
  if (why === null) return { kind: 'absent' };
  return { ...gone(member, 'is not heard'), why, suspected: true };
}

function gone({ node }: Incarnation, how: string): Extract<Standing, { kind: 'gone' }> {
  const words = `${node} ${how}`;
  return { kind: 'gone', why: words, wait: words, suspected: false, by: null };
}

/** What a node says is wrong with it. */
export function problemOf({ problem }: NodeReport): string {
  return problem ?? 'it does not say why';
}

const OTHER_STORE =
  'came back with another data directory, so it is not what it was: it can not take its place again. Start it with the ' +
  'directory that it had';
const OLD_COPY =
  'came back with an old copy of its data directory, which may lack writes: it can not take its place again. Start it ' +
  'with the directory that it had';
