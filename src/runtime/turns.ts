import { assert } from '../base/assert.ts';
import type { Clock } from '../ports/clock.ts';
import type { ReplicaEvent } from '../replica/events.ts';

/** Rounds of events that the looks after one event may raise: each request asks once in an epoch, so a few are enough. */
const ROUNDS_MAX = 8;

/** What becomes of events. */
export interface TurnsHost {
  /** Takes one event, and carries out its effects. What it raises meanwhile comes behind those already there. */
  step(event: ReplicaEvent): void;
  /** Called when no event is left: looks at what has changed, and may raise more. */
  settled(): void;
}

/** Has events dealt with one at a time and in order, whoever raises them in the midst of it. */
export class Turns {
  readonly #host: TurnsHost;
  readonly #clock: Clock;
  readonly #events: ReplicaEvent[] = [];
  #stepping = false;
  /** An assertion failed: nothing more is done until the process ends. */
  #crashed = false;
  #flushing = false;

  constructor(host: TurnsHost, { clock }: { clock: Clock }) {
    this.#host = host;
    this.#clock = clock;
  }

  /** Deals with this event and all that it brings about, or leaves that to whoever is at it. */
  happened(event: ReplicaEvent): void {
    this.#events.push(event);
    if (this.#stepping || this.#crashed) return;
    this.#stepping = true;
    try {
      for (let round = 0; this.#events.length > 0; round++) {
        assert(round < ROUNDS_MAX, () => 'looking at what has changed raises events without end');
        this.#stepAll();
        this.#host.settled();
      }
    } catch (error) {
      this.crash(error);
    } finally {
      this.#stepping = false;
    }
  }

  /** A `flush` at the end of this turn, with whatever else comes in it; one, however often it is asked for. */
  flushLater(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#clock.defer(() => this.flushNow());
  }

  flushNow(): void {
    this.#flushing = false;
    this.happened({ kind: 'flush' });
  }

  /** A bug: whoever called must not swallow it, or the rest of the effects would come out as if nothing were. */
  crash(error: unknown): void {
    this.#crashed = true;
    this.#clock.defer(() => {
      throw error;
    });
  }

  #stepAll(): void {
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
      this.#host.step(next);
    }
  }
}
