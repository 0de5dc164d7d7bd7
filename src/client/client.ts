import { checkBy, checkCount, checkKey, checkTtl, checkVersion, conditionOf } from './arguments.ts';
import { newBatch } from './batch.ts';
import type { Answer, BatchOperation, BatchResult } from './caller.ts';
import type { Core } from './core.ts';
import { CatenaError, PreconditionFailed } from './errors.ts';
import { itemsOf, keysOf } from './pages.ts';
import { jsonOf, refusalOf } from './problem.ts';
import { redisLike } from './redis-like.ts';
import type { RedisLike } from './redis-like-words.ts';
import { statusOf } from './status.ts';
import type {
  Batch,
  CallOptions,
  Catena,
  ChainStatus,
  Change,
  DeleteOptions,
  Item,
  KeysOptions,
  SetOptions,
  Swapped,
  Value,
  Version,
  WatchOptions,
  Written,
} from './types.ts';
import { decodeValue, encodeValue, type StoredValue, storedOf } from './values.ts';
import { watchOf } from './watch.ts';

/** Values beyond this travel alone, as the bytes they are: in a batch they would hold up others. In UTF-16 units or bytes. */
const BATCHED_LENGTH_MAX = 65_536;

const JSON_HEADERS = { 'Content-Type': 'application/json' };

/** What programs use: words for what `Core` carries out. */
export class Client implements Catena {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  async get(key: string, options: CallOptions = {}): Promise<Value | undefined> {
    checkKey(key);
    return valueIn(await this.#core.operation({ op: 'get', key }, options));
  }

  async getItem(key: string, options: CallOptions = {}): Promise<Item | undefined> {
    checkKey(key);
    const result = await this.#core.operation({ op: 'get', key }, options);
    const value = valueIn(result);
    if (value === undefined) return undefined;
    const { version = 0, contentType = '', expiresIn = null } = result;
    return { key, value, version, contentType, expiresIn };
  }

  async getMany(keys: readonly string[], options: CallOptions = {}): Promise<(Value | undefined)[]> {
    for (const key of keys) checkKey(key);
    checkCount(keys.length);
    if (keys.length === 0) return [];
    const operations = keys.map((key) => ({ op: 'get', key }) as const);
    const results = await this.#atOneInstant('read', operations, options);
    return results.map(valueIn);
  }

  async set(key: string, value: Value, options: SetOptions = {}): Promise<Written> {
    checkKey(key);
    checkTtl(options.ttl);
    const condition = conditionOf(options);
    const stored = storedOf(value, options.contentType);
    const large = stored.body.length > Math.min(BATCHED_LENGTH_MAX, this.#core.batchBytesMax / 8);
    if (large || condition === 'present') return await this.#setAlone(key, stored, { ...options, condition });
    const { version = 0, created = false } = await this.#core.operation(
      {
        op: 'set',
        key,
        ...encodeValue(value, options.contentType),
        ...(options.ttl === undefined ? {} : { ttl: options.ttl }),
        ...(condition === undefined ? {} : { ifVersion: condition }),
      },
      options,
    );
    return { version, created };
  }

  async setMany(
    entries: Readonly<Record<string, Value>> | Iterable<readonly [string, Value]>,
    options: CallOptions & { readonly ttl?: number } = {},
  ): Promise<Version> {
    const { ttl } = options;
    checkTtl(ttl);
    const pairs = Symbol.iterator in entries ? [...entries] : Object.entries(entries);
    checkCount(pairs.length);
    const operations = pairs.map(([key, value]) => {
      checkKey(key);
      return { op: 'set', key, ...encodeValue(value), ...(ttl === undefined ? {} : { ttl }) } as const;
    });
    if (operations.length === 0) return 0;
    const [first] = await this.#atOneInstant('write', operations, options);
    return first?.version ?? 0;
  }

