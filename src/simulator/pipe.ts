import type { Prng } from '../base/prng.ts';
import type { Cancel } from '../ports/clock.ts';
import type { Scheduler } from './scheduler.ts';

const LATENCY_MS_MIN = 0.05;
const LATENCY_MS_MAX = 0.5;
const SPIKE_PROBABILITY = 0.005;
const SPIKE_MS_MAX = 8;
/** How often what could arrive in one piece arrives in two. */
const SPLIT_PROBABILITY = 0.02;
/** What may be on the way, or lie unread in the receiver's machine, before the sender has to keep the rest. */
const WINDOW_BYTES = 64 * 1024;
/** More than this kept back is more than a little: `drained` follows. */
const HIGH_WATER_BYTES = 16 * 1024;
/** The longest that a sender waits before it tries again whether its bytes get through. */
const RESEND_MS_MAX = 200;

/** What holds bytes back: a cut between machines, or a stall of this connection. */
export type Hold = 'cut' | 'stall';

/** How a stream ends. */
export interface Ending {
  /** What the receiver is told. */
  readonly reason: string;
  /** What is on its way may be lost, from any place on. */
  readonly lossy: boolean;
  /** The receiver learns of it whatever holds the bytes back. */
  readonly unheld?: boolean;
  /** How long it is before it is sent, in ms of the world. */
  readonly delayMs?: number;
}

/** Who is told of a pipe. */
export interface PipeListener {
  /** These reached the receiver's machine, in order. */
  landed(chunks: readonly Uint8Array[], bytes: number): void;
  /** Nothing comes after this. */
  ended(reason: string): void;
  /** The sender has nothing left to keep, after it kept more than a little. */
  drained(): void;
}

/** What the parts of a simulated network share. */
export interface PipeDeps {
  readonly scheduler: Scheduler;
  readonly prng: Prng;
  /** How many times slower than on a good network of one room a packet is, from the one machine to the other. */
  readonly slowness: (from: string, to: string) => number;
}

/** The machines that a pipe leads from and to. */
export interface Way {
  readonly from: string;
  readonly to: string;
}

interface Flight {
  readonly sentMs: number;
  dueMs: number;
  readonly chunks: Uint8Array[];
  bytes: number;
  readonly ending: Ending | null;
}

/**
 * One direction of a connection: the bytes that its sender's process keeps, and behind the window those on their way. Each
 * flight takes one event of the scheduler; nothing is scheduled while nothing moves. Bytes are not copied.
 */
export class Pipe {
  readonly #listener: PipeListener;
  readonly #deps: PipeDeps;
  readonly #slowness: number;
  readonly #holds = new Set<Hold>();
  /** The other direction, by which the receiver acknowledges. */
  #back: Pipe | null = null;
  #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #full = false;
  /** First sent, first here; an ending is the last. */
  #flights: Flight[] = [];
  /** Sent and not acknowledged, in bytes. */
  #unacknowledgedBytes = 0;
  /** Of those, what the receiver has read. */
  #readBytes = 0;
  #acknowledging = false;
  #finished = false;
  #cancel: Cancel | null = null;

  constructor(listener: PipeListener, between: Way, deps: PipeDeps) {
    this.#listener = listener;
    this.#deps = deps;
    this.#slowness = deps.slowness(between.from, between.to);
  }

  /** Two directions of one connection know each other. */
  static pair(one: Pipe, other: Pipe): void {
    one.#back = other;
    other.#back = one;
  }

  /** What the sender's process keeps, in bytes. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** Something was sent that the receiver has not acknowledged. */
  get isWaiting(): boolean {
    return this.#unacknowledgedBytes > 0 || this.#flights.length > 0;
  }

  /** For how long what is held back should have arrived already, in ms. */
  get overdueMs(): number {
    const [first] = this.#flights;
    return this.#held && first !== undefined ? Math.max(0, this.#deps.scheduler.nowMs - first.dueMs) : 0;
  }

