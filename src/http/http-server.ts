import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import restify from 'restify';
import { AssertionError } from '../base/assert.ts';
import { CatenaError, messageOf } from '../base/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import { BodyBudget, CallerGone } from './body.ts';
import { Connections } from './connections.ts';
import { DropLog } from './drop-log.ts';
import { Exchange, type Surroundings } from './exchange.ts';
import type { HttpLimits } from './limits.ts';
import { type HttpServer, Listeners } from './listeners.ts';
import type { HttpMetrics } from './metrics.ts';
import { OriginCheck, preflightHeaders } from './origin.ts';
import { type Headers, Refusal, rawProblem } from './problem.ts';

/** The methods that routes have; OPTIONS is answered for all of them. */
export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';

/** What answers a request: it gives exactly one answer, or throws a `Refusal` that becomes one. */
export type Handler = (exchange: Exchange) => void | Promise<void>;

/** A path, up to and with its second slash, and what answers each method there. */
export interface Route {
  readonly path: string;
  readonly methods: Readonly<Partial<Record<Method, Handler>>>;
}

/** How often slow requests are looked for. */
const SLOW_CHECK_MS = 1000;
/** An address holds two keys at most (`/keys?prefix=…&after=…`), of which each byte may be written in three. */
const ADDRESS_BYTES_PER_KEY_BYTE = 6;

/** What a server is made of. */
export interface HttpServerParts {
  readonly routes: readonly Route[];
  readonly metrics: HttpMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly limits: HttpLimits;
  /** The headers that every answer carries, as of now. */
  readonly identity: () => Headers;
  readonly topology: () => VersionedTopology;
  /** Called when the last connection is gone. */
  readonly closed: () => Promise<void>;
}

/** A request between Node's server and restify's handlers. */
interface Tagged {
  [EXCHANGE]?: Exchange;
  getUrl?: () => { readonly pathname: string };
}
const EXCHANGE = Symbol('exchange');

/**
 * A restify server behind one plain server per host. restify's own is never listened on: it is handed the requests,
 * so that all hosts share one router, with options that restify has none for.
 */
export function createHttpServer(parts: HttpServerParts): HttpServer {
  const assembled = new Assembled(parts);
  const listeners = new Listeners(() => assembled.plainServer(), { clock: parts.clock });
  return {
    listen: (at) => listeners.listen(at),
    port: () => listeners.port(),
    close: async (graceMs) => {
      assembled.closing = true;
      await listeners.close(graceMs);
      await parts.closed();
    },
  };
}

class Assembled {
  closing = false;
  readonly #parts: HttpServerParts;
  readonly #router: restify.Server;
  readonly #origins: OriginCheck;
  readonly #around: Surroundings;
  readonly #drops: DropLog;
  /** What a request's address and headers may take: Node takes no change of it later. */
  readonly #headBytesMax: number;
  readonly #connections: Connections;

