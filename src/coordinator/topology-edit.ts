import type { NodeId } from '../base/ids.ts';
import { type Address, addressOfNode, type Topology } from '../protocol/topology.ts';
import { arranges, planOf } from '../topology/plan.ts';
import { staying } from './heal.ts';
import { isHealthy } from './health.ts';
import { isAwaited } from './joining.ts';
import type { Register } from './register.ts';
import type { View } from './rule.ts';
import { listed } from './words.ts';

/** Why a running cluster can't take this edit of its topology, and what to do instead, in words; `null` if it can. */
export function refusalOf({ topology, configuration, ready }: Register, edited: Topology): string | null {
  if (topology === null || configuration === null) return null;
  const present = topology.topology;
  if (present.durability !== edited.durability) {
    return (
      `durability can not be changed from ${present.durability} to ${edited.durability} while the cluster runs, since it ` +
      'says what an acknowledgement means: put it back; or start a new cluster with it, and copy the data over by ' +
      'GET /export'
    );
  }
  const [from, to] = [Object.keys(present.coordinators), Object.keys(edited.coordinators)];
  if (from.join() !== to.join()) {
    return (
      `the coordinator can not become ${listed(to)} instead of ${listed(from)} while the cluster runs: put its name back ` +
      '(its addresses may change); or stop it and start the other one with an empty directory, which takes the chain up ' +
      'from what the nodes hold, once it hears all of them'
    );
  }
  const sources = configuration.members.filter(({ node }) => ready.includes(node)).map(({ node }) => node);
  if (present.chain.join() === edited.chain.join()) return null;
  if (sources.some((node) => edited.chain.includes(node))) return null;
  return (
    `none of the members that hold all data (${listed(sources)}) is in the edited chain, so there is nobody to copy it ` +
    'from: keep one of them in "chain", and take it out by another edit once the new nodes are members'
  );
}

/**
 * The register with this topology as its next version. Where those are found that the topology no longer has is kept, for
 * as long as the chain has them.
 */
export function withTopology(register: Register, edited: Topology): Register {
  const { configuration, topology } = register;
  const version = (topology?.version ?? 0) + 1;
  if (topology === null || configuration === null) {
    return { ...register, topology: { version, topology: edited, departing: {} } };
  }
  const departing: Record<NodeId, Address> = {};
  for (const { node } of [
    ...configuration.members,
    ...(configuration.joiner ? [configuration.joiner] : []),
  ]) {
    const address = addressOfNode(topology, node);
    if (address !== null && !Object.hasOwn(edited.nodes, node)) departing[node] = address;
  }
  const arranging = register.arranging || arranges(topology.topology, edited);
  return { ...register, topology: { version, topology: edited, departing }, arranging };
}

/** The steps in words from the chain as it is to what the view wants, with those settings that differ from `from`. */
export function plannedSteps(view: View, from: Topology): readonly string[] {
  const { configuration, wanted, arranging } = view;
  const to = wanted.topology;
  if (configuration === null) return [`make ${to.chain.slice(0, to.replicas).join(', ')} the first chain`];
  const members = staying(view).map(({ member }) => member.node);
  const others = to.chain.filter((node) => !configuration.members.some((member) => member.node === node));
  return planOf({
    members,
    spares: others.filter((node) => isHealthy(view, node)),
    awaited: others.filter((node) => !isHealthy(view, node) && isAwaited(view, node)),
    arranging,
    from,
    to,
  });
}
