import { connect, createServer, type Server, type Socket } from 'node:net';
import { MessageDecoder } from '../../src/codec/message-codec.ts';
import type { Message } from '../../src/protocol/messages.ts';
import type { Trouble, Way } from './schedule.ts';

const HOST = '127.0.0.1';
/** A sender whose bytes nobody takes is held up, as a full socket buffer would. */
const HELD_BYTES_MAX = 1_048_576;

/** Where a process is dialled, and where it listens. */
export interface Door {
  readonly proxyPort: number;
  readonly port: number;
}

/**
 * The network between the processes: a proxy in front of each peer port. Who dials is known by the first message on the
 * connection, so that each ordered pair of processes can be troubled by itself. PROTOCOL.md §1.
 */
export class PeerNetwork {
  readonly #doors: ReadonlyMap<string, Door>;
  readonly #servers = new Map<string, Server>();
  readonly #links = new Set<Link>();
  /** By `from to`; what troubles a way may be several things at once. */
  readonly #troubles = new Map<string, Trouble[]>();

  constructor(doors: ReadonlyMap<string, Door>) {
    this.#doors = doors;
  }

  /** Lets a process be dialled; without it the system refuses, as it does for a dead one. */
  async open(name: string): Promise<void> {
    const door = this.#doors.get(name);
    if (door === undefined || this.#servers.has(name)) return;
    const server = createServer({ noDelay: true }, (socket) => this.#accept(socket, name, door));
    this.#servers.set(name, server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(door.proxyPort, HOST, resolve);
    });
  }

  /** The opposite, from now on. Connections end by themselves when the process does. */
  close(name: string): void {
    this.#servers.get(name)?.close();
    this.#servers.delete(name);
  }

  /** Resets every connection between two processes. */
  breakBetween(a: string, b: string): void {
    for (const link of this.#links) if (link.joins(a, b)) link.reset();
  }

  /** Troubles these ways. @returns what ends it. */
  trouble(ways: readonly Way[], trouble: Trouble): () => void {
    for (const way of ways) {
      this.#troublesOf(way).push(trouble);
      if (trouble === 'refused') this.breakBetween(way.from, way.to);
    }
    return () => {
      for (const way of ways) {
        const troubles = this.#troublesOf(way);
        const at = troubles.indexOf(trouble);
        if (at >= 0) troubles.splice(at, 1);
      }
      this.#flow();
    };
  }

  /** Ends all. */
  destroy(): void {
    for (const server of this.#servers.values()) server.close();
    this.#servers.clear();
    for (const link of this.#links) link.reset();
  }

  #accept(socket: Socket, to: string, { port }: Door): void {
    const link = new Link(socket, to, {
      port,
      troubles: (way) => this.#troublesOf(way),
      ended: () => this.#links.delete(link),
    });
    this.#links.add(link);
  }

  #flow(): void {
    for (const link of this.#links) link.flow();
  }

  #troublesOf({ from, to }: Way): Trouble[] {
    const key = `${from} ${to}`;
    const found = this.#troubles.get(key);
    if (found !== undefined) return found;
    const none: Trouble[] = [];
    this.#troubles.set(key, none);
    return none;
  }
}

interface Surroundings {
  readonly port: number;
  readonly troubles: (way: Way) => readonly Trouble[];
  readonly ended: () => void;
}

/** One connection through a proxy. */
class Link {
  readonly #dialler: Socket;
  readonly #to: string;
  readonly #around: Surroundings;
  readonly #decoder = new MessageDecoder();
  readonly #early: Buffer[] = [];
  #from: string | null = null;
  #target: Socket | null = null;
  #down: Pipe | null = null;
  #up: Pipe | null = null;
  #over = false;

