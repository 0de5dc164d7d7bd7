import { systemClock } from '../platform/clock.ts';
import { Child } from './up-child.ts';
import { canRestart, movesOf } from './up-moves.ts';
import type { PlannedProcess } from './up-plan.ts';
import { whyNotReady } from './up-readiness.ts';
import type { RunningTopology } from './up-running.ts';
import type { Screen } from './up-screen.ts';

const POLL_MS = 100;
/** How often it is said what is being waited for. */
const PATIENCE_MS = 10_000;
/** A process gives its requests 2 s to end, and stops within 5 s; these leave it a little less than that in all. */
const DRAIN_MS_MAX = 2300;
const STOP_MS_MAX = 4700;

/** What the cluster tells. */
export interface ClusterListener {
  /** All processes serve, for the first time. */
  ready(): void;
  /** Every process is dead, and stays so. */
  allGone(): void;
}

/** How all processes are kept. */
export interface ClusterOptions {
  readonly plan: readonly PlannedProcess[];
  /** The topology file that a process is to start with. */
  readonly topologyFor: (process: PlannedProcess) => string;
  /** Whether one that dies is started again. */
  readonly restart: boolean;
}

/** All processes of a topology on this machine. */
export class Cluster {
  readonly #children = new Map<string, Child>();
  readonly #unready = new Set<Child>();
  readonly #gone = new Set<Child>();
  /** They are being stopped, while the others go on. */
  readonly #leaving = new Set<Child>();
  readonly #options: ClusterOptions;
  readonly #screen: Screen;
  readonly #listener: ClusterListener;
  #wasReady = false;
  #polling = false;
  #stopping = false;
  #waitTold: string | null = null;

  constructor(options: ClusterOptions, { screen, listener }: { screen: Screen; listener: ClusterListener }) {
    this.#options = options;
    this.#screen = screen;
    this.#listener = listener;
    for (const planned of options.plan) this.#add(planned);
  }

