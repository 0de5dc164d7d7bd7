import { CatenaError } from '../base/errors.ts';
import type { BatchOperation } from '../client/caller.ts';
import { type Fields, isFields } from './json-fields.ts';

/** A value has a mebibyte unless a topology says else, and JSON may make six characters of one byte. */
const LINE_CHARACTERS_MAX = 268_435_456;
const NEWLINE = '\n';

/** A key with its value, as an import writes it. */
export type SetOperation = Extract<BatchOperation, { op: 'set' }>;

/** The lines of these bytes, counted from 1, without their ends. @throws CatenaError for a line that is no UTF-8, or endless. */
export async function* linesOf(
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ readonly number: number; readonly text: string }, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let number = 1;
  let rest: string[] = [];
  let length = 0;
  const decoded = (piece?: Uint8Array): string => {
    try {
      return piece === undefined ? decoder.decode() : decoder.decode(piece, { stream: true });
    } catch {
      throw badLine(number, 'or one soon behind it is not UTF-8');
    }
  };
  for await (const piece of pieces) {
    const [first = '', ...others] = decoded(piece).split(NEWLINE);
    rest.push(first);
    length += first.length;
    for (const other of others) {
      yield { number: number++, text: rest.join('') };
      rest = [other];
      length = other.length;
    }
    if (length > LINE_CHARACTERS_MAX) throw badLine(number, 'is too long for any value');
  }
  const last = rest.join('') + decoded();
  if (last !== '') yield { number, text: last };
}

/**
 * What a line of an export asks for; `null` for an empty line, and for a key whose time was up.
 *
 * @throws CatenaError that names the line.
 */
export function operationIn(text: string, number: number): SetOperation | null {
  if (text.trim() === '') return null;
  const { key, value, encoding = 'utf8', contentType = '', expiresIn = null } = fieldsIn(text, number);
  if (typeof key !== 'string' || key === '') throw badLine(number, 'has no "key" that is a text');
  if (typeof value !== 'string') throw badLine(number, 'has no "value" that is a text');
  if (encoding !== 'utf8' && encoding !== 'base64')
    throw badLine(number, 'has an "encoding" that is neither "utf8" nor "base64"');
  if (typeof contentType !== 'string') throw badLine(number, 'has a "contentType" that is no text');
  if (expiresIn === 0) return null;
  if (expiresIn !== null && !(typeof expiresIn === 'number' && expiresIn > 0))
    throw badLine(number, 'has an "expiresIn" that is no number of seconds');
  return {
    op: 'set',
    key,
    value,
    encoding,
    ...(contentType === '' ? {} : { contentType }),
    ...(expiresIn === null ? {} : { ttl: expiresIn }),
  };
}

function fieldsIn(text: string, number: number): Fields {
  try {
    const fields: unknown = JSON.parse(text);
    if (isFields(fields)) return fields;
  } catch {
    // Told below.
  }
  throw badLine(number, 'is no line of an export: it is no JSON object');
}

function badLine(number: number, what: string): CatenaError {
  return new CatenaError('BAD_REQUEST', `line ${number} ${what}`);
}
