import { isUtf8 } from 'node:buffer';
import { defined } from '../base/assert.ts';
import { seq } from '../base/ids.ts';
import type { Condition, Operation, Value } from '../protocol/command.ts';
import type { Limits } from '../protocol/topology.ts';
import {
  BATCH_FIELDS,
  BY_FIELD,
  CONTENT_TYPE_FIELD,
  ENCODING_FIELD,
  type Field,
  IF_VERSION_FIELD,
  KEY_FIELD,
  membersOf,
  OPERATION_KINDS,
  TTL_FIELD,
  VERSION_FIELD,
} from './parameters-batch.ts';
import { Refusal } from './problem.ts';
import { checkKey } from './request.ts';
import { checkContentType, kindOf, valueFrom } from './value-format.ts';
import { valueTexts } from './value-texts.ts';

/** What the body of `POST /batch` asks for. */
export interface Batch {
  readonly atomic: boolean;
  readonly operations: readonly Operation[];
}

type Fields = Readonly<Record<string, unknown>>;

const BATCH_MEMBERS = Object.keys(BATCH_FIELDS);

/**
 * Reads the body of `POST /batch`.
 *
 * @throws Refusal BAD_JSON; any code of a wrong operation, with `pointer` to the place in the body (RFC 6901).
 */
export function parseBatch(body: Buffer, limits: Limits): Batch {
  const text = textOf(body);
  const batch = parseJson(text);
  if (!isFields(batch)) throw at('', 'BAD_REQUEST', 'send {"operations":[…]}');
  refuseOthers(batch, BATCH_MEMBERS, '');
  const { operations, atomic = true } = batch;
  if (typeof atomic !== 'boolean') throw at('/atomic', 'BAD_PARAMETER', BATCH_FIELDS.atomic.expected);
  const { itemsMax, expected } = BATCH_FIELDS.operations;
  if (!Array.isArray(operations) || operations.length === 0 || operations.length > itemsMax) {
    throw at('/operations', 'BAD_PARAMETER', expected);
  }
  const texts = operations.some(holdsJson) ? valueTexts(text) : null;
  return {
    atomic,
    operations: operations.map((operation: unknown, index) =>
      new Reader(operation, { pointer: `/operations/${index}`, limits, json: texts?.get(index) }).operation(),
    ),
  };
}

function textOf(body: Buffer): string {
  if (isUtf8(body)) return body.toString('utf8');
  throw new Refusal('BAD_JSON', 'the body is not valid UTF-8; send JSON in UTF-8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal('BAD_JSON', 'the body is not valid JSON; send {"operations":[…]}');
  }
}

/** Reads one operation; every fault names its place. */
class Reader {
  readonly #fields: Fields;
  readonly #pointer: string;
  readonly #limits: Limits;
  /** The text of a value that is no string: numbers and repeated members would change on their way through JavaScript. */
  readonly #json: string | undefined;

  constructor(
    operation: unknown,
    { pointer, limits, json }: { pointer: string; limits: Limits; json: string | undefined },
  ) {
    if (!isFields(operation)) throw at(pointer, 'BAD_PARAMETER', 'give an object with op and key');
    this.#fields = operation;
    this.#pointer = pointer;
    this.#limits = limits;
    this.#json = json;
  }

