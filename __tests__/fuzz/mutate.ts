import fc from 'fast-check';

/** A place in something, from 0 to below 1. */
type At = number;

/** One way to damage bytes. */
export type Mutation =
  | { readonly kind: 'flip'; readonly at: At; readonly mask: number }
  | { readonly kind: 'overwrite'; readonly at: At; readonly bytes: Uint8Array }
  | { readonly kind: 'insert'; readonly at: At; readonly bytes: Uint8Array }
  | { readonly kind: 'cut'; readonly at: At }
  | { readonly kind: 'drop'; readonly at: At; readonly length: number }
  | { readonly kind: 'copy'; readonly at: At; readonly length: number; readonly to: At };

const PLACES = 2 ** 20;
/** From 0 to below 1, each as likely: doubles as such would mostly be next to 0. */
export const place: fc.Arbitrary<At> = fc.nat(PLACES - 1).map((at) => at / PLACES);

/** Numbers that programs stumble over, in the forms that the formats have. */
export const oddNumber = fc.constantFrom(
  ...[0, 1, 127, 2 ** 24, 2 ** 26, 2 ** 31, 2 ** 32 - 1].map((value) => numberBytes(4, value)),
  ...[0, -0, -1, 0.5, 1, 2 ** 53, 2 ** 53 - 1, 1e300, Number.NaN, Number.POSITIVE_INFINITY].map((value) =>
    numberBytes(8, value),
  ),
  Buffer.from('ffffffffffffff0f', 'hex'),
  Buffer.from('ffffffffffffffffff01', 'hex'),
  Buffer.from('8080808000', 'hex'),
);
const someBytes = fc.oneof(oddNumber, fc.uint8Array({ minLength: 1, maxLength: 12 }));
const length = fc.oneof(fc.nat(16), fc.nat(400));

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at: place, mask: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ kind: fc.constant('overwrite' as const), at: place, bytes: someBytes }),
  fc.record({ kind: fc.constant('insert' as const), at: place, bytes: someBytes }),
  fc.record({ kind: fc.constant('cut' as const), at: place }),
  fc.record({ kind: fc.constant('drop' as const), at: place, length }),
  fc.record({ kind: fc.constant('copy' as const), at: place, length, to: place }),
);

/** One to a few of them. */
export const mutations = fc.array(mutation, { minLength: 1, maxLength: 4 });

/** The bytes, damaged; a copy. */
export function mutated(bytes: Uint8Array, changes: readonly Mutation[]): Buffer {
  return changes.reduce<Buffer>(one, Buffer.from(bytes));
}

function one(bytes: Buffer, change: Mutation): Buffer {
  const at = Math.floor(change.at * bytes.length);
  const before = bytes.subarray(0, at);
  switch (change.kind) {
    case 'flip': {
      const flipped = Buffer.from(bytes);
      if (at < bytes.length) flipped[at] = (flipped[at] ?? 0) ^ change.mask;
      return flipped;
    }
    case 'overwrite':
      return Buffer.concat([before, change.bytes, bytes.subarray(at + change.bytes.length)]);
    case 'insert':
      return Buffer.concat([before, change.bytes, bytes.subarray(at)]);
    case 'cut':
      return Buffer.from(before);
    case 'drop':
      return Buffer.concat([before, bytes.subarray(at + change.length)]);
    case 'copy': {
      const to = Math.floor(change.to * bytes.length);
      const chunk = bytes.subarray(at, at + change.length);
      return Buffer.concat([bytes.subarray(0, to), chunk, bytes.subarray(to)]);
    }
  }
}

function numberBytes(size: 4 | 8, value: number): Buffer {
  const bytes = Buffer.alloc(size);
  if (size === 4) bytes.writeUInt32LE(value);
  else bytes.writeDoubleLE(value);
  return bytes;
}

/** The levels that make most recursive programs fail. */
const DEEP = 100_000;
/** What stands in place of a piece of JSON. */
const ODD_JSON: readonly string[] = [
  ...['null', 'true', '0', '-0', '-1', '1.5', '1e999', '-1e999', '9007199254740993', '1e-400', '4294967296'],
  ...['{}', '[]', '[[]]', '{"":0}', '{"__proto__":{"admin":true}}', '{"constructor":1,"toString":null}'],
  ...['""', '"\\ud800"', '"\\u0000"', '"__proto__"', '"toString"', `"${'x'.repeat(300)}"`, '"tail"'],
  ...[
    ',',
    ':',
    '{',
    '}',
    '[',
    ']',
    '"',
    '/* */',
    '',
    '\n',
    '"a":1,',
    '"__proto__":1,',
    '\ufeff',
    'NaN',
    "'a'",
  ],
  `${'['.repeat(DEEP)}${']'.repeat(DEEP)}`,
  `${'{"a":'.repeat(DEEP)}0${'}'.repeat(DEEP)}`,
  '['.repeat(DEEP),
];

interface JsonMutation {
  readonly kind: 'replace' | 'insert' | 'drop' | 'repeat' | 'property';
  readonly at: At;
  readonly text: string;
  readonly tokens: number;
}

const jsonMutation: fc.Arbitrary<JsonMutation> = fc.record({
  kind: fc.constantFrom('replace', 'replace', 'insert', 'drop', 'repeat', 'property'),
  at: place,
  text: fc.oneof(
    fc.constantFrom(...ODD_JSON),
    fc.json({ maxDepth: 2 }),
    fc.string().map((text) => JSON.stringify(text)),
  ),
  tokens: fc.oneof(fc.constant(1), fc.nat(8)),
});

/** One to a few ways to change a JSON text, token by token, so that it often stays JSON. */
export const jsonMutations = fc.array(jsonMutation, { minLength: 1, maxLength: 4 });

/** The text, changed. */
export function mutatedJson(text: string, changes: readonly JsonMutation[]): string {
  const tokens: string[] = text.match(/"(?:[^"\\]|\\.)*"|[\w.+-]+|\s+|[\s\S]/g) ?? [];
  for (const { kind, at, text: odd, tokens: count } of changes) {
    const start = Math.floor(at * tokens.length);
    const stretch = tokens.slice(start, start + count);
    if (kind === 'replace') tokens.splice(start, count, odd);
    if (kind === 'insert') tokens.splice(start, 0, odd);
    if (kind === 'drop') tokens.splice(start, count);
    if (kind === 'property') tokens.splice(tokens.indexOf('{', start) + 1, 0, `"more":${odd},`);
    // Often a property that stands there twice then.
    if (kind === 'repeat') tokens.splice(start, 0, ...stretch, ',');
  }
  return tokens.join('');
}

/** Texts that are JSON or almost. */
export const jsonLike = fc.oneof(
  fc.json({ maxDepth: 3 }),
  fc.string({ unit: fc.constantFrom(...'{}[]":,ae01-.\\u/\n \u00ff\ufeff'), maxLength: 60 }),
  fc.constantFrom(...ODD_JSON),
);
