import { CatenaError } from '../base/errors.ts';
import { type NodeId, nodeId } from '../base/ids.ts';
import { systemClock } from '../platform/clock.ts';
import { openDisk } from '../platform/disk.ts';
import { newStoreId } from '../platform/random.ts';
import { TcpTransport } from '../platform/transport.ts';
import type { Address } from '../protocol/topology.ts';
import { nodeHalves } from './halves.ts';
import { type ListenOverrides, listenPlan } from './listen-at.ts';
import type { ServerContext } from './process.ts';
import { type Running, startHalves } from './running.ts';
import { readTopologyFile } from './topology-file.ts';

/** What to run, and where. */
export interface ServerOptions extends ListenOverrides {
  readonly node: string;
  /** The topology file. */
  readonly topology: string;
  /** The data directory; made if it isn't there. */
  readonly data: string;
}

/**
 * Starts a node of the topology. Its HTTP side answers (that it recovers) before it has recovered; it is resolved when
 * it has, or is broken in a way that it can say and get over: a damaged log, a full disk.
 *
 * @throws CatenaError BAD_TOPOLOGY, BAD_PARAMETER, PORT_IN_USE, LOCKED, CORRUPT, UNSUPPORTED_FORMAT, DISK_FAILED
 */
export async function startNode(
  options: ServerOptions,
  { logger, describe }: ServerContext,
): Promise<Running> {
  const { topology } = await readTopologyFile(options.topology);
  const node = nodeId(options.node);
  const at = listenPlan(addressOf(node, topology.nodes, options.topology), options);
  const halves = nodeHalves(
    { node, topology, peer: at.peer },
    {
      clock: systemClock,
      disk: await openDisk(options.data),
      transport: new TcpTransport(),
      logger,
      newStoreId,
    },
  );
  const { driver } = halves;
  describe(() => ({ role: driver.role(), epoch: driver.epoch() }));
  const running = await startHalves(halves, at.http);
  if (topology.durability === 'memory') {
    logger.warn({}, 'durability is "memory": what is acknowledged reaches the disks up to 100 ms later');
  }
  logger.info({ http: at.http, peer: at.peer, data: options.data }, 'The node runs');
  return running;
}

/**
 * The address of a process in one of the topology's two lists.
 *
 * @throws CatenaError BAD_TOPOLOGY when it isn't there.
 */
export function addressOf(node: NodeId, list: Readonly<Record<NodeId, Address>>, source: string): Address {
  const address = Object.hasOwn(list, node) ? list[node] : undefined;
  if (address !== undefined) return address;
  const names = Object.keys(list).join(', ');
  throw new CatenaError('BAD_TOPOLOGY', `${node} is not in ${source}, which has ${names}. Give one of these`);
}
