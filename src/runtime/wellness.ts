import type { Now } from '../base/now.ts';

/** For so long a fault is shown, in ms. */
const SHOWN_MS = 10_000;
/** So many faults within so many ms make the process sick. */
const FAULTS_SICK = 3;
const FAULTS_WITHIN_MS = 60_000;
/** Without a fault for so long it is well again, in ms. */
const CALM_MS = 30_000;

/** How a process has kept time lately, in words. */
export interface WellnessState {
  /** It does so badly again and again that another should take its place. */
  readonly sick: string | null;
  /** What happened within the last seconds. */
  readonly lately: string | null;
}

/**
 * Watches whether this process gets its turns and its wall clock goes evenly: what leases are measured by. One fault does no
 * harm, as the lease has run out by itself; many make a node that had better be replaced. Pure: it is handed the time.
 */
export class Wellness {
  #last: Now | null = null;
  /** When the last faults were, by the monotonic clock; oldest first, never more than make it sick. */
  #faultsAtMs: number[] = [];
  #words = '';
  #sick = false;

  /** To be called every few ms. @returns what has gone wrong since the last call, in words; `null` if nothing has. */
  look(now: Now, leaseMs: number): string | null {
    const last = this.#last;
    this.#last = now;
    const fault = last && faultBetween(last, now, leaseMs);
    if (fault) this.#note(fault, now.monotonicMs);
    else if (this.#sick && this.#sinceFaultMs(now.monotonicMs) >= CALM_MS) this.#sick = false;
    return fault;
  }

  state(nowMs: number): WellnessState {
    const lately = this.#sinceFaultMs(nowMs) < SHOWN_MS ? this.#words : null;
    const sick = this.#sick ? `it does not keep time, again and again: ${this.#words}` : null;
    return { sick, lately };
  }

  #note(words: string, nowMs: number): void {
    this.#words = words;
    this.#faultsAtMs = [...this.#faultsAtMs, nowMs].slice(-FAULTS_SICK);
    const [first = nowMs] = this.#faultsAtMs;
    if (this.#faultsAtMs.length === FAULTS_SICK && nowMs - first <= FAULTS_WITHIN_MS) this.#sick = true;
  }

  #sinceFaultMs(nowMs: number): number {
    return nowMs - (this.#faultsAtMs.at(-1) ?? Number.NEGATIVE_INFINITY);
  }
}

function faultBetween(last: Now, now: Now, leaseMs: number): string | null {
  const heldMs = now.monotonicMs - last.monotonicMs;
  if (heldMs > leaseMs) {
    return `the event loop was held up for ${Math.round(heldMs)} ms, longer than the lease (${leaseMs} ms)`;
  }
  const jumpMs = now.wallMs - last.wallMs - heldMs;
  if (Math.abs(jumpMs) <= leaseMs) return null;
  const way = jumpMs > 0 ? 'forward' : 'back';
  return `the wall clock jumped ${way} by ${Math.round(Math.abs(jumpMs))} ms, or the machine was suspended`;
}
