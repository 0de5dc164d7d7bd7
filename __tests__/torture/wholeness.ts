import type { ClusterView } from '../support/cluster.ts';

/** How a cluster is looked at. */
interface Looks {
  /** The coordinator's `GET /topology`. */
  view(): Promise<ClusterView>;
  /** A node's `GET /status`. */
  status(name: string): Promise<Record<string, unknown>>;
}

/** `null` when the chain is as the topology wants it and each member ready; else what is there instead. */
export async function whatIsNotWhole(cluster: Looks): Promise<string | null> {
  const { configuration, topology } = await cluster.view();
  if (configuration === null) return 'no configuration';
  const members = configuration.members.map(({ node }) => node);
  const states = await Promise.all(members.map((name) => cluster.status(name)));
  const ready = states.every(({ epoch, ready }) => epoch === configuration.epoch && ready === true);
  const count = Math.min(topology.replicas, topology.chain.length);
  const settled =
    members.length === count &&
    members.every((name) => topology.chain.includes(name)) &&
    configuration.joiner === null &&
    !configuration.sealed;
  if (ready && settled) return null;
  const brief = states.map(({ node, epoch, role, ready, phase, problem, sessions }) => ({
    node,
    epoch,
    role,
    ready,
    phase,
    problem,
    sessions,
  }));
  return `${JSON.stringify(configuration)}\n${brief.map((state) => JSON.stringify(state)).join('\n')}`;
}
