import { unreachable } from '../../src/base/assert.ts';
import { type RequestId, seq } from '../../src/base/ids.ts';
import type { Now } from '../../src/base/now.ts';
import type { Command } from '../../src/protocol/command.ts';
import type { Configuration, Incarnation } from '../../src/protocol/configuration.ts';
import type { LinkMessage } from '../../src/protocol/messages.ts';
import type { VersionedTopology } from '../../src/protocol/topology.ts';
import type { Effect, LinkId, ReplicaEvent, Ticket, WriteReply } from '../../src/replica/events.ts';
import { Replica } from '../../src/replica/replica.ts';
import { Store } from '../../src/replica/store.ts';
import { incarnation } from './chain-builders.ts';
import type { ChainChecks } from './chain-checks.ts';
import { ChainDisk, type Kept } from './chain-disk.ts';
import type { Lanes } from './chain-lanes.ts';
import { ChainSnapshots, isSnapshotEffect, storeOf } from './chain-snapshots.ts';
import { describeEvent, describeMessage, describeReply } from './chain-words.ts';

/** What a node needs of the chain that it is part of. */
export interface World {
  readonly lanes: Lanes;
  readonly checks: ChainChecks;
  readonly nodes: readonly ChainNode[];
  /** Those whose disks hold all that is committed. */
  readonly counted: readonly ChainNode[];
  /** More messages than this queued on a link congest it. */
  readonly congestedAbove: number;
  /** The configured topology, for a first start. */
  readonly topology: VersionedTopology;
  now(node: ChainNode): Now;
  /** The number of a new connection. */
  newConnection(): number;
  reaches(from: ChainNode, to: string): boolean;
  /** Something that a test may want to see the course of. */
  note(line: string): void;
  heard(who: Incarnation): void;
}

/** One end of a connection. */
interface End {
  readonly node: ChainNode;
  readonly link: LinkId;
  /** The lane that it sends by. */
  readonly out: { readonly name: string; readonly key: string };
  peer: End | null;
  open: boolean;
  congested: boolean;
}

/** A client's write: `lost` when the node died before it answered. */
export interface Write {
  readonly node: string;
  readonly command: Command;
  readonly requestId: RequestId | null;
  reply: WriteReply | 'lost' | null;
}

/** A node: its disk, and while it is up a replica, whose effects are carried out as `runtime/replica-driver.ts` does. */
export class ChainNode {
  readonly name: string;
  readonly disk = new ChainDisk();
  damaged = false;
  /** It holds a history that was given up. */
  outcast = false;
  /** Its wall clock is so far from the chain's. */
  wallOffMs = 0;
  replica: Replica | null = null;
  /** The questions that were answered (CRAQ), by their ticket. */
  readonly settled = new Set<Ticket>();
  readonly #world: World;
  readonly #snapshots: ChainSnapshots;
  readonly #ends = new Map<LinkId, End>();
  readonly #writes = new Map<Ticket, Write>();
  #events: ReplicaEvent[] = [];
  #stepping = false;
  #pausedUntilMs = 0;
  #flushing = false;
  #lastLink = 0;
  #lastTicket = 0;

  constructor(name: string, world: World) {
    this.name = name;
    this.#world = world;
    this.#snapshots = new ChainSnapshots({
      name,
      disk: this.disk,
      later: (lane, run) => world.lanes.add(this.#lane(lane), run),
      happened: (event) => this.happened(event),
      note: (line) => world.note(line),
      installed: () => world.lanes.discard(this.#lane('disk').key),
    });
  }

  /** The replica, while the node is up. */
  get up(): Replica {
    if (this.replica === null) throw new Error(`${this.name} is down`);
    return this.replica;
  }

  /** How many writes wait for their answer. */
  get waiting(): number {
    return this.#writes.size;
  }

