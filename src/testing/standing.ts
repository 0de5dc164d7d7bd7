import type { Configuration } from '../protocol/configuration.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import type { Processes } from './processes.ts';

/** The newest configuration that any process knows which lives; `null` before the first. */
export function newestConfiguration({ nodes, coordinator }: Processes): Configuration | null {
  let newest: Configuration | null = null;
  for (const { driver } of [coordinator, ...nodes]) {
    const known = driver?.configuration() ?? null;
    if (known !== null && known.epoch > (newest?.epoch ?? 0)) newest = known;
  }
  return newest;
}

/** What keeps the chain from being whole: as many members as are wanted, each of them there, and all serving. `null`: it is. */
export function whatIsNotWhole(processes: Processes): string | null {
  const configuration = newestConfiguration(processes);
  if (configuration === null) return 'there is no configuration yet';
  const { members, joiner, sealed, epoch } = configuration;
  const wanted = wantedTopology(processes)?.topology.replicas ?? members.length;
  const names = members.map(({ node }) => node);
  if (members.length !== wanted) {
    const dead = processes.nodes.filter(({ alive }) => !alive).map(({ name }) => name);
    const start = dead.length === 0 ? '' : `; dead: ${dead.join(', ')}, which chain.start(name) starts again`;
    const joining = joiner === null ? '' : `, and ${joiner.node} is joining`;
    return `its members are ${names.join(', ')}, ${wanted} are wanted${joining}${start}`;
  }
  if (joiner !== null) return `${joiner.node} is joining`;
  if (sealed) return `epoch ${epoch} is sealed, to reorder the chain`;
  return whatDoesNotServe(processes, configuration);
}

/** What keeps these from being the members, head first, all serving. `null`: they are. */
export function whatIsNotMembers(processes: Processes, wanted: readonly string[]): string | null {
  const configuration = newestConfiguration(processes);
  const names = configuration?.members.map(({ node }) => node) ?? [];
  if (configuration === null || names.join() !== wanted.join()) {
    return `its members are ${names.join(', ') || 'not chosen yet'}, not ${wanted.join(', ')}`;
  }
  return whatDoesNotServe(processes, configuration);
}

/** Who lives and would not answer or redirect a request. */
export function whoIsNotReady({ nodes }: Processes): string | null {
  for (const { name, alive, driver } of nodes) {
    const readiness = driver?.readiness() ?? { well: false, reason: 'it is starting' };
    if (alive && !readiness.well) return `${name} is not ready: ${readiness.reason}`;
  }
  return null;
}

function whatDoesNotServe({ nodes }: Processes, { members, epoch }: Configuration): string | null {
  for (const { node } of members) {
    const { alive, driver = null } = nodes.find(({ name }) => name === node) ?? {};
    if (alive !== true) return `${node} is a member and dead`;
    if (driver === null) return `${node} is starting`;
    const status = driver.status();
    if (status.epoch !== epoch) return `${node} knows epoch ${status.epoch}, not ${epoch} yet`;
    if (status.ready !== true) return `${node} is not ready in epoch ${epoch}`;
    const readiness = driver.readiness();
    if (!readiness.well) return `${node} is not ready: ${readiness.reason}`;
  }
  return null;
}

function wantedTopology({ nodes, coordinator }: Processes): VersionedTopology | null {
  const known = [coordinator, ...nodes].flatMap(({ driver }) => driver?.topology() ?? []);
  return known.reduce<VersionedTopology | null>(
    (newest, one) => (newest === null || one.version > newest.version ? one : newest),
    null,
  );
}
