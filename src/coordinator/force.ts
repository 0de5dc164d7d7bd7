import { assert } from '../base/assert.ts';
import { epoch, type NodeId } from '../base/ids.ts';
import { sameIncarnation } from '../protocol/configuration.ts';
import type { NodeReport } from '../protocol/messages.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import { fits, forcedChain, LOST_EPOCHS } from './membership.ts';
import type { Change, View } from './rule.ts';

/** What became of an operator's word. */
export type Forcing =
  | { readonly kind: 'forced'; readonly change: Change }
  | { readonly kind: 'refused'; readonly problem: string };

/**
 * The operator's way out when the rest is gone for good: one node as it is now becomes the whole chain. What it lacks of
 * the acknowledged writes is lost. The others come back as joiners; one of them that knows more to be committed stops
 * itself as corrupt.
 *
 * @param reports - what all nodes said last, however long ago.
 */
export function forced(
  { view, reports }: { view: View | null; reports: readonly NodeReport[] },
  survivor: NodeId,
): Forcing {
  if (view === null) return { kind: 'refused', problem: 'the coordinator has no topology yet' };
  const { wanted, configuration } = view;
  const report = view.heard.get(survivor);
  const problem = refusalToForce(wanted, survivor, report) ?? whoServes(view, survivor);
  if (problem !== null) return { kind: 'refused', problem };
  assert(report !== undefined, () => `${survivor} is forced unheard`);
  const known = reports.map((one) => one.configuration?.epoch ?? 0);
  const highest = Math.max(configuration?.epoch ?? 0, ...known);
  // A lost register may have chosen more than it told.
  const at = epoch(highest + (configuration === null ? LOST_EPOCHS : 1));
  const chain = forcedChain(report.incarnation, at);
  return {
    kind: 'forced',
    change: {
      chain,
      ready: [survivor],
      topologyVersion: Math.max(wanted.version, ...versionsAbove(view, reports)),
      arranging: !fits(chain, wanted.topology),
      reason: `forced by an operator: ${survivor} is to be the chain, whatever the others hold`,
      change: `chain is ${survivor} alone`,
    },
  };
}

/** A version that the register does not know, or may have told and forgotten, is not used for another topology. */
function versionsAbove({ configuration, wanted }: View, reports: readonly NodeReport[]): number[] {
  const versions = reports.map(({ topologyVersion }) => topologyVersion);
  return versions
    .filter((version) => configuration === null || version > wanted.version)
    .map((version) => version + 1);
}

/** While another holds all that was acknowledged and can serve, forcing would lose for nothing what only that one has. */
function whoServes({ configuration, ready, heard }: View, survivor: NodeId): string | null {
  const chosen = configuration?.epoch ?? 0;
  // An old copy of the register changes nothing by itself, so force is a way out whoever serves.
  if ([...heard.values()].some((report) => (report.configuration?.epoch ?? 0) > chosen)) return null;
  const able = (configuration?.members ?? []).find((member) => {
    const report = heard.get(member.node);
    if (member.node === survivor || !ready.includes(member.node) || report === undefined) return false;
    if (!sameIncarnation(report.incarnation, member) || report.readOnly) return false;
    return report.phase === 'running' || report.phase === 'sick';
  });
  if (able === undefined) return null;
  const { node } = able;
  return `${node} is a ready member, heard and running, so the chain heals without force. Stop ${node} first if it is to be given up`;
}

function refusalToForce(
  { topology }: VersionedTopology,
  survivor: NodeId,
  report: NodeReport | undefined,
): string | null {
  if (!Object.hasOwn(topology.nodes, survivor)) return `${survivor} is no node of the topology`;
  if (report === undefined) return `${survivor} is not heard: start it first`;
  if (report.readOnly) return `${survivor} takes no writes: ${report.problem ?? 'it does not say why'}`;
  switch (report.phase) {
    case 'recovering':
      return `${survivor} is still reading its log: try again when it has`;
    case 'broken':
      return `${survivor} is broken (${report.problem ?? 'it does not say why'}): choose another node`;
    case 'stopping':
      return `${survivor} is stopping: start it again first`;
    default:
      return null;
  }
}
