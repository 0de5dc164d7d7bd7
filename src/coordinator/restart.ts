import type { NodeId } from '../base/ids.ts';
import { type Incarnation, sameIncarnation } from '../protocol/configuration.ts';
import type { NodeReport } from '../protocol/messages.ts';
import { type Chain, namesOf, renamed } from './membership.ts';
import type { Ruling, View } from './rule.ts';
import { listed } from './words.ts';

/** How a member of the configuration is now. */
type Standing =
  | { readonly kind: 'silent' }
  /** It still is the incarnation that the configuration names. */
  | { readonly kind: 'named' }
  /** A later start on the same store, with a sound log: it may be named in place. */
  | { readonly kind: 'restarted'; readonly as: Incarnation }
  /** It is there, but can't be named, for this reason. */
  | { readonly kind: 'unfit'; readonly why: string };

/**
 * Rule 2, the half that drops nobody: members that started anew on the same store are named in their places, all at
 * once. No member has to be ready, or even heard, for it: after a power cut of all, all come back. PROTOCOL.md §5, §6.
 */
export function restartInPlace({ configuration, ready, wanted, heard }: View): Ruling {
  if (configuration === null) return { change: null, waits: [] };
  const standings = configuration.members.map((member) => ({
    member,
    is: standing(member, heard.get(member.node)),
  }));
  const waits = standings.flatMap(({ member, is }) => wordsFor(member, is));
  const restarted = standings.flatMap(({ is }) => (is.kind === 'restarted' ? [is.as] : []));
  if (restarted.length === 0) return { change: null, waits };
  const names = restarted.map(({ node }) => node);
  if (wanted.topology.durability === 'memory' && restarted.length < standings.length) {
    const others = standings.flatMap(({ member, is }) => (is.kind === 'restarted' ? [] : [member.node]));
    return { change: null, waits: [...waits, mayLackWrites(names, others)] };
  }
  const reason = `${listed(names)} restarted`;
  const inPlace = renamed(configuration, restarted);
  if (wanted.topology.durability === 'memory') {
    const chain = longestFirst(inPlace, heard);
    return {
      change: {
        chain,
        ready,
        reason,
        change: `chain is ${namesOf(chain).join(', ')}, the longest log first`,
      },
      waits,
    };
  }
  return { change: { chain: inPlace, ready, reason, change: `${listed(names)} named in place` }, waits };
}

/**
 * The same members, those with more of the log nearer the head. What was committed from memory alone is on some disks and
 * not on others; each holds a beginning of the same log, so nobody's successor then knows more than it does itself.
 */
function longestFirst(chain: Chain, heard: ReadonlyMap<NodeId, NodeReport>): Chain {
  const held = (member: Incarnation) => heard.get(member.node)?.received ?? 0;
  return { ...chain, members: [...chain.members].sort((a, b) => held(b) - held(a)) };
}

function standing(member: Incarnation, report: NodeReport | undefined): Standing {
  if (report === undefined) return { kind: 'silent' };
  const { incarnation, phase, problem } = report;
  if (phase === 'broken') return { kind: 'unfit', why: `is broken: ${problem ?? 'it does not say why'}` };
  if (sameIncarnation(incarnation, member)) return { kind: 'named' };
  if (incarnation.storeId !== member.storeId) return { kind: 'unfit', why: OTHER_STORE };
  if (incarnation.boot < member.boot) return { kind: 'unfit', why: OLD_COPY };
  if (phase === 'recovering') return { kind: 'unfit', why: 'restarted and is reading its log' };
  return { kind: 'restarted', as: incarnation };
}

const OTHER_STORE =
  'came back with another data directory, so it is not what it was: it can not take its place again. Start it with the ' +
  'directory that it had';
const OLD_COPY =
  'came back with an old copy of its data directory, which may lack writes: it can not take its place again. Start it ' +
  'with the directory that it had';

function wordsFor({ node }: Incarnation, is: Standing): string[] {
  if (is.kind === 'silent') return [`${node} is not heard`];
  return is.kind === 'unfit' ? [`${node} ${is.why}`] : [];
}

/**
 * What was acknowledged may have been in memory alone: gone from those that restarted, and held by any that did not. One
 * that is silent may be alive, so only when all have restarted is nothing lost by taking what they have. PROTOCOL.md §3.
 */
function mayLackWrites(restarted: readonly string[], others: readonly string[]): string {
  return (
    `${listed(restarted)} restarted, and may lack writes that ${listed(others)} may still hold, since durability is ` +
    '"memory": not named in place unless all members have restarted'
  );
}
