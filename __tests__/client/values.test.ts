import fc from 'fast-check';
import { InvalidRequest } from '../../src/client/errors.ts';
import type { Value } from '../../src/client/types.ts';
import { decodeValue, encodeValue } from '../../src/client/values.ts';

const text = fc.string({ unit: 'binary', maxLength: 200 }).filter((it) => it.isWellFormed());
const bytes = fc.uint8Array({ maxLength: 20_000 });
const json = fc.jsonValue().filter((it) => JSON.stringify(it) !== undefined) as fc.Arbitrary<Value>;

test('every value is read back as what was written', () => {
  fc.assert(
    fc.property(fc.oneof(text, bytes, json), (value) => {
      const kept = value instanceof Uint8Array ? value : (JSON.parse(JSON.stringify(value)) as Value);
      expect(decodeValue(encodeValue(value))).toEqual(kept);
    }),
  );
});

test.each([
  ['a string as text without a type', 'x', undefined, { value: 'x' }],
  ['a string under the type given', 'x', 'text/html', { value: 'x', contentType: 'text/html' }],
  [
    'bytes in base64',
    new Uint8Array([255]),
    undefined,
    { value: '/w==', encoding: 'base64', contentType: 'application/octet-stream' },
  ],
  ['JSON as its text', { a: 1 }, undefined, { value: '{"a":1}', contentType: 'application/json' }],
  [
    'JSON under a type of JSON',
    [1],
    'application/geo+json',
    { value: '[1]', contentType: 'application/geo+json' },
  ],
] as const)('%s is sent so', (_, value, contentType, encoded) => {
  expect(encodeValue(value, contentType)).toEqual(encoded);
});

test.each([
  ['a form as curl -d sends it', 'a=1', 'application/x-www-form-urlencoded', 'a=1'],
  ['text of any kind', '<p>', 'Text/HTML; charset=utf-8', '<p>'],
  ['JSON of any kind', '{"a":1}', 'application/problem+json', { a: 1 }],
  ['JSON with a charset', '1', 'application/json; charset=utf-8', 1],
  ['text in a type of bytes', 'ä', 'image/svg+xml', new TextEncoder().encode('ä')],
  ['what is called JSON and is none', '{', 'application/json', '{'],
] as const)('%s that others have stored is read as what its type says', (_, value, contentType, read) => {
  expect(decodeValue({ value, encoding: 'utf8', contentType })).toEqual(read);
});

test.each([
  ['undefined', undefined],
  ['NaN', Number.NaN],
  ['a NaN within', { a: [1, { b: Number.NaN }] }],
  ['an infinity', Number.POSITIVE_INFINITY],
  ['a hole in an array', [1, undefined]],
  ['a function', () => 1],
  ['a bigint', 1n],
  ['half a surrogate pair', 'a\ud800'],
  ['floats', new Float64Array(2)],
  ['a buffer', new ArrayBuffer(2)],
  ['a map', new Map([['a', 1]])],
  ['a set', new Set([1])],
  ['a map within', { a: new Map([['b', 1]]) }],
  ['a set within', [new Set([1])]],
  ['bytes within', { a: { b: new Uint8Array([1, 2]) } }],
  ['no bytes within', [new Uint8Array()]],
  ['a Buffer within', { a: Buffer.from('text') }],
])('%s is refused, as it would not come back as it is', (_, value) => {
  expect(() => encodeValue(value as Value)).toThrow(InvalidRequest);
});

test('a value with a circle is refused with the reason', () => {
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  expect(() => encodeValue(circle as Value)).toThrow(/circular/);
});

test.each([
  ['no text', 5],
  ['empty', ''],
  ['two lines', 'text/plain\r\nX: y'],
  ['not for JSON', 'text/plain'],
])('a content type that is %s is refused', (_, contentType) => {
  expect(() => encodeValue({ a: 1 }, contentType as string)).toThrow(InvalidRequest);
});

test('what looks like a loss within JSON is none', () => {
  const value = { a: {}, b: { 0: 1, 1: null }, c: { type: 'Buffer', data: [1] }, d: [] };
  expect(decodeValue(encodeValue(value))).toEqual(value);
});

test('null within JSON is no loss', () => {
  expect(decodeValue(encodeValue({ a: null, b: 'null', c: undefined }))).toEqual({ a: null, b: 'null' });
});
