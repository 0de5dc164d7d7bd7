import type { NetworkTrouble } from '../platform/probe-trouble.ts';
import type { TopologyFile } from '../server/topology-file.ts';

/** A checked topology. */
export type Topology = TopologyFile['topology'];

/** A process of the topology file, and what was found at each of its addresses. */
export interface ProcessSeen {
  readonly kind: 'node' | 'coordinator';
  readonly name: string;
  /** In the order of the file. */
  readonly urls: readonly UrlSeen[];
  readonly peer: {
    readonly address: string;
    readonly addresses: readonly string[];
    readonly found: NetworkTrouble | { readonly kind: 'open' };
  };
}

/** What was found at a URL. */
export interface UrlSeen {
  readonly url: string;
  /** Where the host leads; empty when its name is not known. */
  readonly addresses: readonly string[];
  readonly found: UrlFound;
}

/** Nobody, something that is not catena, or a process of catena. */
export type UrlFound = NetworkTrouble | { readonly kind: 'stranger'; readonly what: string } | Catena;

/** What a process says of itself. */
export interface Catena {
  readonly kind: 'catena';
  readonly node: string;
  readonly role: string;
  readonly epoch: number;
  /** The random name of a node's data directory; `null` for a coordinator. */
  readonly storeId: string | null;
  /** `null` when it is well, else what is wrong with the process or its disk. */
  readonly unwell: string | null;
  /** `null` when it would answer or redirect a request now, else why not. */
  readonly unready: string | null;
  /** `null` when it does not say. */
  readonly running: RunningSeen | null;
  /** What became of a read; `null` for a coordinator, which takes none. */
  readonly read: ReadSeen | null;
  /** What a coordinator sees; `null` for a node. */
  readonly sees: CoordinatorSees | null;
}

/** What `GET /topology` says. */
export interface RunningSeen {
  readonly topology: Topology;
  readonly version: number;
  /** Head first; empty while there is no configuration. */
  readonly members: readonly string[];
  /** The edit that was refused last. */
  readonly problem: string | null;
}

/** What became of a read. */
export type ReadSeen =
  | { readonly kind: 'here' }
  | { readonly kind: 'redirect'; readonly to: string; readonly location: string }
  | { readonly kind: 'failed'; readonly reason: string };

/** What a coordinator says of the nodes. */
export interface CoordinatorSees {
  readonly waitingFor: readonly string[];
  readonly nodes: ReadonlyMap<string, { readonly heard: boolean; readonly storeId: string | null }>;
}

/** All that was found, from one place. */
export interface Seen {
  readonly file: Topology;
  /** The nodes, then the coordinators, in the order of the file. */
  readonly processes: readonly ProcessSeen[];
  /** The newest epoch that anybody had a moment before; `null` when nobody was asked before. */
  readonly epochBefore: number | null;
}

/** Whether what answers is the process that the file has there: the same name, kind and cluster. */
export function isRight({ kind, name }: ProcessSeen, found: UrlFound, file: Topology): found is Catena {
  if (found.kind !== 'catena' || found.node !== name) return false;
  return (found.role === 'coordinator') === (kind === 'coordinator') && isOfCluster(found, file);
}

/** Whether it says the name of the file's cluster, as far as it says one. */
export function isOfCluster({ running }: Catena, file: Topology): boolean {
  return running === null || running.topology.name === file.name;
}

/** What a process says of itself, by the first of its URLs that leads to it; `null` when none does. */
export function answerOf(process: ProcessSeen, file: Topology): Catena | null {
  for (const { found } of process.urls) if (isRight(process, found, file)) return found;
  return null;
}
