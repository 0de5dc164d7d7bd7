import type { NodeId } from '../base/ids.ts';
import type { Configuration } from '../protocol/configuration.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import type { Health } from '../runtime/node-service.ts';
import { redirectToCoordinator } from './coordinator-redirect.ts';
import type { Exchange } from './exchange.ts';
import type { Handler, Route } from './http-server.ts';
import type { HttpMetrics } from './metrics.ts';
import { openApiText } from './openapi.ts';
import { routeTo } from './operations.ts';
import { Refusal } from './problem.ts';

/** What both a node and a coordinator say of themselves. */
export interface Described {
  readonly node: NodeId;
  topology(): VersionedTopology;
  configuration(): Configuration | null;
  status(): object;
  health(): Health;
  readiness(): Health;
}

/** A page that `HEAD` may ask about as well. */
export function readable(handler: Handler): { readonly GET: Handler; readonly HEAD: Handler } {
  return { GET: handler, HEAD: handler };
}

/** What `GET /topology` says, of a node and of a coordinator. `problem` is the edit that was refused last. */
export function topologyPage(service: Described, problem: string | null) {
  const { topology, version } = service.topology();
  return { topology, version, configuration: service.configuration(), problem };
}

/** `/topology` of a node: it knows the present one, and sends those who edit it to the coordinator. */
export function nodeTopologyRoute(service: Described): Route {
  const get: Handler = (exchange) => exchange.json(200, topologyPage(service, null));
  const put: Handler = (exchange) =>
    redirectToCoordinator(exchange, { node: service.node, topology: service.topology() });
  return routeTo('/topology', { ...readable(get), PUT: put });
}

/** `/status`, `/healthz`, `/readyz`, `/metrics` and `/openapi.json`. */
export function pageRoutes(service: Described, { metrics }: { metrics: HttpMetrics }): readonly Route[] {
  const answerMetrics: Handler = async (exchange) => {
    exchange.answer(200, { 'Content-Type': metrics.contentType }, await metrics.text());
  };
  return [
    routeTo(
      '/status',
      readable((exchange) => exchange.json(200, service.status())),
    ),
    routeTo(
      '/healthz',
      readable((exchange) => answerHealth(exchange, service.health(), 'BROKEN')),
    ),
    routeTo(
      '/readyz',
      readable((exchange) => answerHealth(exchange, service.readiness(), 'NOT_READY')),
    ),
    routeTo('/metrics', readable(answerMetrics)),
    routeTo(
      '/openapi.json',
      readable((exchange) => exchange.answer(200, { 'Content-Type': 'application/json' }, openApiText())),
    ),
  ];
}

/** `/`: what this is, and what it can be asked. */
export function indexRoute(what: Readonly<Record<string, unknown>>, routes: readonly Route[]): Route {
  const listed = routes.map(({ path, methods }) => {
    const key = path.length > 1 && path.endsWith('/') ? 'KEY' : '';
    return `${Object.keys(methods).join(', ')} ${path}${key}`;
  });
  const body = { ...what, routes: listed };
  return routeTo(
    '/',
    readable((exchange) => exchange.json(200, body)),
  );
}

function answerHealth(exchange: Exchange, { well, reason }: Health, code: 'BROKEN' | 'NOT_READY'): void {
  if (!well) throw new Refusal(code, reason ?? 'no reason is known');
  exchange.json(200, { well, reason });
}
