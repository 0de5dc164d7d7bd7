import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { CatenaError } from '../../src/base/errors.ts';
import { decodeRegister, EMPTY_REGISTER, encodeRegister } from '../../src/coordinator/register.ts';
import { CoordinatorStory } from '../support/coordinator-story.ts';

function sample() {
  const story = new CoordinatorStory();
  story.start();
  story.go();
  return story.core.register;
}

function errorOf(bytes: Uint8Array): CatenaError {
  try {
    decodeRegister(bytes, '/data/c1/register.json');
  } catch (error) {
    if (error instanceof CatenaError) return error;
    throw error;
  }
  throw new Error('it was taken for sound');
}

test('what was written is what is read', () => {
  for (const register of [EMPTY_REGISTER, sample()]) {
    expect(decodeRegister(encodeRegister(register), 'f')).toEqual(register);
  }
});

test('a changed byte anywhere is recognised', () => {
  const bytes = encodeRegister(sample());
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = Uint8Array.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ flip;
      expect(['CORRUPT', 'UNSUPPORTED_FORMAT']).toContain(errorOf(changed).code);
    }),
    { numRuns: 500 },
  );
});

test('one that was cut short, or has something behind it, is recognised', () => {
  const bytes = encodeRegister(sample());
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), (length) =>
      expect(errorOf(bytes.subarray(0, length)).code).toBe('CORRUPT'),
    ),
  );
  expect(errorOf(Buffer.concat([bytes, Buffer.from(' ')])).code).toBe('CORRUPT');
});

test('what is said of a damaged one names the file and what to do', () => {
  const { message } = errorOf(new Uint8Array());
  expect(message).toContain('/data/c1/register.json is damaged');
  expect(message).toContain('move the file away and start the coordinator again');
});

test('one of a later format is refused as such', () => {
  const text = Buffer.from(encodeRegister(EMPTY_REGISTER)).toString().replace('"version":2', '"version":3');
  const error = errorOf(Buffer.from(text));
  expect(error.code).toBe('UNSUPPORTED_FORMAT');
  expect(error.message).toContain('format version 3');
});

test('one of format version 1, which knew neither departing nodes nor arrangements, is still read', () => {
  const register = sample();
  const { arranging: _, topology, ...rest } = register;
  const old = { ...rest, topology: { version: topology?.version, topology: topology?.topology } };
  const body = Buffer.from(JSON.stringify(old));
  const header = { format: 'catena-register', version: 1, bytes: body.byteLength, crc32: crc32(body) };
  const bytes = Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), body]);
  expect(decodeRegister(bytes, 'f')).toEqual(register);
});

test.each([
  ['a configuration without members', { configuration: { members: [] } }],
  ['a history without times', { history: [{ epoch: 1 }] }],
  ['something else altogether', null],
])('one that says %s is damaged, though its checksum is right', (_, change) => {
  const body = Buffer.from(JSON.stringify(change === null ? 'no register' : { ...sample(), ...change }));
  const header = { format: 'catena-register', version: 2, bytes: body.byteLength, crc32: crc32(body) };
  const error = errorOf(Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), body]));
  expect(error.code).toBe('CORRUPT');
  expect(error.message).toContain('/data/c1/register.json is damaged: ✖');
});
