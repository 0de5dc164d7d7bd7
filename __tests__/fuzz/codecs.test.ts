import fc from 'fast-check';
import { ByteReader, ByteWriter, badFrame } from '../../src/codec/bytes.ts';
import { decodeEntry, encodeEntry } from '../../src/codec/entry-codec.ts';
import { encodeFrame } from '../../src/codec/frame.ts';
import { encodeMessage, MessageDecoder } from '../../src/codec/message-codec.ts';
import { readSnapshotRow, writeSnapshotRow } from '../../src/codec/snapshot-codec.ts';
import type { Entry } from '../../src/protocol/entry.ts';
import type { Message } from '../../src/protocol/messages.ts';
import type { SnapshotRow } from '../../src/protocol/snapshot.ts';
import { anyEntry, anyMessage, snapshotRow } from '../codec/arbitraries.ts';
import { fuzz, refusedOr, withinMemory } from './fuzz.ts';
import { jsonLike, jsonMutations, mutated, mutatedJson, mutations } from './mutate.ts';

const FRAME_HEADER_BYTES = 9;
const JSON_FRAME = 3;

/** A codec under test: what it decodes, it encodes to bytes that decode to the same. */
interface Codec<T> {
  decode(bytes: Buffer): T;
  encode(value: T): Uint8Array;
}

const entries: Codec<Entry> = {
  decode: decodeEntry,
  // Else the bytes that it came from are given back.
  encode: (entry) => encodeEntry({ ...entry, encoded: null }),
};
const rows: Codec<SnapshotRow> = {
  decode: (bytes) => readSnapshotRow(new ByteReader(bytes)),
  encode(row) {
    const writer = new ByteWriter(0);
    writeSnapshotRow(writer, row);
    return writer.finish();
  },
};
const messages: Codec<readonly Message[]> = {
  decode: (bytes) => new MessageDecoder({ frameBytesMax: 1 << 20 }).push(bytes),
  encode: (all) => Buffer.concat(all.map(fresh).flatMap(encodeMessage)),
};

/** Without the bytes that its entries came from. */
function fresh(message: Message): Message {
  if (message.kind !== 'append') return message;
  return { ...message, entries: message.entries.map((entry) => ({ ...entry, encoded: null })) };
}

/** As it is compared: the bytes that something came from say nothing of it, and JSON has neither -0 nor Infinity. */
const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (key, inner) => (key === 'encoded' ? null : inner)));

/** Decodes to something that comes back the same, or to a BAD_FRAME. */
function sound<T>(codec: Codec<T>, bytes: Buffer): boolean {
  const got = withinMemory(bytes.length + 4096, () => refusedOr(['BAD_FRAME'], () => codec.decode(bytes)));
  if (got === null) return false;
  const again = codec.decode(Buffer.from(codec.encode(got.value)));
  expect(plain(again)).toEqual(plain(got.value));
  return true;
}

const anyBytes = fc.uint8Array({ maxLength: 120, size: 'max' }).map((bytes) => Buffer.from(bytes));

/** Encoded values, damaged; the length that an entry begins with is put right again in half of them. */
const damagedEntry = fc.tuple(anyEntry, mutations, fc.boolean()).map(([entry, changes, mend]) => {
  const bytes = mutated(encodeEntry(entry), changes);
  if (mend && bytes.length >= 4) bytes.writeUInt32LE(bytes.length - 4, 0);
  return bytes;
});
const damagedRow = fc
  .tuple(snapshotRow, mutations)
  .map(([row, changes]) => mutated(rows.encode(row), changes));
/** With a checksum that holds, so that the payload is what is looked at. */
const resealed = (type: number, payload: Uint8Array): Buffer => Buffer.concat(encodeFrame(type, [payload]));
const damagedMessage = fc.tuple(anyMessage, mutations).map(([message, changes]) => {
  const frame = Buffer.concat(encodeMessage(message));
  return resealed(frame[FRAME_HEADER_BYTES - 1] ?? 0, mutated(frame.subarray(FRAME_HEADER_BYTES), changes));
});
const jsonMessage = anyMessage
  .map((message) => Buffer.concat(encodeMessage(message)))
  .filter((frame) => frame[FRAME_HEADER_BYTES - 1] === JSON_FRAME)
  .map((frame) => frame.subarray(FRAME_HEADER_BYTES).toString('utf8'));
