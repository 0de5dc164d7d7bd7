/** A key as ioredis takes it; bytes have to be UTF-8. */
export type RedisKey = string | Uint8Array;
/** A value as ioredis takes it: a number is stored as its text. */
export type RedisValue = string | Uint8Array | number;
/** One key, or a list of them, as ioredis takes both. */
export type RedisKeys = RedisKey | readonly RedisKey[];

/** Node's `Buffer` where there is one, as ioredis gives it; else plain bytes. */
export type RedisBuffer = typeof globalThis extends { Buffer: { alloc(size: number): infer B } }
  ? B
  : Uint8Array;

/**
 * The words of ioredis for the strings of Redis, with its results. A command that Redis would refuse rejects with a `ReplyError` and Redis's
 * text; what the chain or the network says comes as the client's own `CatenaError`. Where the two differ stands in docs/redis-like.md.
 */
export interface RedisLike {
  /** The value as text, `null` when there is no such key. A value that is JSON comes as the text of it. */
  get(key: RedisKey): Promise<string | null>;
  /** The value as bytes. */
  getBuffer(key: RedisKey): Promise<RedisBuffer | null>;
  /** Takes `NX` or `XX`, and `EX` seconds or `PX` milliseconds, in any order and case. @returns `null` when the condition does not hold. */
  set(key: RedisKey, value: RedisValue, ...options: readonly (string | number)[]): Promise<'OK' | null>;
  /** @returns 1 when it was set, 0 when it was there. */
  setnx(key: RedisKey, value: RedisValue): Promise<0 | 1>;
  setex(key: RedisKey, seconds: number | string, value: RedisValue): Promise<'OK'>;
  psetex(key: RedisKey, ms: number | string, value: RedisValue): Promise<'OK'>;
  /** At one instant, up to 1000 keys. @returns how many were there. */
  del(...keys: readonly RedisKeys[]): Promise<number>;
  /** At one instant, up to 1000 keys. @returns how many are there, one named twice counted twice. */
  exists(...keys: readonly RedisKeys[]): Promise<number>;
  incr(key: RedisKey): Promise<number>;
  incrby(key: RedisKey, by: number | string): Promise<number>;
  decr(key: RedisKey): Promise<number>;
  decrby(key: RedisKey, by: number | string): Promise<number>;
  /** @returns 0 when there is no such key. A time that is over removes it. */
  expire(key: RedisKey, seconds: number | string): Promise<0 | 1>;
  pexpire(key: RedisKey, ms: number | string): Promise<0 | 1>;
  /** @returns 1 when there was an expiry to lift. */
  persist(key: RedisKey): Promise<0 | 1>;
  /** In seconds, to the nearest; -1 without expiry, -2 without such a key. */
  ttl(key: RedisKey): Promise<number>;
  /** The same in milliseconds. */
  pttl(key: RedisKey): Promise<number>;
  /** At one instant, up to 1000 keys. */
  mget(...keys: readonly RedisKeys[]): Promise<(string | null)[]>;
  /** At one instant, up to 1000 keys: as an object, a map, a list, or key and value in turn. */
  mset(
    ...pairs:
      | readonly [Readonly<Record<string, RedisValue>> | ReadonlyMap<RedisKey, RedisValue>]
      | readonly RedisValue[]
      | readonly [readonly RedisValue[]]
  ): Promise<'OK'>;
  /** Begins and ends with cursor `0`. Takes `MATCH` with a pattern and `COUNT`. */
  scan(cursor: number | string, ...options: readonly (string | number)[]): Promise<[string, string[]]>;
}
