import { CatenaError } from '../../src/base/errors.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Connection, ConnectionListener, Listening, Transport } from '../../src/ports/transport.ts';

const RETRY_MS_MIN = 20;
/** More than this queued is more than a little: `drained` follows, in bytes. */
const HIGH_WATER_BYTES = 16_384;

type Accepted = (connection: Connection) => void;
type DialOptions = Parameters<Transport['dial']>[1];

/** A network in memory: its wires can be cut, stalled and throttled, its processes cut off. Bytes take a turn of the event loop. */
export class MemoryNetwork {
  /** All that were ever made, oldest first. */
  readonly wires: Wire[] = [];
  /** Processes that nobody reaches and that reach nobody; wires that stand are not touched. */
  readonly cutOff = new Set<string>();
  /** What `accept` waits for. */
  gate: Promise<void> = Promise.resolve();
  /** Ports taken by somebody else. */
  readonly taken = new Set<number>();
  /** Dials that were begun, by `from>to`. */
  readonly dials: string[] = [];
  readonly #clock: Clock;
  readonly #listening = new Map<number, { readonly name: string; readonly accepted: Accepted }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The network as one process sees it. */
  of(name: string): Transport {
    return {
      accept: (at, accepted) => this.#accept(name, at.port, accepted),
      dial: (address, options) => this.#dial(name, address, options),
      knock: (address, options) => this.#knock(name, address, options),
    };
  }

  /** Who accepts connections now. */
  get listening(): string[] {
    return [...this.#listening.values()].map(({ name }) => name).sort();
  }

  /** The open wires that `from` dialled to `to`. */
  between(from: string, to: string): Wire[] {
    return this.wires.filter((wire) => wire.from === from && wire.to === to && wire.open);
  }

  /** The open wires with an end at `name`. */
  wiresOf(name: string): Wire[] {
    return this.wires.filter((wire) => wire.open && (wire.from === name || wire.to === name));
  }

  async #accept(name: string, port: number, accepted: Accepted): Promise<Listening> {
    await this.gate;
    if (this.taken.has(port) || this.#listening.has(port)) {
      throw new CatenaError('PORT_IN_USE', `port ${port} is in use`);
    }
    this.#listening.set(port, { name, accepted });
    return {
      close: async () => {
        this.#listening.delete(port);
      },
    };
  }

  #dial(from: string, address: string, { signal, retryMsMax, failed }: DialOptions): Promise<Connection> {
    const port = portOf(address);
    return new Promise((resolve, reject) => {
      let waitMs = RETRY_MS_MIN;
      let cancel = () => {};
      const attempt = () => {
        if (signal.aborted) return;
        const there = this.#listening.get(port);
        this.dials.push(`${from}>${there?.name ?? port}`);
        if (there && !this.cutOff.has(there.name) && !this.cutOff.has(from)) {
          const connection = this.#connect(from, there);
          if (signal.aborted) connection.close();
          return resolve(connection);
        }
        failed('the connection was refused');
        cancel = this.#clock.after(waitMs, attempt);
        waitMs = Math.min(2 * waitMs, retryMsMax);
      };
      signal.addEventListener('abort', () => {
        cancel();
        reject(signal.reason);
      });
      setImmediate(attempt);
    });
  }

  /** A process that is cut off says nothing, as a machine without its cable; a port that nobody listens on is refused. */
  #knock(from: string, address: string, { withinMs }: { withinMs: number }) {
    const port = portOf(address);
    const there = this.#listening.get(port);
    return new Promise<'open' | 'refused' | 'unknown'>((resolve) => {
      const silent = this.cutOff.has(from) || this.cutOff.has(there?.name ?? '');
      if (silent) this.#clock.after(withinMs, () => resolve('unknown'));
      else setImmediate(() => resolve(there === undefined ? 'refused' : 'open'));
    });
  }

  #connect(from: string, there: { readonly name: string; readonly accepted: Accepted }): Connection {
    const wire = new Wire(from, there.name);
    this.wires.push(wire);
    there.accepted(wire.acceptedEnd);
    return wire.dialledEnd;
  }
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}

