import fc from 'fast-check';
import { CatenaError } from '../../src/base/errors.ts';
import { epoch, requestId, seq } from '../../src/base/ids.ts';
import { decodeEntry, encodeEntry } from '../../src/codec/entry-codec.ts';
import type { Entry } from '../../src/protocol/entry.ts';
import { anyEntry } from './arbitraries.ts';

const entry = (key: string, bytes: string): Entry => ({
  epoch: epoch(3),
  seq: seq(7),
  timeMs: 1.5,
  requestId: requestId('r'),
  command: {
    kind: 'single',
    operation: { op: 'set', key, value: { bytes, contentType: '' }, ttlMs: null, condition: null },
  },
  encoded: null,
});

test('an entry of any command comes back as it was, with the bytes it came from', () => {
  fc.assert(
    fc.property(anyEntry, (original) => {
      const bytes = encodeEntry(original);
      const decoded = decodeEntry(bytes);
      expect(decoded).toEqual({ ...original, encoded: decoded.encoded });
      expect(decoded.encoded).toEqual(bytes);
    }),
  );
});

test('an entry is encoded once', () => {
  const made = entry('key', 'value');
  const bytes = encodeEntry(made);
  expect(encodeEntry(made)).toBe(bytes);
  const decoded = decodeEntry(bytes);
  expect(encodeEntry(decoded)).toBe(decoded.encoded);
});

test('a value of a megabyte and every byte there is comes back', () => {
  const bytes = Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => i & 0xff)).toString('latin1');
  expect(decodeEntry(encodeEntry(entry('k', bytes))).command).toEqual(entry('k', bytes).command);
});

test('the format stays: these bytes are on disks', () => {
  expect(Buffer.from(encodeEntry(entry('ké', 'v\u00ff'))).toString('hex')).toBe(
    '16000000040307000000000000f83f017200036bc3a9000276ff',
  );
});

test('any other bytes are a BAD_FRAME, or an entry', () => {
  const decodes = (bytes: Uint8Array) => {
    try {
      decodeEntry(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(CatenaError);
      expect(error).toHaveProperty('code', 'BAD_FRAME');
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), decodes));
  fc.assert(
    fc.property(
      anyEntry,
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      fc.nat(255),
      (original, place, byte) => {
        const bytes = Uint8Array.from(encodeEntry(original));
        bytes[Math.floor(place * bytes.length)] = byte;
        decodes(bytes);
      },
    ),
  );
});

test('an entry that is cut off anywhere, or followed by anything, is a BAD_FRAME', () => {
  const bytes = encodeEntry(entry('key', 'value'));
  for (let length = 0; length < bytes.length; length++) {
    expect(() => decodeEntry(bytes.subarray(0, length))).toThrow(CatenaError);
  }
  expect(() => decodeEntry(Buffer.concat([bytes, Buffer.from([0])]))).toThrow(CatenaError);
});

test('a batch that claims 2^53-1 operations and holds none is refused at once', () => {
  const claim = Buffer.from('14000000020101000000000000f83fffffffffffffff0f', 'hex');
  claim.writeUInt32LE(claim.length - 4, 0);
  expect(() => decodeEntry(claim)).toThrow('end too early');
});

test('a key that is no UTF-8 is refused, and the replacement character is a key', () => {
  const bytes = Buffer.from(encodeEntry(entry('kkk', '')));
  bytes.write('\u00e2\u0082k', bytes.indexOf('kkk'), 'latin1');
  expect(() => decodeEntry(bytes)).toThrow('UTF-8');
  expect(decodeEntry(encodeEntry(entry('\ufffd', '')))).toHaveProperty('command.operation.key', '\ufffd');
});
