import { InvalidRequest } from './errors.ts';
import type { SetOptions, Version } from './types.ts';

/** The longest time to live, in seconds: ten years. */
const TTL_SECONDS_MAX = 315_360_000;
/** What nodes take in a batch. */
const KEYS_MAX = 1000;

/** @throws InvalidRequest when it can't be a key; how long it may be is the cluster's to say. */
export function checkKey(key: unknown): asserts key is string {
  if (typeof key !== 'string') throw bad('BAD_KEY', `the key is ${String(key)}: give a string`);
  if (key === '') throw bad('BAD_KEY', 'the key is the empty string: give one of at least one character');
  if (key.isWellFormed()) return;
  throw bad(
    'BAD_KEY',
    `the key ${JSON.stringify(key)} holds half a surrogate pair, which UTF-8 has no bytes for`,
  );
}

/** @throws InvalidRequest when they are more than go together. */
export function checkCount(count: number): void {
  if (count <= KEYS_MAX) return;
  throw bad(
    'BAD_PARAMETER',
    `${count} keys are too many for one instant: give at most ${KEYS_MAX} at a time`,
  );
}

/** @throws InvalidRequest when it is given and is no time to live. */
export function checkTtl(ttl: unknown): void {
  if (ttl === undefined || (typeof ttl === 'number' && ttl > 0 && ttl <= TTL_SECONDS_MAX)) return;
  throw bad('BAD_PARAMETER', `ttl is ${String(ttl)}: give seconds above 0 and at most ${TTL_SECONDS_MAX}`);
}

/** @throws InvalidRequest when it is given and is no version. */
export function checkVersion(version: unknown, name: string): void {
  if (version === undefined || (Number.isSafeInteger(version) && Number(version) >= 0)) return;
  throw bad(
    'BAD_PARAMETER',
    `${name} is ${String(version)}: give a version that a read has shown, or 0 for "absent"`,
  );
}

/** @throws InvalidRequest when it is nothing to add. */
export function checkBy(by: unknown): void {
  if (Number.isSafeInteger(by)) return;
  throw bad('BAD_PARAMETER', `by is ${String(by)}: give a whole number within ±(2^53-1)`);
}

/**
 * The condition of a `set`, as a batch has it, or `present`, which it can't say.
 *
 * @throws InvalidRequest when there is more than one.
 */
export function conditionOf({ ifVersion, ifAbsent, ifPresent }: SetOptions): Version | 'present' | undefined {
  checkVersion(ifVersion, 'ifVersion');
  const given = [ifVersion !== undefined, ifAbsent === true, ifPresent === true].filter(Boolean);
  if (given.length > 1) {
    throw bad(
      'CONFLICTING_CONDITIONS',
      'ifVersion, ifAbsent and ifPresent exclude each other: give one of them',
    );
  }
  if (ifPresent === true) return 'present';
  return ifAbsent === true ? 0 : ifVersion;
}

function bad(code: 'BAD_KEY' | 'BAD_PARAMETER' | 'CONFLICTING_CONDITIONS', message: string): InvalidRequest {
  return new InvalidRequest(code, message);
}
