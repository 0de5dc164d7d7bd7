import { ReplyError } from './redis-like-arguments.ts';

/** More digits than the longest key makes, with any limit that makes sense. */
const CURSOR_DIGITS_MAX = 20_000;

/**
 * The cursor that goes on behind this key: a decimal number, as Redis has them, made of the key's bytes with a 1 before them. So
 * no memory is needed for a scan, and it can go on in another process.
 */
export function cursorAfter(key: string): string {
  const hex = Array.from(new TextEncoder().encode(key), (byte) => byte.toString(16).padStart(2, '0'));
  return BigInt(`0x1${hex.join('')}`).toString();
}

/**
 * The key that a cursor goes on behind; `null` at the beginning.
 *
 * @throws ReplyError when no scan gave this cursor.
 */
export function keyOfCursor(cursor: string): string | null {
  if (cursor === '0') return null;
  if (!/^\d+$/.test(cursor) || cursor.length > CURSOR_DIGITS_MAX) throw invalidCursor();
  const hex = BigInt(cursor).toString(16);
  if (!hex.startsWith('1') || hex.length % 2 === 0) throw invalidCursor();
  const bytes = Uint8Array.from(hex.slice(1).match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalidCursor();
  }
}

function invalidCursor(): ReplyError {
  return new ReplyError('ERR invalid cursor');
}