  /** Starts the next incarnation from what the disk holds; the coordinator hears of it. */
  start(): void {
    const { disk } = this;
    disk.boot += 1;
    const recovered = disk.recovered();
    const store = recovered.snapshot ? storeOf(recovered.snapshot) : new Store();
    const applied = recovered.committed - store.seq;
    for (const entry of recovered.entries.slice(0, applied)) store.apply(entry);
    this.replica = new Replica(
      {
        self: incarnation(this.name, disk.boot),
        topology: disk.topology ?? this.#world.topology,
        configuration: disk.configuration,
        leaseMsMax: disk.leaseMsMax,
        log: {
          committed: recovered.committed,
          committedTimeMs: store.timeMs,
          pending: recovered.entries.slice(applied),
          runs: recovered.runs,
        },
        store,
      },
      this.#world.now(this),
    );
    if (this.#world.counted.includes(this)) this.#world.checks.restarted(this);
    const { self } = this.replica;
    this.#world.lanes.add(this.#lane('hear'), () => this.#world.heard(self));
  }

  /**
   * The process dies. `sent` is how many messages of each connection still arrive (all, unless told otherwise);
   * `silent`: nobody is told that the connections ended, as when the machine's power is cut.
   */
  kill(options: { kept?: Kept; sent?: number; silent?: boolean } = {}): void {
    this.disk.crash(options.kept ?? { jobs: 0, saves: 0 });
    this.replica = null;
    this.#flushing = false;
    this.#events = [];
    this.#snapshots.crash();
    for (const kind of ['disk', 'save', 'read', 'snap', 'store', 'flush', 'dial', 'tell', 'drain']) {
      this.#world.lanes.discard(this.#lane(kind).key);
    }
    for (const end of this.#ends.values()) this.#end(end, options);
    this.#ends.clear();
    for (const write of this.#writes.values()) write.reply = 'lost';
    this.#writes.clear();
    this.#world.note(`${this.name} dies`);
  }

  write(command: Command, options: { requestId?: RequestId | null; waitMs?: number } = {}): Write {
    const { requestId = null, waitMs = 5000 } = options;
    const write: Write = { node: this.name, command, requestId, reply: null };
    this.#lastTicket += 1;
    this.#writes.set(this.#lastTicket, write);
    const deadlineMs = this.#world.now(this).monotonicMs + waitMs;
    this.happened({ kind: 'write', ticket: this.#lastTicket, requestId, command, deadlineMs });
    return write;
  }

  /** A read found keys that are being written: it asks. @returns the ticket that will be in `settled`. */
  ask(): Ticket {
    this.#lastTicket += 1;
    this.happened({ kind: 'ask', ticket: this.#lastTicket });
    return this.#lastTicket;
  }

  /** Whether it answers reads now. */
  get servesReads(): boolean {
    return this.replica?.servesReads(this.#world.now(this)) ?? false;
  }

  tell(configuration: Configuration, topology: VersionedTopology): void {
    this.#world.lanes.add(this.#lane('tell'), () => this.happened({ kind: 'told', configuration, topology }));
  }

  /** Takes a snapshot of its store, and cuts off the log but for the last `keep` entries before it. */
  takeSnapshot({ keep = 0 }: { keep?: number } = {}): void {
    const { header, rows } = this.up.store.snapshot();
    if (header.seq === 0) return;
    const keepAfter = seq(Math.min(Math.max(0, header.seq - keep), this.#snapshots.keptAfter));
    this.disk.take({ header, rows: [...rows()] }, keepAfter);
  }

  /** How many snapshots are kept open for successors. */
  get openSnapshots(): number {
    return this.#snapshots.open;
  }

  tick(): void {
    if (this.replica && this.#world.now(this).monotonicMs >= this.#pausedUntilMs)
      this.happened({ kind: 'tick' });
  }

  /** Its ticks fail to come for so long. */
  pause(ms: number): void {
    this.#pausedUntilMs = this.#world.now(this).monotonicMs + ms;
  }

  /** The connections to another node break: of what is under way `sent` messages still arrive, each way. */
  breakLinks(to: string, sent: number): void {
    for (const end of [...this.#ends.values()]) {
      if (end.peer?.node.name !== to) continue;
      for (const side of [end, end.peer]) this.#breakAfter(side, sent);
    }
  }

  /** One event, and all that the effects of it cause, is dealt with in order before the next. */
  happened(event: ReplicaEvent): void {
    this.#events.push(event);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#events.shift(); next; next = this.#events.shift()) this.#step(next);
    } finally {
      this.#stepping = false;
    }
    if (!this.replica?.wantsFlush || this.#flushing) return;
    this.#flushing = true;
    this.#world.lanes.add(this.#lane('flush'), () => {
      this.#flushing = false;
      this.happened({ kind: 'flush' });
    });
  }

  #step(event: ReplicaEvent): void {
    const { replica } = this;
    if (replica === null) return;
    const line = describeEvent(event);
    if (line) this.#world.note(`${this.name} ${line}`);
    const effects = replica.step(event, this.#world.now(this));
    for (const effect of effects) this.#carryOut(effect);
    this.#world.checks.stepped(this, this.#world.counted, this.#world.nodes);
    for (const { reply } of effects.filter((effect) => effect.kind === 'answer')) {
      this.#world.checks.answered(reply);
    }
  }

  #carryOut(effect: Effect): void {
    if (isSnapshotEffect(effect)) return this.#snapshots.carryOut(effect);
    switch (effect.kind) {
      case 'append':
        this.#world.checks.appended(effect.entries);
        return this.#writeDisk(effect);
      case 'truncate':
        this.#world.note(`${this.name} drops what is beyond ${effect.after}`);
        this.#world.checks.truncated(this, effect.after, this.#world.counted);
        return this.#writeDisk(effect);
      case 'save':
        this.disk.save(effect);
        return this.#world.lanes.add(this.#lane('save'), () => {
          this.happened({ kind: 'saved', save: this.disk.endSave() });
        });
      case 'read':
        return this.#read(effect);
      case 'dial':
        return this.#dial(effect.to);
      case 'hang-up':
        return this.#hangUp(effect.link);
      case 'send':
        return this.#send(effect.link, effect.message);
      case 'answer':
        return this.#answer(effect.ticket, effect.reply);
      case 'settled':
        this.settled.add(effect.ticket);
        return;
      case 'say':
      // The clock moves in steps that are no longer than a tick.
      case 'wake':
        return;
      case 'fail':
        return this.#world.note(`${this.name} fails as ${effect.code}`);
      default:
        return unreachable(effect);
    }
  }

  // --- the disk

  #writeDisk(job: Extract<Effect, { kind: 'append' | 'truncate' }>): void {
    const idle = !this.disk.syncing;
    this.disk.write(job);
    if (idle) this.#sync();
  }

  #sync(): void {
    this.#world.lanes.add(this.#lane('disk'), () => {
      const report = this.disk.endSync();
      if (this.disk.syncing) this.#sync();
      this.happened({ kind: 'synced', ...report });
    });
  }

  #read({ link, after }: Extract<Effect, { kind: 'read' }>): void {
    this.#world.note(`${this.name} reads after ${after} from its disk`);
    this.#world.lanes.add(this.#lane('read'), () => {
      // Two at a time: a long log takes several.
      this.happened({ kind: 'read', link, entries: this.disk.read(after)?.slice(0, 2) ?? null });
    });
  }

