import { messageOf } from '../base/errors.ts';
import { systemClock } from '../platform/clock.ts';
import type { Cluster } from './up-cluster.ts';
import type { TopologyCopy } from './up-copy.ts';
import { planOf } from './up-plan.ts';
import { type RunningTopology, readHistory, readRunning, readTransfer } from './up-running.ts';
import type { Screen } from './up-screen.ts';
import { configurationText, transferText } from './up-words.ts';

const FOLLOW_MS = 250;
/** Most configurations that are told at once. */
const TOLD_MAX = 20;

/** What is followed with: all processes of this machine. */
export type Followed = Pick<Cluster, 'coordinatorUrl' | 'urlOf' | 'follow'>;

/**
 * Keeps the processes those of the running topology, and tells what happens to the chain: looks at what the coordinator
 * says again and again. While it says nothing, everything runs on as it is.
 */
export class Tracker {
  readonly #cluster: Followed;
  readonly #copy: TopologyCopy;
  readonly #data: string;
  readonly #screen: Screen;
  #stopped = false;
  #epochTold = 0;
  #problemTold: string | null = null;
  #copyTold: string | null = null;
  #progressDueMs = 0;
  #progressShown = false;

  constructor(
    data: string,
    { cluster, copy, screen }: { cluster: Followed; copy: TopologyCopy; screen: Screen },
  ) {
    this.#data = data;
    this.#cluster = cluster;
    this.#copy = copy;
    this.#screen = screen;
  }

  start(): void {
    void this.#run();
  }

  /** Changes nothing any more. */
  stop(): void {
    this.#stopped = true;
    this.#hideProgress();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const running = await readRunning(this.#cluster.coordinatorUrl());
      if (running !== null && !this.#stopped) await this.#take(running);
      await new Promise<void>((resolve) => systemClock.after(FOLLOW_MS, resolve));
    }
  }

  async #take(running: RunningTopology): Promise<void> {
    await this.#keepCopy(running);
    this.#tellProblem(running);
    await this.#tellHistory(running);
    await this.#tellTransfer(running);
    if (!this.#stopped) await this.#cluster.follow(running, planOf(running.topology, this.#data));
  }

  async #keepCopy(running: RunningTopology): Promise<void> {
    try {
      await this.#copy.keep(running);
      this.#copyTold = null;
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== this.#copyTold) this.#screen.warn(`the running topology can't be kept: ${problem}`);
      this.#copyTold = problem;
    }
  }

  #tellProblem({ problem }: RunningTopology): void {
    if (problem !== null && problem !== this.#problemTold) {
      this.#screen.warn(`the last edit of the topology was refused, nothing changes: ${problem}`, {
        problem,
      });
    }
    this.#problemTold = problem;
  }

  async #tellHistory({ epoch }: RunningTopology): Promise<void> {
    if (epoch <= this.#epochTold) return;
    const all = (await readHistory(this.#cluster.coordinatorUrl())).filter(
      (item) => item.epoch > this.#epochTold,
    );
    // What was before this `up` is told by its last one.
    const news = all.slice(this.#epochTold === 0 ? -1 : -TOLD_MAX);
    for (const item of news) this.#screen.say(configurationText(item), item);
    this.#epochTold = news.at(-1)?.epoch ?? this.#epochTold;
  }

  async #tellTransfer({ joiner }: RunningTopology): Promise<void> {
    const nowMs = systemClock.now().monotonicMs;
    const url = joiner === null ? null : this.#cluster.urlOf(joiner);
    if (url === null) return this.#hideProgress();
    if (nowMs < this.#progressDueMs) return;
    this.#progressDueMs = nowMs + this.#screen.progressEveryMs;
    const transfer = await readTransfer(url);
    if (transfer === null || this.#stopped) return this.#hideProgress();
    this.#progressShown = true;
    this.#screen.progress(transferText(String(joiner), transfer), { node: joiner, transfer });
  }

  #hideProgress(): void {
    if (this.#progressShown) this.#screen.progress(null);
    this.#progressShown = false;
  }
}
