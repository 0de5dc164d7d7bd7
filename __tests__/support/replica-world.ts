import { CatenaError } from '../../src/base/errors.ts';
import { epoch, type NodeId, nodeId, storeId } from '../../src/base/ids.ts';
import { encodeMessage, MessageDecoder } from '../../src/codec/message-codec.ts';
import type { Connection, Listening } from '../../src/ports/transport.ts';
import type { Configuration, Incarnation } from '../../src/protocol/configuration.ts';
import type { NodeReport } from '../../src/protocol/messages.ts';
import type { Topology, VersionedTopology } from '../../src/protocol/topology.ts';
import type { WriteReply } from '../../src/replica/events.ts';
import { Node } from '../../src/runtime/node.ts';
import {
  ReplicaDriver,
  type ReplicaDriverDeps,
  type ReplicaDriverOptions,
} from '../../src/runtime/replica-driver.ts';
import { clientId, set, single, value } from './builders.ts';
import { configuration } from './chain-builders.ts';
import { topologyFile } from './coordinator-story.ts';
import { keepingLogger, ManualClock, settle } from './coordinator-world.ts';
import { type DiskOperation, MemoryDisk } from './memory-disk.ts';
import { MemoryNetwork } from './memory-transport.ts';

const COORDINATOR_PORT = 5460;

/** A coordinator that says what the test tells it to say, and keeps what it hears. */
export class ScriptedCoordinator {
  configuration: Configuration | null = null;
  topology: VersionedTopology | null = null;
  /** Hears, and does not answer. */
  silent = false;
  /** Closes each connection as soon as a heartbeat comes. */
  hostile = false;
  /** Asks these to serve no more reads in the present epoch. */
  readonly stops = new Set<string>();
  readonly reports: NodeReport[] = [];
  readonly #network: MemoryNetwork;
  readonly #listening = new Map<number, Listening>();

  constructor(network: MemoryNetwork) {
    this.#network = network;
  }

  /** Listens at this port too. */
  async start(port = COORDINATOR_PORT): Promise<void> {
    const at = { hosts: ['127.0.0.1'], port };
    const listening = await this.#network.of('c1').accept(at, (connection) => this.#accept(connection));
    this.#listening.set(port, listening);
  }

  /** Listens at this port no more; connections stay. */
  async end(port = COORDINATOR_PORT): Promise<void> {
    await this.#listening.get(port)?.close();
  }

  /** What `name` said last. */
  last(name: string): NodeReport | undefined {
    return this.reports.findLast((report) => report.incarnation.node === name);
  }

  #accept(connection: Connection): void {
    const decoder = new MessageDecoder();
    connection.listen({
      data: (bytes) => {
        for (const message of decoder.push(bytes)) {
          if (message.kind !== 'heartbeat') throw new Error(`a node sent ${message.kind}`);
          this.#answer(connection, message.report);
        }
      },
      drained: () => {},
      closed: () => {},
    });
  }

  #answer(connection: Connection, report: NodeReport): void {
    this.reports.push(report);
    if (this.hostile) return connection.close();
    if (this.silent) return;
    const chosen = this.configuration;
    connection.send(
      encodeMessage({
        kind: 'heartbeat-answer',
        epoch: epoch(chosen?.epoch ?? 0),
        configuration: report.configuration?.epoch === chosen?.epoch ? null : chosen,
        topology: this.topology && report.topologyVersion < this.topology.version ? this.topology : null,
        stop: this.stops.has(report.incarnation.node),
      }),
    );
  }
}

/** One node: its driver, and the disk and the log that it has. */
class WorldNode<Driver extends ReplicaDriver | Node = ReplicaDriver | Node> {
  readonly name: NodeId;
  readonly driver: Driver;
  readonly disk: MemoryDisk;
  readonly logger = keepingLogger();

  constructor(
    name: string,
    { world, disk, topology }: { world: ReplicaWorld; disk: MemoryDisk; topology: Topology },
    make: (options: ReplicaDriverOptions, deps: ReplicaDriverDeps) => Driver,
  ) {
    this.name = nodeId(name);
    this.disk = disk;
    const port = Number(topology.nodes[this.name]?.peer.split(':')[1]);
    this.driver = make(
      { node: this.name, topology, peer: { hosts: ['127.0.0.1'], port } },
      {
        clock: world.clock,
        disk,
        transport: world.network.of(name),
        logger: this.logger,
        newStoreId: () => storeId(`store of ${name}${'+'.repeat(world.madeStore(name))}`),
      },
    );
  }

  get status() {
    return this.driver.status();
  }

  get incarnation(): Incarnation {
    return this.status.incarnation as Incarnation;
  }
}

/** Nodes on one network, with a coordinator that does as the test says, and a clock that moves when the test says. */
export class ReplicaWorld {
  readonly clock = new ManualClock();
  readonly network = new MemoryNetwork(this.clock);
  readonly coordinator = new ScriptedCoordinator(this.network);
  readonly topology: Topology;
  readonly #disks = new Map<string, MemoryDisk>();
  readonly #stores = new Map<string, number>();
  readonly #nodes: WorldNode[] = [];
  readonly #releases: (() => void)[] = [];

  constructor(edit: Record<string, unknown> = {}) {
    this.topology = topologyFile(edit).topology;
  }

  /** A node that has not been started, on the disk that the one before it of this name left. */
  node(name: string, topology = this.topology): WorldNode<ReplicaDriver> {
    return this.#make(name, topology, (options, deps) => new ReplicaDriver(options, deps));
  }

