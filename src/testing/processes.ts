import { type NodeId, nodeId } from '../base/ids.ts';
import type { Logger } from '../ports/logger.ts';
import { peerPort } from '../protocol/addresses.ts';
import type { Address } from '../protocol/topology.ts';
import { type ChainPlan, COORDINATOR, type LogLine } from './chain-options.ts';
import { LocalCoordinator, LocalNode, type LocalProcess } from './local-process.ts';
import { PeerNetwork } from './peer-network.ts';
import { SharedClock } from './shared-clock.ts';

/** The processes of a test chain, dead or alive, and the network between them. */
export interface Processes {
  readonly nodes: readonly LocalNode[];
  readonly coordinator: LocalCoordinator;
  /** The coordinator and the nodes. */
  readonly all: readonly LocalProcess[];
  readonly network: PeerNetwork;
}

/** Makes all that the plan asks for; nothing is started. */
export function makeProcesses(
  { topology, digest, names }: ChainPlan,
  log: ((line: LogLine) => void) | undefined,
): Processes {
  const addresses: Readonly<Record<NodeId, Address>> = { ...topology.nodes, ...topology.coordinators };
  const ports = Object.entries(addresses).map(([name, { peer }]) => [peerPort(peer), name] as const);
  const network = new PeerNetwork(new Map(ports));
  const clock = new SharedClock();
  const optionsOf = (text: string) => {
    const name = nodeId(text);
    const address = addresses[name] ?? { urls: [], peer: '' };
    return { name, address, topology, digest, clock, network, logger: loggerOf(name, log) };
  };
  const nodes = names.map((name) => new LocalNode(optionsOf(name)));
  const coordinator = new LocalCoordinator(optionsOf(COORDINATOR));
  return { nodes, coordinator, all: [coordinator, ...nodes], network };
}

function loggerOf(from: string, log: ((line: LogLine) => void) | undefined): Logger {
  const at = (level: LogLine['level']) => (fields: object, message: string) =>
    log?.({ level, from, message, fields });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
