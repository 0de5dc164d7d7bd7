import { CatenaError, messageOf } from '../base/errors.ts';
import type { Epoch, NodeId, RequestId } from '../base/ids.ts';
import { isPlanted } from '../base/planted.ts';
import type { Cancel } from '../ports/clock.ts';
import type { Command, Operation, Outcome, StoredRecord } from '../protocol/command.ts';
import type { Configuration, Role } from '../protocol/configuration.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import type { WriteReply } from '../replica/events.ts';
import { DAMAGED_PREFIX } from '../storage/paths.ts';
import { probe } from '../storage/probe.ts';
import { setAside } from '../storage/set-aside.ts';
import type {
  Health,
  Intent,
  KeyPage,
  NodeService,
  NodeStatus,
  Route,
  Watch,
  WatchListener,
} from './node-service.ts';
import { ReplicaDriver, type ReplicaDriverDeps, type ReplicaDriverOptions } from './replica-driver.ts';

/** How often a disk that was full is tried again, and a start that failed, in ms. */
const RETRY_MS = 5000;

/**
 * A node for as long as its process lives: a replica, and another in its place when that one can't go on and a fresh start
 * helps. A full disk is tried until it takes data; damaged files are moved aside once the chain does without them. Each start
 * is an incarnation of its own, so the coordinator knows one from the other. PROTOCOL.md §5.
 */
export class Node implements NodeService {
  readonly node: NodeId;
  readonly #options: ReplicaDriverOptions;
  readonly #deps: ReplicaDriverDeps;
  /** The present one, or the last while another is made. */
  #driver: ReplicaDriver;
  /** Something to mend it is under way or due: there is one thing at a time. */
  #mending = false;
  #work: Promise<void> = Promise.resolve();
  #cancelRetry: Cancel = () => {};
  #stopping: Promise<void> | null = null;
  /** Said last, so that it is not said again. */
  #said = '';

  constructor(options: Omit<ReplicaDriverOptions, 'noticed'>, deps: ReplicaDriverDeps) {
    this.node = options.node;
    this.#options = { ...options, noticed: () => deps.clock.defer(() => this.#look()) };
    this.#deps = deps;
    this.#driver = this.#newDriver();
  }

