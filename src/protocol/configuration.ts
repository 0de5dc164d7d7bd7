import { assert } from '../base/assert.ts';
import type { Epoch, NodeId, StoreId } from '../base/ids.ts';

/** One start of a node on one data directory. A later `boot` of the same `storeId` proves the earlier one dead. */
export interface Incarnation {
  readonly node: NodeId;
  readonly storeId: StoreId;
  /** Raised and synced at every start, from 1. */
  readonly boot: number;
}

/** Who answers reads: the tail alone, or any member (CRAQ). */
export type Reads = 'tail' | 'any';

/** The chain of one epoch, chosen by the coordinator; immutable, and the only one with its epoch. PROTOCOL.md §2. */
export interface Configuration {
  readonly epoch: Epoch;
  /** Head first, tail last, never empty. */
  readonly members: readonly Incarnation[];
  /** The replica behind the tail that receives but does not count yet. */
  readonly joiner: Incarnation | null;
  /** While sealed the head holds new writes back, so that the chain gets quiet for a reorder. */
  readonly sealed: boolean;
  /** The latest epoch, up to this one, that began with a drop that the dropped node did not confirm. */
  readonly fence: Epoch;
  readonly leaseMs: number;
  readonly reads: Reads;
  /** The median of the wall clocks that the coordinator knew when it chose, in ms since 1970. */
  readonly timeMs: number;
}

/** What a node is in a configuration. A spare holds no place in it. */
export type Role = 'head' | 'middle' | 'tail' | 'only' | 'joiner' | 'spare';

/** Whether both are there and are the same start of the same node on the same store. */
export function sameIncarnation(a: Incarnation | null, b: Incarnation | null): boolean {
  return a !== null && b !== null && a.node === b.node && a.storeId === b.storeId && a.boot === b.boot;
}

/** Whether two configurations are the same in every field. */
export function sameConfiguration(a: Configuration, b: Configuration): boolean {
  const key = (c: Configuration) =>
    JSON.stringify([
      c.epoch,
      [...c.members, c.joiner].map((who) => who && [who.node, who.storeId, who.boot]),
      c.sealed,
      c.fence,
      c.leaseMs,
      c.reads,
      c.timeMs,
    ]);
  return a === b || key(a) === key(b);
}

/** The first member: it makes the entries. */
export function headOf(configuration: Configuration): Incarnation {
  return memberAt(configuration, 0);
}

/** The last member: it commits, and answers reads. */
export function tailOf(configuration: Configuration): Incarnation {
  return memberAt(configuration, configuration.members.length - 1);
}

/** Whether this incarnation counts: the joiner and spares don't. */
export function isMember(configuration: Configuration, who: Incarnation): boolean {
  return placeOf(configuration, who) >= 0;
}

/** The neighbour toward the head; for the joiner the tail; `null` for the head and for spares. */
export function predecessorOf(configuration: Configuration, who: Incarnation): Incarnation | null {
  if (sameIncarnation(configuration.joiner, who)) return tailOf(configuration);
  const place = placeOf(configuration, who);
  return place > 0 ? memberAt(configuration, place - 1) : null;
}

/** The neighbour toward the tail; for the tail the joiner if there is one; `null` for the joiner and for spares. */
export function successorOf(configuration: Configuration, who: Incarnation): Incarnation | null {
  const place = placeOf(configuration, who);
  if (place < 0) return null;
  return configuration.members[place + 1] ?? configuration.joiner;
}

/** What an incarnation is in a configuration; `spare` also when there is none yet. */
export function roleOf(configuration: Configuration | null, who: Incarnation): Role {
  if (configuration === null) return 'spare';
  if (sameIncarnation(configuration.joiner, who)) return 'joiner';
  const place = placeOf(configuration, who);
  if (place < 0) return 'spare';
  if (configuration.members.length === 1) return 'only';
  if (place === 0) return 'head';
  return place === configuration.members.length - 1 ? 'tail' : 'middle';
}

function placeOf(configuration: Configuration, who: Incarnation): number {
  return configuration.members.findIndex((member) => sameIncarnation(member, who));
}

function memberAt(configuration: Configuration, place: number): Incarnation {
  const member = configuration.members[place];
  assert(member !== undefined, () => `configuration ${configuration.epoch} has no member ${place}`);
  return member;
}
