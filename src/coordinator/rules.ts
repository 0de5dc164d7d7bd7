import { type Configuration, sameIncarnation } from '../protocol/configuration.ts';
import type { Topology } from '../protocol/topology.ts';
import { arrange } from './arrange.ts';
import { bootstrap } from './bootstrap.ts';
import { heal } from './heal.ts';
import { appendJoiner, nameJoiner, strikeOut } from './joining.ts';
import { again } from './membership.ts';
import { type Change, NOTHING, type Rule, type Ruling, type View, waitFor } from './rule.ts';
import { problemOf } from './standing.ts';

/** In the order in which they are tried. */
const RULES: readonly Rule[] = [
  bootstrap,
  heal,
  newSettings,
  strikeOut,
  appendJoiner,
  arrange,
  nameJoiner,
  setFree,
];

/** The first change that applies, and all that is waited for. */
export function decide(view: View): Ruling {
  const stale = staleRegister(view);
  if (stale !== null) return waitFor(stale);
  const waits: string[] = [];
  for (const rule of RULES) {
    const ruling = rule(view);
    waits.push(...ruling.waits);
    const unable = ruling.change === null ? null : whoCanNotTakeUp(view, ruling.change);
    if (unable !== null) return { change: null, waits: [...waits, unable] };
    if (ruling.change !== null || ruling.stop !== undefined || ruling.arranged === true) {
      return { ...ruling, waits };
    }
  }
  return { change: null, waits };
}

/**
 * A member whose disk takes nothing can't take up a configuration: in one that names it nobody would serve any more. It serves
 * on in the one that it holds until it can be dropped, or takes writes again.
 */
function whoCanNotTakeUp({ heard }: View, { chain }: Change): string | null {
  for (const member of chain.members) {
    const report = heard.get(member.node);
    if (!report?.readOnly || !sameIncarnation(report.incarnation, member)) continue;
    const { node } = member;
    return `${node} takes no writes (${problemOf(report)}), and so no other configuration: nothing is changed until it does, or another ready member can take its place`;
  }
  return null;
}

/** A node can only hold what this register chose, unless somebody put an old copy of the register back. */
function staleRegister({ configuration, heard }: View): string | null {
  if (configuration === null) return null;
  for (const [node, report] of heard) {
    const held = report.configuration?.epoch ?? 0;
    if (held <= configuration.epoch || !isOurs(report.configuration, configuration)) continue;
    return (
      `${node} holds configuration ${held}, and this register knows none above ${configuration.epoch}: it is older than ` +
      'the cluster, so nothing is changed. Stop the coordinator, move its register away and start it again: it takes the ' +
      'chain up from what the nodes hold, once it hears all of them'
    );
  }
  return null;
}

/** Whether a configuration is of this cluster: a node that strays in from another one must not stop everything. */
function isOurs(theirs: Configuration | null, ours: Configuration): boolean {
  const stores = new Set(ours.members.map(({ storeId }) => storeId));
  return theirs?.members.some(({ storeId }) => stores.has(storeId)) === true;
}

/** What a configuration takes from the topology beside its members. */
function newSettings({ configuration, ready, wanted }: View): Ruling {
  const edits = configuration === null ? [] : settingsEdited(configuration, wanted.topology);
  if (configuration === null || edits.length === 0) return NOTHING;
  const reason = `the topology was edited (version ${wanted.version})`;
  return { change: { chain: again(configuration), ready, reason, change: edits.join(', ') }, waits: [] };
}

function settingsEdited(configuration: Configuration, { timing, reads }: Topology): string[] {
  const edits: string[] = [];
  if (configuration.leaseMs !== timing.leaseMs) edits.push(`a lease lasts ${timing.leaseMs} ms`);
  if (configuration.reads !== reads) {
    edits.push(reads === 'any' ? 'any member answers reads' : 'the tail alone answers reads');
  }
  return edits;
}

/**
 * A member that stopped serving reads, as it was asked to, and is now to stay: an epoch of its own sets it free. So it is
 * when what it was asked for has passed, or when the coordinator that asked is no more. PROTOCOL.md §6.
 */
function setFree({ configuration, ready, heard }: View): Ruling {
  if (configuration === null) return NOTHING;
  const { members, epoch } = configuration;
  const stopped = members.find((member) => {
    const report = heard.get(member.node);
    if (report === undefined || !report.stopped) return false;
    return sameIncarnation(report.incarnation, member) && report.configuration?.epoch === epoch;
  });
  if (stopped === undefined) return NOTHING;
  const { node } = stopped;
  const reason = `${node} had stopped serving reads, and stays a member`;
  return { change: { chain: again(configuration), ready, reason, change: `set ${node} free` }, waits: [] };
}
