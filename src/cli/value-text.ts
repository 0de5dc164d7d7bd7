import type { Value } from '../client/types.ts';

/** A value in one line, for people: text in quotes, JSON as it is, bytes by their number and type. */
export function valueText(value: Value, contentType: string): string {
  if (!isBytes(value)) return JSON.stringify(value);
  const type = contentType === '' ? '' : ` of ${contentType}`;
  return `(${value.length} ${value.length === 1 ? 'byte' : 'bytes'}${type})`;
}

/** A value as `GET /export` has it. JSON is written anew: it says the same, in fewer blanks. */
export function exportedValue(
  value: Value,
  contentType: string,
): { readonly value: string; readonly encoding: 'utf8' | 'base64'; readonly contentType: string } {
  if (isBytes(value)) {
    return { value: Buffer.from(value).toString('base64'), encoding: 'base64', contentType };
  }
  const isJson = /^[^;]*[/+]json\b/i.test(contentType);
  const text = typeof value === 'string' && !isJson ? value : JSON.stringify(value);
  return { value: text, encoding: 'utf8', contentType };
}

function isBytes(value: Value): value is Uint8Array {
  return value instanceof Uint8Array;
}
