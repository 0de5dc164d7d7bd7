import type { Configuration } from '../protocol/configuration.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import type { Health } from '../runtime/node-service.ts';
import type { Exchange } from './exchange.ts';
import type { Handler, Route } from './http-server.ts';
import type { HttpMetrics } from './metrics.ts';
import { Refusal } from './problem.ts';

/** What both a node and a coordinator say of themselves. */
export interface Described {
  topology(): VersionedTopology;
  configuration(): Configuration | null;
  status(): object;
  health(): Health;
  readiness(): Health;
}

/** A page that `HEAD` may ask about as well. */
export function readable(handler: Handler): Route['methods'] {
  return { GET: handler, HEAD: handler };
}

/** `/topology`, `/status`, `/healthz`, `/readyz` and `/metrics`. `problem` is the edit that was refused last. */
export function pageRoutes(
  service: Described,
  { metrics, problem }: { metrics: HttpMetrics; problem: () => string | null },
): readonly Route[] {
  const page = (path: string, body: () => object): Route => ({
    path,
    methods: readable((exchange) => exchange.json(200, body())),
  });
  return [
    page('/topology', () => ({
      topology: service.topology().topology,
      version: service.topology().version,
      configuration: service.configuration(),
      problem: problem(),
    })),
    page('/status', () => service.status()),
    { path: '/healthz', methods: readable((exchange) => answerHealth(exchange, service.health(), 'BROKEN')) },
    {
      path: '/readyz',
      methods: readable((exchange) => answerHealth(exchange, service.readiness(), 'NOT_READY')),
    },
    {
      path: '/metrics',
      methods: readable(async (exchange) => {
        exchange.answer(200, { 'Content-Type': metrics.contentType }, await metrics.text());
      }),
    },
  ];
}

/** `/`: what this is, and what it can be asked. */
export function indexRoute(what: Readonly<Record<string, unknown>>, routes: readonly Route[]): Route {
  const listed = routes.map(({ path, methods }) => {
    const key = path.length > 1 && path.endsWith('/') ? 'KEY' : '';
    return `${Object.keys(methods).join(', ')} ${path}${key}`;
  });
  const body = { ...what, routes: listed };
  return { path: '/', methods: readable((exchange) => exchange.json(200, body)) };
}

function answerHealth(exchange: Exchange, { well, reason }: Health, code: 'BROKEN' | 'NOT_READY'): void {
  if (!well) throw new Refusal(code, reason ?? 'no reason is known');
  exchange.json(200, { well, reason });
}
