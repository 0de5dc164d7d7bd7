/** So many reads of a client are under way at once, and so many writes; the others wait unsent, so that they are certain to have had no effect. */
const REQUESTS_MAX = 64;

/** Lets so many through at a time, in the order that they came. */
export class Gate {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(requestsMax = REQUESTS_MAX) {
    this.#free = requestsMax;
  }

  /** Waits for a place; who has one gives it back with `leave`. @throws the reason of the signal. */
  async enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    await this.#wait(signal);
  }

  leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#free += 1;
    else next();
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        this.#waiting.delete(enter);
        signal.removeEventListener('abort', stop);
        resolve();
      };
      const stop = (): void => {
        this.#waiting.delete(enter);
        reject(signal.reason);
      };
      this.#waiting.add(enter);
      signal.addEventListener('abort', stop, { once: true });
    });
  }
}