  /**
   * As `ReplicaDriver.start`, but a full disk is no end either: it resolves, and tries again.
   *
   * @throws CatenaError LOCKED, CORRUPT, UNSUPPORTED_FORMAT, DISK_FAILED, PORT_IN_USE, NOT_READY when it was stopped meanwhile.
   */
  async start(): Promise<void> {
    try {
      await this.#driver.start();
    } catch (error) {
      const isFull = error instanceof CatenaError && error.code === 'DISK_FULL';
      if (!isFull || this.#stopping !== null) throw error;
      this.#mending = true;
      this.#startLater(error);
    }
  }

  /** As `ReplicaDriver.stop`. Waits for the end of what was under way to mend it. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#cancelRetry();
    await this.#driver.stop();
    await this.#work;
    await this.#driver.stop();
  }

  #newDriver(): ReplicaDriver {
    return new ReplicaDriver(this.#options, this.#deps);
  }

  // --- when it can't go on

  /** Called whenever there may be something to mend, or a way to. */
  #look(): void {
    if (this.#mending || this.#stopping !== null) return;
    const { trouble, dropped } = this.#driver;
    if (trouble?.code === 'DISK_FULL') {
      this.#mending = true;
      this.#later(() => this.#probe());
    } else if (trouble?.code === 'CORRUPT' && (dropped || isPlanted('damaged-refilled-in-place'))) {
      this.#mending = true;
      this.#work = this.#guard(this.#moveAside());
    }
  }

  #later(call: () => Promise<void>): void {
    this.#cancelRetry = this.#deps.clock.after(RETRY_MS, () => {
      if (this.#stopping === null) this.#work = this.#guard(call());
    });
  }

  async #probe(): Promise<void> {
    try {
      await probe(this.#deps.disk);
    } catch (error) {
      if (!(error instanceof CatenaError)) throw error;
      this.#sayOnce(`the disk takes no data yet: ${error.message}`);
      return this.#later(() => this.#probe());
    }
    this.#deps.logger.info({}, 'the disk takes data again: this node starts anew');
    await this.#driver.stop('this node starts anew, now that its disk takes data again');
    await this.#startAnew();
  }

  /** The chain does without what this directory holds; it is kept all the same, for people. */
  async #moveAside(): Promise<void> {
    const { disk, clock, logger } = this.#deps;
    // Twice in a row is not chance but a bad disk, and fills it: somebody has to look.
    const before = (await disk.list('')).find((name) => name.startsWith(DAMAGED_PREFIX));
    if (before !== undefined) {
      return this.#driver.advise(
        `what an earlier damage left is still in ${disk.root}/${before}, so nothing is moved again: look at the disk, remove that directory, and start this node again`,
      );
    }
    await this.#driver.stop('this node starts anew and empty, as its files were damaged');
    const suffix = new Date(clock.now().wallMs).toISOString();
    const directory = await setAside(disk, { suffix });
    logger.warn({}, `moved the damaged files to ${disk.root}/${directory}: this node starts anew, empty`);
    await this.#startAnew();
  }

  /** With the driver before stopped. */
  async #startAnew(): Promise<void> {
    if (this.#stopping !== null) return;
    this.#driver = this.#newDriver();
    await this.#driver.start();
    this.#mending = false;
    this.#said = '';
    this.#look();
  }

  /** What failed on the way is tried again from the start, which finds whatever is there; what is no failure is a bug. */
  async #guard(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (!(error instanceof CatenaError)) {
        return this.#deps.clock.defer(() => {
          throw error;
        });
      }
      if (this.#stopping === null) this.#startLater(error);
    }
  }

  #startLater(error: unknown): void {
    this.#sayOnce(`it could not start and tries again: ${messageOf(error)}`);
    this.#later(async () => {
      // What it could not finish makes no difference to a start, which finds whatever is there.
      await this.#driver.stop().catch((reason: unknown) => {
        if (!(reason instanceof CatenaError)) throw reason;
      });
      await this.#startAnew();
    });
  }

  #sayOnce(text: string): void {
    if (text === this.#said) return;
    this.#said = text;
    this.#deps.logger.error({}, text);
  }

  // --- NodeService, by the driver of the moment

  topology(): VersionedTopology {
    return this.#driver.topology();
  }

  configuration(): Configuration | null {
    return this.#driver.configuration();
  }

  role(): Role {
    return this.#driver.role();
  }

  epoch(): Epoch {
    return this.#driver.epoch();
  }

  routeNow(intent: Intent, minEpoch: Epoch, keys: readonly string[] | null): Route | null {
    return this.#driver.routeNow(intent, minEpoch, keys);
  }

  route(intent: Intent, minEpoch: Epoch, keys: readonly string[] | null): Promise<Route> {
    return this.#driver.route(intent, minEpoch, keys);
  }

  write(command: Command, requestId: RequestId | null, sinceMs?: number): Promise<WriteReply> {
    return this.#driver.write(command, requestId, sinceMs);
  }

  get(key: string): StoredRecord | undefined {
    return this.#driver.get(key);
  }

  page(query: { prefix: string; after: string | null; limit: number }): KeyPage {
    return this.#driver.page(query);
  }

  readBatch(operations: readonly Operation[], options: { atomic: boolean }): Outcome {
    return this.#driver.readBatch(operations, options);
  }

  entries(prefix: string): Iterable<{ readonly key: string; readonly record: StoredRecord }> {
    return this.#driver.entries(prefix);
  }

  watch(listener: WatchListener): Watch | null {
    return this.#driver.watch(listener);
  }

  logTimeMs(): number {
    return this.#driver.logTimeMs();
  }

  status(): NodeStatus {
    return this.#driver.status();
  }

  health(): Health {
    return this.#driver.health();
  }

  readiness(): Health {
    return this.#driver.readiness();
  }

  gauges(): Readonly<Record<string, number>> {
    return this.#driver.gauges();
  }
}
