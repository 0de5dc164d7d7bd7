import type { Epoch, NodeId, RequestId } from '../base/ids.ts';
import { peerHost, redirectTarget, sameHost, urlEndpoint } from '../protocol/addresses.ts';
import { type Address, addressOfNode, type VersionedTopology } from '../protocol/topology.ts';
import type { Exchange } from './exchange.ts';
import { Refusal } from './problem.ts';
import { followable, type Target, withParameter } from './target.ts';

/** Where a request has to go, and what has to go with it. */
export interface Destination {
  readonly node: NodeId;
  /** What the target has to have learned before it answers; `null` while everybody knows. */
  readonly epoch: Epoch | null;
  /** The id under which a write that began here goes on there. */
  readonly requestId: RequestId | null;
}

/** Sends the caller on, to the address of the node that is on the network which the request came by. */
export function redirect(
  exchange: Exchange,
  { destination, from, topology }: { destination: Destination; from: NodeId; topology: VersionedTopology },
): void {
  const to = addressOf(topology, destination.node);
  const base = redirectTarget({
    from: addressOfNode(topology, from) ?? to,
    to,
    host: exchange.request.headers.host,
  });
  const location = `${base.replace(/\/$/, '')}${addressFor(followable(exchange.target), destination)}`;
  exchange.json(
    307,
    {
      location,
      node: destination.node,
      hint: `${destination.node} answers this: send it there, with the same method and body (curl -L does), or add forward=true`,
    },
    { Location: location },
  );
}

/** The path and query of the request, with what has to go with it. */
export function pathFor(exchange: Exchange, destination: Destination): string {
  return addressFor(exchange.target, destination);
}

function addressFor(
  { path, rawQuery }: Pick<Target, 'path' | 'rawQuery'>,
  { epoch, requestId }: Destination,
): string {
  let query = rawQuery;
  if (epoch !== null) query = withParameter(query, 'epoch', String(epoch));
  if (requestId !== null) query = withParameter(query, 'request-id', requestId);
  return query === '' ? path : `${path}?${query}`;
}

/** The address by which a node reaches another: that on the host where its neighbours reach it, else the first. */
export function addressBetweenNodes(topology: VersionedTopology, node: NodeId): string {
  const { urls, peer } = addressOf(topology, node);
  const host = peerHost(peer);
  const near = urls.find((url) => {
    const endpoint = urlEndpoint(url);
    return endpoint !== null && sameHost(endpoint.host, host);
  });
  return near ?? urls[0] ?? '';
}

function addressOf(topology: VersionedTopology, node: NodeId): Address {
  const address = addressOfNode(topology, node);
  if (address !== null) return address;
  throw new Refusal('NOT_READY', `${node} answers this, but its address isn't known here yet; try again`);
}
