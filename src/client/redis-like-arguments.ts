import { parseGlob, type RedisGlob } from './redis-like-glob.ts';
import type { RedisKey, RedisValue } from './redis-like-words.ts';
import type { Value } from './types.ts';

/** What Redis would refuse, with its text; ioredis gives it this name too. */
export class ReplyError extends Error {
  override readonly name = 'ReplyError';
}

/** What `SET` was told beside key and value, as the client takes it. */
export interface SetWords {
  readonly condition: { readonly ifAbsent?: true; readonly ifPresent?: true };
  readonly ttl: { readonly ttl?: number };
}

/** What `SCAN` was told beside the cursor. */
export interface ScanWords {
  readonly glob: RedisGlob | null;
  readonly count?: number;
}

/** Words of `SET` that Redis knows, and what to do instead of them. */
const NOT_OFFERED: ReadonlyMap<string, string> = new Map([
  ['KEEPTTL', 'read the item and give its expiry again, with its version as the condition'],
  ['GET', 'use getItem() and checkAndSet() of the client'],
  ['EXAT', 'give EX with the seconds from now'],
  ['PXAT', 'give PX with the milliseconds from now'],
]);

/** Nothing in Redis' grammar that is not taken here is passed over in silence. */
export function setOptions(words: readonly (string | number)[]): SetWords {
  let condition: SetWords['condition'] | null = null;
  let ttl: SetWords['ttl'] | null = null;
  for (let at = 0; at < words.length; at++) {
    const word = String(words[at]).toUpperCase();
    const instead = NOT_OFFERED.get(word);
    if (instead !== undefined) throw notOffered(`SET with ${word}`, instead);
    if ((word === 'NX' || word === 'XX') && condition === null) {
      condition = word === 'NX' ? { ifAbsent: true } : { ifPresent: true };
    } else if ((word === 'EX' || word === 'PX') && ttl === null && at + 1 < words.length) {
      ttl = { ttl: positive(words[++at]) / (word === 'EX' ? 1 : 1000) };
    } else throw syntaxError();
  }
  return { condition: condition ?? {}, ttl: ttl ?? {} };
}

function positive(time: unknown): number {
  const whole = integerArgument(time);
  if (whole <= 0) throw new ReplyError("ERR invalid expire time in 'set' command");
  return whole;
}

/** @throws ReplyError as Redis would. */
export function scanOptions(words: readonly (string | number)[]): ScanWords {
  let glob: RedisGlob | null = null;
  let count: number | null = null;
  for (let at = 0; at < words.length; at += 2) {
    const word = String(words[at]).toUpperCase();
    const value = words[at + 1];
    if (word === 'TYPE') throw notOffered('SCAN with TYPE', 'leave it out: every value is a string');
    if (value === undefined) throw syntaxError();
    if (word === 'MATCH') glob = parseGlob(String(value));
    else if (word === 'COUNT') count = integerArgument(value);
    else throw syntaxError();
    if (count !== null && count < 1) throw syntaxError();
  }
  return { glob, ...(count === null ? {} : { count }) };
}

/**
 * A whole number by Redis' grammar, whose range ends here at ±(2⁵³−1).
 *
 * @throws ReplyError.
 */
export function integerArgument(argument: unknown): number {
  const number = /^(?:0|-?[1-9]\d{0,15})$/.test(String(argument)) ? Number(argument) : Number.NaN;
  if (Number.isSafeInteger(number)) return number;
  throw new ReplyError('ERR value is not an integer or out of range');
}

/** @throws ReplyError when it is no key. */
export function keyText(key: RedisKey): string {
  if (typeof key === 'string') return key;
  if (!(key instanceof Uint8Array)) {
    throw new ReplyError(`ERR a key is a string or bytes, not ${describe(key)}`);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(key);
  } catch (error) {
    throw new ReplyError('ERR a key has to be UTF-8; give it in another form, such as hex', { cause: error });
  }
}

/** @throws ReplyError when it is no value: one that was forgotten is not stored as an empty text. */
export function clientValue(value: RedisValue): Value {
  if (typeof value === 'string' || value instanceof Uint8Array) return value;
  if (typeof value === 'number') return String(value);
  throw new ReplyError(`ERR a value is a string, a number or bytes, not ${describe(value)}`);
}

/** `NX` and such of `EXPIRE` must not be passed over in silence. @throws ReplyError. */
export function refuseFlags(command: string, flags: readonly unknown[]): void {
  if (flags.length === 0) return;
  throw notOffered(`${command} with ${flags.join(' ')}`, 'read ttl() first');
}

/** The arguments of `MSET` as pairs. @throws ReplyError. */
export function pairsOf(given: readonly unknown[]): [string, Value][] {
  const [first] = given;
  const flat = given.length === 1 && isRecord(first) ? entriesOf(first) : flatten(given);
  if (flat.length === 0 || flat.length % 2 === 1) throw fewerThan('mset');
  const pairs: [string, Value][] = [];
  for (let at = 0; at < flat.length; at += 2) {
    pairs.push([keyText(flat[at] as RedisKey), clientValue(flat[at + 1] as RedisValue)]);
  }
  return pairs;
}

/** Lists among the arguments count as their members. */
export function flatten<T>(given: readonly (T | readonly T[])[]): T[] {
  return given.flat() as T[];
}

/** Too few arguments, or one without its pair. */
export function fewerThan(command: string): ReplyError {
  return new ReplyError(`ERR wrong number of arguments for '${command}' command`);
}

/** A word that Redis does not know there either. */
function syntaxError(): ReplyError {
  return new ReplyError('ERR syntax error');
}

function notOffered(what: string, instead: string): ReplyError {
  return new ReplyError(`ERR ${what} is not offered by redisLike(): ${instead}`);
}

function entriesOf(record: ReadonlyMap<unknown, unknown> | object): unknown[] {
  return (record instanceof Map ? [...record] : Object.entries(record)).flat();
}

function isRecord(given: unknown): given is ReadonlyMap<unknown, unknown> | object {
  return (
    typeof given === 'object' && given !== null && !Array.isArray(given) && !(given instanceof Uint8Array)
  );
}

function describe(given: unknown): string {
  return given === null ? 'null' : typeof given;
}
