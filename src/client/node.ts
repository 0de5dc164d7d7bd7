import { type ConnectOptions, connectOver } from './connect.ts';
import { UndiciTransport } from './transport-undici.ts';
import type { Catena } from './types.ts';

export type { ConnectOptions } from './connect.ts';
// biome-ignore lint/performance/noBarrelFile: it is a face of the package, which nothing within it imports
export * from './public.ts';

/**
 * A client of the chain that the node at this URL belongs to; any of its nodes will do, and several are several ways in. Nothing
 * is asked yet: the first call finds the chain.
 *
 * @throws InvalidRequest when a URL is none, or an option makes no sense.
 */
export function connect(url: string | readonly string[], options: ConnectOptions = {}): Catena {
  return connectOver(new UndiciTransport(), url, options);
}
