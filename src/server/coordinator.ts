import { NO_EPOCH, nodeId } from '../base/ids.ts';
import { systemClock } from '../platform/clock.ts';
import { openDisk } from '../platform/disk.ts';
import { TcpTransport } from '../platform/transport.ts';
import { coordinatorHalves } from './halves.ts';
import { listenPlan } from './listen-at.ts';
import { addressOf, type ServerOptions } from './node.ts';
import type { ServerContext } from './process.ts';
import { type Running, startHalves } from './running.ts';
import { followTopologyFile, readTopologyFile } from './topology-file.ts';

/**
 * Starts a coordinator of the topology, which follows its file from then on.
 *
 * @throws CatenaError BAD_TOPOLOGY, BAD_PARAMETER, PORT_IN_USE, LOCKED, CORRUPT, UNSUPPORTED_FORMAT, DISK_FULL, DISK_FAILED
 */
export async function startCoordinator(
  options: ServerOptions,
  { logger, describe }: ServerContext,
): Promise<Running> {
  const { topology, digest } = await readTopologyFile(options.topology);
  const node = nodeId(options.node);
  const at = listenPlan(addressOf(node, topology.coordinators, options.topology), options);
  const halves = coordinatorHalves(
    { node, topology, digest, peer: at.peer },
    { clock: systemClock, disk: await openDisk(options.data), transport: new TcpTransport(), logger },
  );
  const { driver } = halves;
  describe(() => ({ role: 'coordinator', epoch: driver.configuration()?.epoch ?? NO_EPOCH }));
  const running = await startHalves(halves, at.http);
  const watch = followTopologyFile(options.topology, driver);
  logger.info({ http: at.http, peer: at.peer, data: options.data }, 'The coordinator runs');
  return {
    drain: () => running.drain(),
    stop: async () => {
      await watch.stop();
      await running.stop();
    },
  };
}
