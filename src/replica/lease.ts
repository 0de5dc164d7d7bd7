import type { Now } from '../base/now.ts';

/** Probes whose grants may still come; older ones are forgotten. At five a lease, more than three leases' worth. */
const PROBES_MAX = 16;

/**
 * The lease that lets a replica serve reads: no configuration without it commits anything while it lasts. It counts from when
 * the probe was sent (or, above the tail, got), never from when the grant came, and is over as soon as either of the two
 * clocks says so: a suspended machine's monotonic clock may stand still. PROTOCOL.md §7.
 */
export class Lease {
  #probes: { readonly id: number; readonly at: Now }[] = [];
  #lastId = 0;
  #from: Now | null = null;

  /** Gives up the lease, and every probe that is under way: they belong to an epoch that is over. */
  end(): void {
    this.#probes = [];
    this.#from = null;
  }

  /** The tail sends a probe now. @returns its id, never used before by this incarnation. */
  probe(now: Now): number {
    this.#lastId += 1;
    this.note(this.#lastId, now);
    return this.#lastId;
  }

  /** A probe came from below now. The first time counts: a lease may only be shorter than it could be. */
  note(id: number, now: Now): void {
    if (this.#probes.some((probe) => probe.id === id)) return;
    this.#probes.push({ id, at: now });
    if (this.#probes.length > PROBES_MAX) this.#probes.shift();
  }

  /** Everybody who has to was asked with this probe: the lease holds from when it was noted here. */
  grant(id: number): void {
    const granted = this.#probes.find((probe) => probe.id === id);
    if (granted === undefined) return;
    this.#from = granted.at;
    this.#probes = this.#probes.filter((probe) => probe.id > id);
  }

  /** How long it still holds, in ms; 0 when it does not. */
  leftMs(now: Now, leaseMs: number): number {
    if (this.#from === null) return 0;
    const elapsedMs = now.monotonicMs - this.#from.monotonicMs;
    // A wall clock that was set back says nothing about the time that went by, so it ends the lease too.
    const wallMs = Math.abs(now.wallMs - this.#from.wallMs);
    return Math.max(0, leaseMs - Math.max(elapsedMs, wallMs));
  }
}
