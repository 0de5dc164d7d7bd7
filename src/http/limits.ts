import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';

/** How much a server takes, and how long it waits for slow callers. */
export interface HttpLimits {
  readonly headersTimeoutMs: number;
  /** For a whole request with its body. */
  readonly requestTimeoutMs: number;
  readonly keepAliveMs: number;
  /** A connection on which nothing moves for so long is closed, whatever it waits for. */
  readonly idleMs: number;
  /** What the headers and the address take beside the keys in it, for which there is room by `limits.keyBytes`. */
  readonly headerBytesMax: number;
  readonly connectionsMax: number;
  /** Bodies in memory at once. */
  readonly bodiesBytesMax: number;
  /** How much of an unwanted body is read and dropped. */
  readonly drainBytesMax: number;
}

/** What is right for people and programs on the usual networks. */
export const HTTP_LIMITS: HttpLimits = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveMs: 30_000,
  idleMs: 60_000,
  headerBytesMax: 65_536,
  connectionsMax: 4096,
  bodiesBytesMax: 268_435_456,
  drainBytesMax: 16_777_216,
};

/** What every HTTP side is made with; `limits` in place of `HTTP_LIMITS`. */
export interface HttpParts {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly limits?: Partial<HttpLimits>;
}
