import { defined } from '../base/assert.ts';
import type { NodeId } from '../base/ids.ts';
import type { Configuration, Incarnation } from '../protocol/configuration.ts';
import type { NodeReport } from '../protocol/messages.ts';
import { again, type Chain, namesOf, renamed } from './membership.ts';
import type { Change, View } from './rule.ts';
import type { Placed } from './standing.ts';
import { listed } from './words.ts';

/** Members that started anew on the same store get their places back, all at once. PROTOCOL.md §5. */
export function namedInPlace(
  { ready, heard, wanted }: View,
  configuration: Configuration,
  restarted: readonly Incarnation[],
): Change {
  const names = restarted.map(({ node }) => node);
  const reason = `${listed(names)} restarted`;
  const inPlace = renamed(again(configuration), restarted);
  if (wanted.topology.durability === 'sync') {
    return { chain: inPlace, ready, reason, change: `${listed(names)} named in place` };
  }
  const chain = longestFirst(inPlace, heard);
  // Shorter logs may lack what was acknowledged: those members are ready when they have said so again.
  const [longest] = chain.members.map((member) => held(heard, member));
  const whole = chain.members.filter((member) => held(heard, member) === longest);
  const sure = ready.filter((node) => whole.some((member) => member.node === node));
  return {
    chain,
    ready: sure,
    reason,
    change: `chain is ${namesOf(chain).join(', ')}, the longest log first`,
  };
}

/**
 * With durability "memory" what was acknowledged may have been in memory alone: gone from those that restarted, and held
 * by any that did not. One that is silent may be alive, so only when all have restarted is nothing lost by taking what
 * they have; else those that restarted have to leave, for one that is known to have lived on. PROTOCOL.md §3.
 */
export function restartedInMemory(placed: readonly Placed[]): readonly Placed[] {
  const restarted = placed.filter(({ is }) => is.kind === 'restarted');
  if (restarted.length === placed.length) return placed;
  const others = listed(placed.filter((one) => !restarted.includes(one)).map(({ member }) => member.node));
  return placed.map(({ member, is }) => {
    if (is.kind !== 'restarted') return { member, is };
    const why = `${member.node} restarted, and may lack writes that ${others} may still hold, since durability is "memory"`;
    return { member, is: { kind: 'gone', why, wait: `${why}: ${UNLESS_ALL}`, suspected: false, by: null } };
  });
}

const UNLESS_ALL = 'not named in place unless all members have restarted';

/**
 * The same members, those with more of the log nearer the head. What was committed from memory alone is on some disks and
 * not on others; each holds a beginning of the same log, so nobody's successor then knows more than it does itself.
 */
function longestFirst(chain: Chain, heard: ReadonlyMap<NodeId, NodeReport>): Chain {
  return { ...chain, members: [...chain.members].sort((a, b) => held(heard, b) - held(heard, a)) };
}

function held(heard: ReadonlyMap<NodeId, NodeReport>, member: Incarnation): number {
  return defined(heard.get(member.node), () => `what the restarted ${member.node} said`).received;
}
