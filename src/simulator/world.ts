import { defined } from '../base/assert.ts';
import { CatenaError } from '../base/errors.ts';
import { nodeId, storeId } from '../base/ids.ts';
import type { Prng } from '../base/prng.ts';
import type { Logger } from '../ports/logger.ts';
import type { Configuration } from '../protocol/configuration.ts';
import { CoordinatorDriver } from '../runtime/coordinator-driver.ts';
import { Node } from '../runtime/node.ts';
import type { NodeService } from '../runtime/node-service.ts';
import type { ReplicaStep } from '../runtime/replica-driver.ts';
import { parseTopology } from '../topology/topology.ts';
import { Checks } from './checks.ts';
import type { ClientHost } from './client.ts';
import { SimDisk } from './disk.ts';
import type { Host } from './host.ts';
import { Machine, type Process } from './machine.ts';
import { SimNetwork } from './network.ts';
import { COORDINATOR, type MachineName, nodeNames, type Setup } from './plan.ts';
import { Scheduler } from './scheduler.ts';

const NODE_PORT = 5466;
const COORDINATOR_PORT = 5460;
const ANY_ADDRESS = ['::'];
/** Who looks after the processes starts one that ended again after so long, as `catena up` does. */
const RESTART_MS = 1000;

/** The topology file of a world, as people edit it. */
export interface TopologyFile {
  readonly replicas: number;
  readonly chain: readonly MachineName[];
  readonly nodes: readonly MachineName[];
  readonly reads: 'tail' | 'any';
  readonly leaseMs: number;
}

/** What is told of a run as it goes, where somebody wants to read it. */
export type Trace = (line: () => string) => void;

/** Machines, their disks and the network between them, with the real nodes and the real coordinator running there. */
export class World implements ClientHost {
  readonly scheduler = new Scheduler();
  readonly network: SimNetwork;
  readonly checks: Checks;
  readonly setup: Setup;
  readonly #prng: Prng;
  readonly #trace: Trace;
  readonly #hosts = new Map<MachineName, Host>();
  #file: TopologyFile;
  #parsed: { readonly file: TopologyFile; readonly sound: SoundTopology } | null = null;
  #stores = 0;
  readonly #known = new Set<MachineName>();

  constructor({ setup, prng, trace }: { setup: Setup; prng: Prng; trace: Trace }) {
    this.setup = setup;
    this.#prng = prng;
    this.#trace = trace;
    const slowness = (from: string, to: string) =>
      prng.fork(`way ${from} ${to}`).between(0.2, 1) * setup.slowness;
    this.network = new SimNetwork({ scheduler: this.scheduler, prng: prng.fork('network'), slowness });
    this.checks = new Checks({ keepsSynced: setup.durability === 'sync' });
    const chain = nodeNames(setup).slice(0, setup.nodes);
    const { replicas, reads, timing } = setup;
    this.#file = { replicas, chain, nodes: chain, reads, leaseMs: timing.leaseMs };
    for (const name of [...nodeNames(setup), COORDINATOR]) this.#build(name);
  }

  // --- what is there

  get file(): TopologyFile {
    return this.#file;
  }

