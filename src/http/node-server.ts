import type { NodeService } from '../runtime/node-service.ts';
import { Dispatch } from './dispatch.ts';
import { Exports } from './export.ts';
import { Forwarder } from './forward.ts';
import { createHttpServer } from './http-server.ts';
import { NodeIdentity } from './identity.ts';
import { keyRoutes } from './key-routes.ts';
import { HTTP_LIMITS, type HttpParts } from './limits.ts';
import type { HttpServer } from './listeners.ts';
import { HttpMetrics } from './metrics.ts';
import { indexRoute, nodeTopologyRoute, pageRoutes } from './pages.ts';
import { Watches } from './watch.ts';
import { watchRoute } from './watch-route.ts';

/** The HTTP side of a node: every route of INTERFACE.md. */
export function createNodeServer(options: HttpParts & { readonly service: NodeService }): HttpServer {
  const { service, logger, clock, limits } = options;
  const identity = new NodeIdentity({ service, clock });
  const forwarder = new Forwarder({ node: service.node, clock });
  const metrics = new HttpMetrics(() => service.gauges());
  const dispatch = new Dispatch({ service, clock, identity, forwarder });
  const watches = new Watches({ clock });
  const routes = [
    ...keyRoutes({ service, dispatch, exports: new Exports({ clock }) }),
    watchRoute({ service, dispatch, watches }),
    nodeTopologyRoute(service),
    ...pageRoutes(service, { metrics }),
  ];
  const about = {
    catena: 'a key-value store replicated by chain replication; this is one of its nodes',
    node: service.node,
    try: 'curl -L -X PUT -d value URL/set/key, then curl -L URL/get/key',
  };
  const server = createHttpServer({
    routes: [indexRoute(about, routes), ...routes],
    metrics,
    logger,
    clock,
    limits: { ...HTTP_LIMITS, ...limits },
    identity: () => identity.headers(),
    topology: () => service.topology(),
    closed: () => forwarder.close(),
  });
  return {
    ...server,
    close: async (graceMs) => {
      // They have no end that could be waited for.
      watches.close('this node is stopping');
      await Promise.all([forwarder.endLasting(), server.close(graceMs)]);
    },
  };
}
