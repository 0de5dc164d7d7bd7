import type { IncomingHttpHeaders } from 'node:http';
import { type RequestId, requestId, seq } from '../base/ids.ts';
import { utf8Length } from '../base/utf8.ts';
import type { Condition } from '../protocol/command.ts';
import { REQUEST_ID_BYTES_MAX } from '../protocol/request-id.ts';
import { IDEMPOTENCY_KEY, IF_MATCH, IF_NONE_MATCH_WRITE, REQUEST_ID } from './parameters.ts';
import { Refusal } from './problem.ts';
import { badParameter, type Query } from './query.ts';

/**
 * The key that a path names, from its percent-encoded form.
 *
 * @throws Refusal BAD_KEY, KEY_TOO_LONG.
 */
export function keyOf(rawKey: string, keyBytesMax: number): string {
  if (rawKey.length > keyBytesMax * 3) throw keyTooLong(keyBytesMax);
  let key: string;
  try {
    key = rawKey.includes('%') ? decodeURIComponent(rawKey) : rawKey;
  } catch {
    throw new Refusal('BAD_KEY', 'the key in the path is not percent-encoded UTF-8; write a bare % as %25');
  }
  return checkKey(key, keyBytesMax);
}

/**
 * The key itself, when it may be one.
 *
 * @throws Refusal BAD_KEY, KEY_TOO_LONG.
 */
export function checkKey(key: string, keyBytesMax: number): string {
  if (key === '') throw new Refusal('BAD_KEY', 'the key is empty; give one of at least one byte');
  if (!key.isWellFormed()) {
    throw new Refusal('BAD_KEY', 'the key holds half a surrogate pair, which UTF-8 has no bytes for');
  }
  if (key.length > keyBytesMax || utf8Length(key) > keyBytesMax) throw keyTooLong(keyBytesMax);
  return key;
}

function keyTooLong(keyBytesMax: number): Refusal {
  return new Refusal('KEY_TOO_LONG', `a key has at most ${keyBytesMax} bytes (limits.keyBytes); shorten it`, {
    members: { limit: keyBytesMax },
  });
}

/**
 * What `If-Match` and `If-None-Match` ask of a write.
 *
 * @throws Refusal CONFLICTING_CONDITIONS when both are given, BAD_PARAMETER for anything but one quoted version or `*`.
 */
export function conditionOf(headers: IncomingHttpHeaders): Condition | null {
  const match = headers['if-match'];
  const noneMatch = headers['if-none-match'];
  if (match === undefined && noneMatch === undefined) return null;
  if (match !== undefined && noneMatch !== undefined) {
    throw new Refusal(
      'CONFLICTING_CONDITIONS',
      'If-Match and If-None-Match exclude each other; send one of them',
    );
  }
  if (noneMatch !== undefined) {
    IF_NONE_MATCH_WRITE.check(noneMatch);
    return { kind: 'absent' };
  }
  const tag = IF_MATCH.check(match ?? '');
  if (tag === '*') return { kind: 'exists' };
  const version = Number(tag.slice(1, -1));
  if (Number.isSafeInteger(version)) return { kind: 'version', version: seq(version) };
  throw badParameter(IF_MATCH.name, 'no version is that large; give one as an ETag has it, or *');
}

/**
 * Refuses conditions on a request that can't have any, rather than ignore them.
 *
 * @throws Refusal BAD_PARAMETER.
 */
export function refuseConditions(headers: IncomingHttpHeaders, request: string): void {
  for (const name of ['If-Match', 'If-None-Match'] as const) {
    if (headers[name.toLowerCase()] !== undefined) {
      throw badParameter(name, `${request} takes no condition; use POST /batch with a check before it`);
    }
  }
}

/** Whether `If-None-Match` of a read names this version, weakly compared, or is `*`. */
export function noneMatches(header: string | undefined, version: number): boolean {
  if (header === undefined) return false;
  const wanted = `"${version}"`;
  return header.split(',').some((part) => {
    const tag = part.trim();
    return tag === '*' || tag === wanted || tag === `W/${wanted}`;
  });
}

/**
 * The id that makes a write take effect once, from `Idempotency-Key` or `?request-id=`; `null` when none is given.
 *
 * @throws Refusal BAD_PARAMETER when it is empty, too long, not UTF-8, or the two differ.
 */
export function requestIdOf(headers: IncomingHttpHeaders, query: Query): RequestId | null {
  const header = headers['idempotency-key'];
  const fromHeader = typeof header === 'string' ? textOfHeader(header) : undefined;
  const fromQuery = REQUEST_ID.read(query);
  const id = fromHeader ?? fromQuery;
  if (id === undefined) return null;
  const { name } = fromHeader === undefined ? REQUEST_ID : IDEMPOTENCY_KEY;
  if (fromHeader !== undefined && fromQuery !== undefined && fromHeader !== fromQuery) {
    throw badParameter(REQUEST_ID.name, 'it differs from the header Idempotency-Key; give one of them');
  }
  if (id === '' || utf8Length(id) > REQUEST_ID_BYTES_MAX) {
    throw badParameter(name, `give 1 to ${REQUEST_ID_BYTES_MAX} bytes`);
  }
  return requestId(id);
}

/** Node hands each byte of a header over as one character. */
function textOfHeader(header: string): string {
  const bytes = Buffer.from(header, 'latin1');
  const text = bytes.toString('utf8');
  if (Buffer.from(text, 'utf8').equals(bytes)) return text;
  throw badParameter(IDEMPOTENCY_KEY.name, 'give UTF-8');
}
