import type { NodeId } from '../base/ids.ts';
import type { Now } from '../base/now.ts';
import type { Coordinator } from '../coordinator/coordinator.ts';
import { namesOf } from '../coordinator/membership.ts';

/** The shape of the coordinator's `GET /status`: what it has chosen, what it waits for, and what it sees of each node. */
export function coordinatorStatus(
  { node, core, saveFailure }: { node: NodeId; core: Coordinator; saveFailure: string | null },
  now: Now,
): Readonly<Record<string, unknown>> {
  const { configuration, ready } = core.register;
  const nodes = Object.keys(core.topology?.topology.nodes ?? {}) as NodeId[];
  return {
    node,
    role: 'coordinator',
    epoch: configuration?.epoch ?? 0,
    members: configuration === null ? [] : namesOf(configuration),
    ready,
    topologyVersion: core.topology?.version ?? 0,
    problem: core.problem,
    waitingFor: core.waits,
    plan: core.plan,
    register: { saved: saveFailure === null, problem: saveFailure },
    nodes: Object.fromEntries(nodes.map((name) => [name, nodeStatus(core, name, now)])),
  };
}

/** Numbers for `/metrics`, by their Prometheus names without the `catena_` prefix. */
export function coordinatorGauges(
  { core, saveFailure, connections }: { core: Coordinator; saveFailure: string | null; connections: number },
  now: Now,
): Readonly<Record<string, number>> {
  const { configuration, ready } = core.register;
  const nodes = Object.keys(core.topology?.topology.nodes ?? {}) as NodeId[];
  return {
    epoch: configuration?.epoch ?? 0,
    members: configuration?.members.length ?? 0,
    ready_members: ready.length,
    nodes_heard: nodes.filter((name) => core.heard(name, now).counts).length,
    topology_version: core.topology?.version ?? 0,
    waits: core.waits.length,
    plan_steps: core.plan.length,
    unlinked_members: core.unlinked.length,
    peer_connections: connections,
    register_save_failing: saveFailure === null ? 0 : 1,
  };
}

function nodeStatus(core: Coordinator, node: NodeId, now: Now): Readonly<Record<string, unknown>> {
  const { last, counts } = core.heard(node, now);
  if (last === undefined) return { heard: false };
  const { incarnation, configuration, wallMs, ...rest } = last.report;
  return {
    heard: counts,
    linked: last.link !== null,
    heardAgoMs: Math.round(now.monotonicMs - last.atMs),
    storeId: incarnation.storeId,
    boot: incarnation.boot,
    epoch: configuration?.epoch ?? 0,
    time: timeOf(wallMs),
    ...rest,
  };
}

/** What a node says may be beyond what a date can hold. */
function timeOf(wallMs: number): string | null {
  const date = new Date(wallMs);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
