import fc from 'fast-check';
import { CatenaError } from '../../src/base/errors.ts';
import { encodeFrame, FrameDecoder } from '../../src/codec/frame.ts';
import { cutAt } from './arbitraries.ts';

const payloads = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 });
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 });

const streamOf = (frames: readonly Uint8Array[]): Buffer =>
  Buffer.concat(frames.flatMap((payload, i) => encodeFrame(i, [payload])));

test('frames come back whole from a stream that is cut anywhere', () => {
  fc.assert(
    fc.property(payloads, cuts, (originals, places) => {
      const decoder = new FrameDecoder();
      const frames = cutAt(streamOf(originals), places).flatMap((piece) => decoder.push(piece));
      expect(frames.map((frame) => frame.type)).toEqual(originals.map((_, i) => i));
      expect(frames.map((frame) => Uint8Array.from(frame.payload))).toEqual(originals);
    }),
  );
});

test('frames come back from a stream that arrives byte by byte', () => {
  const decoder = new FrameDecoder();
  const stream = streamOf([Buffer.from('one'), Buffer.alloc(0), Buffer.from('three')]);
  const frames = [...stream].flatMap((byte) => decoder.push(Buffer.from([byte])));
  expect(frames.map((frame) => frame.payload.toString())).toEqual(['one', '', 'three']);
});

test('a payload that lies within a chunk is a view on it', () => {
  const stream = streamOf([Buffer.from('payload')]);
  expect(new FrameDecoder().push(stream)[0]?.payload.buffer).toBe(stream.buffer);
});

test('a frame made of several chunks has the checksum of them all', () => {
  const [header, ...rest] = encodeFrame(5, [Buffer.from('ab'), Buffer.from('c')]);
  expect(rest.map(String)).toEqual(['ab', 'c'].map((text) => String(Buffer.from(text))));
  expect(Buffer.from(header ?? []).toString('hex')).toBe(
    Buffer.from(encodeFrame(5, [Buffer.from('abc')])[0] ?? []).toString('hex'),
  );
});

test.each([0, 12, 2 ** 32 - 1])('a length of %d is refused before its bytes have come', (length) => {
  const stream = Buffer.alloc(8);
  stream.writeUInt32LE(length, 0);
  expect(() => new FrameDecoder({ frameBytesMax: 11 }).push(stream)).toThrow(CatenaError);
});

test('any byte that is turned over behind the length makes a BAD_FRAME', () => {
  const stream = streamOf([Buffer.from('payload')]);
  for (let at = 4; at < stream.length; at++) {
    const damaged = Buffer.from(stream);
    damaged[at] = (damaged[at] ?? 0) ^ 0x10;
    expect(() => new FrameDecoder().push(damaged)).toThrow('checksum');
  }
});
