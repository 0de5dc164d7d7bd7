import { setImmediate as nextTurn } from 'node:timers/promises';
import { CatenaError } from '../../src/base/errors.ts';
import { encodeMessage, MessageDecoder } from '../../src/codec/message-codec.ts';
import type { Cancel, Clock } from '../../src/ports/clock.ts';
import type { Disk, DiskFile, DiskLock } from '../../src/ports/disk.ts';
import type { Logger } from '../../src/ports/logger.ts';
import type { Connection, ConnectionListener, Listening, Transport } from '../../src/ports/transport.ts';
import type { Message } from '../../src/protocol/messages.ts';

/** Waits for a condition, for as many turns of the event loop as any of these tests may need. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 1000; turn++) {
    if (condition()) return;
    await nextTurn();
  }
  throw new Error(`it never happened: ${what}`);
}

/** Lets everything that is under way on the fake disk come to its end. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await nextTurn();
}

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<{ readonly dueMs: number; readonly call: () => void }>();

  get timers(): number {
    return this.#timers.size;
  }

  now() {
    return { monotonicMs: this.#nowMs, wallMs: 1_000_000 + this.#nowMs };
  }

  after(delayMs: number, call: () => void): Cancel {
    const timer = { dueMs: this.#nowMs + delayMs, call };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  defer(call: () => void): void {
    setImmediate(call);
  }

  /** Time goes by while the process does not get its turn: what fell due meanwhile comes with the next `advance`. */
  jump(byMs: number): void {
    this.#nowMs += byMs;
  }

  /** Moves on, firing what falls due in its order, and lets the disk come to its end. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#nowMs + byMs;
    for (;;) {
      const [first] = [...this.#timers]
        .filter(({ dueMs }) => dueMs <= endMs)
        .sort((a, b) => a.dueMs - b.dueMs);
      if (first === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, first.dueMs);
      this.#timers.delete(first);
      first.call();
      await settle();
    }
    this.#nowMs = endMs;
    await settle();
  }
}

interface Content {
  bytes: Uint8Array;
  synced: Uint8Array;
}

/** A disk in memory that forgets in a power cut what was not synced, and fails on request. */
export class MemoryDisk implements Disk {
  readonly root = '/data/c1';
  /** Operations that fail, with this code. */
  failing: 'DISK_FULL' | 'DISK_FAILED' | null = null;
  readonly done: string[] = [];
  locked = false;
  /** What every operation waits for. */
  gate: Promise<void> = Promise.resolve();
  #names = new Map<string, Content>();
  #lasting = new Map<string, Content>();

  put(path: string, bytes: Uint8Array): void {
    const content = { bytes, synced: bytes };
    this.#names.set(path, content);
    this.#lasting.set(path, content);
  }

  /** What would be there after a power cut. */
  lasting(path: string): Uint8Array | undefined {
    return this.#lasting.get(path)?.synced;
  }