/** One connection, from the process that dialled to the one that accepted. */
class Wire {
  readonly from: string;
  readonly to: string;
  readonly dialledEnd: End;
  readonly acceptedEnd: End;
  /** What the dialler says, and what it hears. */
  readonly there = new Pipe();
  readonly back = new Pipe();

  constructor(from: string, to: string) {
    this.from = from;
    this.to = to;
    this.dialledEnd = new End(to, this.there, this.back);
    this.acceptedEnd = new End(from, this.back, this.there);
  }

  /** Neither end has let go of it. */
  get open(): boolean {
    return !this.dialledEnd.ended && !this.acceptedEnd.ended;
  }

  /** Breaks it; what is on its way is lost, and both ends learn of it in the next turn. */
  cut(): void {
    for (const end of [this.dialledEnd, this.acceptedEnd])
      setImmediate(() => end.fail('the connection was reset'));
  }

  /** Nothing arrives any more, either way, until `flow`; nobody learns of it. */
  stall(): void {
    this.there.stalled = this.back.stalled = true;
  }

  flow(): void {
    for (const pipe of [this.there, this.back]) {
      pipe.stalled = false;
      pipe.pump();
    }
  }
}

/** The bytes on their way from one end to the other. */
class Pipe {
  stalled = false;
  /** How many bytes arrive in one turn. */
  bytesPerTurn = Number.POSITIVE_INFINITY;
  queuedBytes = 0;
  arrive: (bytes: Uint8Array) => void = () => {};
  drained: () => void = () => {};
  ended: () => void = () => {};
  #queue: Uint8Array[] = [];
  #closing = false;
  #pumping = false;
  #full = false;

  push(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    this.queuedBytes += bytes.length;
    if (this.queuedBytes > HIGH_WATER_BYTES) this.#full = true;
    this.pump();
  }

  /** Behind what is queued. */
  close(): void {
    this.#closing = true;
    this.pump();
  }

  pump(): void {
    if (this.#pumping || this.stalled) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      if (this.stalled) return;
      this.#deliver();
      if (this.#queue.length > 0) this.pump();
    });
  }

  #deliver(): void {
    const bytes = Buffer.concat(this.#queue);
    const now = bytes.subarray(0, this.bytesPerTurn);
    const rest = bytes.subarray(now.length);
    this.#queue = rest.length > 0 ? [rest] : [];
    this.queuedBytes = rest.length;
    if (now.length > 0) this.arrive(now);
    if (rest.length > 0) return;
    if (this.#full) {
      this.#full = false;
      this.drained();
    }
    if (this.#closing) this.ended();
  }
}

/** What one process holds of a wire. */
class End implements Connection {
  readonly remote: string;
  ended = false;
  readonly #out: Pipe;
  #listener: ConnectionListener | null = null;

  constructor(remote: string, out: Pipe, into: Pipe) {
    this.remote = remote;
    this.#out = out;
    into.arrive = (bytes) => {
      if (!this.ended) this.#listener?.data(bytes);
    };
    into.ended = () => this.fail('the other end closed it');
    out.drained = () => {
      if (!this.ended) this.#listener?.drained();
    };
  }

  get bufferedBytes(): number {
    return this.ended ? 0 : this.#out.queuedBytes;
  }

  send(chunks: readonly Uint8Array[]): void {
    if (!this.ended) this.#out.push(Buffer.concat(chunks));
  }

  close(): void {
    if (this.ended) return;
    this.ended = true;
    this.#out.close();
  }

  listen(listener: ConnectionListener): void {
    if (this.#listener) throw new Error(`the connection with ${this.remote} has a listener already`);
    this.#listener = listener;
  }

  fail(reason: string): void {
    if (this.ended) return;
    this.ended = true;
    this.#listener?.closed(reason);
  }
}
