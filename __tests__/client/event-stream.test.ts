import fc from 'fast-check';
import { EventStreamDecoder, type ServerEvent } from '../../src/client/event-stream.ts';

function eventsOf(text: string): ServerEvent[] {
  return new EventStreamDecoder().push(new TextEncoder().encode(text));
}

test('an event is its name, its data and its id', () => {
  expect(eventsOf('event: set\ndata: {"a":1}\nid: 7\n\n')).toEqual([
    { event: 'set', data: '{"a":1}', id: '7' },
  ]);
});

test('an id belongs to the block that has it and to none behind it', () => {
  expect(eventsOf('id: 7\ndata: a\n\ndata: b\n\n').map(({ id }) => id)).toEqual(['7', null]);
});

test('an id alone is given out: it says how far the stream has come', () => {
  expect(eventsOf('id: 7\n\n')).toEqual([{ event: '', data: null, id: '7' }]);
});

test('comments and fields that nobody knows are passed over', () => {
  expect(eventsOf(': still here\n\nretry: 10\nnew: x\n\n')).toEqual([]);
});

test('several lines of data are joined, one blank behind the colon is dropped, and a colon is not needed', () => {
  expect(eventsOf('data: a\ndata:  b\ndata:c\ndata\n\n')).toEqual([
    { event: '', data: 'a\n b\nc\n', id: null },
  ]);
});

test('lines end with LF, CR or both', () => {
  for (const end of ['\n', '\r', '\r\n']) {
    // A CR at the very end may be half of a CR LF: the line ends there all the same.
    expect(eventsOf(['data: a', 'id: 1', '', 'data: b', '', ''].join(end))).toEqual([
      { event: '', data: 'a', id: '1' },
      { event: '', data: 'b', id: null },
    ]);
  }
});

test('an id that holds NUL is none, and a byte order mark at the beginning is no part of a field', () => {
  expect(eventsOf('\uFEFFdata: a\nid: 1\0\n\n')).toEqual([{ event: '', data: 'a', id: null }]);
});

test('what is not ended by an empty line is no event', () => {
  expect(eventsOf('data: a\n\ndata: b\n')).toEqual([{ event: '', data: 'a', id: null }]);
});

test('however the bytes are cut, the events are the same', () => {
  const text = 'event: set\r\ndata: "ü€🙂"\r\nid: 1\r\n\r\n: x\r\rdata: b\n\nid: 2\r\n\r\n';
  const bytes = new TextEncoder().encode(text);
  const whole = eventsOf(text);
  expect(whole).toHaveLength(3);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
      const decoder = new EventStreamDecoder();
      const places = [0, ...cuts.sort((a, b) => a - b), bytes.length];
      const pieces = places.slice(1).map((to, at) => bytes.subarray(places[at], to));
      expect(pieces.flatMap((piece) => decoder.push(piece))).toEqual(whole);
    }),
  );
});