  constructor(parts: HttpServerParts) {
    this.#parts = parts;
    this.#origins = new OriginCheck(parts.topology);
    this.#drops = new DropLog(parts);
    this.#connections = new Connections(parts.clock);
    const { keyBytes } = parts.topology().topology.limits;
    this.#headBytesMax = ADDRESS_BYTES_PER_KEY_BYTE * keyBytes + parts.limits.headerBytesMax;
    this.#around = {
      identity: parts.identity,
      closing: () => this.closing,
      budget: new BodyBudget(parts.limits.bodiesBytesMax),
      drainBytesMax: parts.limits.drainBytesMax,
      overrun: ({ request }) => this.#connections.end(request.socket, null),
    };
    this.#router = restify.createServer({ name: '', log: silentLog() });
    this.#mount(parts.routes);
  }

  plainServer(): http.Server {
    const { limits } = this.#parts;
    const server = http.createServer({
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: SLOW_CHECK_MS,
      keepAliveTimeout: limits.keepAliveMs,
      maxHeaderSize: this.#headBytesMax,
      // Asked for in #guard instead, where the answer is a problem.
      requireHostHeader: false,
    });
    server.maxConnections = limits.connectionsMax;
    server.on('drop', () => this.#drops.dropped());
    // A caller may end its side behind the request and still wait for the answer. Node's types lack it.
    Object.assign(server, { httpAllowHalfOpen: true });
    server.setTimeout(limits.idleMs);
    const dispatch = (bodyHeldBack: boolean) => (request: IncomingMessage, response: ServerResponse) =>
      this.#dispatch({ request, response }, bodyHeldBack);
    server.on('request', dispatch(false));
    server.on('checkContinue', dispatch(true));
    // An expectation that isn't known may be ignored (RFC 9110 §10.1.1).
    server.on('checkExpectation', dispatch(false));
    server.on('connect', (_request, socket) => this.#turnAway(socket, tunnelRefused()));
    server.on('clientError', (error, socket) => this.#connectionFailed(error, socket));
    return server;
  }

  #mount(routes: readonly Route[]): void {
    const router = this.#router;
    const mounts = { GET: 'get', HEAD: 'head', POST: 'post', PUT: 'put', DELETE: 'del' } as const;
    for (const { path, methods } of routes) {
      for (const [method, handler] of Object.entries(methods)) {
        router[mounts[method as Method]](path, this.#handled(path, handler));
      }
      const allow = [...Object.keys(methods), 'OPTIONS'].join(', ');
      router.opts(
        path,
        this.#handled(path, (exchange) => answerOptions(exchange, allow)),
      );
    }
    router.on('NotFound', (request: Tagged) => this.#unrouted(request, () => noSuchRoute(routes)));
    router.on('MethodNotAllowed', (request: Tagged) =>
      this.#unrouted(request, (exchange) => methodNotAllowed(exchange)),
    );
  }

  #dispatch(
    { request, response }: { request: IncomingMessage; response: ServerResponse },
    bodyHeldBack: boolean,
  ): void {
    const startMs = this.#parts.clock.now().monotonicMs;
    // Stands for the server itself; restify answers it before it looks for a route.
    if (request.url === '*') request.url = '/';
    const exchange = new Exchange({ request, response }, this.#around, { bodyHeldBack });
    const tagged: Tagged = request as Tagged;
    tagged[EXCHANGE] = exchange;
    // restify's own builds a URL, which resolves dots and throws on a strange Host.
    const url = { pathname: exchange.target.routed };
    tagged.getUrl = () => url;
    if (!this.#connections.began(exchange)) return;
    response.once('close', () => {
      this.#connections.over(exchange);
      const seconds = (this.#parts.clock.now().monotonicMs - startMs) / 1000;
      const status = response.headersSent ? response.statusCode : 499;
      this.#parts.metrics.answered(exchange.route, request.method ?? '', status, seconds);
    });
    this.#router.server.emit('request', request, response);
  }

  #handled(path: string, handler: Handler): restify.RequestHandler {
    return (request, _response, next) => {
      const exchange = exchangeOf(request as Tagged);
      exchange.route = path;
      void this.#run(exchange, handler).then(() => {
        // restify would answer 500 where nothing is to be answered.
        if (!exchange.abandoned || exchange.response.headersSent) next(false);
      });
    };
  }

  /** restify's own answer to an error, which would follow, is held off by never going on. */
  #unrouted(request: Tagged, refusal: (exchange: Exchange) => Refusal): void {
    void this.#run(exchangeOf(request), (exchange) => {
      throw refusal(exchange);
    });
  }

  async #run(exchange: Exchange, handler: Handler): Promise<void> {
    try {
      this.#guard(exchange);
      await handler(exchange);
      if (!exchange.response.headersSent) throw new AssertionError(`${exchange.route} gave no answer`);
    } catch (error) {
      this.#failed(exchange, error);
    }
  }

  /** What is asked of every request, whatever its route. */
  #guard(exchange: Exchange): void {
    this.#origins.check(exchange);
    const { headers, httpVersionMinor } = exchange.request;
    if (headers.host === undefined && httpVersionMinor === 1) {
      throw new Refusal('BAD_REQUEST', 'the header Host is missing; HTTP/1.1 asks for it');
    }
  }

  #failed(exchange: Exchange, error: unknown): void {
    if (error instanceof CallerGone && exchange.abandoned && !exchange.response.headersSent) {
      this.#connections.over(exchange);
    } else if (error instanceof CallerGone || exchange.response.headersSent) {
      // An answer that has begun must not look whole.
      exchange.response.destroy();
    } else if (error instanceof Refusal) {
      exchange.problem(error);
      return;
    } else if (error instanceof CatenaError) {
      exchange.problem(new Refusal(error.code, error.message));
      return;
    } else {
      exchange.problem(new Refusal('INTERNAL', 'an error of this process; its log says more'));
    }
    if (error instanceof CallerGone) return;
    this.#parts.logger.error({ route: exchange.route, error: messageOf(error) }, 'a request failed');
    if (error instanceof AssertionError) rethrow(error);
  }

  /** Something came that is no HTTP, or came too slowly. */
  #connectionFailed(error: Error & { code?: string }, socket: Duplex): void {
    if (error.code === 'ECONNRESET') socket.destroy();
    // Behind a request that said it was the last, nothing is looked at.
    else if (error.code === 'HPE_CLOSED_CONNECTION') this.#connections.end(socket, null);
    else {
      this.#turnAway(socket, refusalOf(error, { ...this.#parts.limits, headerBytesMax: this.#headBytesMax }));
    }
  }

  /** Answers in raw bytes, behind the answers to what came before. */
  #turnAway(socket: Duplex, refusal: Refusal): void {
    this.#connections.end(socket, () => rawProblem(refusal, this.#parts.identity()));
  }
}