  async open(path: string, { create }: { create: boolean }): Promise<DiskFile> {
    await this.#turn(`open ${path}`);
    if (create === this.#names.has(path))
      throw new CatenaError('DISK_FAILED', `${path}: is ${create ? '' : 'not '}there`);
    const content = this.#names.get(path) ?? { bytes: new Uint8Array(), synced: new Uint8Array() };
    this.#names.set(path, content);
    return new MemoryFile(content, (what) => this.#turn(`${what} ${path}`));
  }

  async list(): Promise<string[]> {
    return [...this.#names.keys()].sort();
  }

  async makeDirectory(): Promise<void> {}

  async rename(from: string, to: string): Promise<void> {
    await this.#turn(`rename ${from} ${to}`);
    const content = this.#names.get(from);
    if (content === undefined) throw new CatenaError('DISK_FAILED', `${from} is not there`);
    this.#names.set(to, content);
    this.#names.delete(from);
  }

  async remove(path: string): Promise<void> {
    this.#names.delete(path);
  }

  async syncDirectory(): Promise<void> {
    await this.#turn('sync directory');
    this.#lasting = new Map(this.#names);
  }

  async lock(): Promise<DiskLock | null> {
    if (this.locked) return null;
    this.locked = true;
    return {
      release: async () => {
        this.locked = false;
      },
    };
  }

  async #turn(what: string): Promise<void> {
    await nextTurn();
    await this.gate;
    if (this.failing !== null) throw new CatenaError(this.failing, `${what} failed: no space is left`);
    this.done.push(what);
  }
}

class MemoryFile implements DiskFile {
  readonly #content: Content;
  readonly #turn: (what: string) => Promise<void>;

  constructor(content: Content, turn: (what: string) => Promise<void>) {
    this.#content = content;
    this.#turn = turn;
  }

  async size(): Promise<number> {
    return this.#content.bytes.length;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    return this.#content.bytes.slice(offset, offset + length);
  }

  async write(offset: number, chunks: readonly Uint8Array[]): Promise<void> {
    await this.#turn('write');
    this.#content.bytes = Buffer.concat([this.#content.bytes.subarray(0, offset), ...chunks]);
  }

  async truncate(size: number): Promise<void> {
    this.#content.bytes = this.#content.bytes.slice(0, size);
  }

  async sync(): Promise<void> {
    await this.#turn('sync');
    this.#content.synced = this.#content.bytes;
  }

  async close(): Promise<void> {}
}

/** A node's end of a connection to the coordinator. */
export class PeerEnd {
  readonly received: Message[] = [];
  /** Whether the coordinator has closed it. */
  closed = false;
  /** What the coordinator sees as queued, in bytes. */
  queuedBytes = 0;
  readonly connection: Connection;
  #listener: ConnectionListener | null = null;
  readonly #decoder = new MessageDecoder();

  constructor(name: string) {
    const end = this;
    this.connection = {
      remote: name,
      get bufferedBytes() {
        return end.queuedBytes;
      },
      send: (chunks) => {
        if (end.closed) return;
        for (const chunk of chunks) end.received.push(...end.#decoder.push(chunk));
      },
      close: () => {
        end.closed = true;
      },
      listen: (listener) => {
        end.#listener = listener;
      },
    };
  }

  send(...messages: Message[]): void {
    this.sendBytes(Buffer.concat(messages.flatMap((message) => encodeMessage(message))));
  }

  sendBytes(bytes: Uint8Array): void {
    if (!this.closed) this.#listener?.data(bytes);
  }

  hangUp(): void {
    if (!this.closed) this.#listener?.closed('the other end closed it');
  }
}

export class MemoryTransport implements Transport {
  listening = false;
  portInUse = false;
  /** Whether a knock waits in `knocks`, oldest first, until the test answers it. */
  holdKnocks = false;
  readonly knocks: {
    readonly address: string;
    readonly answer: (found: 'open' | 'refused' | 'unknown') => void;
  }[] = [];
  /** Addresses that were knocked at, in order. */
  readonly knockedAt: string[] = [];
  /** What a knock finds; `open` where nothing is said. */
  readonly doors = new Map<string, 'open' | 'refused' | 'unknown'>();
  #accepted: ((connection: Connection) => void) | null = null;

  async accept(_at: unknown, accepted: (connection: Connection) => void): Promise<Listening> {
    if (this.portInUse) throw new CatenaError('PORT_IN_USE', 'port 5460 is in use');
    this.#accepted = accepted;
    this.listening = true;
    return {
      close: async () => {
        this.listening = false;
      },
    };
  }

  async knock(address: string): Promise<'open' | 'refused' | 'unknown'> {
    this.knockedAt.push(address);
    if (this.holdKnocks) return await new Promise((answer) => this.knocks.push({ address, answer }));
    return this.doors.get(address) ?? 'open';
  }

  async dial(): Promise<Connection> {
    throw new Error('a coordinator dials nobody');
  }

  connect(name = 'peer'): PeerEnd {
    const end = new PeerEnd(name);
    this.#accepted?.(end.connection);
    return end;
  }
}

/** A logger that keeps its lines. */
export function keepingLogger(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const keep = (level: string) => (fields: object, message: string) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  };
  return { lines, debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') };
}
