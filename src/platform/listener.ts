import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { defined } from '../base/assert.ts';
import { CatenaError, messageOf } from '../base/errors.ts';
import type { Listening } from '../ports/transport.ts';
import { errnoOf } from './disk-error.ts';

/** Connections beyond these are refused, so that a fault elsewhere can't use up this process's descriptors. */
const CONNECTIONS_MAX = 1024;

/** How often port 0 is tried when what the first host picked is taken on another. */
const PORT_PICKS_MAX = 5;

/** A machine without IPv6, or without this address, says one of these. */
const NO_SUCH_ADDRESS = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL', 'ENOTFOUND']);

/** A port that is listened on. */
export interface ListeningPort extends Listening {
  /** The port that was asked for, or the one that the system picked for 0. */
  readonly port: number;
}

/**
 * Listens on each of `hosts`; one that this machine doesn't have is left out as long as another works. With port 0 the
 * first host picks a port for all.
 *
 * @throws CatenaError PORT_IN_USE, naming the port.
 */
export async function listenOn(
  at: ListenRequest,
  accepted: (socket: Socket) => void,
): Promise<ListeningPort> {
  for (let pick = 1; ; pick++) {
    try {
      return await listenOnce(at, accepted);
    } catch (error) {
      const again = at.port === 0 && pick < PORT_PICKS_MAX && errnoOf(error) === 'EADDRINUSE';
      if (!again) throw portError(error, at.port);
    }
  }
}

interface ListenRequest {
  readonly hosts: readonly string[];
  readonly port: number;
}

async function listenOnce(
  { hosts, port }: ListenRequest,
  accepted: (socket: Socket) => void,
): Promise<ListeningPort> {
  const servers: Server[] = [];
  const missing: unknown[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map(closeServer));
  };
  let taken = port;
  try {
    for (const host of hosts) {
      const server = await listenUnlessMissing({ host, port: taken }, accepted, missing);
      if (server === null) continue;
      servers.push(server);
      taken = portOfServer(server);
    }
    if (servers.length === 0) throw missing[0] ?? new Error('no address to listen on was given');
  } catch (error) {
    await close();
    throw error;
  }
  return { port: taken, close };
}

async function listenUnlessMissing(
  at: { host: string; port: number },
  accepted: (socket: Socket) => void,
  missing: unknown[],
): Promise<Server | null> {
  try {
    return await listen(at, accepted);
  } catch (error) {
    if (!NO_SUCH_ADDRESS.has(errnoOf(error) ?? '')) throw error;
    missing.push(error);
    return null;
  }
}

function listen(at: { host: string; port: number }, accepted: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true }, accepted);
    server.maxConnections = CONNECTIONS_MAX;
    server.once('error', reject);
    server.listen(at, () => {
      server.off('error', reject);
      resolve(server);
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    // Its callback waits for every open connection, and those stay: the address is free as soon as this returns.
    server.close();
    resolve();
  });
}

function portOfServer(server: Server): number {
  return (defined(server.address(), () => 'the address of a listening socket') as AddressInfo).port;
}

function portError(error: unknown, port: number): CatenaError {
  const errno = errnoOf(error);
  const who = `\`lsof -i :${port}\` shows which process: stop it, or give this one another port in the topology file.`;
  const why =
    errno === 'EADDRINUSE'
      ? `port ${port} is in use. ${who}`
      : errno === 'EACCES'
        ? `port ${port} may not be listened on by this user (EACCES). Give it a port above 1023 in the topology file.`
        : `port ${port} can't be listened on: ${messageOf(error)}. Give another address or port in the topology file.`;
  return new CatenaError('PORT_IN_USE', why, { cause: error });
}
