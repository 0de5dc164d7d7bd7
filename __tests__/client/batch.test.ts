import { newBatch } from '../../src/client/batch.ts';
import type { Answer, Call, Caller } from '../../src/client/caller.ts';
import { InvalidRequest, NotAnInteger, PreconditionFailed, Replayed } from '../../src/client/errors.ts';
import type { Batch, CallOptions, Value, Written } from '../../src/client/types.ts';
import { fakeCaller, jsonAnswer, problemAnswer } from '../support/fake-caller.ts';

/** A caller that gives this answer to whatever is asked, and what it was asked. */
function answering(answer: Answer): { caller: Caller; calls: Call[]; options: CallOptions[] } {
  const calls: Call[] = [];
  const options: CallOptions[] = [];
  const caller = fakeCaller({
    request: async (call, given = {}) => {
      calls.push(call);
      options.push(given);
      return answer;
    },
  });
  return { caller, calls, options };
}

const operationsOf = ({ body }: Call): unknown => JSON.parse(String(body)).operations;

test('all operations go out in one request, and each has its result in its place', async () => {
  const { caller, calls } = answering(
    jsonAnswer({
      results: [
        { key: 'a', checked: true },
        { key: 'b', version: 9, created: true },
        { key: 'c', value: 'old', encoding: 'utf8', contentType: '', version: 3 },
        { key: 'd', value: null, version: 0 },
        { key: 'e', deleted: false },
        { key: 'f', value: 5, version: 9 },
        { key: 'g', version: 4 },
      ],
    }),
  );
  const results = await newBatch(caller)
    .check('a', 3)
    .set('b', { x: 1 }, { ttl: 1.5, ifVersion: 8 })
    .get('c')
    .get('d')
    .delete('e', { ifVersion: 2 })
    .increment('f', 2)
    .expire('g', null)
    .commit();
  expect(results).toEqual([undefined, { version: 9, created: true }, 'old', undefined, false, 5, undefined]);
  expect(calls).toHaveLength(1);
  expect(calls[0]).toMatchObject({ intent: 'write', method: 'POST', path: '/batch' });
  expect(calls.map(operationsOf)).toEqual([
    [
      { op: 'check', key: 'a', version: 3 },
      { op: 'set', key: 'b', value: '{"x":1}', contentType: 'application/json', ttl: 1.5, ifVersion: 8 },
      { op: 'get', key: 'c' },
      { op: 'get', key: 'd' },
      { op: 'delete', key: 'e', ifVersion: 2 },
      { op: 'increment', key: 'f', by: 2 },
      { op: 'expire', key: 'g', ttl: null },
    ],
  ]);
});

test('the type of the results is known operation by operation', async () => {
  const { caller } = answering(jsonAnswer({ results: [{ key: 'a' }, { key: 'b', deleted: true }] }));
  const batch = newBatch(caller);
  const none: [] = await batch.commit();
  const typed = batch.set('a', 1).delete('b');
  const pair: [Written, boolean] = await typed.commit();
  const all: Batch<[Written, boolean, Value | undefined, number, undefined, undefined]> = typed
    .get('c')
    .increment('d')
    .expire('e', 1)
    .check('f', 1);
  const loose: Batch<readonly unknown[]> = all;
  // @ts-expect-error the second result is a boolean
  const wrong: [Written, number] = pair;
  // @ts-expect-error a set takes one condition by name
  batch.set('a', 1, { ifAbsnet: true });
  expect([none, wrong[1], typeof loose.commit]).toEqual([[], true, 'function']);
});

test('a batch without writes is a read', async () => {
  const { caller, calls } = answering(jsonAnswer({ results: [{ key: 'a', value: null, version: 0 }, {}] }));
  expect(await newBatch(caller).get('a').check('b', 0).commit()).toEqual([undefined, undefined]);
  expect(calls.map(({ intent }) => intent)).toEqual(['read']);
});

test('a batch of nothing asks nobody', async () => {
  expect(await newBatch(fakeCaller({})).commit()).toEqual([]);
});

