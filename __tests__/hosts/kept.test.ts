import type { Call } from '../../src/simulator/history.ts';
import { countKept, KeptWrites } from './kept.ts';

const PREFIX = 'kept/';

function call(writes: KeptWrites, acknowledged: boolean): Call {
  const told = { kind: 'done', version: 1, results: [{ kind: 'set', created: true }] } as const;
  const answer = acknowledged ? { told, atMs: 2 } : null;
  return { client: 'a', asked: writes.next(), calledAtMs: 1, answer };
}

test('no two writes have the same key or value', () => {
  const writes = new KeptWrites(PREFIX);
  const asked = Array.from({ length: 50 }, () => JSON.stringify(writes.next()));
  expect(new Set(asked).size).toBe(50);
  expect(countKept([call(writes, true)], PREFIX, new Map([['kept/50', 'value of kept/50']])).lost).toEqual(
    [],
  );
});

test('an acknowledged write that is missing or has another value is lost, one without an answer is not', () => {
  const writes = new KeptWrites(PREFIX);
  const calls = [true, true, true, false].map((acknowledged) => call(writes, acknowledged));
  const there = new Map([
    ['kept/0', 'value of kept/0'],
    ['kept/1', 'value of kept/0'],
  ]);
  expect(countKept(calls, PREFIX, there)).toEqual({
    acknowledged: 3,
    unknown: 1,
    lost: ['kept/1', 'kept/2'],
  });
});

test('calls on other keys and calls of other kinds are left out of the count', () => {
  const other = new KeptWrites('other/');
  const read: Call = {
    client: 'a',
    asked: { kind: 'page', prefix: PREFIX, after: null, limit: 1 },
    calledAtMs: 1,
    answer: null,
  };
  const nothing = { acknowledged: 0, unknown: 0, lost: [] };
  expect(countKept([call(other, true), read], PREFIX, new Map())).toEqual(nothing);
});
