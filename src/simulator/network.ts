import { CatenaError } from '../base/errors.ts';
import type { Prng } from '../base/prng.ts';
import type { Connection, Listening, Transport } from '../ports/transport.ts';
import { type Connect, dialUntilConnected, knockOnce, type Try } from './dial.ts';
import type { Process } from './machine.ts';
import { latencyMs } from './pipe.ts';
import type { Scheduler } from './scheduler.ts';
import { Wire, type WireDeps } from './wire.ts';

/** TCP asks once more whether somebody listens, after this long without an answer. */
const ASK_AGAIN_MS = 1000;
/** A connection whose bytes waited longer than this for the end of a cut may have been given up meanwhile. */
const RESET_AFTER_MS = 3000;
const RESET_PROBABILITY = 0.3;
/** Ports of those who dial, for people. */
const FIRST_DIALLER_PORT = 32_768;

interface Port {
  readonly process: Process;
  readonly accepted: (connection: Connection) => void;
}

interface Address {
  readonly machine: string;
  readonly port: number;
}

/**
 * TCP between simulated machines, whose addresses are `MACHINE:PORT`. Each packet takes a moment that is drawn; order holds
 * within a connection alone. Where two machines are named, the direction is from the first to the second.
 */
export class SimNetwork {
  readonly #scheduler: Scheduler;
  readonly #prng: Prng;
  readonly #wireDeps: WireDeps;
  /** Those of which somebody may still hear something, oldest first. */
  readonly #wires = new Set<Wire>();
  /** By `MACHINE:PORT`. */
  readonly #ports = new Map<string, Port>();
  readonly #cuts = new PairSet();
  readonly #refusals = new PairSet();
  /** Machines without power. */
  readonly #dark = new Set<string>();
  #diallerPort = FIRST_DIALLER_PORT;

