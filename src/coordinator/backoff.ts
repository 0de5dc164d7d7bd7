const FIRST_REST_MS = 1000;

/** How long to rest before something that failed is tried again: a second, doubled with every failure up to a limit. */
export class Backoff<Key> {
  readonly #restMsMax: number;
  readonly #rests = new Map<Key, { restMs: number; untilMs: number }>();

  constructor({ restMsMax }: { restMsMax: number }) {
    this.#restMsMax = restMsMax;
  }

  failed(key: Key, nowMs: number): void {
    const before = this.#rests.get(key)?.restMs;
    const restMs = Math.min(this.#restMsMax, before === undefined ? FIRST_REST_MS : before * 2);
    this.#rests.set(key, { restMs, untilMs: nowMs + restMs });
  }

  succeeded(key: Key): void {
    this.#rests.delete(key);
  }

  resting(key: Key, nowMs: number): boolean {
    const rest = this.#rests.get(key);
    return rest !== undefined && nowMs < rest.untilMs;
  }
}
