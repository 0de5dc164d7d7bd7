import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = join(dirname(fileURLToPath(import.meta.url)), '../../src/cli/main.ts');

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; signal: string | null }>;
  readonly output: string[];
}

/** How a process is reached, as the topology file has it. */
export interface AddressText {
  readonly urls: string[];
  readonly peer: string;
}

/** A topology file, to be edited. */
export interface TopologyText {
  replicas: number;
  chain: string[];
  nodes: Record<string, AddressText>;
  [section: string]: unknown;
}

/** What `GET /topology` says. */
export interface ClusterView {
  readonly topology: TopologyText;
  readonly version: number;
  readonly configuration: {
    readonly epoch: number;
    readonly members: readonly { readonly node: string; readonly storeId: string; readonly boot: number }[];
    readonly joiner: { readonly node: string } | null;
    readonly sealed: boolean;
    readonly fence: number;
    readonly reads: string;
    readonly leaseMs: number;
  } | null;
  readonly problem: string | null;
}

/** What `GET /history` says of one configuration. */
export interface HistoryView {
  readonly epoch: number;
  readonly time: string;
  readonly reason: string;
  readonly change: string;
  readonly members: readonly string[];
}

/** A chain of real processes on loopback, each with a data directory below one temporary folder. */
export class Cluster {
  readonly folder: string;
  readonly topologyFile: string;
  readonly nodes: readonly string[];
  readonly coordinator = 'c1';
  readonly #ports: Map<string, number>;
  readonly #running = new Map<string, Running>();
  readonly #data = new Map<string, string>();

  private constructor(folder: string, nodes: readonly string[], ports: Map<string, number>) {
    this.folder = folder;
    this.topologyFile = join(folder, 'topology.json');
    this.nodes = nodes;
    this.#ports = ports;
  }

  /** Writes the topology file and starts nothing. `edit` may change the file before it is written. */
  static async make(
    nodes: readonly string[] = ['n1', 'n2', 'n3'],
    edit: (topology: Record<string, unknown>) => void = () => {},
  ): Promise<Cluster> {
    const folder = await mkdtemp(join(tmpdir(), 'catena-test-'));
    const names = [...nodes, 'c1'];
    const free = await freePorts(names.length * 2);
    const ports = new Map(names.map((name, at) => [name, free[at] as number]));
    const peer = (name: string) => `localhost:${free[names.length + names.indexOf(name)]}`;
    const address = (name: string) => ({ urls: [`http://localhost:${ports.get(name)}`], peer: peer(name) });
    const topology = {
      name: 'test',
      replicas: nodes.length,
      chain: nodes,
      nodes: Object.fromEntries(nodes.map((name) => [name, address(name)])),
      coordinators: { c1: address('c1') },
    };
    edit(topology);
    await writeFile(join(folder, 'topology.json'), JSON.stringify(topology, null, 2));
    return new Cluster(folder, nodes, ports);
  }

  url(name: string): string {
    return `http://localhost:${this.#ports.get(name)}`;
  }

  /** Finds an address for a node that is to be added to the topology. */
  async allot(name: string): Promise<AddressText> {
    const [http = 0, peer = 0] = await freePorts(2);
    this.#ports.set(name, http);
    return { urls: [`http://localhost:${http}`], peer: `localhost:${peer}` };
  }

  dataOf(name: string): string {
    return this.#data.get(name) ?? join(this.folder, name);
  }

  /** Lets a process of this cluster be started on a directory of another. */
  borrowData(name: string, directory: string): void {
    this.#data.set(name, directory);
  }