  // --- the network

  #dial(to: Incarnation): void {
    const lane = this.#lane('dial');
    this.#world.lanes.discard(lane.key);
    const connect = () => {
      const target = this.#world.nodes.find(({ name }) => name === to.node);
      if (target) this.happened({ kind: 'connected', link: this.#connect(target), to });
    };
    this.#world.lanes.add(lane, connect, () => this.#world.reaches(this, to.node));
  }

  #connect(target: ChainNode): LinkId {
    const number = this.#world.newConnection();
    const mine = this.#newEnd(target, number);
    const theirs = target.#newEnd(this, number);
    mine.peer = theirs;
    theirs.peer = mine;
    return mine.link;
  }

  #newEnd(to: ChainNode, number: number): End {
    this.#lastLink += 1;
    const name = `${this.name}>${to.name}`;
    const out = { name, key: `${name} ${number}` };
    const end = { node: this, link: this.#lastLink, out, peer: null, open: true, congested: false };
    this.#ends.set(end.link, end);
    return end;
  }

  #send(link: LinkId, message: LinkMessage): void {
    const end = this.#ends.get(link);
    if (!end?.peer) return;
    const words = describeMessage(message);
    if (words) this.#world.note(`${this.name} → ${end.peer.node.name} ${words}`);
    const { lanes, congestedAbove } = this.#world;
    if (message.kind === 'append') this.#world.checks.appended(message.entries);
    lanes.add(end.out, () => this.#deliver(end, message));
    if (end.congested || lanes.lengthOf(end.out.key) <= congestedAbove) return;
    end.congested = true;
    this.happened({ kind: 'congested', link });
  }

  #deliver(end: End, message: LinkMessage): void {
    if (end.open && end.congested && this.#world.lanes.lengthOf(end.out.key) === 0) {
      end.congested = false;
      this.#world.lanes.add(this.#lane('drain'), () => {
        if (end.open) this.happened({ kind: 'drained', link: end.link });
      });
    }
    const to = end.peer;
    if (to?.open) to.node.happened({ kind: 'message', link: to.link, message });
  }

  #hangUp(link: LinkId | null): void {
    if (link === null) return this.#world.lanes.discard(this.#lane('dial').key);
    const end = this.#ends.get(link);
    if (!end) return;
    this.#ends.delete(link);
    this.#end(end, {});
  }

  /** This side is gone: what it had sent may still arrive, and then the other side learns of it. */
  #end(end: End, { sent, silent = false }: { sent?: number; silent?: boolean }): void {
    end.open = false;
    const { peer } = end;
    if (!peer) return;
    this.#world.lanes.discard(peer.out.key);
    if (sent !== undefined) this.#world.lanes.discard(end.out.key, sent);
    if (!silent) this.#world.lanes.add(end.out, () => peer.node.#disconnected(peer));
  }

  #breakAfter(from: End, sent: number): void {
    this.#world.lanes.discard(from.out.key, sent);
    const { peer } = from;
    if (peer) this.#world.lanes.add(from.out, () => peer.node.#disconnected(peer));
  }

  #disconnected(end: End): void {
    if (!end.open) return;
    end.open = false;
    this.#ends.delete(end.link);
    this.happened({ kind: 'disconnected', link: end.link });
  }

  #answer(ticket: Ticket, reply: WriteReply): void {
    const write = this.#writes.get(ticket);
    if (write === undefined) throw new Error(`${this.name} answers ${ticket} twice`);
    this.#writes.delete(ticket);
    write.reply = reply;
    this.#world.note(`${this.name} answers ${describeReply(reply)}`);
  }

  #lane(kind: string): { name: string; key: string } {
    const name = `${kind} ${this.name}`;
    return { name, key: name };
  }
}
