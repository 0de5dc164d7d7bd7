import fc from 'fast-check';
import { CatenaError } from '../../src/base/errors.ts';
import { epoch, requestId, seq } from '../../src/base/ids.ts';
import { encodeEntry } from '../../src/codec/entry-codec.ts';
import { encodeFrame } from '../../src/codec/frame.ts';
import { encodeMessage, MessageDecoder } from '../../src/codec/message-codec.ts';
import type { Entry } from '../../src/protocol/entry.ts';
import type { Append, Message } from '../../src/protocol/messages.ts';
import { anyMessage, configuration, cutAt, topology } from './arbitraries.ts';

const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 });

const withoutEncoded = (message: Message): Message =>
  message.kind === 'append'
    ? { ...message, entries: message.entries.map((entry) => ({ ...entry, encoded: null })) }
    : message;

const entryOf = (at: number, bytes: number): Entry => ({
  epoch: epoch(1),
  seq: seq(at),
  timeMs: 0,
  requestId: requestId('r'),
  command: {
    kind: 'single',
    operation: {
      op: 'set',
      key: 'k',
      value: { bytes: 'x'.repeat(bytes), contentType: '' },
      ttlMs: null,
      condition: null,
    },
  },
  encoded: null,
});

const json = (message: unknown): Buffer =>
  Buffer.concat(encodeFrame(3, [Buffer.from(JSON.stringify(message))]));

test('messages of every kind come back as they were from a stream that is cut anywhere', () => {
  fc.assert(
    fc.property(fc.array(anyMessage, { maxLength: 5 }), cuts, (originals, places) => {
      const decoder = new MessageDecoder();
      const stream = Buffer.concat(originals.flatMap(encodeMessage));
      const decoded = cutAt(stream, places).flatMap((piece) => decoder.push(piece));
      expect(decoded.map(withoutEncoded)).toEqual(originals.map(withoutEncoded));
    }),
  );
});

test('entries travel as the bytes they were encoded to once, and arrive with them', () => {
  const entries = [entryOf(1, 10), entryOf(2, 10)];
  const chunks = encodeMessage({ kind: 'append', entries, upstreamDurable: seq(1), committed: seq(0) });
  expect(chunks.slice(-2)).toEqual(entries.map(encodeEntry));
  expect(chunks.at(-1)).toBe(entries[1]?.encoded);
  const [decoded] = new MessageDecoder().push(Buffer.concat(chunks)) as Append[];
  expect(decoded?.entries.map((entry) => Buffer.from(entry.encoded ?? []))).toEqual(entries.map(encodeEntry));
});

test('an append larger than a frame should be comes as several, whose watermarks stay within what has come', () => {
  const entries = [1, 2, 3, 4].map((at) => entryOf(at, 5 << 20));
  const whole: Append = { kind: 'append', entries, upstreamDurable: seq(3), committed: seq(2) };
  const parts = new MessageDecoder().push(Buffer.concat(encodeMessage(whole))) as Append[];
  expect(parts.length).toBeGreaterThan(1);
  expect(parts.flatMap((part) => part.entries.map((entry) => entry.seq))).toEqual([1, 2, 3, 4]);
  for (const part of parts) {
    const last = part.entries.at(-1)?.seq ?? 0;
    expect(part.committed).toBeLessThanOrEqual(last);
    expect(part.upstreamDurable).toBeLessThanOrEqual(last);
  }
  expect(parts.at(-1)).toMatchObject({ upstreamDurable: 3, committed: 2 });
});

test('a part of a snapshot travels and arrives as the bytes that were read, not copied', () => {
  const payload = Buffer.from('some rows');
  const chunks = encodeMessage({ kind: 'snapshot-part', place: 300, rows: 2, payload });
  expect(chunks.at(-1)).toBe(payload);
  const stream = Buffer.concat(chunks);
  const [part] = new MessageDecoder().push(stream);
  expect(part).toEqual({ kind: 'snapshot-part', place: 300, rows: 2, payload });
  stream.fill('y', stream.length - 1);
  expect(part).toMatchObject({ payload: Buffer.from('some rowy') });
});

test('what is no message is a BAD_FRAME', () => {
  const [someConfiguration] = fc.sample(configuration, 1);
  const [someTopology] = fc.sample(topology, 1);
  const stale = { kind: 'stale', configuration: someConfiguration, topology: someTopology };
  expect(new MessageDecoder().push(json(stale))).toEqual([stale]);
  const wrong: unknown[] = [
    null,
    [],
    'hello',
    {},
    { kind: 'nonsense' },
    { kind: 'toString' },
    { kind: 'append', entries: [] },
    { kind: 'resume' },
    { kind: 'resume', after: -1 },
    { kind: 'resume', after: 1.5 },
    { kind: 'resume', after: '1' },
    { kind: 'welcome', committed: 1, runs: {} },
    { kind: 'welcome', committed: 1, runs: [{ epoch: 1 }] },
    { ...stale, configuration: { ...someConfiguration, members: [] } },
    { ...stale, configuration: { ...someConfiguration, reads: 'some' } },
    { ...stale, topology: { version: 1, topology: { name: 'x' } } },
    { ...stale, topology: null },
    { ...stale, topology: { ...someTopology, departing: undefined } },
    { kind: 'snapshot-part', place: 0, rows: 1, payload: 'x' },
    { kind: 'probe', id: 1 },
    { kind: 'snapshot-start', of: 's', header: { epoch: 1, seq: 1 }, from: 0, bytes: 1 },
    { kind: 'snapshot-end', parts: -1 },
    { kind: 'welcome', committed: 1, committedEpoch: 1, runs: [], partial: { of: 's', seq: 1 } },
  ];
  for (const message of wrong) {
    expect(() => new MessageDecoder().push(json(message))).toThrow(
      expect.objectContaining({ code: 'BAD_FRAME' }),
    );
  }
  for (const [type, payload] of [
    [3, '{'],
    [99, ''],
    [2, ''],
    [2, 'ab'],
    [4, ''],
    [4, '\0\0x'],
    [5, ''],
    [6, ''],
    [7, 'ab'],
    [8, ''],
    [9, ''],
    [10, 'a'],
    [10, 'abc'],
    [1, '\0\0\u0005'],
  ] as const) {
    const stream = Buffer.concat(encodeFrame(type, [Buffer.from(payload)]));
    expect(() => new MessageDecoder().push(stream)).toThrow(expect.objectContaining({ code: 'BAD_FRAME' }));
  }
});

test('a message of another protocol version says so when it looks different', () => {
  expect(() => new MessageDecoder().push(json({ kind: 'hello', protocolVersion: 99 }))).toThrow(
    'protocol version 99',
  );
});

test('any bytes give messages or a BAD_FRAME', () => {
  const takes = (bytes: Uint8Array) => {
    try {
      new MessageDecoder({ frameBytesMax: 1 << 16 }).push(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(CatenaError);
      expect(error).toHaveProperty('code', 'BAD_FRAME');
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), takes));
  // With a checksum that holds, so that the payload is what is looked at.
  fc.assert(
    fc.property(fc.nat(12), fc.uint8Array({ maxLength: 100 }), (type, payload) => {
      takes(Buffer.concat(encodeFrame(type, [payload])));
    }),
  );
});
