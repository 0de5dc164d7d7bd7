import { assert, defined, unreachable } from '../base/assert.ts';
import { CatenaError } from '../base/errors.ts';
import {
  type Epoch,
  NO_EPOCH,
  NO_SEQ,
  type NodeId,
  type RequestId,
  type Seq,
  type StoreId,
} from '../base/ids.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { Disk } from '../ports/disk.ts';
import type { Logger } from '../ports/logger.ts';
import type { Listening, Transport } from '../ports/transport.ts';
import type { Command, Operation, Outcome, StoredRecord } from '../protocol/command.ts';
import type { Configuration, Incarnation, Role } from '../protocol/configuration.ts';
import type { NodeReport } from '../protocol/messages.ts';
import type { Topology, VersionedTopology } from '../protocol/topology.ts';
import type { Effect, ReplicaEvent, Ticket, WriteReply } from '../replica/events.ts';
import { Replica } from '../replica/replica.ts';
import { Store } from '../replica/store.ts';
import { type Recovered, Storage } from '../storage/storage.ts';
import { CoordinatorLink } from './coordinator-link.ts';
import { Links } from './links.ts';
import type { Health, Intent, KeyPage, NodeService, NodeStatus, Route } from './node-service.ts';
import { gaugesOf, healthOf, type NodeParts, readinessOf, statusOf } from './node-status.ts';
import { RouteWaiters, routeOf, WAIT_MS } from './routing.ts';
import { Snapshots } from './snapshots.ts';
import { SyncLag } from './sync-lag.ts';

/** How often a replica looks at the time, in ms: deadlines, expiry and keep-alives are this exact. */
const TICK_MS = 20;
/** With durability `memory`, how long an acknowledged write may be unsynced, in ms. */
const MEMORY_SYNC_DELAY_MS = 100;

/** Which node this is. */
export interface ReplicaDriverOptions {
  readonly node: NodeId;
  /** As the node's own file says: its own addresses and the coordinator's; a coordinator's version takes its place. */
  readonly topology: Topology;
  /** Where to accept neighbours. */
  readonly peer: { readonly hosts: readonly string[]; readonly port: number };
}

/** The machine that it runs on. */
export interface ReplicaDriverDeps {
  readonly clock: Clock;
  readonly disk: Disk;
  readonly transport: Transport;
  readonly logger: Logger;
  readonly newStoreId: () => StoreId;
}

/**
 * Runs one replica over the ports: what happens becomes events, one at a time, and the effects of each are carried out
 * in order before the next. It is the node that the HTTP side speaks to.
 */
export class ReplicaDriver implements NodeService {
  readonly node: NodeId;
  readonly #options: ReplicaDriverOptions;
  readonly #deps: ReplicaDriverDeps;
  readonly #links: Links;
  readonly #waiters = new RouteWaiters();
  readonly #clients = new Map<Ticket, (reply: WriteReply) => void>();
  readonly #events: ReplicaEvent[] = [];
  readonly #store = new Store();
  /** Known as soon as the boot count is raised, before the log is read. */
  #self: Incarnation | null = null;
  #replica: Replica | null = null;
  #storage: Storage | null = null;
  #coordinator: CoordinatorLink | null = null;
  #listening: Listening | null = null;
  #stepping = false;
  #flushing = false;
  #starting: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;
  /** An assertion failed: nothing more is done until the process ends. */
  #crashed = false;
  readonly #lag = new SyncLag();
  #lastTicket = 0;
  readonly #snapshots: Snapshots;
  #cancelTick: Cancel = () => {};
  /** What routing and the coordinator look at, to tell when it changed. */
  #shown = '';

