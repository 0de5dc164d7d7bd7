import { CatenaError } from '../base/errors.ts';
import { allHosts, LOOPBACK_HOSTS } from '../platform/hosts.ts';
import { listenHosts, peerEndpoint, peerPort, portOf } from '../protocol/addresses.ts';
import type { Address } from '../protocol/topology.ts';

/** Where a server listens: on one port, on each of the hosts. */
export interface ListenAt {
  readonly hosts: readonly string[];
  readonly port: number;
}

/** Both servers of one process. */
export interface ListenPlan {
  readonly http: ListenAt;
  readonly peer: ListenAt;
}

/** What a command line says against the topology, as `HOST:PORT`. */
export interface ListenOverrides {
  readonly listen?: string | undefined;
  readonly listenPeer?: string | undefined;
}

/**
 * Where a process with this address in the topology listens. INTERFACE.md, "Topology file".
 *
 * @throws CatenaError BAD_PARAMETER for an override that is not `HOST:PORT`.
 */
export function listenPlan(address: Address, overrides: ListenOverrides): ListenPlan {
  const hosts = listenHosts(address.urls) === 'loopback' ? LOOPBACK_HOSTS : allHosts();
  const { listen, listenPeer } = overrides;
  return {
    http: listen === undefined ? { hosts, port: firstPort(address) } : override('--listen', listen),
    peer:
      listenPeer === undefined
        ? { hosts, port: peerPort(address.peer) }
        : override('--listen-peer', listenPeer),
  };
}

function firstPort(address: Address): number {
  const [first] = address.urls;
  return portOf(first ?? '');
}

function override(option: string, text: string): ListenAt {
  const endpoint = peerEndpoint(text);
  if (endpoint === null) {
    const examples = '0.0.0.0:4466, [::1]:4466 or localhost:4466';
    throw new CatenaError('BAD_PARAMETER', `${option} "${text}" is not HOST:PORT, such as ${examples}`);
  }
  return { hosts: endpoint.host === 'localhost' ? LOOPBACK_HOSTS : [endpoint.host], port: endpoint.port };
}
