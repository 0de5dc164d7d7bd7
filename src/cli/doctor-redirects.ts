import { endpointKey, redirectTarget, urlEndpoint } from '../protocol/addresses.ts';
import {
  answerOf,
  isOfCluster,
  isRight,
  type ProcessSeen,
  type RunningSeen,
  type Seen,
  type Topology,
  type UrlSeen,
} from './doctor-seen.ts';

/** A URL of the file, and whether it serves from here. */
export interface UrlStanding {
  readonly process: ProcessSeen;
  readonly seen: UrlSeen;
  /** Its place in the list, from 0. */
  readonly place: number;
  /** What answers there is the process that the file has there. */
  readonly right: boolean;
  /** Where a request that comes by it may be sent on to; empty when it is not right. */
  readonly hops: readonly Hop[];
  /** It is right, and so is every address that one is sent on to from it, again and again. */
  readonly safe: boolean;
}

/** An address that a redirect leads to. */
export interface Hop {
  /** Who is to be found there. */
  readonly to: string;
  /** Without a path. */
  readonly url: string;
  /** The URL of the file that it is; `null` when the file has none like it for that process. */
  readonly target: UrlSeen | null;
  /** Whether who is to be found there answers there. */
  readonly right: boolean;
}

/** The nodes that requests may be sent to: those of the wanted chain and the members of the present one, as far as the file has them. */
export function requiredNodes(seen: Seen): readonly string[] {
  const { file } = seen;
  const names: readonly string[] = [...file.chain, ...(newestRunning(seen)?.members ?? [])];
  return [...new Set(names)].filter((name) => Object.hasOwn(file.nodes, name));
}

/** What the process with the latest configuration says of the cluster; `null` when nobody says anything. */
export function newestRunning({ file, processes }: Seen): RunningSeen | null {
  let newest: { epoch: number; running: RunningSeen } | null = null;
  for (const process of processes) {
    const { epoch = 0, running = null } = answerOf(process, file) ?? {};
    if (running !== null && (newest === null || epoch > newest.epoch)) newest = { epoch, running };
  }
  return newest?.running ?? null;
}

/** How every URL of the file stands, in its order. */
export function standUrls(seen: Seen): readonly UrlStanding[] {
  const targets = new Targets(seen);
  const standings = seen.processes.flatMap((process) =>
    process.urls.map((it, place) => {
      const right = isRight(process, it.found, seen.file);
      return { process, seen: it, place, right, hops: right ? targets.from(process, it) : [] };
    }),
  );
  const safe = safeUrls(standings);
  return standings.map((standing) => ({ ...standing, safe: safe.has(standing.seen) }));
}

/** What is right stays safe only while all that it leads to is: what doesn't is taken away until nothing changes. */
function safeUrls(standings: readonly Omit<UrlStanding, 'safe'>[]): ReadonlySet<UrlSeen> {
  const safe = new Set(standings.filter(({ right }) => right).map(({ seen }) => seen));
  for (;;) {
    const before = safe.size;
    for (const { seen, hops } of standings) {
      if (hops.some(({ target, right }) => !right || target === null || !safe.has(target))) safe.delete(seen);
    }
    if (safe.size === before) return safe;
  }
}

/** Knows where redirects lead. */
class Targets {
  readonly #file: Topology;
  readonly #byEndpoint = new Map<string, { process: ProcessSeen; seen: UrlSeen }>();
  /** Those that redirects lead to and that run, as far as can be told: a dead one is another matter. */
  readonly #wanted: ReadonlySet<string>;

  constructor(seen: Seen) {
    this.#file = seen.file;
    for (const process of seen.processes) {
      for (const it of process.urls) this.#byEndpoint.set(keyOf(it.url), { process, seen: it });
    }
    const nodes = new Set(requiredNodes(seen));
    const running = namesRunning(seen);
    const wanted = seen.processes.filter(({ kind, name }) => kind === 'coordinator' || nodes.has(name));
    const members = newestRunning(seen)?.members ?? [];
    const strangers = members.filter((name) => addressIn(seen.file, name) === null);
    const known = wanted.map(({ name }) => name).filter((name) => running.has(name));
    this.#wanted = new Set([...known, ...strangers]);
  }

  /** Where a request that comes to the process by this URL may be sent: what it said itself, and by its topology the rest. */
  from(process: ProcessSeen, { url, found }: UrlSeen): readonly Hop[] {
    if (process.kind === 'coordinator' || found.kind !== 'catena') return [];
    const topology = found.running?.topology ?? this.#file;
    const from = addressIn(topology, process.name);
    const computed = [...this.#wanted].flatMap((name) => {
      const to = addressIn(topology, name);
      if (name === process.name || to === null) return [];
      return [{ to: name, url: redirectTarget({ from: from ?? to, to, host: URL.parse(url)?.host }) }];
    });
    const told =
      found.read?.kind === 'redirect' && this.#wanted.has(found.read.to)
        ? [{ to: found.read.to, url: URL.parse(found.read.location)?.origin ?? found.read.location }]
        : [];
    const hops = new Map([...computed, ...told].map((hop) => [`${hop.to} ${keyOf(hop.url)}`, hop]));
    return [...hops.values()].map((hop) => this.#looked(hop));
  }

  #looked({ to, url }: { to: string; url: string }): Hop {
    const there = this.#byEndpoint.get(keyOf(url));
    const found = there?.seen.found;
    // Whoever the file has there: the request ends where it should.
    if (
      there !== undefined &&
      found?.kind === 'catena' &&
      found.node === to &&
      isOfCluster(found, this.#file)
    )
      return { to, url, target: there.seen, right: true };
    if (there?.process.name !== to) return { to, url, target: null, right: false };
    return { to, url, target: there.seen, right: isRight(there.process, there.seen.found, this.#file) };
  }
}

/** Who runs, as far as can be told: who answers, be it at an address of somebody else, and who is heard by the coordinator. */
export function namesRunning(seen: Seen): ReadonlySet<string> {
  const { file, processes } = seen;
  const found = processes.flatMap(({ urls }) => urls.map((it) => it.found));
  const answering = found.flatMap((it) => (it.kind === 'catena' && isOfCluster(it, file) ? [it.node] : []));
  const members = newestRunning(seen)?.members ?? [];
  const hearing = [...file.chain, ...members].filter((name) => heardOf(seen, name) ?? members.includes(name));
  return new Set([...answering, ...hearing]);
}

/** Whether the coordinator hears a node; `null` when it can't be asked. */
export function heardOf({ file, processes }: Seen, node: string): boolean | null {
  for (const process of processes) {
    const nodes = answerOf(process, file)?.sees?.nodes;
    if (nodes !== undefined) return nodes.get(node)?.heard ?? false;
  }
  return null;
}

/** How a topology says that a process is reached. */
export function addressIn(
  { nodes, coordinators }: Topology,
  name: string,
): { readonly urls: readonly string[]; readonly peer: string } | null {
  const all: Readonly<Record<string, { readonly urls: readonly string[]; readonly peer: string }>> = {
    ...nodes,
    ...coordinators,
  };
  return Object.hasOwn(all, name) ? (all[name] ?? null) : null;
}

function keyOf(url: string): string {
  const endpoint = urlEndpoint(url);
  return endpoint === null ? url : endpointKey(endpoint);
}
