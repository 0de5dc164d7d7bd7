import type { NodeId } from '../base/ids.ts';
import type { Reads } from './configuration.ts';

/** How a process is reached: over HTTP by any of `urls`, by its neighbours and the coordinator at `peer`. */
export interface Address {
  /** Never empty; at the same place in every process's list stand the addresses of one network. */
  readonly urls: readonly string[];
  /** `host:port`. */
  readonly peer: string;
}

/** All in ms. */
export interface Timing {
  readonly heartbeatMs: number;
  readonly suspectAfterMs: number;
  readonly leaseMs: number;
  readonly stallAfterMs: number;
}

/** All in bytes. */
export interface Limits {
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly batchBytes: number;
  /** The most that may be on its way down the chain, uncommitted, before the head answers 503. */
  readonly inFlightBytes: number;
  /** The most that the store may hold; a write beyond it gets 507. */
  readonly storeBytes: number;
}

/** The wanted state of the cluster, checked, with every default filled in. The file that people edit. */
export interface Topology {
  readonly $schema?: string | undefined;
  readonly name: string;
  /** How many members the chain should have. */
  readonly replicas: number;
  /** The wanted order, head first; those beyond `replicas` are spares. */
  readonly chain: readonly NodeId[];
  readonly nodes: Readonly<Record<NodeId, Address>>;
  /** Exactly one for now. */
  readonly coordinators: Readonly<Record<NodeId, Address>>;
  readonly reads: Reads;
  /** `sync`: acknowledged means on every member's disk; `memory`: on every member, synced within 100 ms. */
  readonly durability: 'sync' | 'memory';
  readonly timing: Timing;
  readonly limits: Limits;
  /** Web origins that may call the cluster beside its own URLs. */
  readonly origins: readonly string[];
}

/** A topology as the coordinator took it: a higher version is later; 0 is a file that no coordinator has confirmed. */
export interface VersionedTopology {
  readonly version: number;
  readonly topology: Topology;
  /** Where to find those members of the configuration that the topology no longer has: they are on their way out. */
  readonly departing: Readonly<Record<NodeId, Address>>;
}

/** How a node is reached: by its entry in the topology, or while it is on its way out by the one it had. */
export function addressOfNode({ topology, departing }: VersionedTopology, node: NodeId): Address | null {
  if (Object.hasOwn(topology.nodes, node)) return topology.nodes[node] ?? null;
  return Object.hasOwn(departing, node) ? (departing[node] ?? null) : null;
}
