import { networkInterfaces } from 'node:os';

/** Both loopback addresses. */
export const LOOPBACK_HOSTS: readonly string[] = ['127.0.0.1', '::1'];

/** What to listen on to be reached by all of this machine's addresses: `::` takes IPv4 too, where there is IPv6. */
export function allHosts(): readonly string[] {
  const addresses = Object.values(networkInterfaces()).flat();
  return addresses.some((address) => address?.family === 'IPv6') ? ['::'] : ['0.0.0.0'];
}