  operation(): Operation {
    const op = this.#op();
    refuseOthers(this.#fields, membersOf(op), this.#pointer);
    const key = this.#key();
    switch (op) {
      case 'set':
        return { op, key, value: this.#value(), ttlMs: this.#ttlMs(), condition: this.#condition() };
      case 'get':
        return { op, key };
      case 'delete':
        return { op, key, condition: this.#condition() };
      case 'increment':
        return { op, key, by: this.#read(BY_FIELD) ?? 1 };
      case 'expire':
        return { op, key, ttlMs: this.#ttlMs() };
      case 'check':
        return { op, key, version: seq(this.#read(VERSION_FIELD) ?? this.#missing('version')) };
    }
  }

  #op(): Operation['op'] {
    const { op } = this.#fields;
    const kind = OPERATION_KINDS.find((known) => known === op);
    if (kind !== undefined) return kind;
    throw this.#bad('op', `give one of ${OPERATION_KINDS.join(', ')}`);
  }

  #key(): string {
    const key = this.#read(KEY_FIELD);
    if (key === undefined) throw this.#bad('key', KEY_FIELD.expected);
    return this.#within('key', () => checkKey(key, this.#limits.keyBytes));
  }

  #value(): Value {
    const { value } = this.#fields;
    if (value === undefined) return this.#missing('value');
    const { bytes, contentType } = this.#bytes(value);
    if (bytes.length > this.#limits.valueBytes) {
      throw at(
        `${this.#pointer}/value`,
        'VALUE_TOO_LARGE',
        `a value has at most ${this.#limits.valueBytes} bytes (limits.valueBytes)`,
        this.#limits.valueBytes,
      );
    }
    return this.#within('value', () => valueFrom(bytes, contentType));
  }

  #bytes(value: unknown): { readonly bytes: Buffer; readonly contentType: string } {
    const encoding = this.#read(ENCODING_FIELD) ?? 'utf8';
    const contentType = this.#contentType();
    if (typeof value !== 'string') {
      const type = contentType ?? 'application/json';
      if (encoding !== 'utf8') throw this.#bad('value', 'give a string with this encoding');
      if (kindOf(type) !== 'json') throw this.#bad('contentType', 'a value that is no string is JSON');
      const json = defined(this.#json, () => `the text of ${this.#pointer}/value`);
      return { bytes: Buffer.from(json, 'utf8'), contentType: type };
    }
    if (encoding === 'base64') {
      return { bytes: this.#base64(value), contentType: contentType ?? 'application/octet-stream' };
    }
    if (!value.isWellFormed()) {
      throw at(`${this.#pointer}/value`, 'BAD_TEXT', 'half a surrogate pair has no bytes in UTF-8');
    }
    return { bytes: Buffer.from(value, 'utf8'), contentType: contentType ?? '' };
  }

  #contentType(): string | null {
    const contentType = this.#read(CONTENT_TYPE_FIELD);
    if (contentType === undefined) return null;
    return this.#within('contentType', () => checkContentType(contentType));
  }

  #base64(value: string): Buffer {
    const bytes = Buffer.from(value, 'base64');
    if (bytes.toString('base64').replace(/=+$/, '') === value.replace(/=+$/, '')) return bytes;
    throw this.#bad('value', 'it is not base64');
  }

  #ttlMs(): number | null {
    return this.#read(TTL_FIELD) ?? null;
  }

  #condition(): Condition | null {
    const version = this.#read(IF_VERSION_FIELD);
    return version === undefined ? null : { kind: 'version', version: seq(version) };
  }

  /** What a field says, `undefined` when it isn't there. */
  #read<T>(field: Field<T>): T | undefined {
    const value = this.#fields[field.name];
    if (value === undefined) return undefined;
    const admitted = field.admit(value);
    if (admitted === undefined) throw this.#bad(field.name, field.expected);
    return admitted;
  }

  #missing(name: string): never {
    throw this.#bad(name, 'it is missing');
  }

  /** Points a fault that was found elsewhere at this field. */
  #within<T>(name: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      throw new Refusal(error.code, `${this.#pointer}/${name}: ${error.message}`, {
        members: { pointer: `${this.#pointer}/${name}`, ...error.members },
      });
    }
  }

  #bad(name: string, expected: string): Refusal {
    return at(`${this.#pointer}/${name}`, 'BAD_PARAMETER', expected);
  }
}

/** A misspelt condition that was ignored would be a write that should not have been. */
function refuseOthers(fields: Fields, known: readonly string[], pointer: string): void {
  const other = Object.keys(fields).find((name) => !known.includes(name));
  if (other === undefined) return;
  const escaped = other.replaceAll('~', '~0').replaceAll('/', '~1');
  throw at(`${pointer}/${escaped}`, 'BAD_PARAMETER', `there is ${known.join(', ')}`);
}

function at(
  pointer: string,
  code: 'BAD_REQUEST' | 'BAD_PARAMETER' | 'BAD_TEXT' | 'VALUE_TOO_LARGE',
  expected: string,
  limit?: number,
): Refusal {
  return new Refusal(code, `${pointer === '' ? 'the body' : pointer}: ${expected}`, {
    members: { pointer, ...(limit === undefined ? {} : { limit }) },
  });
}

/** Whether an operation's value is JSON rather than text. */
function holdsJson(operation: unknown): boolean {
  return isFields(operation) && operation.value !== undefined && typeof operation.value !== 'string';
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