  start(name: string, topologyFile = this.topologyFile): void {
    const kind = name === this.coordinator ? 'coordinator' : 'node';
    const child = spawn(
      process.execPath,
      [MAIN, kind, name, '--topology', topologyFile, '--data', this.dataOf(name)],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const output: string[] = [];
    child.stdout?.on('data', (bytes: Buffer) => output.push(bytes.toString()));
    child.stderr?.on('data', (bytes: Buffer) => output.push(bytes.toString()));
    const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      child.on('exit', (code, signal) => resolve({ code, signal }));
    });
    this.#running.set(name, { child, ended, output });
  }

  startAll(): void {
    for (const name of [this.coordinator, ...this.nodes]) this.start(name);
  }

  /** Sends a signal and waits for the end of the process. */
  async end(name: string, signal: NodeJS.Signals): Promise<{ code: number | null; signal: string | null }> {
    const running = this.#running.get(name);
    if (!running) throw new Error(`${name} does not run`);
    running.child.kill(signal);
    const result = await running.ended;
    this.#running.delete(name);
    return result;
  }

  /** Everything at once, as a power cut would. */
  async endAll(signal: NodeJS.Signals): Promise<void> {
    const names = [...this.#running.keys()];
    for (const name of names) this.#running.get(name)?.child.kill(signal);
    await Promise.all(names.map((name) => this.#running.get(name)?.ended));
    this.#running.clear();
  }

  signal(name: string, signal: NodeJS.Signals): void {
    this.#running.get(name)?.child.kill(signal);
  }

  pid(name: string): number {
    return this.#running.get(name)?.child.pid ?? 0;
  }

  output(name: string): string {
    return this.#running.get(name)?.output.join('') ?? '';
  }

  async ended(name: string): Promise<{ code: number | null; signal: string | null }> {
    const running = this.#running.get(name);
    if (!running) throw new Error(`${name} does not run`);
    return running.ended;
  }

  /** Waits until these (all, if none is named) would answer or redirect a request. */
  async ready(...names: string[]): Promise<void> {
    const waiting = names.length > 0 ? names : this.nodes;
    await Promise.all(
      waiting.map((name) =>
        until(
          () => this.#isReady(name),
          `${name} ready`,
          () => this.output(name),
        ),
      ),
    );
  }

  async #isReady(name: string): Promise<boolean> {
    const answer = await fetch(`${this.url(name)}/readyz`).catch(() => null);
    await answer?.arrayBuffer();
    return answer?.status === 200;
  }

  async status(name: string): Promise<Record<string, unknown>> {
    return (await fetch(`${this.url(name)}/status`)).json() as Promise<Record<string, unknown>>;
  }

  async topologyText(): Promise<string> {
    return readFile(this.topologyFile, 'utf8');
  }

  /** Edits the topology file as an editor does, which replaces it. */
  async edit(change: (topology: TopologyText) => void): Promise<void> {
    const topology = JSON.parse(await this.topologyText()) as TopologyText;
    change(topology);
    await this.writeTopology(JSON.stringify(topology, null, 2));
  }

  /** Replaces the topology file by this text, good or bad. */
  async writeTopology(text: string): Promise<void> {
    await writeFile(`${this.topologyFile}.new`, text);
    await rename(`${this.topologyFile}.new`, this.topologyFile);
  }

  /** `PUT /topology` at the coordinator. */
  async put(topology: TopologyText, ifMatch: number | null = null): Promise<Response> {
    const condition: Record<string, string> = ifMatch === null ? {} : { 'If-Match': `"${ifMatch}"` };
    return fetch(`${this.url(this.coordinator)}/topology`, {
      method: 'PUT',
      headers: { 'Content-Type': 'application/json', ...condition },
      body: JSON.stringify(topology),
    });
  }

  /** What the coordinator wants and has chosen. */
  async view(): Promise<ClusterView> {
    return (await fetch(`${this.url(this.coordinator)}/topology`)).json() as Promise<ClusterView>;
  }

  /** The chain now, head first, as the coordinator has chosen it. */
  async members(): Promise<string[]> {
    return ((await this.view()).configuration?.members ?? []).map(({ node }) => node);
  }

  async history(): Promise<readonly HistoryView[]> {
    const answer = await fetch(`${this.url(this.coordinator)}/history`);
    return ((await answer.json()) as { configurations: HistoryView[] }).configurations;
  }

  /** Waits until the chain has this many members, each of them ready in its epoch, and nothing is on its way; who they are. */
  async whole(count: number, limitMs = 60_000): Promise<readonly string[]> {
    let seen = 'nothing was seen';
    let members: readonly string[] = [];
    const look = async (): Promise<boolean> => {
      const { configuration } = await this.view();
      members = (configuration?.members ?? []).map(({ node }) => node);
      const states = await Promise.all(members.map((name) => this.status(name)));
      const brief = states.map(({ node, epoch, role, ready, phase }) => ({
        node,
        epoch,
        role,
        ready,
        phase,
      }));
      seen = `${JSON.stringify(configuration)}\n${JSON.stringify(brief)}`;
      return (
        configuration !== null &&
        members.length === count &&
        configuration.joiner === null &&
        !configuration.sealed &&
        states.every(({ epoch, ready }) => epoch === configuration.epoch && ready === true)
      );
    };
    await until(
      () => look().catch(() => false),
      `a whole chain of ${count}`,
      () => seen,
      limitMs,
    );
    return members;
  }

  /** Ends everything and removes the folder. */
  async remove(): Promise<void> {
    await this.endAll('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Waits for a condition, looking again every few ms; gives up loudly after `limitMs`. */
export async function until(
  condition: () => Promise<boolean> | boolean,
  what: string,
  told: () => string = () => '',
  limitMs = 30_000,
): Promise<void> {
  const end = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited ${limitMs} ms in vain: ${what}\n${told()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Ports below the range that the system gives to outgoing connections, free at this moment. */
async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < count && tries < 1000; tries++) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    if (!ports.includes(port) && (await isFree(port))) ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
