import fc from 'fast-check';
import { ByteReader, ByteWriter } from '../../src/codec/bytes.ts';

test('every whole number up to 2^53-1 comes back from a varint', () => {
  const numbers = fc.oneof(
    fc.maxSafeNat(),
    fc.nat({ max: 53 }).map((bits) => Math.min(2 ** bits, Number.MAX_SAFE_INTEGER)),
    fc.nat({ max: 53 }).map((bits) => 2 ** bits - 1),
  );
  fc.assert(
    fc.property(numbers, (number) => {
      const writer = new ByteWriter(0);
      writer.varint(number);
      expect(writer.length).toBeLessThanOrEqual(8);
      expect(new ByteReader(writer.finish()).varint()).toBe(number);
    }),
  );
});

test.each(['ffffffffffffff1f', 'ffffffffffffffff01', 'ff', ''])('the bytes %s are no varint', (hex) => {
  expect(() => new ByteReader(Buffer.from(hex, 'hex')).varint()).toThrow(
    expect.objectContaining({ code: 'BAD_FRAME' }),
  );
});

test('a number that is not finite is refused', () => {
  for (const number of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const writer = new ByteWriter(8);
    writer.f64(number);
    expect(() => new ByteReader(writer.finish()).f64()).toThrow('finite');
  }
});
