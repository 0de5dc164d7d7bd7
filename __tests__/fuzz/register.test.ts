import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { decodeRegister, EMPTY_REGISTER, encodeRegister } from '../../src/coordinator/register.ts';
import { CoordinatorStory } from '../support/coordinator-story.ts';
import { fuzz, refusedOr, withinMemory } from './fuzz.ts';
import { jsonLike, jsonMutations, mutated, mutatedJson, mutations } from './mutate.ts';

const REFUSED = ['CORRUPT', 'UNSUPPORTED_FORMAT'] as const;

function sample() {
  const story = new CoordinatorStory();
  story.start();
  story.go();
  return story.core.register;
}

const samples = [EMPTY_REGISTER, sample()].map((register) => Buffer.from(encodeRegister(register)));

type Decode = typeof decodeRegister;

/** Is a register that comes back the same, or is refused as what it is. */
function sound(bytes: Uint8Array, decode: Decode = decodeRegister): boolean {
  const got = withinMemory(8 * bytes.length + 65_536, () => refusedOr(REFUSED, () => decode(bytes, 'file')));
  if (got === null) return false;
  expect(decode(encodeRegister(got.value), 'file')).toEqual(got.value);
  return true;
}

const claim = (
  bytes: fc.Arbitrary<Uint8Array>,
  options: { runs: number; wanted?: boolean },
  decode?: Decode,
) =>
  fuzz(
    fc.property(bytes, (some) => {
      sound(some, decode);
    }),
    options,
  );

/** With a header that describes it. */
function sealed(body: string): Buffer {
  const bytes = Buffer.from(body, 'utf8');
  const header = { format: 'catena-register', version: 2, bytes: bytes.length, crc32: crc32(bytes) };
  return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), bytes]);
}
const aSample = fc.constantFrom(...samples);
const bodyOf = (bytes: Buffer): string => bytes.subarray(bytes.indexOf('\n') + 1).toString('utf8');
const damaged = fc.tuple(aSample, mutations).map(([bytes, changes]) => mutated(bytes, changes));
const headDamaged = fc.tuple(aSample, jsonMutations).map(([bytes, changes]) => {
  const end = bytes.indexOf('\n');
  return Buffer.concat([
    Buffer.from(mutatedJson(bytes.toString('utf8', 0, end), changes)),
    bytes.subarray(end),
  ]);
});
const bodyDamaged = fc
  .tuple(aSample, jsonMutations)
  .map(([bytes, changes]) => sealed(mutatedJson(bodyOf(bytes), changes)));

test('any bytes are a register that comes back the same, or are refused', () => {
  claim(fc.uint8Array({ maxLength: 300, size: 'max' }), { runs: 500 });
  claim(damaged, { runs: 800 });
  claim(headDamaged, { runs: 800 });
});

test('any text with a header that describes it is a register that comes back the same, or is refused', () => {
  claim(bodyDamaged, { runs: 1000 });
  claim(jsonLike.map(sealed), { runs: 500 });
});

test('damage to what a register holds is recognised', () => {
  const contents = samples.map((bytes) => JSON.stringify(decodeRegister(bytes, 'file')));
  fuzz(
    fc.property(damaged, (bytes) => {
      const got = refusedOr(REFUSED, () => decodeRegister(bytes, 'file'));
      if (got !== null) expect(contents).toContain(JSON.stringify(got.value));
    }),
    { runs: 500 },
  );
});

test.each([
  ['version', 1.5],
  ['version', 2.5],
  ['bytes', 0.5],
  ['crc32', -1],
])('a header whose %s is no whole number, %d, begins no register', (field, value) => {
  const [header = '', body = ''] = [
    samples[0]?.toString('utf8').split('\n', 1)[0],
    bodyOf(samples[0] as Buffer),
  ];
  const changed = JSON.stringify({ ...JSON.parse(header), [field]: value });
  expect(() => decodeRegister(Buffer.from(`${changed}\n${body}`), 'file')).toThrow(
    'it does not begin with the header of a register',
  );
});

test('damage leaves some registers sound', () => {
  const soundOnes = fc.sample(bodyDamaged, 400).filter((bytes) => sound(bytes)).length;
  expect(soundOnes).toBeGreaterThan(5);
  expect(soundOnes).toBeLessThan(395);
});

test('the claim is broken by a reader that takes what it finds', () => {
  const trusting: Decode = (bytes) => JSON.parse(bodyOf(Buffer.from(bytes)));
  expect(() => claim(bodyDamaged, { runs: 500, wanted: true }, trusting)).toThrow('to run it again');
});