  host(name: MachineName): Host {
    return defined(this.#hosts.get(name), () => `a machine called ${name}`);
  }

  /** The program on a machine, `null` when none runs. */
  node(name: MachineName): Node | null {
    return this.#hosts.get(name)?.running?.node ?? null;
  }

  get coordinator(): CoordinatorDriver | null {
    return this.host(COORDINATOR).running?.coordinator ?? null;
  }

  /** The latest configuration that anybody holds. */
  get newest(): Configuration | null {
    this.#noteChoice();
    return this.checks.newest;
  }

  /** The machines that belong to it, or did: a node that is taken out of the file runs on, as the chain may need it. */
  get known(): MachineName[] {
    return [...this.#hosts.keys()].filter((name) => this.#known.has(name));
  }

  say(line: () => string): void {
    this.#trace(() => `${this.scheduler.nowMs.toFixed(3).padStart(10)} ${line()}`);
  }

  // --- processes

  /** Starts what belongs on a machine, unless it runs. */
  start(name: MachineName): void {
    const host = this.host(name);
    this.#known.add(name);
    host.startAtMs = null;
    if (host.running !== null) return;
    this.network.powered(name);
    host.hasPower = true;
    const process = host.machine.boot();
    this.say(() => `${name} starts`);
    const deps = {
      clock: process.clock,
      disk: host.disk.of(process),
      transport: this.network.of(process),
      logger: this.#logger(name),
    };
    if (name === COORDINATOR) this.#startCoordinator(host, process, deps);
    else this.#startNode(host, process, deps);
  }

  /** The process dies in the midst of whatever it does; with `power` the whole machine does. */
  kill(name: MachineName, { power }: { power: boolean }): void {
    const host = this.host(name);
    const { running } = host;
    if (running === null) return;
    this.say(() => `${name} ${power ? 'loses power' : 'is killed'}`);
    host.machine.kill();
    host.running = null;
    host.hasPower = !power;
    if (power) {
      host.disk.powerCut();
      this.network.powerCut(running.process);
    } else {
      host.disk.killed();
      this.network.killed(running.process);
      for (const lost of running.lost) lost();
    }
  }

  /** Starts it again later, unless it was started by then. */
  startLater(name: MachineName, delayMs: number): void {
    const host = this.host(name);
    const atMs = this.scheduler.nowMs + delayMs;
    host.startAtMs = atMs;
    this.scheduler.after(delayMs, () => {
      if (host.startAtMs === atMs) this.start(name);
    });
  }

  // --- the topology file

  /** The file is edited to this: the coordinator reads it when it runs, else when it starts. */
  edit(file: TopologyFile): void {
    this.#file = file;
    this.say(() => `the topology file says ${JSON.stringify(file)}`);
    const { topology, digest } = this.#topology();
    this.coordinator?.takeFile(topology, digest);
  }

  /**
   * The file becomes what the running coordinator has taken: a rebuilt register begins with it, so docs/operations.md has
   * people see to that. @returns whether there is a coordinator to ask.
   */
  keepTakenFile(): boolean {
    const { coordinator } = this;
    if (coordinator === null || coordinator.configuration() === null) return false;
    const { replicas, chain, nodes, reads, timing } = coordinator.topology().topology;
    this.#file = { replicas, chain, nodes: Object.keys(nodes), reads, leaseMs: timing.leaseMs };
    return true;
  }

  // --- ClientHost

  nodes(): readonly string[] {
    return this.#file.nodes;
  }

  visit(name: string, visitor: { arrived(service: NodeService): void; refused(): void; lost(): void }): void {
    const host = this.host(name);
    const { running } = host;
    if (running === null || running.node === null) return this.#nobodyThere(host, visitor);
    const { process, node } = running;
    running.lost.add(() => visitor.lost());
    process.reach(() => visitor.arrived(node));
  }

  #nobodyThere({ hasPower }: Host, visitor: { refused(): void }): void {
    if (!hasPower) return;
    this.scheduler.after(0, () => visitor.refused());
  }

  // --- building

  #build(name: MachineName): void {
    const { scheduler } = this;
    const clocks = this.setup.clocks[name] ?? { rate: 1, wallOffMs: 0 };
    const disk = new SimDisk({ root: `/data/${name}` }, { scheduler, prng: this.#prng.fork(`disk ${name}`) });
    this.#hosts.set(name, {
      machine: new Machine(name, clocks, scheduler),
      disk,
      running: null,
      hasPower: false,
      isTroubled: false,
      startAtMs: null,
    });
  }

  #startNode(host: Host, process: Process, deps: ProcessDeps): void {
    const { topology } = this.#topology();
    const { linkQueuedBytesMax } = this.setup;
    const { name } = process;
    const node = new Node(
      {
        node: nodeId(name),
        topology,
        peer: { hosts: ANY_ADDRESS, port: NODE_PORT },
        storage: this.setup.storage,
        ...(linkQueuedBytesMax === null ? {} : { linkQueuedBytesMax }),
      },
      {
        ...deps,
        newStoreId: () => storeId(`store-${++this.#stores}`),
        witness: (step) => this.#witness(process, step),
      },
    );
    host.running = { process, startedMs: this.scheduler.nowMs, node, coordinator: null, lost: new Set() };
    node.start().catch((error: unknown) => this.#exits(name, process, error));
  }

  #startCoordinator(host: Host, process: Process, deps: ProcessDeps): void {
    const { topology, digest } = this.#topology();
    const coordinator = new CoordinatorDriver(
      { node: nodeId(COORDINATOR), topology, digest, peer: { hosts: ANY_ADDRESS, port: COORDINATOR_PORT } },
      deps,
    );
    host.running = { process, startedMs: this.scheduler.nowMs, node: null, coordinator, lost: new Set() };
    coordinator.start().catch((error: unknown) => this.#exits(COORDINATOR, process, error));
  }

