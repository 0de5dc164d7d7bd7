import { defined } from '../base/assert.ts';
import type { NodeId } from '../base/ids.ts';
import type { Incarnation } from '../protocol/configuration.ts';
import type { Blame, View } from './rule.ts';

/** Why a member has to leave that a neighbour can't reach. */
interface Verdict {
  readonly kind: 'gone';
  readonly why: string;
  readonly wait: string;
  readonly suspected: true;
  readonly by: Incarnation | null;
}

/**
 * Who of these members leaves because neighbours can't reach each other. PROTOCOL.md §6 rule 2: the one that is blamed;
 * of two that blame each other the one that more neighbours blame, else the one that was in doubt already, else the one
 * nearer the tail.
 *
 * @param open - the members that nothing else is the matter with, head first.
 */
export function verdicts(view: View, open: readonly Incarnation[]): ReadonlyMap<NodeId, Verdict> {
  const found = new Map<NodeId, Verdict>();
  let left = open;
  // Each turn takes one away, and with it what it said of others.
  for (const _ of open) {
    const worst = worstOf(view, left);
    if (worst === null) break;
    found.set(worst.who.node, worst.verdict);
    left = left.filter(({ node }) => node !== worst.who.node);
  }
  return found;
}

function worstOf(view: View, open: readonly Incarnation[]): { who: Incarnation; verdict: Verdict } | null {
  const blames = view.blames.filter(({ by, of }) => has(open, by) && has(open, of));
  const guilty = blames.filter((blame) => isRipe(view, blame)).map((blame) => guiltyOf(view, blame, blames));
  // The most accused; of as many the one nearest the tail.
  let worst: Incarnation | null = null;
  for (const member of open.filter(({ node }) => guilty.includes(node))) {
    if (worst === null || accusers(blames, member.node) >= accusers(blames, worst.node)) worst = member;
  }
  return worst === null ? null : { who: worst, verdict: verdictOn(worst.node, blames, open) };
}

/** One that is waited for longer is blamed for longer too; one that is heard itself may first say whom it can't reach. */
function isRipe({ sights, wanted }: View, { of, forMs }: Blame): boolean {
  const { suspectAfterMs, heartbeatMs } = wanted.topology.timing;
  const sight = defined(sights.get(of), () => `how the member ${of} is`);
  const known = sight.last !== null;
  const longerMs = known ? sight.patienceMs - suspectAfterMs : 0;
  const hearingMs = isFresh(sight.silentMs, heartbeatMs) && known ? 2 * heartbeatMs : 0;
  return forMs >= longerMs + hearingMs;
}

function guiltyOf(view: View, { by, of }: Blame, blames: readonly Blame[]): NodeId {
  const { doubted, sights, wanted, configuration } = view;
  const mutual = blames.some((other) => other.by === of && other.of === by);
  if (!mutual) {
    // A silent neighbour is no sign that the one that misses it is at fault.
    const { silentMs } = defined(sights.get(of), () => `how the member ${of} is`);
    const fresh = isFresh(silentMs, wanted.topology.timing.heartbeatMs);
    return doubted?.node === by && fresh ? by : of;
  }
  const more = accusers(blames, by) - accusers(blames, of);
  if (more !== 0) return more > 0 ? by : of;
  if (doubted?.node === by || doubted?.node === of) return doubted.node;
  const { members } = defined(configuration, () => 'a configuration whose members blame each other');
  const order = members.map(({ node }) => node);
  return order.indexOf(by) > order.indexOf(of) ? by : of;
}

function verdictOn(node: NodeId, blames: readonly Blame[], open: readonly Incarnation[]): Verdict {
  const by = blames.filter(({ of }) => of === node).map((blame) => blame.by);
  const partners = by.length > 0 ? by : blames.filter((blame) => blame.by === node).map(({ of }) => of);
  const survivor = partners.length === 1 ? open.find((member) => member.node === partners[0]) : undefined;
  const why =
    by.length > 0
      ? `${node} can't be reached by ${by.join(' and ')}`
      : `${node} can't reach ${partners.join(' and ')}, as it could not reach its neighbour before`;
  return { kind: 'gone', why, wait: why, suspected: true, by: survivor ?? null };
}

function accusers(blames: readonly Blame[], node: NodeId): number {
  return blames.filter(({ of }) => of === node).length;
}

function isFresh(silentMs: number, heartbeatMs: number): boolean {
  return silentMs < 2 * heartbeatMs;
}

function has(members: readonly Incarnation[], node: NodeId): boolean {
  return members.some((member) => member.node === node);
}
