import type { CoordinatorService } from '../runtime/coordinator-service.ts';
import { createHttpServer } from './http-server.ts';
import { HTTP_LIMITS, type HttpParts } from './limits.ts';
import type { HttpServer } from './listeners.ts';
import { HttpMetrics } from './metrics.ts';
import { routeTo } from './operations.ts';
import { indexRoute, pageRoutes, readable } from './pages.ts';
import { topologyRoutes } from './topology-routes.ts';

/** The HTTP side of a coordinator: what it wants, what it chose and why, and how it is. */
export function createCoordinatorServer(
  options: HttpParts & { readonly service: CoordinatorService },
): HttpServer {
  const { service, logger, clock, limits } = options;
  const metrics = new HttpMetrics(() => service.gauges());
  const history = routeTo(
    '/history',
    readable((exchange) => exchange.json(200, { configurations: service.history() })),
  );
  const routes = [...topologyRoutes(service), history, ...pageRoutes(service, { metrics })];
  const about = {
    catena:
      'a key-value store replicated by chain replication; this is its coordinator, keys are at its nodes',
    coordinator: service.node,
  };
  const identity = { 'Catena-Node': service.node, 'Catena-Role': 'coordinator' };
  return createHttpServer({
    routes: [indexRoute(about, routes), ...routes],
    metrics,
    logger,
    clock,
    limits: { ...HTTP_LIMITS, ...limits },
    identity: () => identity,
    topology: () => service.topology(),
    closed: () => Promise.resolve(),
  });
}
