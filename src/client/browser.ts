import { type ConnectOptions, connectOver } from './connect.ts';
import { FetchTransport } from './transport-fetch.ts';
import type { Catena } from './types.ts';

export type { ConnectOptions } from './connect.ts';
// biome-ignore lint/performance/noBarrelFile: it is a face of the package, which nothing within it imports
export * from './public.ts';

/**
 * The same as `connect` of Node, over `fetch`. The origin of the page has to be one of the cluster's URLs, or stand in `origins`
 * of its topology.
 *
 * @throws InvalidRequest when a URL is none, or an option makes no sense.
 */
export function connect(url: string | readonly string[], options: ConnectOptions = {}): Catena {
  return connectOver(new FetchTransport(), url, options);
}
