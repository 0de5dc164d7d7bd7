import type { Topology, VersionedTopology } from '../protocol/topology.ts';
import type { Exchange } from './exchange.ts';
import { type Headers, Refusal } from './problem.ts';

const LOOPBACKS: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

const EXPOSED =
  'Catena-Node, Catena-Role, Catena-Epoch, ETag, Expires-In, Idempotent-Replay, Location, Retry-After, Allow';

/**
 * Keeps web pages of others away: a request with an `Origin` goes on only if that is one of the cluster's own URLs or
 * listed in the topology's `origins`. Programs other than browsers send none.
 */
export class OriginCheck {
  readonly #topology: () => VersionedTopology;
  #of: VersionedTopology | null = null;
  #allowed: ReadonlySet<string> = new Set();

  constructor(topology: () => VersionedTopology) {
    this.#topology = topology;
  }

  /**
   * Lets the exchange go on, its answer readable by the page that asked.
   *
   * @throws Refusal FORBIDDEN_ORIGIN.
   */
  check(exchange: Exchange): void {
    const origin = exchange.request.headers.origin;
    if (origin === undefined) return;
    if (!this.#isAllowed(origin)) {
      throw new Refusal(
        'FORBIDDEN_ORIGIN',
        'web pages of this origin may not call the cluster; list it in "origins" of the topology to allow it',
      );
    }
    exchange.originHeaders = {
      'Access-Control-Allow-Origin': origin,
      'Access-Control-Expose-Headers': EXPOSED,
    };
  }

  #isAllowed(origin: string): boolean {
    const versioned = this.#topology();
    if (this.#of !== versioned) {
      this.#of = versioned;
      this.#allowed = originsOf(versioned.topology);
    }
    return this.#allowed.has(origin);
  }
}

/** What a browser that asks first (a preflight) may then send, beside the `Allow` of the path. */
export function preflightHeaders(exchange: Exchange, allow: string): Headers {
  if (exchange.originHeaders === null) return { Allow: allow };
  return {
    Allow: allow,
    'Access-Control-Allow-Methods': allow,
    'Access-Control-Allow-Headers':
      'Accept, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID',
    'Access-Control-Max-Age': '600',
  };
}

/** As browsers write them: scheme, host and port, without a default port or a path. */
function originsOf(topology: Topology): ReadonlySet<string> {
  const processes = [...Object.values(topology.nodes), ...Object.values(topology.coordinators)];
  const urls = processes.flatMap((address) => address.urls.flatMap(aliasesOf));
  const listed = topology.origins.map((origin) => URL.parse(origin)?.origin ?? origin);
  return new Set([...urls.map((url) => URL.parse(url)?.origin ?? url), ...listed]);
}

/** The names of the loopback count as one host. */
function aliasesOf(url: string): readonly string[] {
  const parsed = URL.parse(url);
  if (parsed === null || !LOOPBACKS.includes(parsed.hostname)) return [url];
  const port = parsed.port === '' ? '' : `:${parsed.port}`;
  return LOOPBACKS.map((host) => `${parsed.protocol}//${host}${port}`);
}
