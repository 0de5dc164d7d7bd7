import { assert, unreachable } from '../base/assert.ts';
import { CatenaError } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import { isPlanted } from '../base/planted.ts';
import { Coordinator } from '../coordinator/coordinator.ts';
import type {
  CoordinatorEffect,
  CoordinatorEvent,
  EditReply,
  ForceReply,
  RequestTicket,
} from '../coordinator/events.ts';
import type { Register } from '../coordinator/register.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { Disk, DiskLock } from '../ports/disk.ts';
import type { Logger } from '../ports/logger.ts';
import type { Listening, Transport } from '../ports/transport.ts';
import type { Configuration } from '../protocol/configuration.ts';
import { addressOfNode, type Topology, type VersionedTopology } from '../protocol/topology.ts';
import { CoordinatorConnections } from './coordinator-connections.ts';
import { CoordinatorKnocker } from './coordinator-knocker.ts';
import { readRegister, writeRegister } from './coordinator-register-file.ts';
import type { CoordinatorService, HistoryItem } from './coordinator-service.ts';
import { coordinatorGauges, coordinatorStatus } from './coordinator-status.ts';
import { CoordinatorTickets } from './coordinator-tickets.ts';
import type { Health } from './node-service.ts';

/** Held as long as the coordinator lives, so that one directory never has two. */
const LOCK_FILE = 'lock';
/** How long a register that could not be saved waits for its next try, in ms. */
const SAVE_RETRY_MS = 1000;
/** A connection without a heartbeat for this many times `suspectAfterMs`, and at least so many ms, is closed. */
const IDLE_SUSPICIONS = 4;
const IDLE_MS_MIN = 2000;

/** Which coordinator it is, of which topology, and where it listens. */
export interface CoordinatorDriverOptions {
  readonly node: NodeId;
  /** What the topology file says, checked, and its digest, as `parseTopology` gives them. */
  readonly topology: Topology;
  readonly digest: string;
  /** Where it listens for the nodes. */
  readonly peer: { readonly hosts: readonly string[]; readonly port: number };
}

/** The outside world of a coordinator; `disk` is a data directory of its own. */
export interface CoordinatorDriverDeps {
  readonly clock: Clock;
  readonly disk: Disk;
  readonly transport: Transport;
  readonly logger: Logger;
}

/** Runs a coordinator: events of the disk, the clock and the connections in, its effects out, in order. */
export class CoordinatorDriver implements CoordinatorService {
  readonly node: NodeId;
  readonly #options: CoordinatorDriverOptions;
  readonly #deps: CoordinatorDriverDeps;
  readonly #connections: CoordinatorConnections;
  readonly #knocker: CoordinatorKnocker;
  readonly #edits: CoordinatorTickets<EditReply>;
  readonly #forces: CoordinatorTickets<ForceReply>;
  #tickets: RequestTicket = 0;
  /** Replaced by one with the register from the disk when it starts. */
  #core: Coordinator | null = null;
  #events: CoordinatorEvent[] = [];
  #stepping = false;
  #lock: DiskLock | null = null;
  #listening: Listening | null = null;
  #starting: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;
  #cancelTick: Cancel = () => {};
  #cancelRetry: Cancel = () => {};
  #writing: Promise<void> = Promise.resolve();
  #saveFailure: string | null = null;

