/**
 * The order of two strings by their UTF-8 bytes, which is the order of keys. JavaScript's `<` compares UTF-16 units
 * instead and puts characters beyond U+FFFF (surrogate pairs) before U+E000..U+FFFF.
 *
 * @returns negative, 0 or positive.
 */
export function compareUtf8(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Surrogates stand for characters above every other unit, so they are ranked above U+FFFF. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x2_0000 : unit;
}

/** How many bytes `text` takes as UTF-8. */
export function utf8Length(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}
