import { mkdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterView, TopologyText } from '../support/cluster.ts';
import { freePorts } from '../support/free-ports.ts';
import { ManagedProcess } from './managed-process.ts';
import { type Door, PeerNetwork } from './peer-network.ts';
import type { Edit } from './schedule.ts';
import { SmallDisk } from './small-disk.ts';
import { findFaketime, WallClock } from './wall-clock.ts';
import { whatIsNotWhole } from './wholeness.ts';

const NODES = ['n1', 'n2', 'n3', 'n4'];
const COORDINATOR = 'c1';
/** Whose data lie on the small disk, and whose wall clocks can be made wrong. */
const SMALL_DISK_NODE = 'n3';
const CLOCKS = ['n2', COORDINATOR];
const REPLICAS = 3;
const LOOK_MS = 50;
const ANSWER_MS_MAX = 2000;

/** Real processes on loopback, with everything by which they can be troubled. */
export class Testbed {
  readonly folder: string;
  readonly nodes: readonly string[] = NODES;
  readonly coordinator = COORDINATOR;
  readonly network: PeerNetwork;
  readonly clocks: ReadonlyMap<string, WallClock>;
  readonly disk: SmallDisk | null;
  /** What can't be done on this machine, in words. */
  readonly missing: readonly string[];
  /** Why processes ended that nobody had killed. */
  readonly ends: string[] = [];
  readonly #processes: ReadonlyMap<string, ManagedProcess>;
  readonly #ports: ReadonlyMap<string, { readonly http: number; readonly door: Door }>;
  #wanted: Edit = { chain: NODES, replicas: REPLICAS, reads: 'tail', forget: false };

  private constructor(parts: {
    folder: string;
    ports: ReadonlyMap<string, { readonly http: number; readonly door: Door }>;
    clocks: ReadonlyMap<string, WallClock>;
    disk: SmallDisk | null;
    missing: readonly string[];
  }) {
    this.folder = parts.folder;
    this.#ports = parts.ports;
    this.clocks = parts.clocks;
    this.disk = parts.disk;
    this.missing = parts.missing;
    this.network = new PeerNetwork(new Map([...parts.ports].map(([name, { door }]) => [name, door])));
    this.#processes = new Map([...parts.ports.keys()].map((name) => [name, this.#process(name)]));
  }

