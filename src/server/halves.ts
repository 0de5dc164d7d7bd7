import { createCoordinatorServer } from '../http/coordinator-server.ts';
import type { HttpServer } from '../http/listeners.ts';
import { createNodeServer } from '../http/node-server.ts';
import {
  CoordinatorDriver,
  type CoordinatorDriverDeps,
  type CoordinatorDriverOptions,
} from '../runtime/coordinator-driver.ts';
import { Node } from '../runtime/node.ts';
import type { ReplicaDriverDeps, ReplicaDriverOptions } from '../runtime/replica-driver.ts';

/** A node and its HTTP side on this machine, put together and not started. */
export function nodeHalves(
  options: Omit<ReplicaDriverOptions, 'noticed'>,
  deps: ReplicaDriverDeps,
): { readonly http: HttpServer; readonly driver: Node } {
  const driver = new Node(options, deps);
  const { logger, clock } = deps;
  return { http: createNodeServer({ service: driver, logger, clock }), driver };
}

/** The same of a coordinator. */
export function coordinatorHalves(
  options: CoordinatorDriverOptions,
  deps: CoordinatorDriverDeps,
): { readonly http: HttpServer; readonly driver: CoordinatorDriver } {
  const driver = new CoordinatorDriver(options, deps);
  const { logger, clock } = deps;
  return { http: createCoordinatorServer({ service: driver, logger, clock }), driver };
}