  get #held(): boolean {
    return this.#holds.size > 0;
  }

  /** Acknowledgements get back. */
  get #isAnswered(): boolean {
    return this.#back === null || !this.#back.#held;
  }

  get #ending(): Ending | null {
    return this.#flights.at(-1)?.ending ?? null;
  }

  /** The sender's process hands these over; they must not change any more. */
  send(chunks: readonly Uint8Array[]): void {
    if (this.#finished) return;
    for (const chunk of chunks) {
      if (chunk.byteLength === 0) continue;
      this.#kept.push(chunk);
      this.#keptBytes += chunk.byteLength;
    }
    this.#leave();
    if (this.#keptBytes > HIGH_WATER_BYTES) this.#full = true;
  }

  /** The receiver's process has read so many bytes of what landed. */
  read(bytes: number): void {
    this.#readBytes += bytes;
    this.#acknowledge();
  }

  /** Nothing is sent any more; what the sender's process kept is dropped, and the ending follows what is on its way. */
  finish(ending: Ending): void {
    if (this.#ending !== null && (this.#ending.unheld || !ending.unheld)) return;
    if (this.#ending !== null) this.#flights.pop();
    this.#drop(ending.lossy);
    const { scheduler, prng } = this.#deps;
    const sentMs = scheduler.nowMs + (ending.delayMs ?? 0);
    const dueMs = Math.max(sentMs + latencyMs(prng, this.#slowness), this.#flights.at(-1)?.dueMs ?? 0);
    this.#flights.push({ sentMs, dueMs, chunks: [], bytes: 0, ending });
    this.#finished = true;
    this.#await();
  }

  /** The sender's machine lost its power: what has left it may arrive, and nothing follows. */
  vanish(): void {
    if (this.#ending?.unheld) return;
    if (this.#ending !== null) this.#flights.pop();
    this.#drop(true);
    this.#finished = true;
    this.#await();
  }

  hold(why: Hold): void {
    this.#holds.add(why);
  }

  release(why: Hold): void {
    if (!this.#holds.delete(why) || this.#held) return;
    const { scheduler, prng } = this.#deps;
    const [first] = this.#flights;
    const lateMs = first === undefined ? 0 : scheduler.nowMs - first.dueMs;
    // TCP sends again at growing intervals: what waited longer is noticed later.
    if (first !== undefined && lateMs > 0) {
      first.dueMs =
        scheduler.nowMs + latencyMs(prng, this.#slowness) + prng.between(0, Math.min(lateMs, RESEND_MS_MAX));
    }
    this.#await();
    if (this.#back !== null) this.#back.#acknowledge();
  }

  #drop(lossy: boolean): void {
    this.#kept = [];
    this.#keptBytes = 0;
    this.#full = false;
    this.#cancel?.();
    this.#cancel = null;
    if (lossy) this.#flights.length = this.#deps.prng.below(this.#flights.length + 1);
  }

  /** Sends what the window lets through. */
  #leave(): void {
    let room = WINDOW_BYTES - this.#unacknowledgedBytes;
    if (room <= 0 || this.#keptBytes === 0) return;
    const flight = this.#boarding();
    for (let chunk = this.#kept[0]; chunk !== undefined && room > 0; chunk = this.#kept[0]) {
      const part = chunk.byteLength <= room ? chunk : chunk.subarray(0, room);
      if (part === chunk) this.#kept.shift();
      else this.#kept[0] = chunk.subarray(room);
      room -= part.byteLength;
      this.#keptBytes -= part.byteLength;
      this.#unacknowledgedBytes += part.byteLength;
      flight.chunks.push(part);
      flight.bytes += part.byteLength;
    }
    this.#await();
  }

  /** The flight that what leaves now goes with: one of this instant, or one that it must not overtake. */
  #boarding(): Flight {
    const sentMs = this.#deps.scheduler.nowMs;
    const last = this.#flights.at(-1);
    if (last !== undefined && (last.sentMs === sentMs || this.#held)) return last;
    const dueMs = sentMs + latencyMs(this.#deps.prng, this.#slowness);
    if (last !== undefined && dueMs <= last.dueMs) return last;
    const flight: Flight = { sentMs, dueMs, chunks: [], bytes: 0, ending: null };
    this.#flights.push(flight);
    return flight;
  }

  #await(): void {
    const [first] = this.#flights;
    if (first === undefined || this.#cancel !== null) return;
    if (this.#held && !this.#ending?.unheld) return;
    const { scheduler } = this.#deps;
    this.#cancel = scheduler.after(first.dueMs - scheduler.nowMs, this.#arrive);
  }

  readonly #arrive = (): void => {
    this.#cancel = null;
    if (this.#held) {
      const last = this.#flights.at(-1);
      if (last === undefined || !last.ending?.unheld) return;
      this.#flights = [last];
    }
    const landed: Uint8Array[] = [];
    const ending = this.#land(landed);
    this.#await();
    const bytes = landed.reduce((sum, chunk) => sum + chunk.byteLength, 0);
    if (bytes > 0) this.#listener.landed(landed, bytes);
    if (ending !== null) this.#listener.ended(ending.reason);
  };

  /** Takes the first flight, and those behind it that are due as well. */
  #land(landed: Uint8Array[]): Ending | null {
    const { scheduler, prng } = this.#deps;
    let dueMs = Number.POSITIVE_INFINITY;
    for (let flight = this.#flights[0]; flight && flight.dueMs <= dueMs; flight = this.#flights[0]) {
      dueMs = scheduler.nowMs;
      if (flight.bytes > 1 && prng.chance(SPLIT_PROBABILITY)) {
        this.#landPart(flight, landed);
        return null;
      }
      this.#flights.shift();
      landed.push(...flight.chunks);
      if (flight.ending !== null) return flight.ending;
    }
    return null;
  }

  /** The rest of the flight comes a moment later. */
  #landPart(flight: Flight, landed: Uint8Array[]): void {
    const { scheduler, prng } = this.#deps;
    let left = 1 + prng.below(flight.bytes - 1);
    flight.bytes -= left;
    flight.dueMs = scheduler.nowMs + latencyMs(prng, this.#slowness);
    for (let chunk = flight.chunks[0]; chunk !== undefined && left > 0; chunk = flight.chunks[0]) {
      const part = chunk.subarray(0, left);
      if (part.byteLength === chunk.byteLength) flight.chunks.shift();
      else flight.chunks[0] = chunk.subarray(left);
      left -= part.byteLength;
      landed.push(part);
    }
  }

  #acknowledge(): void {
    if (this.#readBytes === 0 || this.#acknowledging || !this.#isAnswered) return;
    // Nobody waits for the window in most cases: then it costs no event.
    if (this.#keptBytes === 0) return this.#acknowledged();
    this.#acknowledging = true;
    this.#deps.scheduler.after(latencyMs(this.#deps.prng, this.#slowness), () => {
      this.#acknowledging = false;
      if (this.#isAnswered) this.#acknowledged();
    });
  }

  #acknowledged(): void {
    this.#unacknowledgedBytes -= this.#readBytes;
    this.#readBytes = 0;
    if (this.#finished) return;
    this.#leave();
    if (this.#full && this.#keptBytes === 0) {
      this.#full = false;
      this.#listener.drained();
    }
  }
}

/** How long a packet takes from one machine to another, in ms of the world. */
export function latencyMs(prng: Prng, slowness: number): number {
  if (prng.chance(SPIKE_PROBABILITY)) return prng.between(LATENCY_MS_MAX, SPIKE_MS_MAX) * Math.sqrt(slowness);
  return prng.between(LATENCY_MS_MIN, LATENCY_MS_MAX) * slowness;
}
