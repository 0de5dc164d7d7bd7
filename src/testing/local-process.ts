import { CatenaError } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import { newStoreId } from '../platform/random.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Address, Topology } from '../protocol/topology.ts';
import type { CoordinatorDriver } from '../runtime/coordinator-driver.ts';
import type { Node } from '../runtime/node.ts';
import { coordinatorHalves, nodeHalves } from '../server/halves.ts';
import { listenPlan } from '../server/listen-at.ts';
import type { Halves } from '../server/running.ts';
import { Life } from './life.ts';
import { MemoryDirectory } from './memory-disk.ts';
import type { PeerNetwork } from './peer-network.ts';
import { PeerTransport } from './peer-transport.ts';

/** Which process of which chain it is. */
export interface ProcessOptions {
  readonly name: NodeId;
  readonly address: Address;
  readonly topology: Topology;
  /** Of the topology, for a coordinator. */
  readonly digest: string;
  readonly clock: Clock;
  readonly network: PeerNetwork;
  readonly logger: Logger;
}

interface Run<Driver> {
  readonly life: Life;
  readonly driver: Driver;
  readonly http: Halves['http'];
  /** Settled when the HTTP side listens, or can't. */
  listening: Promise<unknown>;
  started: boolean;
}

/** A node or a coordinator that lives in this process as if in one of its own: it is started, killed and started again with its data. */
export abstract class LocalProcess<Driver extends Halves['driver'] = Halves['driver']> {
  readonly name: NodeId;
  readonly url: string;
  protected readonly options: ProcessOptions;
  readonly #directory: MemoryDirectory;
  #run: Run<Driver> | null = null;

  constructor(options: ProcessOptions) {
    this.options = options;
    this.name = options.name;
    this.url = options.address.urls[0] ?? '';
    this.#directory = new MemoryDirectory(`the memory of ${options.name}`);
  }

  /** `null` while it is dead, or has not recovered yet. */
  get driver(): Driver | null {
    return this.#run?.started === true ? this.#run.driver : null;
  }

  get alive(): boolean {
    return this.#run !== null;
  }

  /**
   * Resolves when it has recovered, and takes part as soon as it is let.
   *
   * @throws CatenaError PORT_IN_USE; NOT_READY when it runs already, or is killed meanwhile.
   */
  async start(): Promise<void> {
    if (this.#run !== null) throw new CatenaError('NOT_READY', `${this.name} runs already: kill it first`);
    const run = this.#newRun();
    this.#run = run;
    const { http } = listenPlan(this.options.address, {});
    const killed = () => new CatenaError('NOT_READY', `${this.name} was killed while it started`);
    try {
      const listening = run.http.listen(http);
      run.listening = listening.catch(() => {});
      await run.life.orElse(
        listening.then(() => run.driver.start()),
        killed,
      );
      run.started = true;
    } catch (error) {
      await this.#end(run);
      throw error;
    }
  }

  /** Ends it as `kill -9` does: at once, with nothing said to anybody. Resolves when its ports are free. Nothing happens to a dead one. */
  async kill(): Promise<void> {
    if (this.#run !== null) await this.#end(this.#run);
  }

  protected abstract halves(
    ports: { readonly life: Life; readonly logger: Logger; readonly directory: MemoryDirectory },
    peer: { readonly hosts: readonly string[]; readonly port: number },
  ): { readonly http: Halves['http']; readonly driver: Driver };

  #newRun(): Run<Driver> {
    const life = new Life(this.options.clock);
    const { peer } = listenPlan(this.options.address, {});
    const logger = silentWhenOver(this.options.logger, life);
    const halves = this.halves({ life, logger, directory: this.#directory }, peer);
    return { ...halves, life, listening: Promise.resolve(), started: false };
  }

  async #end(run: Run<Driver>): Promise<void> {
    if (this.#run === run) this.#run = null;
    const ended = run.life.end();
    // Its sockets are cut in this turn; what was still about to listen is closed behind that.
    await run.http.close(0);
    await run.listening;
    await run.http.close(0);
    await ended;
  }
}

/** A node of a test chain. */
export class LocalNode extends LocalProcess<Node> {
  protected halves(
    { life, logger, directory }: { life: Life; logger: Logger; directory: MemoryDirectory },
    peer: { readonly hosts: readonly string[]; readonly port: number },
  ) {
    const { name, topology, network } = this.options;
    const transport = new PeerTransport(name, { life, network });
    const disk = directory.mountedBy(life);
    return nodeHalves(
      { node: name, topology, peer },
      { clock: life.clock, disk, transport, logger, newStoreId },
    );
  }
}

/** The coordinator of a test chain. */
export class LocalCoordinator extends LocalProcess<CoordinatorDriver> {
  protected halves(
    { life, logger, directory }: { life: Life; logger: Logger; directory: MemoryDirectory },
    peer: { readonly hosts: readonly string[]; readonly port: number },
  ) {
    const { name, topology, digest, network } = this.options;
    const transport = new PeerTransport(name, { life, network });
    const disk = directory.mountedBy(life);
    return coordinatorHalves(
      { node: name, topology, digest, peer },
      { clock: life.clock, disk, transport, logger },
    );
  }
}

/** What the dead did not get to say is not said. */
function silentWhenOver(logger: Logger, life: Life): Logger {
  const unlessOver = (level: keyof Logger) => (fields: object, message: string) => {
    if (!life.over) logger[level](fields, message);
  };
  return {
    debug: unlessOver('debug'),
    info: unlessOver('info'),
    warn: unlessOver('warn'),
    error: unlessOver('error'),
  };
}