  constructor(options: ReplicaDriverOptions, deps: ReplicaDriverDeps) {
    this.node = options.node;
    this.#options = options;
    this.#deps = deps;
    this.#snapshots = new Snapshots({ ...deps, crash: (error) => this.#crash(error) });
    this.#links = new Links(
      {
        addressOf: (to) => this.topology().topology.nodes[to.node]?.peer ?? null,
        happened: (event) => this.#happened(event),
      },
      deps,
    );
  }

  /**
   * Takes the data directory, recovers the store, and takes part. Until it resolves, requests wait or are told that the
   * node is recovering.
   *
   * @throws CatenaError LOCKED, CORRUPT, UNSUPPORTED_FORMAT, DISK_FULL, DISK_FAILED, PORT_IN_USE, NOT_READY when it was
   * stopped meanwhile. The directory is free again then.
   */
  async start(): Promise<void> {
    this.#starting ??= this.#start();
    try {
      await this.#starting;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /**
   * Stops taking part, syncs what is queued, and frees the directory. Clients that still wait learn that the outcome is
   * unknown. Waits for the end of a start that is under way.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #start(): Promise<void> {
    this.#goOn();
    this.#tickLater();
    const { durability } = this.#options.topology;
    const syncDelayMs = durability === 'memory' ? MEMORY_SYNC_DELAY_MS : 0;
    this.#storage = await Storage.open({ syncDelayMs }, this.#deps);
    this.#goOn();
    this.#replica = await this.#recover(this.#storage);
    this.#storage.listen({
      synced: (through, generation) => this.#onSynced(through, generation),
      failed: (error) => this.#happened({ kind: 'failed', reason: error.message }),
    });
    this.#goOn();
    this.#listening = await this.#deps.transport.accept(this.#options.peer, (connection) => {
      this.#links.accepted(connection);
    });
    this.#goOn();
  }

  /** @throws CatenaError NOT_READY */
  #goOn(): void {
    if (this.#stopping) throw new CatenaError('NOT_READY', 'the node was stopped while it started');
  }

  async #stop(): Promise<void> {
    this.#cancelTick();
    this.#coordinator?.stop();
    this.#waiters.endAll('this node is stopping');
    this.#flush();
    const generation = this.#replica?.generation ?? 0;
    const committed = this.#replica?.committed ?? NO_SEQ;
    this.#happened({ kind: 'stopped', reason: 'this node is stopping' });
    this.#links.closeAll();
    await this.#starting?.catch(() => undefined);
    this.#coordinator?.stop();
    await this.#listening?.close();
    this.#links.closeAll();
    // The next start finds everything applied that is known to be committed.
    if (this.#replica) this.#storage?.append([], committed, generation);
    await this.#storage?.close();
  }

  // --- NodeService

  topology(): VersionedTopology {
    return this.#replica?.topology ?? { version: 0, topology: this.#options.topology };
  }

  configuration(): Configuration | null {
    return this.#replica?.configuration ?? null;
  }

  role(): Role {
    return this.#replica?.role ?? 'spare';
  }

  epoch(): Epoch {
    return this.configuration()?.epoch ?? NO_EPOCH;
  }

  routeNow(intent: Intent, minEpoch: Epoch): Route | null {
    return this.#replica && routeOf(this.#replica, intent, minEpoch);
  }

  route(intent: Intent, minEpoch: Epoch): Promise<Route> {
    if (this.#stopping !== null) {
      return Promise.resolve({ kind: 'unavailable', code: 'NOT_READY', reason: 'this node is stopping' });
    }
    const now = this.routeNow(intent, minEpoch);
    if (now) return Promise.resolve(now);
    return this.#waiters.wait(intent, minEpoch, this.#deps.clock.now().monotonicMs);
  }

  write(command: Command, requestId: RequestId | null, sinceMs?: number): Promise<WriteReply> {
    if (this.#stopping !== null || this.#replica === null) {
      return Promise.resolve({ kind: 'refused', code: 'NOT_READY' });
    }
    this.#lastTicket += 1;
    const ticket = this.#lastTicket;
    const deadlineMs = (sinceMs ?? this.#deps.clock.now().monotonicMs) + WAIT_MS.write;
    return new Promise((resolve) => {
      this.#clients.set(ticket, resolve);
      this.#happened({ kind: 'write', ticket, requestId, command, deadlineMs });
    });
  }

  get(key: string): StoredRecord | undefined {
    return this.#store.get(key);
  }

  page(query: { prefix: string; after: string | null; limit: number }): KeyPage {
    return this.#store.page(query);
  }

  readBatch(operations: readonly Operation[], options: { atomic: boolean }): Outcome {
    return this.#store.readBatch(operations, options);
  }

  entries(prefix: string): Iterable<{ readonly key: string; readonly record: StoredRecord }> {
    return this.#store.entries(prefix);
  }

  logTimeMs(): number {
    return this.#replica?.logTimeMs(this.#deps.clock.now()) ?? 0;
  }

  status(): NodeStatus {
    return statusOf(this.#parts());
  }

  health(): Health {
    return healthOf(this.#parts());
  }

  readiness(): Health {
    return readinessOf(this.#parts());
  }

  gauges(): Readonly<Record<string, number>> {
    return gaugesOf(this.#parts());
  }

  #parts(): NodeParts {
    return {
      node: this.node,
      self: this.#self,
      replica: this.#replica,
      store: this.#store,
      storage: this.#replica && this.#storage ? this.#storage.stats() : null,
      topology: this.topology(),
      coordinatorConnected: this.#coordinator?.connected ?? false,
      waitingRequests: this.#waiters.count + this.#clients.size,
      stopped: this.#stopping !== null,
    };
  }

  // --- starting

  async #recover(storage: Storage): Promise<Replica> {
    const { clock, logger } = this.#deps;
    const store = this.#store;
    const startedMs = clock.now().monotonicMs;
    const recovered = await storage.recover({
      identified: (identity) => {
        this.#self = { node: this.node, ...identity };
        this.#joinCluster();
      },
      snapshot: (header) => store.restore(header),
      row: (row) => store.restoreRow(row),
      committed: (entry) => {
        store.apply(entry);
      },
    });
    if (recovered.cutBytes > 0) {
      logger.warn({}, `cut off a torn end of the log, ${recovered.cutBytes} bytes that nobody was told of`);
    }
    logger.info(
      {
        ...recovered.identity,
        keys: store.keyCount,
        committed: recovered.committed,
        pending: recovered.pending.length,
        cutBytes: recovered.cutBytes,
        ms: Math.round(clock.now().monotonicMs - startedMs),
      },
      recovered.fresh ? 'made a new data directory' : 'recovered the store',
    );
    return this.#newReplica(recovered);
  }

  #newReplica(recovered: Recovered): Replica {
    const topology = recovered.topology ?? { version: 0, topology: this.#options.topology };
    return new Replica(
      {
        self: { node: this.node, ...recovered.identity },
        topology,
        configuration: recovered.configuration,
        leaseMsMax: recovered.leaseMsMax,
        log: {
          committed: recovered.committed,
          committedTimeMs: this.#store.timeMs,
          pending: recovered.pending,
          runs: recovered.runs,
        },
        store: this.#store,
      },
      this.#deps.clock.now(),
    );
  }

  #joinCluster(): void {
    // The file's address of the coordinator, not the one kept on disk: it is how a moved coordinator is found again.
    const [coordinator] = Object.values(this.#options.topology.coordinators);
    if (!coordinator) throw new CatenaError('BAD_TOPOLOGY', 'the topology names no coordinator');
    this.#coordinator = new CoordinatorLink(
      {
        address: coordinator.peer,
        heartbeatMs: () => this.topology().topology.timing.heartbeatMs,
        report: () => this.#report(),
        answered: ({ configuration, topology }) => {
          if (configuration || topology) this.#happened({ kind: 'told', configuration, topology });
        },
      },
      this.#deps,
    );
    this.#coordinator.start();
  }

  #report(): NodeReport {
    const replica = this.#replica;
    const now = this.#deps.clock.now();
    return {
      incarnation: defined(this.#self, () => 'the incarnation, known before anything is reported'),
      phase: replica === null ? 'recovering' : replica.broken === null ? 'running' : 'broken',
      problem: replica?.broken ?? null,
      empty: replica !== null && replica.received === NO_SEQ && replica.configuration === null,
      configuration: replica?.configuration ?? null,
      received: replica?.received ?? NO_SEQ,
      durable: replica?.durable ?? NO_SEQ,
      committed: replica?.committed ?? NO_SEQ,
      ready: replica?.ready ?? false,
      unreachable: replica?.unreachable(now).map((who) => who.node) ?? [],
      topologyVersion: this.topology().version,
      wallMs: now.wallMs,
    };
  }

  // --- events in, effects out

  #happened(event: ReplicaEvent): void {
    this.#events.push(event);
    if (this.#stepping || this.#crashed) return;
    this.#stepping = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) this.#step(next);
      this.#afterSteps();
      assert(this.#events.length === 0, () => 'an event was raised behind the last step');
    } catch (error) {
      this.#crash(error);
    } finally {
      this.#stepping = false;
    }
  }

  /** A bug: whoever called must not swallow it, or the rest of the effects would come out as if nothing were. */
  #crash(error: unknown): void {
    this.#crashed = true;
    this.#deps.clock.defer(() => {
      throw error;
    });
  }

  /** What the disk or the like refused stops this replica; anything else is a bug. */
  #failed(error: unknown): void {
    if (error instanceof CatenaError) this.#happened({ kind: 'failed', reason: error.message });
    else this.#crash(error);
  }

  #step(event: ReplicaEvent): void {
    const replica = this.#replica;
    if (replica === null) return;
    for (const effect of replica.step(event, this.#deps.clock.now())) this.#carryOut(effect);
  }

  #afterSteps(): void {
    const replica = this.#replica;
    if (replica === null) return;
    if (replica.wantsFlush && !this.#flushing) {
      this.#flushing = true;
      this.#deps.clock.defer(() => this.#flush());
    }
    const shown = `${replica.configuration?.epoch} ${replica.active} ${replica.servesReads} ${replica.ready}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#waiters.look(replica, this.#deps.clock.now().monotonicMs);
    this.#coordinator?.beatNow();
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#storage) this.#happened({ kind: 'flush' });
  }

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case 'append':
        return this.#append(effect);
      case 'truncate':
        return this.#truncate(effect);
      case 'save':
        return this.#save(effect);
      case 'read':
        return this.#read(effect);
      case 'dial':
        return this.#links.dial(effect.to);
      case 'hang-up':
        return this.#links.hangUp(effect.link, effect.reason);
      case 'send':
        return this.#links.send(effect.link, effect.message);
      case 'answer':
        return this.#answer(effect.ticket, effect.reply);
      case 'say':
        return this.#deps.logger[effect.level](effect.fields, effect.message);
      case 'fail':
        return this.#deps.logger.error(
          { code: effect.code, reason: effect.reason },
          `takes no further part: ${effect.reason}`,
        );
      default:
        return unreachable(effect);
    }
  }

  #append({ entries, committed, generation }: Extract<Effect, { kind: 'append' }>): void {
    this.#storage?.append(entries, committed, generation);
    const last = entries.at(-1);
    const { durability, limits } = this.topology().topology;
    if (durability === 'sync' || !last) return;
    this.#lag.append(entries);
    // What is received counts as durable, as long as the disk keeps up; else it is waited for.
    if (this.#lag.bytes <= limits.inFlightBytes)
      this.#events.push({ kind: 'synced', through: last.seq, generation });
  }

  #onSynced(through: Seq, generation: number): void {
    this.#lag.synced(through);
    this.#happened({ kind: 'synced', through, generation });
  }

  #truncate({ after, generation }: Extract<Effect, { kind: 'truncate' }>): void {
    this.#lag.truncated(after);
    this.#storage?.truncate(after, generation);
  }

  #save({ save, configuration, topology, leaseMsMax }: Extract<Effect, { kind: 'save' }>): void {
    this.#storage?.save({ configuration, topology, leaseMsMax }).then(
      () => this.#happened({ kind: 'saved', save }),
      (error: unknown) => this.#failed(error),
    );
  }

  #read({ link, after, bytesMax }: Extract<Effect, { kind: 'read' }>): void {
    this.#storage?.read(after, bytesMax).then(
      (entries) => this.#happened({ kind: 'read', link, entries }),
      (error: unknown) => this.#failed(error),
    );
  }

  #answer(ticket: Ticket, reply: WriteReply): void {
    const resolve = this.#clients.get(ticket);
    this.#clients.delete(ticket);
    resolve?.(reply);
  }

  // --- the passing of time

  #tickLater(): void {
    this.#cancelTick = this.#deps.clock.after(TICK_MS, () => this.#tick());
  }

  #tick(): void {
    if (this.#stopping !== null) return;
    this.#tickLater();
    this.#happened({ kind: 'tick' });
    this.#waiters.look(this.#replica, this.#deps.clock.now().monotonicMs);
    if (this.#replica && this.#storage) this.#snapshots.takeIfDue(this.#storage, this.#store);
  }
}
