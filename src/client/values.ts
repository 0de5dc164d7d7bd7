import { fromBase64, toBase64 } from './base64.ts';
import type { EncodedValue } from './caller.ts';
import { InvalidRequest } from './errors.ts';
import type { Value } from './types.ts';

/** How a stored value is spoken of: the content type alone decides. */
type Kind = 'json' | 'text' | 'raw';

const JSON_TYPE = 'application/json';
const BYTES_TYPE = 'application/octet-stream';

/**
 * What `JSON.stringify` makes of what JSON can't say: null of NaN, {} of a Map, numbered members of bytes, an object of a Buffer. Only then
 * is there something to look for.
 */
const MAY_BE_LOST = /null|\{\}|\{"0":|"type":"Buffer"/;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** A value as it is stored: its bytes and its type. */
export interface StoredValue {
  readonly body: string | Uint8Array;
  /** `undefined`: text without a type. */
  readonly contentType: string | undefined;
}

/**
 * What is stored for a value: text for a string, its bytes for a `Uint8Array`, JSON for anything else.
 *
 * @throws InvalidRequest when it can't be read back as what it is.
 */
export function storedOf(value: Value, contentType?: string): StoredValue {
  if (contentType !== undefined) checkContentType(contentType);
  if (typeof value === 'string') return { body: wellFormed(value), contentType };
  if (isBytes(value)) return { body: value, contentType: contentType ?? BYTES_TYPE };
  if (contentType !== undefined && kindOf(contentType) !== 'json') {
    throw new InvalidRequest(
      'BAD_PARAMETER',
      `contentType ${JSON.stringify(contentType)} is not one of JSON: a value that is neither a string nor a Uint8Array is stored as JSON; leave contentType out`,
    );
  }
  return { body: jsonOf(value), contentType: contentType ?? JSON_TYPE };
}

/**
 * A value as a `set` of a batch has it.
 *
 * @throws InvalidRequest as `storedOf`.
 */
export function encodeValue(value: Value, contentType?: string): EncodedValue {
  const stored = storedOf(value, contentType);
  const type = stored.contentType === undefined ? {} : { contentType: stored.contentType };
  if (typeof stored.body === 'string') return { value: stored.body, ...type };
  return { value: toBase64(stored.body), encoding: 'base64', ...type };
}

/** The value that a batch, a page or a change of a watch shows. A stored text that is no JSON comes back as a string whatever its type says. */
export function decodeValue({
  value,
  encoding = 'utf8',
  contentType = '',
}: {
  readonly value: string;
  readonly encoding?: 'utf8' | 'base64' | undefined;
  readonly contentType?: string | undefined;
}): Value {
  switch (kindOf(contentType)) {
    case 'raw':
      return encoding === 'base64' ? fromBase64(value) : encoder.encode(value);
    case 'text':
      return textOf(value, encoding);
    case 'json':
      return parsed(textOf(value, encoding));
  }
}

function textOf(value: string, encoding: 'utf8' | 'base64'): string {
  return encoding === 'base64' ? decoder.decode(fromBase64(value)) : value;
}

/** Nodes store no JSON that is none; a text from elsewhere must not make a read fail. */
function parsed(text: string): Value {
  try {
    return JSON.parse(text) as Value;
  } catch {
    return text;
  }
}

/** As nodes judge it: docs/http-api.md, "Values". */
function kindOf(contentType: string): Kind {
  const type = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (type === JSON_TYPE || type.endsWith('+json')) return 'json';
  if (type === '' || type.startsWith('text/') || type === 'application/x-www-form-urlencoded') return 'text';
  return 'raw';
}

function checkContentType(contentType: unknown): void {
  if (typeof contentType === 'string' && /^[\x20-\x7e]{1,256}$/.test(contentType)) return;
  throw new InvalidRequest(
    'BAD_PARAMETER',
    `contentType is ${shown(contentType)}: give a media type such as "image/png", 1 to 256 characters of ASCII, or leave it out`,
  );
}

function wellFormed(text: string): string {
  if (text.isWellFormed()) return text;
  throw new InvalidRequest(
    'BAD_TEXT',
    'the value holds half a surrogate pair, which UTF-8 has no bytes for: it would not come back as it is; give bytes (a Uint8Array) or mend the string',
  );
}

function jsonOf(value: unknown): string {
  refuseFlattened(value, 'the value');
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidRequest('BAD_JSON', `the value is no JSON: ${why}`, { cause });
  }
  if (text === undefined) {
    throw new InvalidRequest(
      'BAD_JSON',
      `the value is ${shown(value)}, which JSON has no words for: give a string, a Uint8Array or JSON; delete removes a key`,
    );
  }
  if (MAY_BE_LOST.test(text)) JSON.stringify(value, refuseLost);
  return text;
}

/** A replacer that throws at what `JSON.stringify` would make something else of in silence. */
function refuseLost(this: unknown, name: string, member: unknown): unknown {
  // As it was before its `toJSON`, which a Buffer has.
  refuseFlattened((this as Readonly<Record<string, unknown>>)[name], `${JSON.stringify(name)} in the value`);
  const lost =
    (typeof member === 'number' && !Number.isFinite(member)) ||
    (Array.isArray(this) && ['undefined', 'function', 'symbol'].includes(typeof member));
  if (!lost) return member;
  const where = name === '' ? 'the value' : `${JSON.stringify(name)} in the value`;
  throw new InvalidRequest(
    'BAD_JSON',
    `${where} is ${shown(member)}, which JSON has no words for: it would come back as null`,
  );
}

/** By its name: one from another realm (a frame, a sandbox of tests) is none of ours by `instanceof`. */
function isBytes(value: unknown): value is Uint8Array {
  return Object.prototype.toString.call(value) === '[object Uint8Array]' && ArrayBuffer.isView(value);
}

/** What would come back as `{}`, or as numbers by name. */
function refuseFlattened(value: unknown, what: string): void {
  const bytes = ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
  if (!bytes && !(value instanceof Map) && !(value instanceof Set)) return;
  const advice = bytes ? 'wrap its bytes in a Uint8Array' : 'make an object or an array of it';
  throw new InvalidRequest('BAD_JSON', `${what} is ${shown(value)}, which JSON does not keep: ${advice}`);
}

function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return `a ${value.constructor?.name ?? 'object'}`;
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value);
}