  /** Makes all that is needed in a folder of its own, and starts nothing. */
  static async make(): Promise<Testbed> {
    const folder = await mkdtemp(join(tmpdir(), 'catena-torture-'));
    for (const name of ['data', 'logs', 'clocks']) mkdirSync(join(folder, name));
    const names = [...NODES, COORDINATOR];
    const free = await freePorts(names.length * 3);
    const port = (at: number): number => free[at] ?? 0;
    const ports = new Map(
      names.map((name, at) => [
        name,
        { http: port(3 * at), door: { proxyPort: port(3 * at + 1), port: port(3 * at + 2) } },
      ]),
    );
    const missing: string[] = [];
    const library = findFaketime();
    if (library === null) missing.push('no wall clock jumps: libfaketime is not installed');
    const clockOf = (name: string, path: string) =>
      [name, new WallClock(path, join(folder, 'clocks', name))] as const;
    const clocks = new Map(library === null ? [] : CLOCKS.map((name) => clockOf(name, library)));
    const disk = await SmallDisk.mount(join(folder, 'data', SMALL_DISK_NODE));
    if (typeof disk === 'string') missing.push(`no disk gets full: a tmpfs can't be mounted (${disk})`);
    const bed = new Testbed({ folder, ports, clocks, disk: typeof disk === 'string' ? null : disk, missing });
    await writeFile(join(folder, 'topology.json'), JSON.stringify(bed.topology(bed.#wanted), null, 2));
    return bed;
  }

  url(name: string): string {
    return `http://localhost:${this.#ports.get(name)?.http}`;
  }

  /** What was last asked of the coordinator. */
  get wanted(): Edit {
    return this.#wanted;
  }

  topology({ chain, replicas, reads, forget }: Edit): TopologyText {
    const address = (name: string) => {
      const proxyPort = this.#ports.get(name)?.door.proxyPort;
      return { urls: [this.url(name)], peer: `127.0.0.1:${proxyPort}` };
    };
    const nodes = forget ? NODES.filter((name) => chain.includes(name)) : NODES;
    return {
      name: 'torture',
      replicas,
      chain: [...chain],
      nodes: Object.fromEntries(nodes.map((name) => [name, address(name)])),
      coordinators: { [COORDINATOR]: address(COORDINATOR) },
      reads,
    };
  }

  /** Starts what does not run. */
  startAll(): void {
    for (const name of this.#processes.keys()) this.start(name);
  }

  start(name: string): void {
    const running = this.#of(name);
    if (running.running) return;
    running.start();
    void this.#openWhenListening(name, running);
  }

  isRunning(name: string): boolean {
    return this.#of(name).running;
  }

  async kill(name: string): Promise<void> {
    this.network.close(name);
    await this.#of(name).kill();
  }

  pause(name: string): void {
    this.#of(name).pause();
  }

  resume(name: string): void {
    this.#of(name).resume();
  }

  resumeAll(): void {
    for (const running of this.#processes.values()) running.resume();
  }

  /** `PUT /topology`. @returns what came of it, in words. */
  async edit(edit: Edit): Promise<string> {
    this.#wanted = edit;
    try {
      const answer = await fetch(`${this.url(COORDINATOR)}/topology`, {
        method: 'PUT',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(this.topology(edit)),
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      });
      const text = await answer.text();
      return answer.ok ? 'taken' : `${answer.status} ${text.slice(0, 200)}`;
    } catch (error) {
      return error instanceof Error ? `no answer (${error.name})` : String(error);
    }
  }

  /** Waits until the chain is as the topology wants it and each member ready; `null`, or what is there instead. */
  async whole(limitMs: number): Promise<string | null> {
    const untilMs = performance.now() + limitMs;
    for (;;) {
      const seen = await this.#look().catch((error: unknown) => String(error));
      if (seen === null || performance.now() > untilMs) return seen;
      await sleep(LOOK_MS);
    }
  }

  /** The chain now, head first. */
  async members(): Promise<readonly string[]> {
    const { configuration } = await this.view();
    return (configuration?.members ?? []).map(({ node }) => node);
  }

  async view(): Promise<ClusterView> {
    return await this.#json<ClusterView>(COORDINATOR, '/topology');
  }

  /** What every process says of itself, as JSON. */
  async states(): Promise<string> {
    const pages = [...NODES.map((name) => [name, '/status'] as const), [COORDINATOR, '/history'] as const];
    const said = await Promise.all(
      pages.map(async ([name, path]) => [name, await this.#json(name, path).catch(String)] as const),
    );
    const view = await this.view().catch(String);
    return JSON.stringify({ ...Object.fromEntries(said), view }, null, 1);
  }

  /** Lines by which processes said that they can't go on. */
  fatalLines(): readonly string[] {
    return [...this.#processes.values()].flatMap((running) => running.fatalLines());
  }

  /** Kills everything and unmounts the disk, at once: also while this process exits. */
  endNow(): void {
    for (const running of this.#processes.values()) running.killNow();
    this.network.destroy();
    this.disk?.unmount();
  }

  async killAll(): Promise<void> {
    await Promise.all([...this.#processes.keys()].map((name) => this.kill(name)));
  }

  async end(): Promise<void> {
    await this.killAll();
    this.endNow();
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  /** `null` when all is as it should be. */
  async #look(): Promise<string | null> {
    return whatIsNotWhole({
      view: () => this.view(),
      status: (name) => this.#json(name, '/status'),
    });
  }

  /** Taken for what such a page is: a wrong one shows in whoever looks at it. */
  async #json<Page = Record<string, unknown>>(name: string, path: string): Promise<Page> {
    const signal = AbortSignal.timeout(ANSWER_MS_MAX);
    return (await fetch(`${this.url(name)}${path}`, { signal })).json() as Promise<Page>;
  }

  #process(name: string): ManagedProcess {
    const path = (...parts: string[]): string => join(this.folder, ...parts);
    const kind = name === COORDINATOR ? 'coordinator' : 'node';
    const port = this.#ports.get(name)?.door.port;
    const at = ['--topology', path('topology.json'), '--data', path('data', name)];
    return new ManagedProcess(
      {
        name,
        args: [kind, name, ...at, '--listen-peer', `127.0.0.1:${port}`],
        logFile: path('logs', `${name}.log`),
        environment: this.clocks.get(name)?.environment ?? {},
      },
      (how) => this.#endedByItself(name, how),
    );
  }

  #endedByItself(name: string, how: string): void {
    this.network.close(name);
    // Somebody else on this machine took the port while nobody listened there.
    if (how.includes('PORT_IN_USE')) setTimeout(() => this.start(name), LOOK_MS * 10).unref();
    else this.ends.push(how);
  }

  /** The system refuses those who dial a process that does not listen yet, and so must its proxy. */
  async #openWhenListening(name: string, running: ManagedProcess): Promise<void> {
    const port = this.#ports.get(name)?.door.port ?? 0;
    const { pid } = running;
    while (running.running && running.pid === pid) {
      const open = await listens(port);
      if (open && running.pid === pid) return this.network.open(name);
      await sleep(LOOK_MS);
    }
  }

  #of(name: string): ManagedProcess {
    const running = this.#processes.get(name);
    if (running === undefined) throw new Error(`there is no process ${name}`);
    return running;
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const end = (found: boolean): void => {
      socket.destroy();
      resolve(found);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
