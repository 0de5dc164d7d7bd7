import { defined } from '../base/assert.ts';
import type { NodeId } from '../base/ids.ts';
import { isPlanted } from '../base/planted.ts';
import { type Configuration, type Incarnation, sameIncarnation, tailOf } from '../protocol/configuration.ts';
import { targetOf } from '../topology/plan.ts';
import { isHealthy } from './health.ts';
import { again } from './membership.ts';
import { NOTHING, type Ruling, type Sight, type View, waitFor } from './rule.ts';
import { absence, problemOf, standingsOf } from './standing.ts';
import { inMs, listed, verb } from './words.ts';

/** The joiner leaves its place when it is not wanted any more, is lost or unwell, or gets nowhere. PROTOCOL.md §5. */
export function strikeOut(view: View): Ruling {
  const { configuration, ready, wanted } = view;
  if (configuration === null || configuration.joiner === null) return NOTHING;
  const { joiner } = configuration;
  const fault = isPlanted('joiner-not-struck-out') ? null : faultOf(view, configuration, joiner);
  if (fault === null && isWanted(view, joiner.node)) return NOTHING;
  const reason = fault ?? `the topology was edited (version ${wanted.version})`;
  return {
    change: {
      chain: { ...again(configuration), joiner: null },
      ready,
      reason,
      change: `struck out the joiner ${joiner.node}`,
      lessons: fault === null ? [] : [{ kind: 'struck-out', node: joiner.node }],
    },
    waits: [],
  };
}

/** Rule 4: the joiner has all that is committed, so it becomes the tail. It is not ready before it says so as a member. */
export function appendJoiner({ configuration, ready, heard }: View): Ruling {
  if (configuration === null || configuration.joiner === null || configuration.sealed) return NOTHING;
  const { joiner, members, epoch } = configuration;
  const report = heard.get(joiner.node);
  const there =
    report?.ready === true &&
    sameIncarnation(report.incarnation, joiner) &&
    report.configuration?.epoch === epoch;
  if (!there) return waitFor(`${joiner.node} is catching up behind ${tailOf(configuration).node}`);
  return {
    change: {
      chain: { ...again(configuration), members: [...members, joiner], joiner: null },
      ready: isPlanted('joiner-ready-at-once')
        ? [...ready, joiner.node]
        : ready.filter((node) => node !== joiner.node),
      reason: `${joiner.node} has caught up`,
      change: `appended ${joiner.node} at the tail`,
      lessons: [{ kind: 'joined', node: joiner.node }],
    },
    waits: [],
  };
}

/** Rule 3: a spare becomes the joiner when the chain lacks a member, and all that it has are ready. */
export function nameJoiner(view: View): Ruling {
  const { configuration, ready, heard, sights } = view;
  if (configuration === null || configuration.joiner !== null || configuration.sealed) return NOTHING;
  const lacking = lackingNodes(view, configuration);
  if (lacking.length === 0) return NOTHING;
  const placed = standingsOf(view);
  const unready = placed.filter(({ member }) => !ready.includes(member.node));
  if (unready.length > 0) {
    const names = unready.map(({ member }) => member.node);
    return waitFor(`${listed(names)} ${verb(names, 'is', 'are')} not ready yet, so nobody joins`);
  }
  // Who is lost leaves first, or comes back: a transfer begun before that would be interrupted.
  if (placed.some(({ is }) => is.kind !== 'well' && is.kind !== 'sick')) return NOTHING;
  const chosen = lacking.find((node) => isHealthy(view, node) && sights.get(node)?.resting === false);
  const report = chosen === undefined ? undefined : heard.get(chosen);
  if (report === undefined) return waitFor(...lacking.map((node) => whyNot(view, node)));
  const { incarnation } = report;
  return {
    change: {
      chain: { ...again(configuration), joiner: incarnation },
      ready,
      reason: reasonToJoin(view, placed.length),
      change: `named ${incarnation.node} the joiner behind ${tailOf(configuration).node}`,
    },
    waits: [],
  };
}

function reasonToJoin({ arranging, wanted }: View, count: number): string {
  if (arranging) return `the topology was edited (version ${wanted.version})`;
  return `the chain has ${count} of the ${wanted.topology.replicas} members that it should have`;
}

/** Who could fill a place that is empty, in the order in which they are tried. */
function lackingNodes(view: View, { members }: Configuration): readonly NodeId[] {
  const { arranging, wanted } = view;
  const { chain, replicas } = wanted.topology;
  const isMember = (node: NodeId) => members.some((member) => member.node === node);
  if (arranging) return targetNow(view).filter((node) => !isMember(node));
  return members.length < replicas ? chain.filter((node) => !isMember(node)) : [];
}

/** The members that an edit asks for, as far as they are healthy, or may soon be. PROTOCOL.md §6 rule 5. */
export function targetNow(view: View): readonly NodeId[] {
  return targetOf(view.wanted.topology, (node) => isHealthy(view, node) || isAwaited(view, node));
}

/** Whether a node that an edit asks for is not there yet, and is given the time to come up. */
export function isAwaited(view: View, node: NodeId): boolean {
  const { arrangingMs, sights, wanted, configuration } = view;
  const sight = sights.get(node);
  const member = configuration?.members.some((one) => one.node === node) === true;
  if (member || sight === undefined || arrangingMs >= wanted.topology.timing.stallAfterMs) return false;
  return !sight.heard || sight.last?.phase === 'recovering';
}

function isWanted(view: View, node: NodeId): boolean {
  return view.arranging ? targetNow(view).includes(node) : view.wanted.topology.chain.includes(node);
}

function whyNot({ sights }: View, node: NodeId): string {
  const sight = sights.get(node);
  if (sight?.heard !== true || sight.last === null) return `${node} could join, but is not heard`;
  if (sight.resting)
    return `${node} could join, but was struck out as joiner: it is tried again after a while`;
  return `${node} could join, but is ${sight.last.phase}`;
}

/** Why the joiner can't go on, in words; `null` if it can. */
function faultOf(view: View, configuration: Configuration, joiner: Incarnation): string | null {
  const { wanted, blames, joinerStuckMs } = view;
  const { timing } = wanted.topology;
  const sight = defined(view.sights.get(joiner.node), () => `how the joiner ${joiner.node} is`);
  const unwell = unwellness(joiner, sight) ?? absence(joiner.node, sight, timing);
  if (unwell !== null) return unwell;
  const { node: tail } = tailOf(configuration);
  if (blames.some(({ by, of }) => by === tail && of === joiner.node)) {
    return `${joiner.node} can't be reached by ${tail}`;
  }
  if (blames.some(({ by, of }) => by === joiner.node && of === tail)) {
    return `${joiner.node} can't reach ${tail}`;
  }
  return joinerStuckMs >= timing.stallAfterMs
    ? `${joiner.node} got nowhere for ${inMs(joinerStuckMs)} while it was catching up`
    : null;
}

function unwellness(joiner: Incarnation, { last, heard }: Sight): string | null {
  if (last === null) return null;
  const { incarnation, phase } = last;
  if (!sameIncarnation(incarnation, joiner)) return heard ? `${joiner.node} restarted` : null;
  if (phase === 'stopping') return `${joiner.node} is stopping`;
  if (phase === 'broken' || phase === 'sick') return `${joiner.node} is ${phase}: ${problemOf(last)}`;
  return null;
}
