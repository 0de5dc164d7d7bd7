/**
 * A clock that runs only while the coordinator can hear: not while its process was stopped or its event loop held up, nor
 * while no node at all is heard, as when its own network is gone. That is no single node's silence.
 */
export class Attention {
  #hearingMs = 0;
  #lastMs: number | null = null;
  /** On this clock, when any node was heard last; and by the monotonic one. */
  #heardMs = 0;
  #heardAtMs: number | null = null;

  /**
   * @param monotonicMs - the time now.
   * @param gapMsMax - a longer time without any heartbeat counts as this much.
   */
  advance(monotonicMs: number, gapMsMax: number): number {
    this.#hearingMs = this.#read(monotonicMs, gapMsMax);
    this.#lastMs = monotonicMs;
    return this.#hearingMs;
  }

  /** A heartbeat has come; `advance` was called for it. @returns how long none had come before it, in ms. */
  heard(monotonicMs: number): number {
    const silentMs = monotonicMs - (this.#heardAtMs ?? monotonicMs);
    this.#heardMs = this.#hearingMs;
    this.#heardAtMs = monotonicMs;
    return silentMs;
  }

  #read(monotonicMs: number, gapMsMax: number): number {
    const passedMs = monotonicMs - (this.#lastMs ?? monotonicMs);
    return Math.max(this.#hearingMs, Math.min(this.#hearingMs + passedMs, this.#heardMs + gapMsMax));
  }
}
