import { defined, unreachable } from '../base/assert.ts';
import { CatenaError } from '../base/errors.ts';
import { type Epoch, NO_EPOCH, NO_SEQ, type NodeId, type RequestId, type StoreId } from '../base/ids.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { Disk } from '../ports/disk.ts';
import type { Logger } from '../ports/logger.ts';
import type { Listening, Transport } from '../ports/transport.ts';
import type { Command } from '../protocol/command.ts';
import type { Configuration, Incarnation } from '../protocol/configuration.ts';
import type { HeartbeatAnswer } from '../protocol/messages.ts';
import { addressOfNode, type Topology, type VersionedTopology } from '../protocol/topology.ts';
import type { Effect, LinkId, ReplicaEvent, Ticket, WriteReply } from '../replica/events.ts';
import type { Replica } from '../replica/replica.ts';
import { Store } from '../replica/store.ts';
import { Storage, type StorageOptions } from '../storage/storage.ts';
import { Changes } from './changes.ts';
import { CoordinatorLink, coordinatorAddresses } from './coordinator-link.ts';
import { DiskWork } from './disk-work.ts';
import { Links } from './links.ts';
import { type Ended, type NodeParts, reportOf } from './node-parts.ts';
import type { Intent, NodeService, Route } from './node-service.ts';
import { NodeView } from './node-view.ts';
import { ReadDamage } from './read-damage.ts';
import { recoverReplica } from './recover.ts';
import { Router } from './router.ts';
import { WAIT_MS } from './routing.ts';
import { Snapshots } from './snapshots.ts';
import { StateTransfer } from './state-transfer.ts';
import { failureOf, isSickness, type Trouble, troubleOf } from './trouble.ts';
import { Turns } from './turns.ts';
import { Waker } from './waker.ts';
import { Wellness } from './wellness.ts';

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
  /** `trouble` or, with trouble, `dropped` may have changed. Called in the midst of things: look later. */
  readonly noticed?: () => void;
  /** What its storage holds on to, where that is not what suits everybody. */
  readonly storage?: Omit<StorageOptions, 'syncDelayMs'>;
  /** With more queued on one link, the replica holds back, in bytes; 8 MiB unless given, never below 64 KiB over TCP. */
  readonly linkQueuedBytesMax?: number;
}

/** One step of a replica: what happened to it, and what it asks for. */
export interface ReplicaStep {
  readonly replica: Replica;
  readonly event: ReplicaEvent;
  readonly effects: readonly Effect[];
}

/** The machine that it runs on. */
export interface ReplicaDriverDeps {
  readonly clock: Clock;
  readonly disk: Disk;
  readonly transport: Transport;
  readonly logger: Logger;
  readonly newStoreId: () => StoreId;
  /** Is told of every step before its effects are carried out: for those who check what a replica does. */
  readonly witness?: (step: ReplicaStep) => void;
}

/** What works on the disk, from when the log is read. */
interface DiskParts {
  readonly storage: Storage;
  readonly work: DiskWork;
  readonly transfer: StateTransfer;
}

/**
 * Runs one replica over the ports, for one start on its directory: what happens becomes events, one at a time, and the
 * effects of each are carried out in order before the next.
 */
export class ReplicaDriver extends NodeView implements NodeService {
  readonly node: NodeId;
  protected readonly fileTopology: VersionedTopology;
  readonly #options: ReplicaDriverOptions;
  readonly #deps: ReplicaDriverDeps;
  readonly #links: Links;
  readonly #router: Router;
  readonly #waker: Waker;
  readonly #wellness = new Wellness();
  readonly #snapshots: Snapshots;
  readonly #clients = new Map<Ticket, (reply: WriteReply) => void>();
  readonly #turns: Turns;
  readonly #changes = new Changes();
  /** Filled by recovery, and then handed to the replica. */
  readonly #recovering = new Store();
  /** Known as soon as the boot count is raised, before the log is read. */
  #self: Incarnation | null = null;
  #replica: Replica | null = null;
  #disk: DiskParts | null = null;
  #storage: Storage | null = null;
  #coordinator: CoordinatorLink | null = null;
  #listening: Listening | null = null;
  #starting: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;
  #ended: Ended | null = null;
  #trouble: Trouble | null = null;
  /** The newest configuration that the coordinator has told of: a broken replica takes none up. */
  #heard: Configuration | null = null;
  #lastTicket = 0;
  #cancelTick: Cancel = () => {};

