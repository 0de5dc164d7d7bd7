import { CatenaError } from './errors.ts';
import {
  clientValue,
  fewerThan,
  flatten,
  integerArgument,
  keyText,
  pairsOf,
  ReplyError,
  refuseFlags,
  scanOptions,
  setOptions,
} from './redis-like-arguments.ts';
import { cursorAfter, keyOfCursor } from './redis-like-cursor.ts';
import type { RedisBuffer, RedisKey, RedisKeys, RedisLike, RedisValue } from './redis-like-words.ts';
import type { Batch, CallOptions, Catena, Value } from './types.ts';

/** What `redisLike` needs of a client. */
export type RedisLikeClient = Pick<
  Catena,
  'batch' | 'delete' | 'expire' | 'getItem' | 'getMany' | 'increment' | 'keys' | 'set' | 'setMany'
>;

/** How many keys `scan` looks at unless told, as in Redis. */
const SCAN_KEYS_DEFAULT = 10;
/** Most keys of one page. */
const PAGE_KEYS_MAX = 1000;

/** A client that speaks as ioredis does. `options` go with every call. */
export function redisLike(client: RedisLikeClient, options: CallOptions = {}): RedisLike {
  return new Face(client, options);
}

class Face implements RedisLike {
  readonly #client: RedisLikeClient;
  readonly #options: CallOptions;

  constructor(client: RedisLikeClient, options: CallOptions) {
    this.#client = client;
    this.#options = options;
  }

  async get(key: RedisKey): Promise<string | null> {
    const item = await this.#client.getItem(keyText(key), this.#options);
    return item === undefined ? null : textOf(item.value);
  }

  async getBuffer(key: RedisKey): Promise<RedisBuffer | null> {
    const item = await this.#client.getItem(keyText(key), this.#options);
    return item === undefined ? null : bufferOf(item.value);
  }

  async set(key: RedisKey, value: RedisValue, ...words: readonly (string | number)[]): Promise<'OK' | null> {
    const { condition, ttl } = setOptions(words);
    const done = await this.#set(keyText(key), clientValue(value), { ...condition, ...ttl });
    return done ? 'OK' : null;
  }