test('each step makes a new batch: what was there before can be gone on with in two ways', async () => {
  const { caller, calls } = answering(jsonAnswer({ results: [{ key: 'a', deleted: true }, { key: 'b' }] }));
  const start = newBatch(caller).delete('a');
  await start.set('b', 'x').commit();
  await start.increment('c').commit();
  expect(calls.map(operationsOf)).toEqual([
    [
      { op: 'delete', key: 'a' },
      { op: 'set', key: 'b', value: 'x' },
    ],
    [
      { op: 'delete', key: 'a' },
      { op: 'increment', key: 'c', by: 1 },
    ],
  ]);
});

test('a value is taken as it is when it is added', async () => {
  const { caller, calls } = answering(jsonAnswer({ results: [{ key: 'a' }, { key: 'b' }] }));
  const list = [1];
  const bytes = new Uint8Array([1]);
  const batch = newBatch(caller).set('a', list).set('b', bytes);
  list.push(2);
  bytes[0] = 9;
  await batch.commit();
  expect(calls.map(operationsOf)).toMatchObject([[{ value: '[1]' }, { value: 'AQ==', encoding: 'base64' }]]);
});

test('ifAbsent is version 0, and another version beside it is refused', async () => {
  const { caller, calls } = answering(jsonAnswer({ results: [{ key: 'a' }] }));
  await newBatch(caller).set('a', 'x', { ifAbsent: true }).commit();
  expect(calls.map(operationsOf)).toMatchObject([[{ ifVersion: 0 }]]);
  expect(() => newBatch(caller).set('a', 'x', { ifAbsent: true, ifVersion: 3 })).toThrow(InvalidRequest);
});

test('options go with the request', async () => {
  const { caller, options } = answering(jsonAnswer({ results: [{ key: 'a', deleted: true }] }));
  await newBatch(caller).delete('a').commit({ deadlineMs: 77 });
  expect(options).toEqual([{ deadlineMs: 77 }]);
});

test('1000 operations are sent, and 1001 refused with the limit named, before anything is sent', async () => {
  const results = Array.from({ length: 1000 }, () => ({ deleted: true }));
  const { caller, calls } = answering(jsonAnswer({ results }));
  let batch: Batch<readonly unknown[]> = newBatch(caller);
  for (let at = 0; at < 1000; at++) batch = batch.delete(`k${at}`);
  expect(await batch.commit()).toHaveLength(1000);
  const refused = batch.delete('one more').commit();
  await expect(refused).rejects.toThrow(InvalidRequest);
  await expect(refused).rejects.toThrow(/1001 operations .* 1000/);
  expect(calls).toHaveLength(1);
});

test('what fails says which operation it was', async () => {
  const failing = (code: string, members: object) =>
    newBatch(answering(problemAnswer(412, code, members)).caller)
      .delete('a')
      .commit();
  const stale = failing('precondition-failed', { index: 3, key: 'a', version: 7 });
  await expect(stale).rejects.toThrow(PreconditionFailed);
  await expect(stale).rejects.toMatchObject({ index: 3, version: 7, status: 412 });
  const text = failing('not-an-integer', { index: 1 });
  await expect(text).rejects.toThrow(NotAnInteger);
  await expect(text).rejects.toMatchObject({ index: 1 });
  await expect(failing('out-of-range', { index: 2 })).rejects.toMatchObject({
    code: 'OUT_OF_RANGE',
    index: 2,
  });
  await expect(failing('key-not-found', { index: 0 })).rejects.toMatchObject({
    code: 'KEY_NOT_FOUND',
    index: 0,
  });
});

test('a batch that took effect at a try whose answer was lost has all results but what it read', async () => {
  const results = [
    { key: 'a', replayed: true },
    { key: 'b', value: 5, version: 9 },
  ];
  const { caller } = answering(jsonAnswer({ results }));
  const commit = newBatch(caller).get('a').increment('b').commit();
  await expect(commit).rejects.toThrow(Replayed);
  await expect(commit).rejects.toMatchObject({ code: 'REPLAYED', results });
});

test('a write without gets that is answered a second time is answered as the first time', async () => {
  const { caller } = answering(jsonAnswer({ results: [{ key: 'b', value: 5, version: 9 }] }));
  expect(await newBatch(caller).increment('b').commit()).toEqual([5]);
});

test('an answer with other than one result for each operation is an error', async () => {
  const { caller } = answering(jsonAnswer({ results: [] }));
  await expect(newBatch(caller).delete('a').commit()).rejects.toMatchObject({ code: 'BAD_ANSWER' });
});