const damagedJson = fc
  .tuple(jsonMessage, jsonMutations)
  .map(([text, changes]) => resealed(JSON_FRAME, Buffer.from(mutatedJson(text, changes))));
const anyPayload = fc.tuple(fc.nat(12), anyBytes).map(([type, bytes]) => resealed(type, bytes));

const claims = <T>(
  codec: Codec<T>,
  bytes: fc.Arbitrary<Buffer>,
  options: { runs: number; wanted?: boolean },
) =>
  fuzz(
    fc.property(bytes, (some) => {
      sound(codec, some);
    }),
    options,
  );

test('any bytes are an entry that comes back the same, or a BAD_FRAME', () => {
  claims(entries, anyBytes, { runs: 2000 });
  claims(entries, damagedEntry, { runs: 2500 });
});

test('any bytes are a row of a snapshot that comes back the same, or a BAD_FRAME', () => {
  claims(rows, anyBytes, { runs: 2000 });
  claims(rows, damagedRow, { runs: 2500 });
});

test('any bytes are messages that come back the same, or a BAD_FRAME', () => {
  claims(messages, anyBytes, { runs: 1000 });
  claims(messages, anyPayload, { runs: 2000 });
  claims(messages, damagedMessage, { runs: 2000 });
});

test('any JSON where a message should be is one that comes back the same, or a BAD_FRAME', () => {
  claims(messages, damagedJson, { runs: 2500 });
  claims(
    messages,
    jsonLike.map((text) => resealed(JSON_FRAME, Buffer.from(text))),
    { runs: 500 },
  );
});

test('damage leaves enough sound for both ways to be tried', () => {
  const tried = <T>(codec: Codec<T>, bytes: fc.Arbitrary<Buffer>) =>
    fc.sample(bytes, 500).filter((some) => sound(codec, some)).length;
  for (const soundOnes of [
    tried(entries, damagedEntry),
    tried(rows, damagedRow),
    tried(messages, damagedMessage),
    tried(messages, damagedJson),
  ]) {
    expect(soundOnes).toBeGreaterThan(5);
    expect(soundOnes).toBeLessThan(495);
  }
});

test('a message whose JSON is nested deeper than can be written again is a BAD_FRAME', () => {
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
  ] as const) {
    const nested = (levels: number) => `${open.repeat(levels)}0${close.repeat(levels)}`;
    const resume = (levels: number) =>
      resealed(
        JSON_FRAME,
        Buffer.from(`{"kind":"resume","after":1,"text":"\\"[{","more":${nested(levels)}}`),
      );
    expect(sound(messages, resume(50))).toBe(true);
    expect(sound(messages, resume(100))).toBe(false);
    expect(sound(messages, resume(100_000))).toBe(false);
  }
});

test('a part of a snapshot that claims more rows than its file can say is a BAD_FRAME', () => {
  const part = (rows: number) =>
    messages.encode([{ kind: 'snapshot-part', place: 0, rows, payload: Buffer.from('x') }]);
  expect(sound(messages, Buffer.from(part(2 ** 32 - 1)))).toBe(true);
  expect(sound(messages, Buffer.from(part(2 ** 32)))).toBe(false);
});

describe('the claim is broken by a codec', () => {
  test.each([
    [
      'that makes room for a count before it has read what is counted',
      {
        decode: (bytes: Buffer) => {
          const reader = new ByteReader(bytes);
          Buffer.alloc(Math.min(reader.varint(), 2 ** 31));
          return reader.offset;
        },
        encode: () => Buffer.from([0]),
      },
    ],
    [
      'that throws what is no CatenaError',
      { decode: (bytes: Buffer) => bytes.readUInt32LE(0), encode: () => Buffer.alloc(4) },
    ],
    [
      'that lets go of a half of what it has read',
      {
        decode: (bytes: Buffer) => {
          if (bytes.length < 2) throw badFrame('too short');
          return bytes.readUInt16LE(0);
        },
        encode: (value: number) => Buffer.from([value & 0xff, 0]),
      },
    ],
  ] satisfies [string, Codec<number>][])('%s', (_what, codec) => {
    expect(() => claims(codec, anyBytes, { runs: 500, wanted: true })).toThrow('to run it again');
  });
});
