import { join } from 'node:path';
import { messageOf } from '../base/errors.ts';
import { listenOn } from '../platform/listener.ts';
import { type ListenAt, type ListenPlan, listenPlan } from '../server/listen-at.ts';
import type { TopologyFile } from '../server/topology-file.ts';

type Topology = TopologyFile['topology'];

/** A process that `up` runs. */
export interface PlannedProcess {
  readonly kind: 'node' | 'coordinator';
  readonly id: string;
  readonly at: ListenPlan;
  /** Where this machine reaches its HTTP side, without a slash at the end. */
  readonly url: string;
  readonly data: string;
}

/** Everything that runs, nodes first, in the order of the chain. */
export function planOf(topology: Topology, data: string): readonly PlannedProcess[] {
  const chain = [...new Set([...topology.chain, ...Object.keys(topology.nodes)])];
  return [
    ...chain.map((id) => planned('node', id, topology, data)),
    ...Object.keys(topology.coordinators).map((id) => planned('coordinator', id, topology, data)),
  ];
}

function planned(kind: PlannedProcess['kind'], id: string, topology: Topology, data: string): PlannedProcess {
  const list: Readonly<Record<string, Topology['nodes'][keyof Topology['nodes']]>> =
    kind === 'node' ? topology.nodes : topology.coordinators;
  const address = list[id];
  if (address === undefined) throw new Error(`the checked topology has no ${kind} ${id}`);
  const at = listenPlan(address, {});
  return { kind, id, at, url: `http://localhost:${at.http.port}`, data: join(data, id) };
}

interface Wanted {
  readonly who: string;
  readonly at: ListenAt;
}

/** What is in the way of all these processes on one machine, in words: ports that two of them want, and busy ones. */
export async function portProblems(plan: readonly PlannedProcess[], source: string): Promise<string[]> {
  const wanted = plan.flatMap(({ id, at }): Wanted[] => [
    { who: `${id} (HTTP)`, at: at.http },
    { who: `${id} (peer)`, at: at.peer },
  ]);
  const byPort = Map.groupBy(wanted, ({ at }) => at.port);
  const problems: string[] = [];
  for (const [port, claims] of byPort) {
    const who = claims.map((claim) => claim.who).join(' and ');
    if (claims.length > 1) {
      problems.push(
        `${who} want the same port ${port}, and \`up\` runs them all on this machine: mend ${source}`,
      );
    }
    const busy = await whyBusy(claims);
    if (busy !== null) problems.push(`${who}: ${busy}`);
  }
  return problems;
}

async function whyBusy([first]: readonly Wanted[]): Promise<string | null> {
  if (first === undefined) return null;
  try {
    const listening = await listenOn(first.at, (socket) => socket.destroy());
    await listening.close();
    return null;
  } catch (error) {
    return messageOf(error);
  }
}