  async checkAndSet(
    key: string,
    expected: Version,
    value: Value,
    options: CallOptions & { readonly ttl?: number; readonly contentType?: string } = {},
  ): Promise<Swapped> {
    checkVersion(expected ?? null, 'expected');
    try {
      const { version } = await this.set(key, value, { ...options, ifVersion: expected });
      return { swapped: true, version };
    } catch (error) {
      if (error instanceof PreconditionFailed) return { swapped: false, version: error.version };
      throw error;
    }
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<boolean> {
    checkKey(key);
    const { ifVersion } = options;
    checkVersion(ifVersion, 'ifVersion');
    const condition = ifVersion === undefined ? {} : { ifVersion };
    const { deleted } = await this.#core.operation({ op: 'delete', key, ...condition }, options);
    return deleted === true;
  }

  async increment(key: string, by = 1, options: CallOptions = {}): Promise<number> {
    checkKey(key);
    checkBy(by);
    const { value } = await this.#core.operation({ op: 'increment', key, by }, options);
    return Number(value);
  }

  async expire(key: string, ttl: number | null, options: CallOptions = {}): Promise<boolean> {
    checkKey(key);
    checkTtl(ttl ?? undefined);
    try {
      await this.#core.operation({ op: 'expire', key, ttl }, options);
      return true;
    } catch (error) {
      if (error instanceof CatenaError && error.code === 'KEY_NOT_FOUND') return false;
      throw error;
    }
  }

  keys(options: KeysOptions = {}): AsyncIterableIterator<string> {
    return keysOf(this.#core, options);
  }

  items(options: KeysOptions = {}): AsyncIterableIterator<Item> {
    return itemsOf(this.#core, options);
  }

  batch(): Batch<[]> {
    return newBatch(this.#core);
  }

  watch(options: WatchOptions = {}): AsyncIterableIterator<Change> {
    const { silenceMs } = options;
    return watchOf(this.#core, options, silenceMs === undefined ? {} : { silenceMs });
  }

  status(options: CallOptions = {}): Promise<ChainStatus> {
    return statusOf(this.#core, options);
  }

  redisLike(options: CallOptions = {}): RedisLike {
    return redisLike(this, options);
  }

  close(): Promise<void> {
    return this.#core.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** A `set` in a request of its own. */
  async #setAlone(
    key: string,
    { body, contentType }: StoredValue,
    { ttl, condition, ...options }: SetOptions & { readonly condition: Version | 'present' | undefined },
  ): Promise<Written> {
    const query = ttl === undefined ? '' : `?ttl=${ttl}`;
    const answer = await this.#core.request(
      {
        intent: 'write',
        method: 'PUT',
        path: `/set/${encodeURIComponent(key)}${query}`,
        headers: {
          ...(contentType === undefined ? {} : { 'Content-Type': contentType }),
          ...matching(condition),
        },
        // Each try sends the same, whatever the program writes into its buffer meanwhile; `slice` of a Buffer would be no copy.
        body: typeof body === 'string' ? body : new Uint8Array(body),
      },
      options,
    );
    const { version } = fieldsOf(answer);
    return { version: Number(version), created: answer.status === 201 };
  }

  /** Operations that all take effect at one instant, or none does. */
  async #atOneInstant(
    intent: 'read' | 'write',
    operations: readonly BatchOperation[],
    options: CallOptions,
  ): Promise<readonly BatchResult[]> {
    const body = JSON.stringify({ operations });
    const call = { intent, method: 'POST', path: '/batch', headers: JSON_HEADERS, body } as const;
    const { results } = fieldsOf(await this.#core.request(call, options));
    if (Array.isArray(results) && results.length === operations.length) return results as BatchResult[];
    throw new CatenaError('BAD_ANSWER', 'the answer to a batch is not what a node of catena answers');
  }
}

/** @throws CatenaError when the answer is a refusal. */
function fieldsOf(answer: Answer): Readonly<Record<string, unknown>> {
  const fields = answer.status < 300 ? jsonOf(answer) : undefined;
  if (typeof fields === 'object' && fields !== null) return fields as Readonly<Record<string, unknown>>;
  throw refusalOf(answer);
}

function valueIn({ value, encoding, contentType }: BatchResult): Value | undefined {
  return typeof value === 'string' ? decodeValue({ value, encoding, contentType }) : undefined;
}

function matching(condition: Version | 'present' | undefined): Readonly<Record<string, string>> {
  if (condition === undefined) return {};
  if (condition === 'present') return { 'If-Match': '*' };
  return condition === 0 ? { 'If-None-Match': '*' } : { 'If-Match': `"${condition}"` };
}
