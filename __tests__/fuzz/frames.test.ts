import fc from 'fast-check';
import { bufferOf } from '../../src/codec/bytes.ts';
import { encodeFrame, type Frame, FrameDecoder } from '../../src/codec/frame.ts';
import { cutAt } from '../codec/arbitraries.ts';
import { fuzz, refusedOr, withinMemory } from './fuzz.ts';
import { mutated, mutations, place } from './mutate.ts';

const FRAME_BYTES_MAX = 100;
const PREFIX_BYTES = 8;

interface Decoder {
  push(bytes: Uint8Array): Frame[];
}

const frames = fc.array(
  fc.record({ type: fc.nat(255), payload: fc.uint8Array({ maxLength: FRAME_BYTES_MAX - 1, size: 'max' }) }),
  { minLength: 1, maxLength: 6 },
);
const cuts = fc.array(place, { maxLength: 12 });
const stream = frames.map((all) =>
  Buffer.concat(all.flatMap(({ type, payload }) => encodeFrame(type, [payload]))),
);
const anyStream: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 400, size: 'max' }),
  fc.uint8Array({ maxLength: 40 }),
  fc.tuple(stream, mutations).map(([bytes, changes]) => mutated(bytes, changes)),
  stream,
);

/** What the frames that came out took in. */
const taken = (out: readonly Frame[]): number =>
  out.reduce((bytes, { payload }) => bytes + PREFIX_BYTES + 1 + payload.length, 0);

/** Pushes the pieces until one is refused; all that came out. */
function follow(decoder: Decoder, pieces: readonly Uint8Array[]): Frame[] {
  const out: Frame[] = [];
  let pushed = 0;
  for (const piece of pieces) {
    pushed += piece.length;
    // A frame that is put together is copied once, and its prefix before it.
    const got = withinMemory(piece.length + FRAME_BYTES_MAX + 4 * PREFIX_BYTES, () =>
      refusedOr(['BAD_FRAME'], () => decoder.push(piece)),
    );
    if (got === null) return out;
    out.push(...got.value);
    expect(pushed - taken(out)).toBeLessThanOrEqual(FRAME_BYTES_MAX + PREFIX_BYTES);
  }
  return out;
}

const claim = (make: () => Decoder, options: { runs: number; wanted?: boolean }): void =>
  fuzz(
    fc.property(anyStream, cuts, (bytes, places) => {
      const out = follow(make(), cutAt(bytes, places));
      const again = Buffer.concat(out.flatMap(({ type, payload }) => encodeFrame(type, [payload])));
      // Nothing comes out that did not come in.
      expect(again.equals(bufferOf(bytes).subarray(0, again.length))).toBe(true);
    }),
    options,
  );

test('any stream gives its own frames or a BAD_FRAME, and no more is held than a frame', () => {
  claim(() => new FrameDecoder({ frameBytesMax: FRAME_BYTES_MAX }), { runs: 1500 });
});

test('however a stream is cut, what comes out is the same', () => {
  fuzz(
    fc.property(anyStream, cuts, (bytes, places) => {
      const make = () => new FrameDecoder({ frameBytesMax: FRAME_BYTES_MAX });
      const cut = follow(make(), cutAt(bytes, places));
      const byByte = follow(
        make(),
        [...bytes].map((byte) => Buffer.from([byte])),
      );
      // What one chunk holds before a bad frame is given up with it.
      expect(byByte.slice(0, cut.length).map(plain)).toEqual(cut.map(plain));
    }),
    { runs: 150 },
  );
});

const plain = ({ type, payload }: Frame) => ({ type, payload: payload.toString('hex') });

describe('the claim is broken by a decoder', () => {
  /** Takes a length at its word and makes room for it. */
  class Trusting implements Decoder {
    push(bytes: Uint8Array): Frame[] {
      if (bytes.length < PREFIX_BYTES + 1) return [];
      Buffer.alloc(bufferOf(bytes).readUInt32LE(0));
      return [];
    }
  }
  /** Waits for whatever length it is told. */
  class Patient implements Decoder {
    readonly #inner = new FrameDecoder({ frameBytesMax: 2 ** 32 });
    push(bytes: Uint8Array): Frame[] {
      return this.#inner.push(bytes);
    }
  }
  class Careless implements Decoder {
    push(bytes: Uint8Array): Frame[] {
      const buffer = bufferOf(bytes);
      return buffer.length === 0 ? [] : [{ type: buffer.readUInt32LE(0) & 0xff, payload: Buffer.alloc(0) }];
    }
  }

  test.each([
    ['that trusts lengths', () => new Trusting(), 'Expected: <='],
    ['that holds any length', () => new Patient(), 'Expected: <='],
    ['that reads beyond the end', () => new Careless(), 'to run it again'],
  ] as const)('%s', (_what, make, why) => {
    const broken = () => claim(make, { runs: 2000, wanted: true });
    expect(broken).toThrow(why);
    expect(broken).toThrow(/to run it again: CATENA_FUZZ_SEED=-?\d+ .*frames\.test\.ts/);
  });
});