  constructor(options: CoordinatorDriverOptions, deps: CoordinatorDriverDeps) {
    this.node = options.node;
    this.#options = options;
    this.#deps = deps;
    this.#connections = new CoordinatorConnections(
      {
        heartbeat: (link, report) => this.#step({ kind: 'heartbeat', link, report }),
        closed: (link) => this.#step({ kind: 'closed', link }),
      },
      deps,
    );
    this.#knocker = new CoordinatorKnocker(
      (node, refused) => this.#step({ kind: 'knocked', node, refused }),
      deps,
    );
    this.#edits = new CoordinatorTickets(deps);
    this.#forces = new CoordinatorTickets(deps);
  }

  /**
   * Once it has resolved, heartbeats are answered. Called once.
   *
   * @throws CatenaError LOCKED, CORRUPT, UNSUPPORTED_FORMAT, PORT_IN_USE, DISK_FULL, DISK_FAILED; nothing is held then.
   */
  start(): Promise<void> {
    assert(this.#starting === null, () => 'a coordinator is started once');
    this.#starting = this.#start();
    return this.#starting;
  }

  /** Tells nothing any more, ends a save that is under way, and lets go of the port and the directory. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** The topology file has changed to this, which was checked. What becomes of it shows in `topology` and `problem`. */
  takeFile(topology: Topology, digest: string): void {
    this.#step({ kind: 'topology', topology, digest });
  }

  /** The topology file has changed to something bad: the present topology stays, and `problem` says this. */
  refuseFile(problem: string): void {
    this.#step({ kind: 'bad-topology', problem });
  }

  topology(): VersionedTopology {
    // Before it listens, what is still to be done for the topology of the register is not known either.
    const known = this.#listening === null ? null : this.#core?.topology;
    return known ?? { version: 0, topology: this.#options.topology, departing: {} };
  }

  configuration(): Configuration | null {
    return this.#core?.register.configuration ?? null;
  }

  problem(): string | null {
    return this.#core?.problem ?? null;
  }

  plan(): readonly string[] {
    return this.#core?.plan ?? [];
  }

  edit(
    topology: Topology,
    options: { readonly ifVersion: number | null; readonly dryRun: boolean },
  ): Promise<EditReply> {
    return this.#asked(this.#edits, (ticket) => ({ kind: 'edit', ticket, topology, ...options }));
  }

  force(survivor: NodeId): Promise<ForceReply> {
    return this.#asked(this.#forces, (ticket) => ({ kind: 'force', ticket, survivor }));
  }

  history(): readonly HistoryItem[] {
    return this.#core?.register.history ?? [];
  }

  status(): Readonly<Record<string, unknown>> {
    if (this.#core === null) return { node: this.node, role: 'coordinator', epoch: 0 };
    const { node } = this;
    return coordinatorStatus(
      { node, core: this.#core, saveFailure: this.#saveFailure },
      this.#deps.clock.now(),
    );
  }

  gauges(): Readonly<Record<string, number>> {
    if (this.#core === null) return {};
    const connections = this.#connections.count;
    const seen = { core: this.#core, saveFailure: this.#saveFailure, connections };
    return coordinatorGauges(seen, this.#deps.clock.now());
  }

  health(): Health {
    const failure = this.#saveFailure;
    if (failure === null) return { well: true, reason: null };
    return {
      well: false,
      reason: `the register can not be saved, so nothing new is told to the nodes: ${failure}`,
    };
  }

  readiness(): Health {
    const takes = this.#takesRequests();
    return takes.well ? this.health() : takes;
  }

  #takesRequests(): Health {
    if (this.#stopping !== null) return { well: false, reason: 'the coordinator is stopping' };
    if (this.#listening === null) return { well: false, reason: 'the coordinator is starting' };
    return { well: true, reason: null };
  }

  async #start(): Promise<void> {
    const { disk, transport } = this.#deps;
    this.#lock = await disk.lock(LOCK_FILE);
    if (this.#lock === null) throw locked(disk.root);
    try {
      this.#core = new Coordinator(await readRegister(disk));
      this.takeFile(this.#options.topology, this.#options.digest);
      this.#listening = await transport.accept(this.#options.peer, (connection) =>
        this.#connections.accept(connection),
      );
    } catch (error) {
      await this.#lock.release();
      this.#lock = null;
      throw error;
    }
    this.#tick();
  }

  async #stop(): Promise<void> {
    await this.#starting?.catch(() => {});
    this.#cancelTick();
    this.#cancelRetry();
    this.#edits.stop();
    this.#forces.stop();
    this.#knocker.knockAt(new Map());
    await this.#listening?.close();
    this.#connections.closeAll();
    await this.#writing;
    await this.#lock?.release();
  }

  #tick(): void {
    if (this.#stopping !== null) return;
    const { heartbeatMs, suspectAfterMs } = this.topology().topology.timing;
    this.#cancelTick = this.#deps.clock.after(heartbeatMs, () => this.#tick());
    this.#connections.closeIdle(Math.max(IDLE_MS_MIN, suspectAfterMs * IDLE_SUSPICIONS));
    this.#step({ kind: 'tick' });
  }

  #asked<Reply>(
    tickets: CoordinatorTickets<Reply>,
    event: (ticket: RequestTicket) => CoordinatorEvent,
  ): Promise<Reply> {
    const { well, reason } = this.#takesRequests();
    if (!well) return Promise.reject(new CatenaError('NOT_READY', `${reason}; try again in a moment`));
    this.#tickets += 1;
    const ticket = this.#tickets;
    return tickets.open(ticket, {
      ask: () => this.#step(event(ticket)),
      whyLate: () => this.health().reason ?? 'the coordinator has not answered in time',
    });
  }

  /** Effects may bring further events about; each is stepped when the effects of the one before are carried out. */
  #step(event: CoordinatorEvent): void {
    if (this.#core === null || this.#stopping !== null) return;
    this.#events.push(event);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      this.#stepAll(this.#core);
    } finally {
      this.#stepping = false;
    }
    this.#knockAtUnlinked(this.#core);
  }

  /** What was heard may decide something, and is not kept waiting for the next beat of the clock. */
  #stepAll(core: Coordinator): void {
    while (this.#events.length > 0) {
      let decided = false;
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        for (const effect of core.step(next, this.#deps.clock.now())) this.#carryOut(effect);
        decided = next.kind === 'tick';
      }
      // Before it listens it decides nothing: it may not come to run at all.
      if (!decided && this.#listening !== null) this.#events.push({ kind: 'tick' });
    }
  }

  #knockAtUnlinked(core: Coordinator): void {
    const versioned = this.topology();
    const addresses = new Map<NodeId, string>();
    for (const node of core.unlinked) {
      const address = addressOfNode(versioned, node);
      if (address !== null) addresses.set(node, address.peer);
    }
    this.#knocker.knockAt(addresses);
  }

  #carryOut(effect: CoordinatorEffect): void {
    switch (effect.kind) {
      case 'save':
        return this.#save(effect.save, effect.register);
      case 'tell':
        return this.#connections.tell(effect.link, effect.answer);
      case 'hang-up':
        return this.#connections.hangUp(effect.link, effect.reason);
      case 'edited':
        return this.#edits.answer(effect.ticket, effect.reply);
      case 'forced':
        return this.#forces.answer(effect.ticket, effect.reply);
      case 'say':
        return this.#deps.logger[effect.level](effect.fields, effect.message);
      default:
        return unreachable(effect);
    }
  }

  #save(save: number, register: Register): void {
    this.#writing = writeRegister(this.#deps.disk, register).then(
      () => this.#saved(save),
      (error) => {
        if (isPlanted('register-failure-ignored')) return this.#saved(save);
        return this.#notSaved(error, () => this.#save(save, register));
      },
    );
  }

  #saved(save: number): void {
    if (this.#saveFailure !== null) this.#deps.logger.info({}, 'the register is saved again');
    this.#saveFailure = null;
    this.#step({ kind: 'saved', save });
  }

  /** Each try writes a new file, so a sync that failed is not trusted afterwards. */
  #notSaved(error: unknown, again: () => void): void {
    if (!(error instanceof CatenaError)) throw error;
    if (this.#saveFailure !== error.message) {
      this.#deps.logger.error(
        { code: error.code },
        `the register can not be saved, and is tried again: ${error.message}`,
      );
    }
    this.#saveFailure = error.message;
    if (this.#stopping === null) this.#cancelRetry = this.#deps.clock.after(SAVE_RETRY_MS, again);
  }
}

function locked(root: string): CatenaError {
  return new CatenaError(
    'LOCKED',
    `${root} is in use by another process: stop the coordinator that runs on it, or give this one a directory of its own with --data.`,
  );
}
