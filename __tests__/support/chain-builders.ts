import { epoch, NO_EPOCH, NO_SEQ, type NodeId, nodeId, type Seq, seq, storeId } from '../../src/base/ids.ts';
import type { Now } from '../../src/base/now.ts';
import type { Configuration, Incarnation } from '../../src/protocol/configuration.ts';
import type { Entry } from '../../src/protocol/entry.ts';
import type { Append, Hello } from '../../src/protocol/messages.ts';
import { PROTOCOL_VERSION } from '../../src/protocol/messages.ts';
import type { Limits, Timing, VersionedTopology } from '../../src/protocol/topology.ts';
import type { Effect } from '../../src/replica/events.ts';
import { Replica } from '../../src/replica/replica.ts';
import { Store } from '../../src/replica/store.ts';

/** A start of a node, by default its first. */
export function incarnation(name: string, boot = 1): Incarnation {
  return { node: nodeId(name), storeId: storeId(`store of ${name}`), boot };
}

/** A topology of these nodes, head first, with short times and the default limits unless told otherwise. */
export function versionedTopology(
  names: readonly string[],
  options: { version?: number; timing?: Partial<Timing>; limits?: Partial<Limits> } = {},
): VersionedTopology {
  const address = (name: string) => ({ urls: [`http://${name}:80`], peer: `${name}:81` });
  const limits = {
    keyBytes: 1024,
    valueBytes: 1_048_576,
    batchBytes: 4_194_304,
    inFlightBytes: 67_108_864,
    storeBytes: 2_147_483_648,
  };
  const timing = { heartbeatMs: 50, suspectAfterMs: 500, leaseMs: 200, stallAfterMs: 5000 };
  return {
    version: options.version ?? 1,
    topology: {
      name: 'test',
      replicas: names.length,
      chain: names.map(nodeId),
      nodes: Object.fromEntries(names.map((name) => [name, address(name)])) as Record<
        NodeId,
        ReturnType<typeof address>
      >,
      coordinators: { [nodeId('c1')]: address('c1') },
      reads: 'tail',
      durability: 'sync',
      timing: { ...timing, ...options.timing },
      limits: { ...limits, ...options.limits },
      origins: [],
    },
    departing: {},
  };
}

export function configuration(
  number: number,
  members: readonly Incarnation[],
  { timeMs = 0 }: { timeMs?: number } = {},
): Configuration {
  return {
    epoch: epoch(number),
    members,
    joiner: null,
    sealed: false,
    fence: NO_EPOCH,
    leaseMs: 200,
    reads: 'tail',
    timeMs,
  };
}

/** Both clocks at one reading. */
export const at = (ms: number): Now => ({ monotonicMs: ms, wallMs: ms });

/** A replica of its own, for tests that play all its neighbours and its disk; `pending` is what recovery found. */
export function loneReplica(
  self: Incarnation,
  options: {
    topology?: VersionedTopology;
    configuration?: Configuration;
    committed?: readonly Entry[];
    pending?: readonly Entry[];
  } = {},
): Replica {
  const { committed = [], pending = [] } = options;
  const store = new Store();
  for (const entry of committed) store.apply(entry);
  const runs = new Map([...committed, ...pending].map((entry) => [entry.epoch, entry.seq]));
  return new Replica(
    {
      self,
      topology: options.topology ?? versionedTopology([self.node]),
      configuration: options.configuration ?? null,
      leaseMsMax: 0,
      log: {
        committed: store.seq,
        committedTimeMs: store.timeMs,
        pending,
        runs: [...runs].map(([made, lastSeq]) => ({ epoch: made, lastSeq })),
      },
      store,
    },
    at(0),
  );
}

/** Tells a replica a configuration and lets its save complete. */
export function enter(replica: Replica, told: Configuration, now: Now = at(0)): readonly Effect[] {
  const effects = replica.step({ kind: 'told', configuration: told, topology: null }, now);
  const save = only(effects, 'save').at(-1)?.save ?? 0;
  return replica.step({ kind: 'saved', save }, now);
}

export function hello(
  told: Configuration,
  sender: Incarnation,
  { received = 0, topology }: { received?: number; topology?: VersionedTopology } = {},
): Hello {
  return {
    kind: 'hello',
    protocolVersion: PROTOCOL_VERSION,
    configuration: told,
    topology: topology ?? versionedTopology([sender.node], { version: 0 }),
    sender,
    received: seq(received),
    fenceMs: 0,
    leaseMsMax: 0,
  };
}

export function append(
  entries: readonly Entry[],
  {
    upstreamDurable = NO_SEQ as Seq,
    committed = NO_SEQ as Seq,
  }: { upstreamDurable?: number; committed?: number } = {},
): Append {
  return { kind: 'append', entries, upstreamDurable: seq(upstreamDurable), committed: seq(committed) };
}

/** The effects of one kind. */
export function only<K extends Effect['kind']>(
  effects: readonly Effect[],
  kind: K,
): Extract<Effect, { kind: K }>[] {
  return effects.filter((effect): effect is Extract<Effect, { kind: K }> => effect.kind === kind);
}
