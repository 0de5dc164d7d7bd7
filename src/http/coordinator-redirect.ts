import type { NodeId } from '../base/ids.ts';
import { redirectTarget } from '../protocol/addresses.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import type { Exchange } from './exchange.ts';
import { Refusal } from './problem.ts';
import { followable } from './target.ts';

/** Sends the caller of a node on to the coordinator, to its address on the network that the request came by. */
export function redirectToCoordinator(
  exchange: Exchange,
  { node, topology }: { node: NodeId; topology: VersionedTopology },
): void {
  const { nodes, coordinators } = topology.topology;
  const [coordinator] = Object.entries(coordinators);
  if (coordinator === undefined) throw new Refusal('NOT_READY', 'no coordinator is known here; try again');
  const [name, to] = coordinator;
  const base = redirectTarget({ from: nodes[node] ?? to, to, host: exchange.request.headers.host });
  const { path, rawQuery } = followable(exchange.target);
  const location = `${base.replace(/\/$/, '')}${path}${rawQuery === '' ? '' : `?${rawQuery}`}`;
  const hint = `the coordinator ${name} answers this: send it there, with the same method and body (curl -L does)`;
  exchange.json(307, { location, node: name, hint }, { Location: location });
}