  /** A program that can't start says so and ends; it is started again. */
  #exits(name: MachineName, process: Process, error: unknown): void {
    if (process.dead) return;
    if (!(error instanceof CatenaError)) return this.crashed(name, error);
    this.say(() => `${name} can't start: ${error.message}`);
    this.kill(name, { power: false });
    this.startLater(name, RESTART_MS);
  }

  /** A stop that rejects ends the process all the same; what the disk refused is no bug. */
  stopFailed(name: MachineName, process: Process, error: unknown): void {
    if (process.dead) return;
    if (!(error instanceof CatenaError)) return this.crashed(name, error);
    this.kill(name, { power: false });
  }

  /** An exception that nobody is meant to catch. */
  crashed(who: string, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const invariant = /\b(I[1-6]):/.exec(text)?.[1] ?? 'crash';
    this.checks.violate(invariant, `${who}: ${text}`);
  }

  #witness(process: Process, step: ReplicaStep): void {
    this.say(() => `${process.name} ${describeStep(step)}`);
    this.checks.stepped(step, process);
  }

  #noteChoice(): void {
    this.checks.chosen(this.coordinator?.configuration() ?? null);
  }

  #logger(name: MachineName): Logger {
    const line = (level: string) => (fields: object, message: string) =>
      this.say(() => `${name} ${level}: ${message} ${JSON.stringify(fields)}`);
    return {
      debug: line('debug'),
      info: (fields, message) => {
        line('info')(fields, message);
        // A configuration counts from when it is chosen, though it may never come to be told.
        if (name === COORDINATOR && 'configuration' in fields) this.#noteChoice();
      },
      warn: line('warn'),
      error: (fields, message) => {
        line('error')(fields, message);
        this.checks.troubled(name, fields, message);
      },
    };
  }

  #topology(): SoundTopology {
    if (this.#parsed?.file !== this.#file) this.#parsed = { file: this.#file, sound: this.#parse() };
    return this.#parsed.sound;
  }

  #parse(): SoundTopology {
    const { replicas, chain, nodes, reads, leaseMs } = this.#file;
    const address = (name: string, port: number) => ({
      urls: [`http://${name}:${port - 1000}`],
      peer: `${name}:${port}`,
    });
    const { inFlightBytes, durability, timing } = this.setup;
    const text = JSON.stringify({
      name: 'simulated',
      replicas,
      chain,
      nodes: Object.fromEntries(nodes.map((name) => [name, address(name, NODE_PORT)])),
      coordinators: { [COORDINATOR]: address(COORDINATOR, COORDINATOR_PORT) },
      reads,
      durability,
      timing: { ...timing, leaseMs },
      limits:
        inFlightBytes === null ? {} : { valueBytes: inFlightBytes, batchBytes: inFlightBytes, inFlightBytes },
    });
    const parsed = parseTopology(text, 'topology.json');
    if (parsed.kind === 'bad')
      throw new Error(`the simulated topology is bad: ${JSON.stringify(parsed.problems)}`);
    return parsed;
  }
}

type SoundTopology = Extract<ReturnType<typeof parseTopology>, { kind: 'ok' }>;

type ProcessDeps = Pick<
  ConstructorParameters<typeof CoordinatorDriver>[1],
  'clock' | 'disk' | 'transport' | 'logger'
>;

/** What happened and what came of it, short enough for a line. */
function describeStep({ replica, event, effects }: ReplicaStep): string {
  const { received, durable, committed, configuration } = replica;
  const marks = `e${configuration?.epoch ?? 0} ${received}/${durable}/${committed}`;
  const what = event.kind === 'message' ? event.message.kind : event.kind;
  return `[${marks}] ${what} ${short(event)} -> ${effects.map((effect) => `${effect.kind} ${short(effect)}`).join('; ')}`;
}

function short(value: object): string {
  const text = JSON.stringify(value, (key, part: unknown) => {
    if (key === 'encoded' || key === 'topology' || key === 'store' || key === 'payload') return undefined;
    return typeof part === 'string' && part.length > 60 ? `${part.slice(0, 20)}...(${part.length})` : part;
  });
  return text.length > 400 ? `${text.slice(0, 400)}...` : text;
}
