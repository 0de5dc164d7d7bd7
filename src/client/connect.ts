import { Client } from './client.ts';
import { Core } from './core.ts';
import { checkedDeadline } from './deadline.ts';
import { InvalidRequest } from './errors.ts';
import type { Transport } from './transport.ts';
import type { Catena } from './types.ts';

/** How a client is to be. */
export interface ConnectOptions {
  /** Calls that are given no deadline are tried again for so long, in ms; 10,000 unless given, at most 300,000. */
  readonly deadlineMs?: number;
}

/**
 * A client over this HTTP. Nothing is asked yet: the first call finds the chain.
 *
 * @throws InvalidRequest when a URL is none, or an option makes no sense.
 */
export function connectOver(
  transport: Transport,
  url: string | readonly string[],
  { deadlineMs }: ConnectOptions = {},
): Catena {
  const urls = (typeof url === 'string' ? [url] : url).map(checkedUrl);
  if (urls.length === 0) {
    throw new InvalidRequest(
      'BAD_PARAMETER',
      'no URL is given: give that of any node, such as http://localhost:4466',
    );
  }
  if (deadlineMs !== undefined) checkedDeadline(deadlineMs);
  return new Client(new Core({ transport, urls, deadlineMs }));
}

function checkedUrl(url: unknown): string {
  const parsed = typeof url === 'string' ? URL.parse(url) : null;
  const web = parsed !== null && /^https?:$/.test(parsed.protocol) && parsed.hostname !== '';
  if (web && parsed.pathname === '/' && parsed.search === '' && parsed.username === '') return parsed.origin;
  throw new InvalidRequest(
    'BAD_PARAMETER',
    `${JSON.stringify(url)} is not the URL of a node: give scheme, host and port and no path, such as http://localhost:4466`,
  );
}
