import { systemClock } from '../platform/clock.ts';
import { Child } from './up-child.ts';
import type { PlannedProcess } from './up-plan.ts';
import { whyNotReady } from './up-readiness.ts';
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

/** All processes of a topology on this machine. */
export class Cluster {
  readonly #children: readonly Child[];
  readonly #unready = new Set<Child>();
  readonly #gone = new Set<Child>();
  readonly #screen: Screen;
  readonly #listener: ClusterListener;
  #wasReady = false;
  #polling = false;
  #stopping = false;

  constructor(
    { plan, topology, restart }: { plan: readonly PlannedProcess[]; topology: string; restart: boolean },
    { screen, listener }: { screen: Screen; listener: ClusterListener },
  ) {
    this.#screen = screen;
    this.#listener = listener;
    this.#children = plan.map((planned) => {
      const child: Child = new Child(
        {
          process: planned,
          topology,
          restart,
          restarted: () => this.#expect(child),
          gone: () => this.#lost(child),
        },
        screen,
      );
      return child;
    });
  }

  start(): void {
    for (const child of this.#children) {
      child.start();
      this.#expect(child);
    }
  }

  /** What runs where, a row for each process. */
  rows(): readonly Readonly<Record<string, string>>[] {
    return this.#children.map(({ process: { id, kind, url, at, data }, pid }) => ({
      name: id,
      kind,
      http: url,
      peer: `localhost:${at.peer.port}`,
      pid: String(pid ?? '-'),
      data,
    }));
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
    const nodes = this.#children.filter((child) => child.process.kind === 'node');
    const others = this.#children.filter((child) => child.process.kind !== 'node');
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
    await Promise.all(this.#children.map((child) => child.kill()));
  }

  #expect(child: Child): void {
    this.#unready.add(child);
    if (!this.#polling) void this.#poll();
  }

  #lost(child: Child): void {
    this.#unready.delete(child);
    this.#gone.add(child);
    if (this.#gone.size === this.#children.length) this.#listener.allGone();
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