  constructor(options: ReplicaDriverOptions, deps: ReplicaDriverDeps) {
    super();
    this.node = options.node;
    this.#options = options;
    this.#deps = deps;
    this.fileTopology = { version: 0, topology: options.topology, departing: {} };
    this.#turns = new Turns({ step: (event) => this.#step(event), settled: () => this.#lookAround() }, deps);
    this.#snapshots = new Snapshots({ ...deps, crash: (error) => this.#turns.crash(error) });
    this.#waker = new Waker(() => this.#happened({ kind: 'tick' }), deps);
    this.#router = new Router({
      replica: () => this.#replica,
      now: () => deps.clock.now(),
      broken: () => this.#trouble?.reason ?? null,
      newTicket: () => this.#newTicket(),
      happened: (event) => this.#happened(event),
    });
    this.#links = new Links(
      {
        addressOf: (to) => addressOfNode(this.topology(), to.node)?.peer ?? null,
        happened: (event) => this.#happened(event),
        queuedBytesMax: options.linkQueuedBytesMax,
      },
      deps,
    );
  }

  /**
   * Takes the data directory, recovers the store, and takes part. Until it resolves, requests wait or are told that the
   * node is recovering. A damaged log or snapshot is no end: it resolves, and the node is broken and says so (`trouble`).
   *
   * @throws CatenaError LOCKED, CORRUPT (the file that says who the directory is), UNSUPPORTED_FORMAT, DISK_FULL, DISK_FAILED,
   * PORT_IN_USE, NOT_READY when it was stopped meanwhile. The directory is free again then, and nothing is served.
   */
  async start(): Promise<void> {
    this.#starting ??= this.#start();
    try {
      await this.#starting;
    } catch (error) {
      await this.#giveUp(error);
      throw error;
    }
  }

  /**
   * Stops taking part, tells the coordinator so, syncs what is queued, and frees the directory. Clients that still wait learn
   * that the outcome is unknown. Waits for the end of a start that is under way.
   */
  stop(reason = 'this node is stopping'): Promise<void> {
    this.#ended ??= { phase: 'stopping', reason };
    this.#stopping ??= this.#stop(this.#ended.reason);
    return this.#stopping;
  }

  /** What it can't go on after, if there is something. */
  get trouble(): Trouble | null {
    return this.#trouble;
  }

  /** Adds to what is said of the trouble what people have to do about it. */
  advise(advice: string): void {
    if (this.#trouble === null) return;
    this.#trouble = { ...this.#trouble, reason: `${advice}. ${this.#trouble.reason}` };
    this.#deps.logger.error({ code: this.#trouble.code }, advice);
  }

  /** Whether the newest configuration that is known here holds nothing of this store: the chain does without it. */
  get dropped(): boolean {
    const held = this.#replica?.configuration ?? null;
    const newest = (held?.epoch ?? NO_EPOCH) > (this.#heard?.epoch ?? NO_EPOCH) ? held : this.#heard;
    if (newest === null || this.#self === null) return false;
    const { storeId } = this.#self;
    return ![...newest.members, newest.joiner].some((who) => who?.storeId === storeId);
  }

  async #start(): Promise<void> {
    this.#goOn();
    this.#tickLater();
    const { durability } = this.#options.topology;
    const syncDelayMs = durability === 'memory' ? MEMORY_SYNC_DELAY_MS : 0;
    const storage = await Storage.open({ ...this.#options.storage, syncDelayMs }, this.#deps);
    this.#storage = storage;
    this.#goOn();
    const makeReplica = await this.#recover(storage);
    this.#goOn();
    if (makeReplica === null) return;
    this.#takePart(storage, makeReplica);
    this.#listening = await this.#deps.transport.accept(this.#options.peer, (connection) => {
      this.#links.accepted(connection);
    });
    this.#goOn();
  }

  /** Not before it is sure that nobody has asked for the end: what was said to be stopping must not begin. */
  #takePart(storage: Storage, makeReplica: () => Replica): void {
    const { clock } = this.#deps;
    const happened = (event: ReplicaEvent) => this.#happened(event);
    const failed = (error: unknown) => this.#failed(error);
    const damage = new ReadDamage(storage, this.#deps);
    const host = { storage, damage, happened, failed };
    const work = new DiskWork({ ...host, topology: () => this.topology().topology }, { clock });
    const giveUpLink = (link: LinkId, reason: string) => this.#links.giveUp(link, reason);
    const transfer = new StateTransfer({ ...host, giveUpLink }, this.#deps);
    this.#disk = { storage, work, transfer };
    this.#replica = makeReplica();
    storage.listen({
      synced: (through, generation) => work.synced(through, generation),
      failed,
    });
  }

  /** @throws CatenaError NOT_READY */
  #goOn(): void {
    if (this.#stopping) throw new CatenaError('NOT_READY', 'the node was stopped while it started');
  }

  async #giveUp(error: unknown): Promise<void> {
    if (error instanceof CatenaError && this.#ended === null) {
      const trouble = troubleOf(error);
      this.#trouble = trouble;
      this.#ended = { phase: 'broken', reason: trouble.reason };
    }
    await this.stop();
  }

  async #stop(reason: string): Promise<void> {
    try {
      await this.#leave(reason);
    } finally {
      this.#waker.stop();
      this.#coordinator?.stop();
    }
  }

  async #leave(reason: string): Promise<void> {
    this.#cancelTick();
    this.#waker.stop();
    this.#router.endAll(reason);
    this.watching.end(reason);
    this.#turns.flushNow();
    const generation = this.#replica?.generation ?? 0;
    const committed = this.#replica?.committed ?? NO_SEQ;
    this.#happened({ kind: 'stopped', reason });
    this.#links.closeAll();
    // Nothing is served any more: who is dropped now needs no fence.
    this.#coordinator?.leave();
    await this.#starting?.catch(() => undefined);
    await this.#listening?.close();
    this.#links.closeAll();
    this.#disk?.transfer.stop();
    // The next start finds everything applied that is known to be committed.
    if (this.#replica) this.#storage?.append([], committed, generation);
    await this.#storage?.close();
  }

  // --- NodeService

  routeNow(intent: Intent, minEpoch: Epoch, keys: readonly string[] | null): Route | null {
    return this.#routeOut() ?? this.#router.routeNow(intent, minEpoch, keys);
  }

  route(intent: Intent, minEpoch: Epoch, keys: readonly string[] | null): Promise<Route> {
    const out = this.#routeOut();
    return out ? Promise.resolve(out) : this.#router.route(intent, minEpoch, keys);
  }

  #routeOut(): Route | null {
    if (this.#ended === null) return null;
    const { phase, reason } = this.#ended;
    return { kind: 'unavailable', code: phase === 'broken' ? 'BROKEN' : 'NOT_READY', reason };
  }

  write(command: Command, requestId: RequestId | null, sinceMs?: number): Promise<WriteReply> {
    if (this.#ended !== null || this.#replica === null) {
      const code = this.#trouble === null ? 'NOT_READY' : 'BROKEN';
      return Promise.resolve({ kind: 'refused', code });
    }
    const ticket = this.#newTicket();
    const deadlineMs = (sinceMs ?? this.#deps.clock.now().monotonicMs) + WAIT_MS.write;
    return new Promise((resolve) => {
      this.#clients.set(ticket, resolve);
      this.#happened({ kind: 'write', ticket, requestId, command, deadlineMs });
    });
  }

  logTimeMs(): number {
    return this.#replica?.logTimeMs(this.#deps.clock.now()) ?? 0;
  }

  protected get replica(): Replica | null {
    return this.#replica;
  }

  protected get store(): Store {
    return this.#replica?.store ?? this.#recovering;
  }

  #newTicket(): Ticket {
    this.#lastTicket += 1;
    return this.#lastTicket;
  }

  protected parts(): NodeParts {
    const now = this.#deps.clock.now();
    return {
      node: this.node,
      self: this.#self,
      replica: this.#replica,
      store: this.store,
      storage: this.#disk?.storage.stats() ?? null,
      topology: this.topology(),
      coordinatorConnected: this.#coordinator?.connected ?? false,
      waitingRequests: this.#router.waiting + this.#clients.size,
      reads: this.#router.reads,
      watching: this.watching.counts,
      transfer: this.#disk?.transfer.status() ?? null,
      stalledMs: this.#disk?.work.stalledMs(now.monotonicMs) ?? 0,
      trouble: this.#trouble,
      wellness: this.#wellness.state(now.monotonicMs),
      ended: this.#ended,
      now,
    };
  }

  // --- starting

  /** `null` when the log or the snapshot is damaged: then it is broken, and the coordinator is told. */
  async #recover(storage: Storage): Promise<(() => Replica) | null> {
    const { node } = this;
    const identified = (self: Incarnation) => {
      this.#self = self;
      if (this.#stopping === null) this.#joinCluster(self);
    };
    const options = { node, topology: this.fileTopology, store: this.#recovering, identified };
    try {
      return await recoverReplica(storage, options, this.#deps);
    } catch (error) {
      const isDamaged = error instanceof CatenaError && error.code === 'CORRUPT' && this.#self !== null;
      if (!isDamaged) throw error;
      this.#inTrouble(troubleOf(error));
      return null;
    }
  }

  #joinCluster(self: Incarnation): void {
    this.#coordinator = new CoordinatorLink(
      {
        addresses: () => coordinatorAddresses(this.topology().topology, this.#options.topology),
        heartbeatMs: () => this.topology().topology.timing.heartbeatMs,
        report: () => reportOf(this.parts(), self),
        answered: (answer) => this.#onAnswer(answer),
      },
      this.#deps,
    );
    this.#coordinator.start();
  }

  #onAnswer({ epoch, configuration, topology, stop }: HeartbeatAnswer): void {
    if (configuration && configuration.epoch > (this.#heard?.epoch ?? NO_EPOCH)) this.#heard = configuration;
    if (configuration || topology) this.#happened({ kind: 'told', configuration, topology });
    if (stop) this.#happened({ kind: 'stop-serving', epoch });
    if (this.#trouble) this.#options.noticed?.();
  }

  // --- events in, effects out

  #happened(event: ReplicaEvent): void {
    this.#turns.happened(event);
  }

  /** What the disk or the like refused makes this node sick or broken; anything but a `CatenaError` is a bug. */
  #failed(error: unknown): void {
    if (!(error instanceof CatenaError)) return this.#turns.crash(error);
    if (this.#ended !== null) return;
    const trouble = troubleOf(error);
    this.#inTrouble(trouble);
    this.#disk?.work.abandoned();
    const { reason } = trouble;
    this.#happened(isSickness(trouble) ? { kind: 'disk-failed', reason } : { kind: 'failed', reason });
  }

  /** Said once: what follows from it is no news. But a sick node may turn out to be broken. */
  #inTrouble(trouble: Trouble): void {
    if (this.#trouble !== null && !(isSickness(this.#trouble) && !isSickness(trouble))) return;
    this.#trouble = trouble;
    this.#deps.logger.error({ code: trouble.code }, trouble.reason);
    this.#router.look();
    this.#coordinator?.beatNow();
    this.#options.noticed?.();
  }

  #step(event: ReplicaEvent): void {
    const replica = this.#replica;
    if (replica === null) return;
    const effects = replica.step(event, this.#deps.clock.now());
    this.#deps.witness?.({ replica, event, effects });
    for (const effect of effects) this.#carryOut(effect);
  }

  #lookAround(): void {
    const replica = this.#replica;
    if (replica === null) return;
    if (replica.wantsFlush) this.#turns.flushLater();
    const now = this.#deps.clock.now();
    this.watching.look(replica, now);
    const changed = this.#changes.look(replica, now);
    if (changed !== 'none') this.#router.look();
    if (changed === 'news') this.#coordinator?.beatNow();
  }

  #carryOut(effect: Effect): void {
    const { work, transfer } = defined(this.#disk, () => 'the disk, which is there before the replica');
    switch (effect.kind) {
      case 'append':
        return work.append(effect);
      case 'truncate':
        return work.truncate(effect);
      case 'save':
        return work.save(effect);
      case 'read':
        return work.read(effect);
      case 'install-snapshot':
        work.abandoned();
        return transfer.carryOut(effect);
      case 'open-snapshot':
      case 'read-part':
      case 'close-snapshot':
      case 'begin-snapshot':
      case 'store-part':
      case 'drop-snapshot':
        return transfer.carryOut(effect);
      case 'settled':
        return this.#router.settled(effect.ticket);
      case 'wake':
        return this.#waker.at(effect.atMs);
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
        return this.#inTrouble(failureOf(effect.code, effect.reason));
      default:
        return unreachable(effect);
    }
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
    if (this.#ended !== null) return;
    this.#tickLater();
    this.#watchTime();
    this.#happened({ kind: 'tick' });
    this.#router.look();
    if (this.#disk) this.#snapshots.takeIfDue(this.#disk.storage, this.store);
  }

  /** Not while it recovers: nobody waits for it then, and reading a long log takes its turns. */
  #watchTime(): void {
    const { configuration } = this.#replica ?? {};
    if (!configuration) return;
    const now = this.#deps.clock.now();
    const before = this.#wellness.state(now.monotonicMs).sick;
    const fault = this.#wellness.look(now, configuration.leaseMs);
    if (fault) this.#deps.logger.warn({}, fault);
    if (this.#wellness.state(now.monotonicMs).sick !== before) this.#coordinator?.beatNow();
  }
}
