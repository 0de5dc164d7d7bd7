import { Prng } from '../../src/base/prng.ts';
import type { Connection, Transport } from '../../src/ports/transport.ts';
import { Machine, type Process } from '../../src/simulator/machine.ts';
import { SimNetwork } from '../../src/simulator/network.ts';
import { Scheduler } from '../../src/simulator/scheduler.ts';

/** What is on the way at most: a sender keeps the rest. */
export const WINDOW_BYTES = 65_536;

const PORT = 7;

/** What one end of a connection was told, and when. */
export class Heard {
  readonly connection: Connection;
  /** Pieces, as they came. */
  readonly pieces: Buffer[] = [];
  readonly closed: string[] = [];
  drains = 0;
  lastMs = 0;

  constructor(connection: Connection, world: NetworkWorld) {
    this.connection = connection;
    connection.listen({
      data: (bytes) => {
        this.pieces.push(Buffer.from(bytes));
        this.lastMs = world.scheduler.nowMs;
      },
      drained: () => {
        this.drains += 1;
      },
      closed: (reason) => {
        this.closed.push(reason);
        this.lastMs = world.scheduler.nowMs;
      },
    });
  }

  get text(): string {
    return Buffer.concat(this.pieces).toString();
  }

  send(...texts: string[]): void {
    this.connection.send(texts.map((text) => Buffer.from(text)));
  }
}

/** Machines `a`, `b` and `c`, a process on each, and the network between them. */
export class NetworkWorld {
  readonly scheduler = new Scheduler();
  readonly network: SimNetwork;
  readonly #machines = new Map<string, Machine>();

  constructor(seed = 1) {
    this.network = new SimNetwork({ scheduler: this.scheduler, prng: new Prng(seed) });
    for (const name of ['a', 'b', 'c']) {
      const machine = new Machine(name, { rate: 1, wallOffMs: 0 }, this.scheduler);
      machine.boot();
      this.#machines.set(name, machine);
    }
  }

  process(name: string): Process {
    const process = this.#machines.get(name)?.process;
    if (!process) throw new Error(`no process on ${name}`);
    return process;
  }

  transport(name: string): Transport {
    return this.network.of(this.process(name));
  }

  /** The process dies; the machine stays. */
  kill(name: string): void {
    const process = this.#end(name);
    this.network.killed(process);
  }

  powerCut(name: string): void {
    const process = this.#end(name);
    this.network.powerCut(process);
  }

  /** Another process where none is. */
  boot(name: string): void {
    this.network.powered(name);
    this.#machines.get(name)?.boot();
  }

  /** Collects who connects to a machine. */
  async accept(name: string): Promise<Heard[]> {
    const heard: Heard[] = [];
    await this.transport(name).accept({ hosts: ['::'], port: PORT }, (connection) => {
      heard.push(new Heard(connection, this));
    });
    return heard;
  }

  /** Begins a dial; what comes of it and why tries failed is written down. */
  dial(from: string, to: string, signal = new AbortController().signal) {
    const failed: { reason: string; atMs: number }[] = [];
    const outcome: { heard: Heard | null; error: unknown } = { heard: null, error: null };
    this.transport(from)
      .dial(`${to}:${PORT}`, {
        signal,
        retryMsMax: 200,
        failed: (reason) => failed.push({ reason, atMs: this.scheduler.nowMs }),
      })
      .then(
        (connection) => {
          outcome.heard = new Heard(connection, this);
        },
        (error: unknown) => {
          outcome.error = error;
        },
      );
    return { failed, outcome };
  }

  /** Both ends of a new connection; `to` must accept already. */
  async connect(from: string, to: string, accepted: Heard[]): Promise<{ near: Heard; far: Heard }> {
    const before = accepted.length;
    const { outcome } = this.dial(from, to);
    await this.until(() => outcome.heard !== null && accepted.length > before);
    const far = accepted[before];
    if (outcome.heard === null || far === undefined) throw new Error('nobody connected');
    return { near: outcome.heard, far };
  }

  /** What a knock finds, and how long it took. */
  async knock(from: string, to: string, withinMs: number): Promise<{ found: string; tookMs: number }> {
    const startMs = this.scheduler.nowMs;
    let found: string | null = null;
    this.transport(from)
      .knock(`${to}:${PORT}`, { withinMs })
      .then((it) => {
        found = it;
      }, fail);
    await this.until(() => found !== null);
    return { found: found ?? 'nothing', tookMs: this.scheduler.nowMs - startMs };
  }

  /** Lets things happen until this holds. */
  async until(holds: () => boolean): Promise<void> {
    await turn();
    while (!holds()) {
      if (!this.scheduler.step()) throw new Error(`nothing happens any more at ${this.scheduler.nowMs} ms`);
      await turn();
    }
  }

  /** Lets things happen for so long, in ms of the world. */
  async pass(ms: number): Promise<void> {
    let over = false;
    this.scheduler.after(ms, () => {
      over = true;
    });
    await this.until(() => over);
  }

  /** Lets things happen until nothing is left to. @returns how many events that was. */
  async rest(): Promise<number> {
    await turn();
    let events = 0;
    for (; this.scheduler.step(); events++) await turn();
    return events;
  }

  #end(name: string): Process {
    const process = this.process(name);
    this.#machines.get(name)?.kill();
    return process;
  }
}

/** A world in which `a` has connected to `b`. */
export async function connected(seed = 1) {
  const world = new NetworkWorld(seed);
  const accepted = await world.accept('b');
  const ends = await world.connect('a', 'b', accepted);
  return { world, accepted, ...ends };
}

/** Everything that promises still have to do is done behind this. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function fail(error: unknown): never {
  throw error;
}
