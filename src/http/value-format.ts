import { isUtf8 } from 'node:buffer';
import type { Value } from '../protocol/command.ts';
import { Refusal } from './problem.ts';

/** The longest content type, in bytes. */
const CONTENT_TYPE_BYTES_MAX = 256;

/** How a value is spoken of: JSON as it is, text as a JSON string, anything else as the bytes it is. */
export type Kind = 'json' | 'text' | 'raw';

/** The body of an answer: `text` in `encoding` makes `length` bytes. */
export interface Rendered {
  readonly text: string;
  readonly encoding: 'latin1' | 'utf8';
  readonly contentType: string;
}

/** A value within a JSON document: every value comes back byte for byte from it. */
export interface Described {
  readonly value: string;
  readonly encoding: 'utf8' | 'base64';
  readonly contentType: string;
}

/** How a value of this content type is spoken of. */
export function kindOf(contentType: string): Kind {
  if (contentType === '' || contentType === 'application/x-www-form-urlencoded') return 'text';
  if (contentType === 'application/json') return 'json';
  const semicolon = contentType.indexOf(';');
  const type = (semicolon < 0 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase();
  if (type === 'application/json' || type.endsWith('+json')) return 'json';
  if (type === '' || type.startsWith('text/') || type === 'application/x-www-form-urlencoded') return 'text';
  return 'raw';
}

/**
 * A body as the value to store.
 *
 * @throws Refusal BAD_JSON, BAD_TEXT when the body isn't what its type says.
 */
export function valueFrom(body: Buffer, contentType: string): Value {
  switch (kindOf(contentType)) {
    case 'json':
      checkJson(body);
      break;
    case 'text':
      if (isUtf8(body)) break;
      throw new Refusal(
        'BAD_TEXT',
        'the text is not valid UTF-8; send Content-Type: application/octet-stream for bytes',
      );
    case 'raw':
      break;
  }
  return { bytes: body.toString('latin1'), contentType };
}

function checkJson(body: Buffer): void {
  if (!isUtf8(body)) throw new Refusal('BAD_JSON', 'the JSON is not valid UTF-8; encode it as UTF-8');
  try {
    JSON.parse(body.toString('utf8'));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Refusal(
      'BAD_JSON',
      'the body is not valid JSON; mend it, or send another Content-Type for text or bytes',
    );
  }
}

/**
 * The content type itself, when it can be sent back as a header.
 *
 * @throws Refusal BAD_REQUEST.
 */
export function checkContentType(contentType: string): string {
  if (contentType === '') return contentType;
  if (
    contentType.length <= CONTENT_TYPE_BYTES_MAX &&
    /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+[\x20-\x7e\t]*$/.test(contentType)
  ) {
    return contentType;
  }
  throw new Refusal(
    'BAD_REQUEST',
    `the content type has to be type/subtype in ASCII, of at most ${CONTENT_TYPE_BYTES_MAX} bytes`,
    { members: { parameter: 'Content-Type', limit: CONTENT_TYPE_BYTES_MAX } },
  );
}

/** A value as the body of an answer to a request with this `Accept`. */
export function render(value: Value, accept: string | undefined): Rendered {
  const { bytes, contentType } = value;
  const kind = kindOf(contentType);
  if (kind !== 'text') return { text: bytes, encoding: 'latin1', contentType };
  if (prefersPlainText(accept)) {
    return { text: bytes, encoding: 'latin1', contentType: 'text/plain; charset=utf-8' };
  }
  const ascii = isAscii(bytes);
  return {
    text: JSON.stringify(ascii ? bytes : utf8Of(bytes)),
    encoding: ascii ? 'latin1' : 'utf8',
    contentType: 'application/json',
  };
}

/** A value within a JSON document: as text if its bytes are UTF-8, else in base64. */
export function describe(value: Value): Described {
  const { bytes, contentType } = value;
  if (isAscii(bytes)) return { value: bytes, encoding: 'utf8', contentType };
  const buffer = Buffer.from(bytes, 'latin1');
  return isUtf8(buffer)
    ? { value: buffer.toString('utf8'), encoding: 'utf8', contentType }
    : { value: buffer.toString('base64'), encoding: 'base64', contentType };
}

function isAscii(bytes: string): boolean {
  return !/[\x80-\xff]/.test(bytes);
}

function utf8Of(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** Whether `Accept` ranks `text/plain` above `application/json`; a tie is JSON's. */
export function prefersPlainText(accept: string | undefined): boolean {
  if (accept === undefined || !/text\/|\*/i.test(accept)) return false;
  return quality(accept, 'text', 'plain') > quality(accept, 'application', 'json');
}

/** What the most specific range of `Accept` that takes in `type/subtype` gives it, 0 to 1. RFC 9110 §12.5.1. */
function quality(accept: string, type: string, subtype: string): number {
  let best = { rank: 0, q: 0 };
  for (const range of accept.toLowerCase().split(',')) {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim());
    const rank =
      name === `${type}/${subtype}` ? 3 : name === `${type}/*` ? 2 : name === '*/*' || name === '*' ? 1 : 0;
    if (rank <= best.rank) continue;
    const q = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1);
    best = { rank, q: q >= 0 && q <= 1 ? q : 0 };
  }
  return best.q;
}