  /** @param deps.slowness - see `PipeDeps`; 1 everywhere unless given. */
  constructor(deps: {
    readonly scheduler: Scheduler;
    readonly prng: Prng;
    readonly slowness?: (from: string, to: string) => number;
  }) {
    this.#scheduler = deps.scheduler;
    this.#prng = deps.prng;
    this.#wireDeps = {
      slowness: () => 1,
      ...deps,
      isDark: (machine) => this.#dark.has(machine),
      over: (wire) => this.#wires.delete(wire),
    };
  }

  /** The network as a process sees it; nothing comes of what it asks once it is dead. */
  of(process: Process): Transport {
    return {
      accept: (at, accepted) => this.#accept(at.port, { process, accepted }),
      dial: (address, options) => this.#begin(process, address, dialUntilConnected, options),
      knock: (address, options) => this.#begin(process, address, knockOnce, options),
    };
  }

  /** The process was killed: its machine closes its connections and ports, and the other ends learn of it after a moment. */
  killed(process: Process): void {
    for (const [key, port] of this.#ports) if (port.process === process) this.#ports.delete(key);
    for (const end of this.#ends()) if (end.process === process) end.killed();
  }

  /**
   * The machine lost its power: nobody is told, and whatever is sent to it vanishes, until `powered`. Then it answers with a
   * reset what comes by a connection that it doesn't know any more.
   */
  powerCut(process: Process): void {
    for (const [key, port] of this.#ports) if (port.process.name === process.name) this.#ports.delete(key);
    this.#dark.add(process.name);
    for (const end of this.#ends()) if (end.machine === process.name) end.powerCut();
  }

  powered(machine: string): void {
    if (!this.#dark.delete(machine)) return;
    for (const wire of [...this.#wires]) wire.powered(machine);
  }

  hasPower(machine: string): boolean {
    return !this.#dark.has(machine);
  }

  /** Connections that stand between the two are reset, with what is on its way; each end learns of it after a moment of its own. */
  breakBetween(a: string, b: string): void {
    for (const wire of this.#wires) if (isBetween(wire, a, b)) wire.break();
  }

  /**
   * Nothing gets from one to the other any more: bytes wait, and nobody who dials or knocks across, in either direction, gets an
   * answer.
   */
  cut(from: string, to: string): void {
    this.#cuts.add(from, to);
    for (const wire of this.#wires) wire.hold(from, to, 'cut');
  }

  /** What waited arrives, in order; connections whose bytes waited for more than 3 s may be reset instead. */
  mend(from: string, to: string): void {
    if (!this.#cuts.delete(from, to)) return;
    for (const wire of this.#wires) {
      const isLate = wire.pipes(from, to).some((pipe) => pipe.overdueMs > RESET_AFTER_MS);
      if (isLate && this.#prng.chance(RESET_PROBABILITY)) wire.break();
      wire.release(from, to, 'cut');
    }
  }

  /** Holds back what goes by the connections that stand now; new ones are not touched. */
  stall(from: string, to: string): void {
    for (const wire of this.#wires) wire.hold(from, to, 'stall');
  }

  /** Delivers what was stalled, in order. */
  flow(from: string, to: string): void {
    for (const wire of this.#wires) wire.release(from, to, 'stall');
  }

  /** New connections are refused, as by a firewall that rejects; those that stand go on. */
  refuse(from: string, to: string): void {
    this.#refusals.add(from, to);
  }

  /** The end of `refuse`. */
  admit(from: string, to: string): void {
    this.#refusals.delete(from, to);
  }

  /** Ends every cut, stall and refusal; machines without power stay so. */
  healAll(): void {
    this.#refusals.clear();
    for (const [from, to] of this.#cuts.all()) this.mend(from, to);
    for (const wire of this.#wires) {
      for (const { out } of wire.ends) out.release('stall');
    }
  }

  async #accept(port: number, asked: Port): Promise<Listening> {
    const { process } = asked;
    if (process.dead) return never();
    const key = `${process.name}:${port}`;
    if (this.#ports.has(key)) throw new CatenaError('PORT_IN_USE', `port ${port} is in use`);
    this.#ports.set(key, asked);
    return {
      close: async () => {
        if (this.#ports.get(key) === asked) this.#ports.delete(key);
      },
    };
  }

  async #begin<Options, Outcome>(
    process: Process,
    address: string,
    begin: (connect: Connect, options: Options, clock: Process['clock']) => Promise<Outcome>,
    options: Options,
  ): Promise<Outcome> {
    const to = parseAddress(address);
    if (process.dead) return never();
    return begin((attempt) => this.#ask(process, to, attempt), options, process.clock);
  }

  #ask(from: Process, to: Address, attempt: Try, waitMs = 0): void {
    const thereMs = latencyMs(this.#prng, this.#wireDeps.slowness(from.name, to.machine));
    this.#scheduler.after(waitMs + thereMs, () => {
      if (from.dead || !attempt.isWanted()) return;
      if (this.#isSilent(from.name, to.machine)) {
        if (waitMs === 0) this.#ask(from, to, attempt, ASK_AGAIN_MS);
        return;
      }
      const answer = this.#answer(from, to);
      const backMs = latencyMs(this.#prng, this.#wireDeps.slowness(to.machine, from.name));
      this.#scheduler.after(backMs, () => from.reach(() => attempt.answered(answer)));
    });
  }

  /** Nobody hears an answer of the other one. */
  #isSilent(from: string, to: string): boolean {
    return this.#dark.has(to) || this.#cuts.has(from, to) || this.#cuts.has(to, from);
  }

  /** A machine accepts for its process, which hears of it when it gets a turn. */
  #answer(dialler: Process, { machine, port }: Address): Connection | 'refused' {
    const key = `${machine}:${port}`;
    const open = this.#ports.get(key);
    if (open === undefined || this.#refusals.has(dialler.name, machine)) return 'refused';
    const remote = `${dialler.name}:${this.#diallerPort++}`;
    const wire = new Wire(
      { process: dialler, remote: key },
      { process: open.process, remote },
      this.#wireDeps,
    );
    this.#wires.add(wire);
    open.process.reach(() => {
      if (this.#ports.get(key) === open) open.accepted(wire.accepted);
      else wire.accepted.close();
    });
    return wire.dialled;
  }

  #ends() {
    return [...this.#wires].flatMap((wire) => wire.ends);
  }
}

/** Pairs of machines, each in one direction. */
class PairSet {
  readonly #pairs = new Map<string, readonly [string, string]>();

  add(from: string, to: string): void {
    this.#pairs.set(`${from}>${to}`, [from, to]);
  }

  delete(from: string, to: string): boolean {
    return this.#pairs.delete(`${from}>${to}`);
  }

  has(from: string, to: string): boolean {
    return this.#pairs.size > 0 && this.#pairs.has(`${from}>${to}`);
  }

  all(): (readonly [string, string])[] {
    return [...this.#pairs.values()];
  }

  clear(): void {
    this.#pairs.clear();
  }
}

function isBetween({ dialled, accepted }: Wire, a: string, b: string): boolean {
  return (
    (dialled.machine === a && accepted.machine === b) || (dialled.machine === b && accepted.machine === a)
  );
}

/** What a dead process waits for. */
function never(): Promise<never> {
  return new Promise(() => {});
}

function parseAddress(address: string): Address {
  const colon = address.lastIndexOf(':');
  const port = Number(address.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new CatenaError('BAD_TOPOLOGY', `"${address}" is not an address: give HOST:PORT`);
  }
  return { machine: address.slice(0, colon), port };
}
