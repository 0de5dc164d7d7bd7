import { connect, type Socket } from 'node:net';
import pRetry from 'p-retry';
import { CatenaError } from '../base/errors.ts';
import { reasonOf } from './network-error.ts';

const RETRY_MS_MIN = 20;
const CONNECT_MS_MAX = 2000;

/** How a dial goes on until it succeeds. */
export interface DialOptions {
  readonly signal: AbortSignal;
  /** The longest wait between two tries; it starts at 20 ms and doubles. */
  readonly retryMsMax: number;
  /** Told why each try failed. */
  readonly failed: (reason: string) => void;
}

/**
 * Connects to `host:port`, trying again until it succeeds; each try takes at most 2 s.
 *
 * @throws CatenaError BAD_TOPOLOGY when the address is none; the signal's reason when that aborts.
 */
export async function dialUntilConnected(address: string, options: DialOptions): Promise<Socket> {
  const at = parseAddress(address);
  const { signal } = options;
  let connected: Socket | undefined;
  try {
    connected = await pRetry(
      async () => {
        connected = await connectOnce(at, signal);
        return connected;
      },
      {
        signal,
        retries: Number.POSITIVE_INFINITY,
        minTimeout: RETRY_MS_MIN,
        factor: 2,
        maxTimeout: options.retryMsMax,
        onFailedAttempt: ({ error }) => options.failed(error.message),
      },
    );
    return connected;
  } catch (error) {
    // p-retry looks at the signal once more behind a success, and would leave the connection to nobody.
    connected?.destroy();
    throw error;
  }
}

function connectOnce(at: { host: string; port: number }, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...at, noDelay: true });
    const timeout = setTimeout(() => fail(`no answer within ${CONNECT_MS_MAX} ms`), CONNECT_MS_MAX);
    const aborted = (): void => fail('given up');
    const failed = (error: Error): void => fail(reasonOf(error));
    const settle = (): void => {
      clearTimeout(timeout);
      signal.removeEventListener('abort', aborted);
      // Whoever gets the socket listens a few microtasks later; an error nobody listens for would end the process.
      socket.on('error', () => {});
      socket.off('error', failed);
    };
    // A plain Error, as p-retry takes a TypeError for a bug in the caller and gives up.
    const fail = (reason: string): void => {
      settle();
      socket.destroy();
      reject(new Error(reason));
    };
    signal.addEventListener('abort', aborted, { once: true });
    socket.on('error', failed);
    socket.once('connect', () => {
      if (isItself(socket)) return fail('the connection met itself: nothing listens there');
      settle();
      resolve(socket);
    });
  });
}

/** Dialling a free local port may be given that very port as its own, and TCP then connects it to itself. */
export function isItself(socket: Socket): boolean {
  return socket.localPort === socket.remotePort && socket.localAddress === socket.remoteAddress;
}

/**
 * Where `host:port` leads, the host as `node:net` takes it.
 *
 * @throws CatenaError BAD_TOPOLOGY when it is no address.
 */
export function parseAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  const port = Number(address.slice(colon + 1));
  if (colon < 1 || host === '' || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new CatenaError('BAD_TOPOLOGY', `"${address}" is not an address: give HOST:PORT`);
  }
  return { host, port };
}