  start(): void {
    for (const child of this.#children.values()) this.#launch(child);
  }

  /** What runs where, a row for each process. */
  rows(): readonly Readonly<Record<string, string>>[] {
    return [...this.#children.values()].map(({ process: { id, kind, url, at, data }, pid }) => ({
      name: id,
      kind,
      http: url,
      peer: `localhost:${at.peer.port}`,
      pid: String(pid ?? '-'),
      data,
    }));
  }

  /** Where a process serves HTTP on this machine; `null` when there is none of that name. */
  urlOf(id: string): string | null {
    return this.#children.get(id)?.process.url ?? null;
  }

  /** Where the coordinator serves HTTP on this machine. */
  coordinatorUrl(): string {
    const found = [...this.#children.values()].find((child) => child.process.kind === 'coordinator');
    return found?.process.url ?? '';
  }

  /**
   * Starts what the running topology has more, stops what it has no more once the chain does without it, and restarts,
   * one after the other, what listens elsewhere than it should. What can't be done yet is done at a later call.
   */
  async follow(running: RunningTopology, wanted: readonly PlannedProcess[]): Promise<void> {
    if (this.#stopping) return;
    const { members, joiner } = running;
    const moves = movesOf(wanted, {
      running: [...this.#children.values()].map((child) => child.process),
      inChain: new Set(joiner === null ? members : [...members, joiner]),
    });
    for (const planned of moves.start) this.#join(planned);
    for (const { id } of moves.stop) void this.#part(id);
    await this.#restartOne(moves.restart, running);
  }

  /**
   * Stops all in order. The coordinator goes first, so that it takes no stopping node for a lost one; then all nodes stop
   * taking requests, while the chain is still whole for those in flight; then the nodes.
   *
   * @returns whether all stopped in time; one that did not is killed.
   */
  async stop(): Promise<boolean> {
    this.#stopping = true;
    let inTime = true;
    const cancel = systemClock.after(STOP_MS_MAX, () => {
      inTime = false;
      void this.kill();
    });
    const all = [...this.#children.values()];
    const nodes = all.filter((child) => child.process.kind === 'node');
    const others = all.filter((child) => child.process.kind !== 'node');
    const stopped = others.map((child) => child.stop());
    await Promise.race([
      Promise.all([...stopped, ...nodes.map((node) => node.drain())]),
      elapsed(DRAIN_MS_MAX),
    ]);
    await Promise.all([...stopped, ...nodes.map((node) => node.stop())]);
    cancel();
    return inTime;
  }

  /** Ends all at once. */
  async kill(): Promise<void> {
    this.#stopping = true;
    await Promise.all([...this.#children.values()].map((child) => child.kill()));
  }

  #add(planned: PlannedProcess): Child {
    const child: Child = new Child(
      {
        process: planned,
        topology: () => this.#options.topologyFor(planned),
        restart: this.#options.restart,
        restarted: () => this.#expect(child),
        gone: () => this.#lost(child),
      },
      this.#screen,
    );
    this.#children.set(planned.id, child);
    return child;
  }

  #launch(child: Child): void {
    child.start();
    this.#expect(child);
  }

  #join(planned: PlannedProcess): void {
    this.#screen.say(`${planned.id} is in the topology now: starting it at ${planned.url}`, {
      child: planned.id,
      http: planned.url,
    });
    this.#launch(this.#add(planned));
  }

  async #part(id: string): Promise<void> {
    const child = this.#children.get(id);
    if (child === undefined || this.#leaving.has(child)) return;
    this.#screen.say(`${id} is in the topology no more, and the chain does without it: stopping it`, {
      child: id,
    });
    await this.#dismiss(child);
    if (!this.#stopping)
      this.#screen.say(`${id} is stopped; its data stays in ${child.process.data}`, { child: id });
  }

  async #dismiss(child: Child): Promise<void> {
    this.#leaving.add(child);
    this.#unready.delete(child);
    const cancel = systemClock.after(STOP_MS_MAX, () => void child.kill());
    await child.stop();
    cancel();
    this.#leaving.delete(child);
    this.#gone.delete(child);
    this.#children.delete(child.process.id);
  }

  async #restartOne(moved: readonly PlannedProcess[], running: RunningTopology): Promise<void> {
    if (moved.length === 0 || this.#leaving.size > 0) return;
    const { members, joiner, topology } = running;
    const wanted = Math.min(topology.replicas, topology.chain.length);
    const chain = { members, joiner, wanted, unready: await this.#unreadyOf(members) };
    const planned = moved.find(({ id }) => canRestart(id, chain));
    if (planned === undefined) this.#tellWait(moved);
    else if (!this.#stopping) await this.#move(planned);
  }

  async #unreadyOf(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const ready = await Promise.all(
      ids.map(async (id) => {
        const url = this.urlOf(id);
        return url !== null && (await whyNotReady(url)) === null;
      }),
    );
    return new Set(ids.filter((_, i) => ready[i] !== true));
  }

  async #move(planned: PlannedProcess): Promise<void> {
    const child = this.#children.get(planned.id);
    if (child === undefined) return;
    this.#waitTold = null;
    const where = `${planned.url}, peer port ${planned.at.peer.port}`;
    this.#screen.say(`${planned.id} is to listen at ${where} now: restarting it`, { child: planned.id });
    await this.#dismiss(child);
    if (!this.#stopping) this.#launch(this.#add(planned));
  }

  /** Once for each list of those that wait. */
  #tellWait(moved: readonly PlannedProcess[]): void {
    const names = moved.map(({ id }) => id).join(', ');
    if (names === this.#waitTold) return;
    this.#waitTold = names;
    this.#screen.say(`to be restarted at a new address, each when the chain is whole: ${names}`, {
      waiting: names,
    });
  }

  #expect(child: Child): void {
    this.#unready.add(child);
    if (!this.#polling) void this.#poll();
  }

  #lost(child: Child): void {
    this.#unready.delete(child);
    this.#gone.add(child);
    if (this.#gone.size === this.#children.size) this.#listener.allGone();
  }

  async #poll(): Promise<void> {
    this.#polling = true;
    let patientUntilMs = systemClock.now().monotonicMs + PATIENCE_MS;
    while (this.#unready.size > 0 && !this.#stopping) {
      const reasons = await Promise.all([...this.#unready].map((child) => this.#look(child)));
      const nowMs = systemClock.now().monotonicMs;
      if (nowMs >= patientUntilMs) {
        patientUntilMs = nowMs + PATIENCE_MS;
        this.#screen.warn(`still waiting: ${reasons.filter((reason) => reason !== null).join('; ')}`);
      }
      await elapsed(POLL_MS);
    }
    this.#polling = false;
    if (!this.#stopping && this.#gone.size === 0) this.#allReady();
  }

  async #look(child: Child): Promise<string | null> {
    const { id, url } = child.process;
    const reason = await whyNotReady(url);
    if (reason !== null) return `${id}: ${reason}`;
    this.#unready.delete(child);
    return null;
  }

  #allReady(): void {
    if (this.#wasReady) this.#screen.say('all are ready again');
    else this.#listener.ready();
    this.#wasReady = true;
  }
}

function elapsed(delayMs: number): Promise<void> {
  return new Promise((resolve) => systemClock.after(delayMs, resolve));
}