  constructor(dialler: Socket, to: string, around: Surroundings) {
    this.#dialler = dialler;
    this.#to = to;
    this.#around = around;
    dialler.on('data', (bytes: Buffer) => this.#heard(bytes));
    dialler.on('error', () => {});
    dialler.on('close', () => (this.#down === null ? this.reset() : this.#down.end()));
  }

  joins(a: string, b: string): boolean {
    return (this.#from === a && this.#to === b) || (this.#from === b && this.#to === a);
  }

  reset(): void {
    if (this.#over) return;
    this.#over = true;
    this.#dialler.resetAndDestroy();
    this.#target?.resetAndDestroy();
    this.#around.ended();
  }

  /** Ends it behind the bytes that were passed on. */
  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#dialler.destroySoon();
    this.#target?.destroySoon();
    this.#around.ended();
  }

  /** Passes on what may pass now. A stream that lost bytes can't go on: it ends when its trouble does. */
  flow(): void {
    this.#down?.flow();
    this.#up?.flow();
  }

  #heard(bytes: Buffer): void {
    if (this.#down !== null) return this.#down.push(bytes);
    this.#early.push(bytes);
    const from = this.#dialledBy(bytes);
    if (from !== null) this.#connect(from);
  }

  #dialledBy(bytes: Buffer): string | null {
    try {
      const [first] = this.#decoder.push(bytes);
      return first === undefined ? null : senderOf(first);
    } catch {
      this.reset();
      return null;
    }
  }

  #connect(from: string): void {
    this.#from = from;
    const way = { from, to: this.#to };
    const back = { from: this.#to, to: from };
    const { troubles, port } = this.#around;
    if (troubles(way).includes('refused')) return this.reset();
    const target = connect({ port, host: HOST, noDelay: true });
    this.#target = target;
    const on = { over: () => this.#finish(), torn: () => this.reset() };
    this.#down = new Pipe(this.#dialler, target, { troubles: () => troubles(way), ...on });
    this.#up = new Pipe(target, this.#dialler, { troubles: () => troubles(back), ...on });
    target.on('data', (bytes: Buffer) => this.#up?.push(bytes));
    target.on('error', () => {});
    target.on('close', () => this.#up?.end());
    for (const bytes of this.#early.splice(0)) this.#down.push(bytes);
  }
}

/** One direction of a connection. */
class Pipe {
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #troubles: () => readonly Trouble[];
  /** Called at its end in order, and when it can't go on. */
  readonly #over: () => void;
  readonly #torn: () => void;
  readonly #held: Buffer[] = [];
  #heldBytes = 0;
  #holed = false;
  #ended = false;

  constructor(
    source: Socket,
    sink: Socket,
    on: { troubles: () => readonly Trouble[]; over: () => void; torn: () => void },
  ) {
    this.#source = source;
    this.#sink = sink;
    this.#troubles = on.troubles;
    this.#over = on.over;
    this.#torn = on.torn;
    sink.on('drain', () => this.flow());
  }

  push(bytes: Buffer): void {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    this.flow();
  }

  /** The source is gone; the sink learns it behind what is still to come. */
  end(): void {
    this.#ended = true;
    this.flow();
  }

  flow(): void {
    const troubles = this.#troubles();
    if (troubles.includes('swallowed')) return this.#swallow();
    if (troubles.includes('stalled')) return this.#hold();
    if (this.#holed) return this.#torn();
    for (const bytes of this.#held.splice(0)) this.#sink.write(bytes);
    this.#heldBytes = 0;
    if (this.#ended) return this.#over();
    if (this.#sink.writableNeedDrain) this.#source.pause();
    else this.#source.resume();
  }

  #swallow(): void {
    this.#holed ||= this.#held.length > 0;
    this.#held.length = 0;
    this.#heldBytes = 0;
    this.#source.resume();
  }

  #hold(): void {
    if (this.#heldBytes > HELD_BYTES_MAX) this.#source.pause();
  }
}

function senderOf(message: Message): string | null {
  if (message.kind === 'hello') return message.sender.node;
  if (message.kind === 'heartbeat') return message.report.incarnation.node;
  return null;
}