  /** The same, but it starts over by itself where that helps. */
  whole(name: string, topology = this.topology): WorldNode<Node> {
    return this.#make(name, topology, (options, deps) => new Node(options, deps));
  }

  #make<Driver extends ReplicaDriver | Node>(
    name: string,
    topology: Topology,
    make: (options: ReplicaDriverOptions, deps: ReplicaDriverDeps) => Driver,
  ): WorldNode<Driver> {
    const disk = this.#disks.get(name) ?? new MemoryDisk(`/data/${name}`);
    this.#disks.set(name, disk);
    const node = new WorldNode(name, { world: this, disk, topology }, make);
    this.#nodes.push(node);
    return node;
  }

  /** A node that has started and has no place yet. */
  async started(name: string): Promise<WorldNode<ReplicaDriver>> {
    const node = this.node(name);
    await node.driver.start();
    await settle();
    return node;
  }

  /** How many stores of this name were made before; this is one more. */
  madeStore(name: string): number {
    const before = this.#stores.get(name) ?? 0;
    this.#stores.set(name, before + 1);
    return before;
  }

  /** Names these nodes as the members of an epoch, and waits until each says that it is ready. */
  async form(nodes: readonly WorldNode[], number = 1): Promise<void> {
    this.choose(nodes, number);
    await this.goUntil(
      () => nodes.every(({ status }) => status.epoch === number && status.ready === true),
      `a chain of ${nodes.map(({ name }) => name)}`,
    );
  }

  choose(nodes: readonly WorldNode[], number = 1): void {
    const members = nodes.map((node) => node.incarnation);
    this.coordinator.configuration = configuration(number, members);
  }

  /** Lets time go by, up to some seconds, until it is so. */
  async goUntil(condition: () => boolean, what: string): Promise<void> {
    for (let step = 0; step < 200 && !condition(); step++) await this.clock.advance(20);
    if (!condition()) throw new Error(`it never happened: ${what}`);
  }

  /** Holds back the operations of a disk that `matches` names, until `release`. */
  hold(
    disk: MemoryDisk,
    matches: (operation: DiskOperation) => boolean,
  ): { readonly held: string[]; readonly release: () => void } {
    const held: string[] = [];
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    disk.hook = (operation) => {
      if (!matches(operation)) return;
      held.push(`${operation.kind} ${operation.path}`);
      return gate;
    };
    const release = () => {
      disk.hook = null;
      open();
    };
    this.#releases.push(release);
    return { held, release };
  }

  /** Stops whatever the test left running. */
  async end(): Promise<void> {
    for (const release of this.#releases) release();
    for (const { disk } of this.#nodes) disk.hook = null;
    await Promise.all(this.#nodes.map(({ driver }) => driver.stop().catch(() => undefined)));
  }
}

/** Three nodes that are a chain, and the coordinator that made them one. */
export async function threeInAChain(
  world: ReplicaWorld,
): Promise<[WorldNode<ReplicaDriver>, WorldNode<ReplicaDriver>, WorldNode<ReplicaDriver>]> {
  await world.coordinator.start();
  const nodes = [await world.started('n1'), await world.started('n2'), await world.started('n3')] as const;
  await world.form(nodes);
  return [...nodes];
}

/** One node that is a chain of its own. */
export async function oneAlone(world: ReplicaWorld): Promise<WorldNode<ReplicaDriver>> {
  await world.coordinator.start();
  const node = await world.started('n1');
  await world.form([node]);
  return node;
}

/** A write that is on its way: `reply` is there once it is answered. */
export interface Writing {
  reply: WriteReply | null;
}

/** Stores `text` under a key at a node, with `id` as the client's own. */
export function write(node: WorldNode, key: string, text: string, id: string | null = null): Writing {
  const writing: Writing = { reply: null };
  node.driver.write(single(set(key, value(text))), id === null ? null : clientId(id)).then(
    (reply) => {
      writing.reply = reply;
    },
    () => undefined,
  );
  return writing;
}

/** A sync of the log. */
export const logSync = ({ kind, path }: DiskOperation) => kind === 'sync' && path.startsWith('log/');
/** A write of what the node was told. */
export const metaWrite = ({ kind, path }: DiskOperation) => kind === 'write' && path.startsWith('meta');

/** What a promise came to, `null` until then. */
export function later<T>(promise: Promise<T>): { value: T | null } {
  const seen: { value: T | null } = { value: null };
  promise.then(
    (value) => {
      seen.value = value;
    },
    () => undefined,
  );
  return seen;
}

/** Has the operations of a disk that `matches` names fail, from now on. */
export function failOn(disk: MemoryDisk, matches: (operation: DiskOperation) => boolean): void {
  disk.hook = (operation) => {
    if (matches(operation))
      throw new CatenaError('DISK_FAILED', `${operation.kind} ${operation.path}: I/O error`);
  };
}

/** Holds back whoever wants to accept connections, until called. */
export function heldPort(world: ReplicaWorld): () => void {
  let open = () => {};
  world.network.gate = new Promise((resolve) => {
    open = () => resolve();
  });
  return open;
}

/** The lock, the port, the files, the connections and the timers. */
export async function expectNothingLeft(world: ReplicaWorld, disk: MemoryDisk): Promise<void> {
  const lock = await disk.lock('LOCK');
  await lock?.release();
  expect({
    locked: lock === null,
    openFiles: disk.openFiles,
    listening: world.network.listening.filter((name) => name !== 'c1'),
    wires: world.network.wires.filter((wire) => wire.open).length,
    timers: world.clock.timers,
  }).toEqual({ locked: false, openFiles: 0, listening: [], wires: 0, timers: 0 });
}
