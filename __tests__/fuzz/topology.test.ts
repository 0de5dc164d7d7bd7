import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { CatenaError } from '../../src/base/errors.ts';
import { type ParsedTopology, parseTopology } from '../../src/topology/topology.ts';
import { fuzz, refusedOr } from './fuzz.ts';
import { jsonLike, jsonMutations, mutated, mutatedJson, mutations } from './mutate.ts';

const FILE = readFileSync(new URL('../../topology/local.json', import.meta.url), 'utf8');
const PROBLEMS_MAX = 100;
/** A topology may have so many characters: a small text that takes long is one that a large one hangs with. */
const LARGE = 1_000_000;

type Parse = (text: string, source: string) => ParsedTopology;

/** Gives a topology that comes back the same, or problems that say where they are. */
function sound(text: string, parse: Parse = parseTopology): boolean {
  const parsed = refusedOr([], () => parse(text, 'file'))?.value;
  if (parsed === undefined) return false;
  if (parsed.kind === 'ok') {
    const again = parse(JSON.stringify(parsed.topology), 'file');
    expect(again).toMatchObject({ kind: 'ok', topology: parsed.topology });
    return true;
  }
  const { problems } = parsed;
  expect(problems.length).toBeGreaterThan(0);
  expect(problems.length).toBeLessThanOrEqual(PROBLEMS_MAX);
  const lines = text.split('\n').length;
  for (const { source, line, column, pointer, message } of problems) {
    expect(source).toBe('file');
    expect(message).toMatch(/expected /);
    expect(pointer).toMatch(/^(\/[\s\S]*)?$/);
    expect(line >= 1 && line <= lines && column >= 1).toBe(true);
  }
  return false;
}

const claim = (text: fc.Arbitrary<string>, options: { runs: number; wanted?: boolean }, parse?: Parse) =>
  fuzz(
    fc.property(text, (some) => {
      sound(some, parse);
    }),
    options,
  );
const damaged = jsonMutations.map((changes) => mutatedJson(FILE, changes));
/** Other numbers in the places of its own: more of these make sense. */
const renumbered = fc
  .array(fc.oneof(fc.nat(10), fc.nat(100_000), fc.integer()), { minLength: 30, maxLength: 30 })
  .chain((numbers) =>
    fc.nat(29).map((change) => {
      let place = 0;
      return FILE.replaceAll(/\d+/g, (own) => String(place++ % 30 === change ? numbers[change] : own));
    }),
  );

test('any text is a topology that comes back the same, or problems with their places', () => {
  claim(fc.string({ unit: 'binary', maxLength: 200 }), { runs: 500 });
  claim(jsonLike, { runs: 800 });
  claim(
    mutations.map((changes) => mutated(Buffer.from(FILE), changes).toString('utf8')),
    { runs: 800 },
  );
  claim(damaged, { runs: 1500 });
  claim(renumbered, { runs: 500 });
});

test('damage leaves some topologies sound', () => {
  const soundOnes = fc.sample(renumbered, 400).filter((text) => sound(text)).length;
  expect(soundOnes).toBeGreaterThan(5);
  expect(soundOnes).toBeLessThan(395);
});

test('no name reaches what objects inherit', () => {
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    for (const where of ['"name"', '"n1"', '"urls"', '"heartbeatMs"', '"local"', '"c1"']) {
      sound(FILE.replaceAll(where, `"${name}"`));
    }
  }
  expect(({} as Record<string, unknown>).urls).toBeUndefined();
});

const repeated = (start: string, piece: (i: number) => string, end: string): string => {
  let text = start;
  for (let i = 0; text.length < LARGE; i++) text += piece(i);
  return text + end;
};

test.each([
  ['words that are no JSON, a line each', () => repeated('[', () => 'a\n', ']')],
  ['brackets that close nothing', () => repeated('', () => ']\n', '')],
  ['the same property again and again', () => repeated('{', () => '"a":0,\n', '"b":0}')],
  ['properties that nobody knows', () => repeated('{', (i) => `"a${i}":0,\n`, '"b":0}')],
  ['odd values in a list', () => repeated('{"chain":[', () => '{},\n', '0]}')],
  ['odd nodes', () => repeated('{"nodes":{', (i) => `"n${i}":0,\n`, '"x":0}}')],
  ['odd names of nodes', () => repeated('{"nodes":{', (i) => `"-${i}":{},\n`, '"x":0}}')],
  [
    'sound nodes that a chain knows nothing of',
    () =>
      `${repeated('{"nodes":{', (i) => `"n${i}":{"urls":["http://h${i}:1"],"peer":"h${i}:2"},\n`, '"x":0}')}, "chain":["a"]}`,
  ],
  ['unknown properties of nodes', () => repeated('{"nodes":{', (i) => `"n${i}":{"a":0,"b":1},`, '"x":0}}')],
  ['lists in lists', () => '['.repeat(LARGE)],
  ['objects in objects', () => repeated('', () => '{"a":', '')],
])(
  'a file as large as may be, of %s, is refused in a moment',
  (_what, text) => {
    expect(sound(text().slice(0, 1_048_576))).toBe(false);
  },
  300_000,
);

describe('the claim is broken by a parser', () => {
  /** The parser, when something else was done with the text first. */
  const having =
    (first: (text: string) => unknown): Parse =>
    (text, source) => {
      first(text);
      return parseTopology(text, source);
    };
  const broken: readonly [string, Parse][] = [
    ['that recurses without a bound', having((text) => deepOf(JSON.parse(text)))],
    ['that throws on bad text', having((text) => JSON.parse(text))],
    [
      'that throws a CatenaError, which nobody catches',
      (text) => {
        throw new CatenaError('BAD_TOPOLOGY', text);
      },
    ],
    [
      'that points nowhere',
      (text, source) => {
        const parsed = parseTopology(text, source);
        if (parsed.kind === 'ok') return parsed;
        return { kind: 'bad', problems: parsed.problems.map((problem) => ({ ...problem, line: 0 })) };
      },
    ],
  ];
  const deepOf = (value: unknown): number =>
    typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(deepOf)) : 0;

  test.each(broken)('%s', (_what, parse) => {
    expect(() => claim(damaged, { runs: 2000, wanted: true }, parse)).toThrow('to run it again');
  });
});