function exchangeOf(request: Tagged): Exchange {
  const exchange = request[EXCHANGE];
  if (exchange === undefined) throw new AssertionError('a request came past the servers');
  return exchange;
}

function answerOptions(exchange: Exchange, allow: string): void {
  exchange.answer(204, preflightHeaders(exchange, allow), null);
}

function noSuchRoute(routes: readonly Route[]): Refusal {
  const paths = routes.map(({ path }) => path);
  return new Refusal('NO_SUCH_ROUTE', `there is nothing at this path; there is ${paths.join(' ')}`, {
    members: { paths },
  });
}

function methodNotAllowed(exchange: Exchange): Refusal {
  const allow = exchange.response.getHeader('Allow');
  const allowed = typeof allow === 'string' ? allow : '';
  return new Refusal(
    'METHOD_NOT_ALLOWED',
    `${exchange.request.method} is not for this path; use ${allowed}`,
    {
      headers: { Allow: allowed },
    },
  );
}

function tunnelRefused(): Refusal {
  return new Refusal('METHOD_NOT_ALLOWED', 'this is no proxy: CONNECT is for no path here', {
    headers: { Allow: 'GET, HEAD, POST, PUT, DELETE, OPTIONS' },
  });
}

function refusalOf(error: Error & { code?: string }, limits: HttpLimits): Refusal {
  switch (error.code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Refusal(
        'BAD_REQUEST',
        `the request took too long to arrive; send its headers within ${limits.headersTimeoutMs} ms and all of it within ${limits.requestTimeoutMs} ms`,
        { status: 408 },
      );
    case 'HPE_HEADER_OVERFLOW':
      return new Refusal(
        'BAD_REQUEST',
        `the address and headers are larger than ${limits.headerBytesMax} bytes`,
        { status: 431, members: { limit: limits.headerBytesMax } },
      );
    case 'HPE_INVALID_URL':
      return new Refusal(
        'BAD_REQUEST',
        'the address holds characters that have to be percent-encoded as UTF-8 first, such as ü as %C3%BC',
      );
    default:
      return new Refusal('BAD_REQUEST', 'this is not a request that HTTP/1.1 knows');
  }
}

/** Out of every handler's reach, so that the process stops. */
function rethrow(error: AssertionError): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** restify logs what we answer for ourselves. Its types want bunyan; it calls these alone. */
function silentLog(): NonNullable<restify.ServerOptions['log']> {
  const silent = (): boolean => false;
  const log = { trace: silent, debug: silent, info: silent, warn: silent, error: silent, fatal: silent };
  return log as unknown as NonNullable<restify.ServerOptions['log']>;
}