  async setnx(key: RedisKey, value: RedisValue): Promise<0 | 1> {
    return (await this.#set(keyText(key), clientValue(value), { ifAbsent: true })) ? 1 : 0;
  }

  async setex(key: RedisKey, seconds: number | string, value: RedisValue): Promise<'OK'> {
    const ttl = lifetime(seconds, 'setex');
    await this.#set(keyText(key), clientValue(value), { ttl });
    return 'OK';
  }

  async psetex(key: RedisKey, ms: number | string, value: RedisValue): Promise<'OK'> {
    const ttl = lifetime(ms, 'psetex') / 1000;
    await this.#set(keyText(key), clientValue(value), { ttl });
    return 'OK';
  }

  async del(...keys: readonly RedisKeys[]): Promise<number> {
    const texts = someKeys(keys, 'del');
    const [only] = texts;
    if (texts.length === 1 && only !== undefined) {
      return (await this.#client.delete(only, this.#options)) ? 1 : 0;
    }
    const none: Batch<readonly unknown[]> = this.#client.batch();
    const batch = texts.reduce((begun, key) => begun.delete(key), none);
    return (await batch.commit(this.#options)).filter((deleted) => deleted === true).length;
  }

  async exists(...keys: readonly RedisKeys[]): Promise<number> {
    const values = await this.#client.getMany(someKeys(keys, 'exists'), this.#options);
    return values.filter((value) => value !== undefined).length;
  }

  incr(key: RedisKey): Promise<number> {
    return this.incrby(key, 1);
  }

  async incrby(key: RedisKey, by: number | string): Promise<number> {
    return this.#increment(keyText(key), integerArgument(by));
  }

  decr(key: RedisKey): Promise<number> {
    return this.decrby(key, 1);
  }

  async decrby(key: RedisKey, by: number | string): Promise<number> {
    return this.#increment(keyText(key), -integerArgument(by));
  }

  async expire(key: RedisKey, seconds: number | string, ...flags: readonly unknown[]): Promise<0 | 1> {
    refuseFlags('EXPIRE', flags);
    return this.#expire(keyText(key), integerArgument(seconds));
  }

  async pexpire(key: RedisKey, ms: number | string, ...flags: readonly unknown[]): Promise<0 | 1> {
    refuseFlags('PEXPIRE', flags);
    return this.#expire(keyText(key), integerArgument(ms) / 1000);
  }

  async persist(key: RedisKey): Promise<0 | 1> {
    const text = keyText(key);
    const item = await this.#client.getItem(text, this.#options);
    if (item === undefined || item.expiresIn === null) return 0;
    return (await this.#client.expire(text, null, this.#options)) ? 1 : 0;
  }

  async ttl(key: RedisKey): Promise<number> {
    const ms = await this.pttl(key);
    return ms < 0 ? ms : Math.round(ms / 1000);
  }

  async pttl(key: RedisKey): Promise<number> {
    const item = await this.#client.getItem(keyText(key), this.#options);
    if (item === undefined) return -2;
    return item.expiresIn === null ? -1 : Math.round(item.expiresIn * 1000);
  }

  async mget(...keys: readonly RedisKeys[]): Promise<(string | null)[]> {
    const values = await this.#client.getMany(someKeys(keys, 'mget'), this.#options);
    return values.map((value) => (value === undefined ? null : textOf(value)));
  }

  async mset(...pairs: Parameters<RedisLike['mset']>): Promise<'OK'> {
    await this.#client.setMany(pairsOf(pairs), this.#options);
    return 'OK';
  }

  /** A cursor is the key that was looked at last: nothing is kept for it anywhere. */
  async scan(cursor: number | string, ...words: readonly (string | number)[]): Promise<[string, string[]]> {
    const { glob, count = SCAN_KEYS_DEFAULT } = scanOptions(words);
    const after = keyOfCursor(String(cursor));
    const range = { pageSize: Math.min(count, PAGE_KEYS_MAX), ...(after === null ? {} : { after }) };
    const found: string[] = [];
    let seen = 0;
    for await (const key of this.#client.keys({ ...this.#options, ...range, prefix: glob?.prefix ?? '' })) {
      if (glob === null || glob.matches(key)) found.push(key);
      if (++seen === count) return [cursorAfter(key), found];
    }
    return ['0', found];
  }

  /** @returns whether the condition held. */
  async #set(
    key: string,
    value: Value,
    how: { readonly ttl?: number; readonly ifAbsent?: true; readonly ifPresent?: true },
  ): Promise<boolean> {
    try {
      await this.#client.set(key, value, { ...this.#options, ...how });
      return true;
    } catch (error) {
      if (error instanceof CatenaError && error.code === 'PRECONDITION_FAILED') return false;
      throw error;
    }
  }

  async #increment(key: string, by: number): Promise<number> {
    try {
      return await this.#client.increment(key, by, this.#options);
    } catch (error) {
      throw asReplyError(error);
    }
  }

  async #expire(key: string, seconds: number): Promise<0 | 1> {
    const there =
      seconds > 0
        ? await this.#client.expire(key, seconds, this.#options)
        : await this.#client.delete(key, this.#options);
    return there ? 1 : 0;
  }
}

function asReplyError(error: unknown): unknown {
  const code = error instanceof CatenaError ? error.code : '';
  if (code === 'NOT_AN_INTEGER') {
    return new ReplyError('ERR value is not an integer or out of range', { cause: error });
  }
  if (code === 'OUT_OF_RANGE') {
    return new ReplyError('ERR increment or decrement would overflow', { cause: error });
  }
  return error;
}

function lifetime(time: number | string, command: string): number {
  const whole = integerArgument(time);
  if (whole <= 0) throw new ReplyError(`ERR invalid expire time in '${command}' command`);
  return whole;
}

function someKeys(keys: readonly RedisKeys[], command: string): string[] {
  const texts = flatten(keys).map(keyText);
  if (texts.length === 0) throw fewerThan(command);
  return texts;
}

/** As Node's `Buffer.toString` has it: a byte order mark stays, what is no UTF-8 becomes U+FFFD. */
const DECODER = new TextDecoder('utf-8', { ignoreBOM: true });

function textOf(value: Value): string {
  if (typeof value === 'string') return value;
  return value instanceof Uint8Array ? DECODER.decode(value) : JSON.stringify(value);
}

function bufferOf(value: Value): RedisBuffer {
  const bytes = value instanceof Uint8Array ? value : new TextEncoder().encode(textOf(value));
  const { Buffer: NodeBuffer } = globalThis as {
    readonly Buffer?: { from(memory: ArrayBufferLike, offset: number, length: number): Uint8Array };
  };
  const buffer = NodeBuffer?.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) ?? bytes;
  return buffer as RedisBuffer;
}
