import { assert } from '../base/assert.ts';
import { type Epoch, epoch, NO_EPOCH, type NodeId } from '../base/ids.ts';
import { isPlanted } from '../base/planted.ts';
import type { Configuration, Incarnation } from '../protocol/configuration.ts';
import type { Topology } from '../protocol/topology.ts';

/** The part of a configuration that says who is in it; the rest comes from the topology and the clocks. */
export type Chain = Pick<Configuration, 'epoch' | 'members' | 'joiner' | 'sealed' | 'fence'>;

/** How far above the last epoch known a lost register goes on: it may have chosen more than it told. PROTOCOL.md §6. */
export const LOST_EPOCHS = 2 ** 20;

/** The chain of a cluster that has never been one. Nobody was dropped, so there is nothing to fence. */
export function firstChain(members: readonly Incarnation[]): Chain {
  return { epoch: epoch(1), members, joiner: null, sealed: false, fence: NO_EPOCH };
}

/**
 * The chain of a lost register, from the highest configuration that the nodes hold. The fence rises as if somebody had
 * been dropped: that a drop which nobody holds was never told to anyone is not known for sure, and it costs one lease.
 */
export function takenUp(highest: Configuration): Chain {
  const lifted = epoch(highest.epoch + (isPlanted('lost-register-without-leap') ? 1 : LOST_EPOCHS));
  return { epoch: lifted, members: highest.members, joiner: null, sealed: false, fence: lifted };
}

/** A chain with the later incarnations of members in the places of the earlier. */
export function renamed(chain: Chain, restarted: readonly Incarnation[]): Chain {
  const members = chain.members.map((member) => {
    const later = restarted.find(({ node }) => node === member.node) ?? member;
    assert(later.storeId === member.storeId, () => `${member.node} restarted with another store`);
    assert(later.boot >= member.boot, () => `${member.node} restarted backwards`);
    return later;
  });
  return { ...chain, members };
}

/** Who stays of the chain in the next epoch, in the old order and unsealed. A drop strikes the joiner out as well. */
export function without(
  configuration: Configuration,
  { dropped, fenced }: { dropped: readonly NodeId[]; fenced: boolean },
): Chain {
  const next = again(configuration);
  const members = next.members.filter(({ node }) => !dropped.includes(node));
  assert(members.length > 0, () => `nobody is left of configuration ${configuration.epoch}`);
  return { ...next, members, joiner: null, fence: fenced ? next.epoch : next.fence };
}

/** One node is the whole chain, far from all that may be known by anybody: what it gets is fenced. */
export function forcedChain(survivor: Incarnation, at: Epoch): Chain {
  return { epoch: at, members: [survivor], joiner: null, sealed: false, fence: at };
}

/** Whether a chain is in keeping with a topology but for its order: an arrangement is owed where it isn't. */
export function fits({ members }: Pick<Chain, 'members'>, { chain, replicas }: Topology): boolean {
  return members.length <= replicas && members.every(({ node }) => chain.includes(node));
}

/** The same chain in the next epoch, unsealed. */
export function again(configuration: Configuration): Chain {
  const { members, joiner, fence } = configuration;
  return { epoch: following(configuration.epoch), members, joiner, sealed: false, fence };
}

/** The whole configuration. */
export function configurationOf(chain: Chain, topology: Topology, timeMs: number): Configuration {
  return { ...chain, leaseMs: topology.timing.leaseMs, reads: topology.reads, timeMs };
}

/** The middle one of the wall clocks known, the lower of the two middle ones if they are even, in whole ms. */
export function medianMs(wallsMs: readonly number[]): number {
  const sorted = [...wallsMs].sort((a, b) => a - b);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  assert(middle !== undefined, () => 'no clock is known');
  return Math.round(middle);
}

/** The names of a chain's members, head first. */
export function namesOf({ members }: Pick<Chain, 'members'>): NodeId[] {
  return members.map(({ node }) => node);
}

function following(last: Epoch): Epoch {
  return epoch(last + 1);
}
