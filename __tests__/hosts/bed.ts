import { mkdirSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import type { ClusterView, HistoryView } from '../support/cluster.ts';
import { ManagedProcess } from '../torture/managed-process.ts';
import { whatIsNotWhole } from '../torture/wholeness.ts';
import { COORDINATOR, NODES, on } from './places.ts';

const NODE_PORTS = { http: 4466, peer: 5466 };
const COORDINATOR_PORTS = { http: 4460, peer: 5460 };
const ANSWER_MS_MAX = 1000;
const PAGE_KEYS = 1000;

type Page = Readonly<Record<string, unknown>>;

/** A node on each host and a coordinator on its own, as processes, each with its data on a directory of its own. */
export class Bed {
  /** Why processes ended that nobody had killed. */
  readonly ends: string[] = [];
  readonly #folder: string;
  readonly #processes: readonly ManagedProcess[];
  /** A connection for each look: one that was there when its cable was cut would hold up the looks after it. */
  readonly #agent = new Agent({ pipelining: 0, connectTimeout: ANSWER_MS_MAX });

  private constructor(folder: string) {
    this.#folder = folder;
    this.#processes = [...NODES, COORDINATOR].map((name) => this.#process(name));
  }

  /** Writes the topology file into the folder, and starts nothing. */
  static async make(folder: string): Promise<Bed> {
    for (const name of ['data', 'logs']) mkdirSync(join(folder, name));
    const topology = {
      name: 'three-hosts',
      replicas: NODES.length,
      chain: NODES,
      nodes: Object.fromEntries(NODES.map((name) => [name, addressOf(name)])),
      coordinators: { [COORDINATOR]: addressOf(COORDINATOR) },
    };
    await writeFile(join(folder, 'topology.json'), JSON.stringify(topology, null, 2));
    return new Bed(folder);
  }

  start(): void {
    for (const running of this.#processes) running.start();
  }

  url(name: string): string {
    return `http://${name}:${portsOf(name).http}`;
  }

  /** What the coordinator wants and has chosen. */
  async view(): Promise<ClusterView> {
    return (await this.#json(COORDINATOR, '/topology')) as unknown as ClusterView;
  }

  /** The chain now, head first. */
  async members(): Promise<readonly string[]> {
    const { configuration } = await this.view();
    return (configuration?.members ?? []).map(({ node }) => node);
  }

  async history(): Promise<readonly HistoryView[]> {
    const { configurations } = await this.#json(COORDINATOR, '/history');
    return configurations as readonly HistoryView[];
  }

  async status(name: string): Promise<Page> {
    return this.#json(name, '/status');
  }

  /** `null` when the chain has all its members, each of them ready; else what is there instead. */
  async whatIsNotWhole(): Promise<string | null> {
    return whatIsNotWhole(this);
  }

  /** The values of all keys under a prefix, as this member says by itself. */
  async valuesAt(member: string, prefix: string): Promise<ReadonlyMap<string, string>> {
    const values = new Map<string, string>();
    for (let after = ''; ; ) {
      const query = `prefix=${encodeURIComponent(prefix)}&values=true&limit=${PAGE_KEYS}`;
      const page = await this.#json(member, `/keys?${query}&after=${encodeURIComponent(after)}`);
      const { keys, next } = page as { keys: { key: string; value: string }[]; next: string | null };
      for (const { key, value } of keys) values.set(key, value);
      if (next === null) return values;
      after = next;
    }
  }

  /** A request that this node is to send on by itself. @returns the status of the answer, and after how long it came. */
  async sendOn(node: string, method: 'GET' | 'PUT'): Promise<{ status: number; tookMs: number }> {
    const fromMs = performance.now();
    const path = method === 'GET' ? '/get/sent-on' : '/set/sent-on';
    const { statusCode, body } = await request(`${this.url(node)}${path}?forward=true`, {
      method,
      body: method === 'GET' ? null : 'value',
      dispatcher: this.#agent,
    });
    await body.dump();
    return { status: statusCode, tookMs: Math.round(performance.now() - fromMs) };
  }

  /** Lets every member answer reads by itself. */
  async readAnywhere(): Promise<void> {
    const { topology } = await this.view();
    const { statusCode, body } = await request(`${this.url(COORDINATOR)}/topology`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...topology, reads: 'any' }),
      dispatcher: this.#agent,
    });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`the edit of reads was refused: ${statusCode} ${text}`);
  }

  /** What every process says of itself, or why it can't be asked. */
  async states(): Promise<Page> {
    const pages = [
      ...NODES.map((name) => [name, '/status'] as const),
      ...['/status', '/topology', '/history'].map((path) => [COORDINATOR, path] as const),
    ];
    const said = pages.map(async ([name, path]) => [
      `${name} ${path}`,
      await this.#json(name, path).catch(String),
    ]);
    return Object.fromEntries(await Promise.all(said)) as Page;
  }

  /** What processes did that no cut cable explains. */
  complaints(): readonly string[] {
    const damaged = NODES.flatMap((node) =>
      readdirSync(join(this.#folder, 'data', node))
        .filter((name) => name.startsWith('damaged-'))
        .map((name) => `${node} set its files aside as damaged, though nothing damaged them: ${name}`),
    );
    const fatal = this.#processes.flatMap((running) => running.fatalLines());
    return [...this.ends, ...fatal.map((line) => `a process said: ${line}`), ...damaged];
  }

  async end(): Promise<void> {
    await Promise.all(this.#processes.map((running) => running.kill()));
    await this.#agent.destroy();
  }

  /** The same without waiting, for a process that exits itself. */
  endNow(): void {
    for (const running of this.#processes) running.killNow();
  }

  async #json(name: string, path: string): Promise<Page> {
    const { body } = await request(`${this.url(name)}${path}`, {
      dispatcher: this.#agent,
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    });
    return (await body.json()) as Page;
  }

  #process(name: string): ManagedProcess {
    const path = (...parts: string[]): string => join(this.#folder, ...parts);
    const kind = name === COORDINATOR ? 'coordinator' : 'node';
    return new ManagedProcess(
      {
        name,
        args: [kind, name, '--topology', path('topology.json'), '--data', path('data', name)],
        logFile: path('logs', `${name}.log`),
        environment: {},
        by: on(name),
      },
      (how) => this.ends.push(how),
    );
  }
}

function portsOf(name: string): { readonly http: number; readonly peer: number } {
  return name === COORDINATOR ? COORDINATOR_PORTS : NODE_PORTS;
}

function addressOf(name: string): { readonly urls: readonly string[]; readonly peer: string } {
  const { http, peer } = portsOf(name);
  return { urls: [`http://${name}:${http}`], peer: `${name}:${peer}` };
}
