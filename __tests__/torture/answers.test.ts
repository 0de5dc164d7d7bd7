import { seq } from '../../src/base/ids.ts';
import type { Operation } from '../../src/protocol/command.ts';
import type { Asked } from '../../src/simulator/history.ts';
import { type HttpAnswer, readAnswer } from './answers.ts';
import { requestFor } from './requests.ts';

const GET: Operation = { op: 'get', key: 'k' };
const SET: Operation = {
  op: 'set',
  key: 'a/é',
  value: { bytes: 'v', contentType: '' },
  ttlMs: 1500,
  condition: { kind: 'version', version: seq(7) },
};
const INCREMENT: Operation = { op: 'increment', key: 'k', by: -2 };

function ask(...operations: Operation[]): Asked {
  return { kind: 'operations', atomic: true, operations };
}

function answer(status: number, body: unknown, headers: Record<string, string> = {}): HttpAnswer {
  return { status, headers, body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)) };
}

function problem(status: number, type: string, more: object = {}): HttpAnswer {
  return answer(status, { type: `urn:catena:problem:${type}`, detail: 'because', ...more });
}

test('a single request goes to its route with its condition, its lifetime and its key in escapes', () => {
  expect(requestFor(ask(SET))).toEqual({
    method: 'PUT',
    path: '/set/a%2F%C3%A9?ttl=1.5',
    headers: { 'if-match': '"7"' },
    body: Buffer.from('v'),
  });
  expect(requestFor(ask(INCREMENT))).toMatchObject({
    method: 'POST',
    path: '/increment/k?by=-2',
    body: null,
  });
});

test('several operations go as one batch', () => {
  const { method, path, body } = requestFor(ask(GET, INCREMENT));
  expect({ method, path, body: JSON.parse(String(body)) }).toEqual({
    method: 'POST',
    path: '/batch',
    body: {
      atomic: true,
      operations: [
        { op: 'get', key: 'k' },
        { op: 'increment', key: 'k', by: -2 },
      ],
    },
  });
});

test.each([
  [
    'a value',
    ask(GET),
    answer(200, '\xff', { etag: '"12"', 'content-type': 'application/octet-stream' }),
    { results: [{ kind: 'got', record: { contentType: 'application/octet-stream', version: 12 } }] },
  ],
  ['an absent key', ask(GET), problem(404, 'key-not-found'), { results: [{ kind: 'got', record: null }] }],
  [
    'a new key',
    ask(SET),
    answer(201, { version: 3 }),
    { version: 3, results: [{ kind: 'set', created: true }] },
  ],
  [
    'a replaced value',
    ask(SET),
    answer(200, { version: 3 }),
    { version: 3, results: [{ kind: 'set', created: false }] },
  ],
  [
    'a condition that failed',
    ask(SET),
    problem(412, 'precondition-failed', { version: 9 }),
    { kind: 'refused', index: 0, code: 'PRECONDITION_FAILED', version: 9 },
  ],
  [
    'a batch that failed',
    ask(GET, INCREMENT),
    problem(412, 'not-an-integer', { version: 9, index: 1 }),
    { kind: 'refused', index: 1, code: 'NOT_AN_INTEGER', version: 9 },
  ],
  [
    'a batch',
    ask(GET, INCREMENT),
    answer(200, {
      results: [
        { key: 'k', value: null, version: 0 },
        { key: 'k', value: -2, version: 5 },
      ],
    }),
    {
      version: 5,
      results: [
        { kind: 'got', record: null },
        { kind: 'incremented', value: -2 },
      ],
    },
  ],
  [
    'a batch that was done before',
    ask(GET, INCREMENT),
    answer(200, {
      results: [
        { key: 'k', replayed: true },
        { key: 'k', value: -2, version: 5 },
      ],
    }),
    {
      results: [
        { kind: 'got', record: undefined },
        { kind: 'incremented', value: -2 },
      ],
    },
  ],
])('%s is told as the checker wants it', (_, asked, given, told) => {
  expect(readAnswer(asked, given)).toMatchObject({ kind: 'told', told });
});

test.each([
  ['overloaded', 503, 'no-effect'],
  ['not-ready', 503, 'no-effect'],
  ['read-only', 507, 'no-effect'],
  ['outcome-unknown', 503, 'unknown'],
  ['request-id-expired', 409, 'unknown'],
  ['request-id-reused', 422, 'wrong'],
  ['internal', 500, 'wrong'],
  ['bad-request', 400, 'wrong'],
])('%s means %s %s for a write', (type, status, kind) => {
  expect(readAnswer(ask(SET), problem(status, type)).kind).toBe(kind);
});

test('an answer that says that the outcome is unknown says under which id to ask again', () => {
  const reading = readAnswer(ask(INCREMENT), problem(503, 'outcome-unknown', { requestId: 'made-by-head' }));
  expect(reading).toMatchObject({ kind: 'unknown', requestId: 'made-by-head' });
});
