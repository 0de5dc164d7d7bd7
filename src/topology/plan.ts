import type { NodeId } from '../base/ids.ts';
import type { Address, Topology } from '../protocol/topology.ts';

/** What a plan starts from, and where it leads. */
export interface Prospect {
  /** The members that stay unless the plan removes them, head first. */
  readonly members: readonly NodeId[];
  /** Other nodes that could join now. */
  readonly spares: readonly NodeId[];
  /** Other nodes that are not there yet, and that the chain waits for before it is arranged without them. */
  readonly awaited: readonly NodeId[];
  /** Whether the chain is to be what `to` says; else its order stands, and only what it lacks is added. */
  readonly arranging: boolean;
  readonly from: Topology;
  readonly to: Topology;
}

/** The chain that a topology wants: its first `replicas` nodes of those that are healthy, head first. */
export function targetOf(
  { chain, replicas }: Pick<Topology, 'chain' | 'replicas'>,
  healthy: (node: NodeId) => boolean,
): readonly NodeId[] {
  return chain.filter(healthy).slice(0, replicas);
}

/** Whether an edit asks for the chain to be arranged anew: it changes `chain` or `replicas`. A node beside the chain changes nothing. */
export function arranges(from: Topology, to: Topology): boolean {
  const asked = ({ chain, replicas }: Topology) => JSON.stringify([chain, replicas]);
  return asked(from) !== asked(to);
}

/** Whether two topologies say the same, but for where editors find their schema. */
export function sameTopology(a: Topology, b: Topology): boolean {
  return textOf({ ...a, $schema: undefined }) === textOf({ ...b, $schema: undefined });
}

/** The steps from here to there in words, in the order in which they are taken; none when nothing changes. */
export function planOf(prospect: Prospect): readonly string[] {
  const { from, to } = prospect;
  if (from === to) return chainSteps(prospect);
  return [...newNodes(from, to), ...settings(from, to), ...chainSteps(prospect), ...formerNodes(from, to)];
}

function chainSteps({ members, spares, awaited, arranging, to }: Prospect): string[] {
  const there = new Set([...members, ...spares, ...awaited]);
  const target = arranging ? targetOf(to, (node) => there.has(node)) : filledUp(members, spares, to);
  const chain = [...members];
  const steps: string[] = [];
  for (const node of target.filter((it) => !members.includes(it))) {
    const behind = chain.length === 0 ? '' : ` behind ${chain.at(-1)}`;
    const when = awaited.includes(node) ? ', once it is heard' : '';
    steps.push(`take ${node} into the chain${behind} (state transfer)${when}`);
    chain.push(node);
  }
  for (const node of members.filter((it) => !target.includes(it))) steps.push(`remove ${node}`);
  const left = chain.filter((node) => target.includes(node));
  if (left.join() !== target.join()) steps.push(`reorder to ${target.join(', ')} (sealed)`);
  return steps;
}

function filledUp(members: readonly NodeId[], spares: readonly NodeId[], to: Topology): readonly NodeId[] {
  const joining = to.chain.filter((node) => spares.includes(node) && !members.includes(node));
  return [...members, ...joining.slice(0, Math.max(0, to.replicas - members.length))];
}

function newNodes(from: Topology, to: Topology): string[] {
  return entriesOf(to.nodes)
    .filter(([node]) => !Object.hasOwn(from.nodes, node))
    .map(([node, { urls, peer }]) => `know ${node}: ${urls.join(', ')}, peer ${peer}`);
}

function formerNodes(from: Topology, to: Topology): string[] {
  return entriesOf(from.nodes)
    .filter(([node]) => !Object.hasOwn(to.nodes, node))
    .map(([node]) => `forget ${node}`);
}

function settings(from: Topology, to: Topology): string[] {
  const steps: string[] = [];
  const compare = (what: string, before: unknown, after: unknown) => {
    if (textOf(before) !== textOf(after)) steps.push(`${what} from ${shown(before)} to ${shown(after)}`);
  };
  compare('name', from.name, to.name);
  if (from.reads !== to.reads) {
    steps.push(to.reads === 'any' ? 'reads: any member answers' : 'reads: the tail alone answers');
  }
  for (const part of ['timing', 'limits'] as const) {
    for (const [field, after] of Object.entries(to[part])) {
      compare(`${part}.${field}`, new Map(Object.entries(from[part])).get(field), after);
    }
  }
  compare('origins', from.origins, to.origins);
  for (const section of ['nodes', 'coordinators'] as const) {
    for (const [name, after] of entriesOf(to[section])) {
      const before = new Map(entriesOf(from[section])).get(name);
      if (before === undefined) continue;
      compare(`urls of ${name}`, before.urls, after.urls);
      compare(`peer of ${name}`, before.peer, after.peer);
    }
  }
  return steps;
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(', ');
  return String(value);
}

function entriesOf(processes: Readonly<Record<NodeId, Address>>): [NodeId, Address][] {
  return Object.entries<Address>(processes) as [NodeId, Address][];
}

/** JSON with the properties of each object in order. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
