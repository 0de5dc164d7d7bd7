import { connect } from 'node:net';
import { isItself, parseAddress } from './dialler.ts';
import { errnosOf } from './network-error.ts';

/** What a knock found: somebody who listens, a machine that says that nobody does, or nothing that can be told from that. */
type Found = 'open' | 'refused' | 'unknown';

/** This machine has no way to an address of that kind, so it says nothing of who listens at the others. */
const NO_WAY: ReadonlySet<string> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'ENETUNREACH']);

/**
 * Connects to `host:port` once and hangs up at once. A name with several addresses is refused only when none of them
 * could be anything else.
 *
 * @throws CatenaError BAD_TOPOLOGY when the address is none.
 */
export async function knockOnce(address: string, { withinMs }: { withinMs: number }): Promise<Found> {
  const at = parseAddress(address);
  return new Promise((resolve) => {
    const socket = connect(at);
    const end = (found: Found): void => {
      clearTimeout(timeout);
      socket.destroy();
      resolve(found);
    };
    const timeout = setTimeout(() => end('unknown'), withinMs);
    // Stays: an error that nobody listens for would end the process.
    socket.on('error', (error) => end(isRefused(error) ? 'refused' : 'unknown'));
    socket.once('connect', () => end(isItself(socket) ? 'refused' : 'open'));
  });
}

function isRefused(error: unknown): boolean {
  const codes = errnosOf(error).filter((code) => !NO_WAY.has(code));
  return codes.length > 0 && codes.every((code) => code === 'ECONNREFUSED');
}
