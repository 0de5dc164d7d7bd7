import type { LookupAddress } from 'node:dns';
import { connect, type LookupFunction, type Socket } from 'node:net';
import { isItself } from './dialler.ts';
import { type NetworkTrouble, troubleOf } from './probe-trouble.ts';

/** How long one of several addresses may take before the next is tried too, in ms. */
const NEXT_ADDRESS_MS = 1000;

/** A port of a host, whose addresses were looked up. */
export interface ProbedPort {
  readonly addresses: readonly LookupAddress[];
  readonly port: number;
}

/** A socket that connects to the first of the addresses that takes it. */
export function connectTo({ addresses, port }: ProbedPort): Socket {
  const [first] = addresses;
  // Only handed to `lookup`, which knows the answer.
  const host = 'host';
  const lookup: LookupFunction = (_host, options, done) => {
    if (options.all === true) done(null, [...addresses]);
    else done(null, first?.address ?? '', first?.family);
  };
  return connect({ host, port, lookup, autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS });
}

/** Connects and hangs up at once, without a word. */
export async function tryConnection(
  to: ProbedPort,
  { withinMs }: { withinMs: number },
): Promise<NetworkTrouble | { readonly kind: 'open' }> {
  return new Promise((resolve) => {
    const socket = connectTo(to);
    const end = (found: NetworkTrouble | { readonly kind: 'open' }): void => {
      clearTimeout(timeout);
      socket.destroy();
      resolve(found);
    };
    const timeout = setTimeout(() => end({ kind: 'silent', withinMs }), withinMs);
    // Stays: an error that nobody listens for would end the process.
    socket.on('error', (error) => end(troubleOf(error, { withinMs })));
    socket.once('connect', () => end({ kind: isItself(socket) ? 'refused' : 'open' }));
  });
}
