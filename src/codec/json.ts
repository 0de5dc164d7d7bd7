import { messageOf } from '../base/errors.ts';
import { badFrame } from './bytes.ts';

/** Most values one inside the other: far more than any format has, and far less than `JSON.stringify`, which recurses, can take. */
const LEVELS_MAX = 100;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Braces and brackets differ in this bit alone. */
const BRACE_BIT = 0x20;
const OPENING = 0x7b;
const CLOSING = 0x7d;

/**
 * The value that JSON text in UTF-8 stands for. Fields that a later version added are kept, so the depth is bounded here: what
 * was read has to be written again.
 *
 * @throws CatenaError BAD_FRAME.
 */
export function parseJson(bytes: Buffer): unknown {
  if (levelsOf(bytes) > LEVELS_MAX) throw badFrame(`JSON of more than ${LEVELS_MAX} levels`);
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw badFrame(`this is not JSON: ${messageOf(error)}`, error);
  }
}

/** How many objects and lists are open at once at most; of text that is no JSON, any number. */
function levelsOf(bytes: Buffer): number {
  let levels = 0;
  let most = 0;
  let inText = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === QUOTE) inText = !inText;
    else if (inText) at += byte === BACKSLASH ? 1 : 0;
    else if ((byte | BRACE_BIT) === OPENING) most = Math.max(most, ++levels);
    else if ((byte | BRACE_BIT) === CLOSING) levels--;
  }
  return most;
}
