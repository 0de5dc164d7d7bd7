import { addressIn, newestRunning, requiredNodes } from './doctor-redirects.ts';
import { answerOf, type Catena, type RunningSeen, type Seen, type Topology } from './doctor-seen.ts';

/** A process by its name. */
export interface Named {
  readonly kind: 'node' | 'coordinator';
  readonly name: string;
}

/** What is wrong, or worth knowing, with the cluster itself, wherever it is looked at from. */
export type ClusterFinding =
  | { readonly kind: 'unwell'; readonly process: Named; readonly reason: string }
  | { readonly kind: 'not-ready'; readonly process: Named; readonly reason: string }
  | { readonly kind: 'read-fails'; readonly process: Named; readonly reason: string }
  | { readonly kind: 'behind'; readonly process: Named; readonly epoch: number; readonly newest: number }
  /** `missing` are nodes of the wanted chain that are no members. */
  | {
      readonly kind: 'chain-short';
      readonly members: readonly string[];
      readonly replicas: number;
      readonly missing: readonly string[];
    }
  | { readonly kind: 'unheard'; readonly process: Named; readonly coordinator: string }
  | { readonly kind: 'other-store'; readonly process: Named; readonly coordinator: string }
  | { readonly kind: 'waits'; readonly process: Named; readonly reason: string }
  | { readonly kind: 'refused-edit'; readonly process: Named; readonly problem: string }
  | Stale;

/** What those of `by` run with, and the file says otherwise; `null` where one of them has no such process. */
export interface Stale {
  readonly kind: 'stale';
  readonly process: Named;
  readonly by: readonly string[];
  readonly what: 'urls' | 'peer';
  readonly running: readonly string[] | null;
  readonly file: readonly string[] | null;
}

interface Present {
  readonly process: Named;
  readonly found: Catena;
  readonly required: boolean;
}

/** What keeps the cluster from being well, and what does not. */
export function judgeCluster(seen: Seen): {
  readonly faults: readonly ClusterFinding[];
  readonly notes: readonly ClusterFinding[];
} {
  const required = new Set(requiredNodes(seen));
  const present = seen.processes.flatMap(({ kind, name, ...rest }): readonly Present[] => {
    const found = answerOf({ kind, name, ...rest }, seen.file);
    if (found === null) return [];
    return [{ process: { kind, name }, found, required: kind === 'coordinator' || required.has(name) }];
  });
  const needed = present.filter((it) => it.required);
  return {
    faults: [
      ...chainShort(seen),
      ...needed.flatMap(unwell),
      ...needed.flatMap((it) => behind(it, seen.epochBefore)),
      ...present.flatMap((it) => seenByCoordinator(it, needed)),
      ...present.flatMap(waits),
    ],
    notes: [
      ...present.filter((it) => !it.required).flatMap(unwell),
      ...present.flatMap(refusedEdit),
      ...staleTopologies(present, seen.file),
    ],
  };
}

/** Whether what was seen may be of a moment only: then it is worth another look. */
export function mayPass(seen: Seen): boolean {
  const { faults } = judgeCluster(seen);
  return faults.length > 0 || new Set(epochsOf(seen)).size > 1;
}

/** The newest epoch that anybody has. */
export function newestEpoch(seen: Seen): number {
  return Math.max(0, ...epochsOf(seen));
}

function epochsOf({ processes, file }: Seen): readonly number[] {
  return processes.flatMap((process) => answerOf(process, file)?.epoch ?? []);
}

function unwell({ process, found }: Present): readonly ClusterFinding[] {
  const { unready, read } = found;
  if (found.unwell !== null) return [{ kind: 'unwell', process, reason: found.unwell }];
  if (unready !== null) return [{ kind: 'not-ready', process, reason: unready }];
  return read?.kind === 'failed' ? [{ kind: 'read-fails', process, reason: read.reason }] : [];
}

function behind({ process, found: { epoch } }: Present, newest: number | null): readonly ClusterFinding[] {
  return newest !== null && epoch < newest ? [{ kind: 'behind', process, epoch, newest }] : [];
}

function chainShort(seen: Seen): readonly ClusterFinding[] {
  const running = newestRunning(seen);
  if (running === null || running.members.length === 0) return [];
  const { members } = running;
  const { replicas, chain } = running.topology;
  if (members.length >= replicas) return [];
  const missing = chain.filter((node) => !members.includes(node));
  return [{ kind: 'chain-short', members, replicas, missing }];
}

/** What a coordinator hears of the nodes that answer here. */
function seenByCoordinator(
  { process, found }: Present,
  needed: readonly Present[],
): readonly ClusterFinding[] {
  if (found.sees === null) return [];
  const { nodes } = found.sees;
  return needed.flatMap((node): readonly ClusterFinding[] => {
    if (node.process.kind === 'coordinator') return [];
    const said = nodes.get(node.process.name);
    const about = { process: node.process, coordinator: process.name };
    // A node that the coordinator's topology lacks is told as such.
    if (said === undefined) return [];
    if (!said.heard) return [{ kind: 'unheard', ...about }];
    const { storeId } = node.found;
    const other = said.storeId !== null && storeId !== null && said.storeId !== storeId;
    return other ? [{ kind: 'other-store', ...about }] : [];
  });
}

function waits({ process, found }: Present): readonly ClusterFinding[] {
  return (found.sees?.waitingFor ?? []).map((reason) => ({ kind: 'waits', process, reason }));
}

function refusedEdit({ process, found: { sees, running } }: Present): readonly ClusterFinding[] {
  const problem = sees === null ? null : (running?.problem ?? null);
  return problem === null ? [] : [{ kind: 'refused-edit', process, problem }];
}

/** Each difference once, with all who run with it. */
function staleTopologies(present: readonly Present[], file: Topology): readonly Stale[] {
  const stale = new Map<string, Stale>();
  for (const { process, found } of present) {
    if (found.running === null) continue;
    for (const difference of differences(found.running, file)) {
      const { name } = difference.process;
      const key = JSON.stringify([name, difference.what, difference.running]);
      const by = [...(stale.get(key)?.by ?? []), process.name];
      stale.set(key, { kind: 'stale', ...difference, by });
    }
  }
  return [...stale.values()];
}

function differences({ topology }: RunningSeen, file: Topology): readonly Omit<Stale, 'kind' | 'by'>[] {
  const names = new Set([...namesIn(file), ...namesIn(topology)]);
  return [...names].flatMap((name) => {
    const running = addressIn(topology, name);
    const wanted = addressIn(file, name);
    const kind = name in file.coordinators || name in topology.coordinators ? 'coordinator' : 'node';
    const process: Named = { kind, name };
    const urls = {
      process,
      what: 'urls' as const,
      running: running?.urls ?? null,
      file: wanted?.urls ?? null,
    };
    if (running === null || wanted === null) return [urls];
    const peer = { process, what: 'peer' as const, running: [running.peer], file: [wanted.peer] };
    return [urls, peer].filter((it) => JSON.stringify(it.running) !== JSON.stringify(it.file));
  });
}

function namesIn({ nodes, coordinators }: Topology): readonly string[] {
  return [...Object.keys(nodes), ...Object.keys(coordinators)];
}
