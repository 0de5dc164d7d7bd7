/** Calls that make no sense are refused before anything is sent, by a promise that rejects. */
import { connectOver } from '../../src/client/connect.ts';
import type { Catena, SetOptions, Value } from '../../src/client/types.ts';
import { FakeTransport } from './fake-transport.ts';

const transport = new FakeTransport(() => 'hang');
const db = connectOver(transport, 'http://h:1');

afterAll(async () => {
  await db.close();
  expect(transport.seen).toEqual([]);
  expect(transport.asked).toEqual([]);
});

const set = (options: SetOptions) => (it: Catena) => it.set('k', 'v', options);
const anything = (value: unknown): never => value as never;

const CALLS: readonly (readonly [string, (db: Catena) => Promise<unknown>, string])[] = [
  ['an empty key', (it) => it.get(''), 'BAD_KEY'],
  ['no key', (it) => it.get(anything(undefined)), 'BAD_KEY'],
  ['a number for a key', (it) => it.delete(anything(5)), 'BAD_KEY'],
  ['half a surrogate pair in a key', (it) => it.getItem('a\udc00'), 'BAD_KEY'],
  ['an empty key among others', (it) => it.getMany(['a', '']), 'BAD_KEY'],
  ['too many keys', (it) => it.getMany(Array.from({ length: 1001 }, () => 'k')), 'BAD_PARAMETER'],
  [
    'too many entries',
    (it) => it.setMany(Array.from({ length: 1001 }, () => ['k', 1] as const)),
    'BAD_PARAMETER',
  ],
  ['no value', (it) => it.set('k', anything(undefined)), 'BAD_JSON'],
  ['no value among others', (it) => it.setMany({ a: 1, b: anything(undefined) }), 'BAD_JSON'],
  ['NaN for a value', (it) => it.set('k', Number.NaN), 'BAD_JSON'],
  ['half a surrogate pair in a value', (it) => it.checkAndSet('k', 1, '\ud800' as Value), 'BAD_TEXT'],
  ['a ttl of 0', set({ ttl: 0 }), 'BAD_PARAMETER'],
  ['a negative ttl', (it) => it.expire('k', -1), 'BAD_PARAMETER'],
  ['a ttl that is no number', (it) => it.setMany({ a: 1 }, { ttl: anything('5') }), 'BAD_PARAMETER'],
  ['a ttl of more than ten years', set({ ttl: 4e8 }), 'BAD_PARAMETER'],
  ['two conditions', set({ ifAbsent: true, ifVersion: 3 }), 'CONFLICTING_CONDITIONS'],
  ['two other conditions', set({ ifAbsent: true, ifPresent: true }), 'CONFLICTING_CONDITIONS'],
  ['half a version', set({ ifVersion: 1.5 }), 'BAD_PARAMETER'],
  ['a negative version', (it) => it.checkAndSet('k', -1, 'v'), 'BAD_PARAMETER'],
  ['no version', (it) => it.checkAndSet('k', anything(undefined), 'v'), 'BAD_PARAMETER'],
  ['a version in a text', (it) => it.delete('k', { ifVersion: anything('3') }), 'BAD_PARAMETER'],
  ['half an increment', (it) => it.increment('k', 0.5), 'BAD_PARAMETER'],
  ['too large an increment', (it) => it.increment('k', 2 ** 53), 'BAD_PARAMETER'],
  ['a deadline of 0', (it) => it.get('k', { deadlineMs: 0 }), 'BAD_PARAMETER'],
];

test.each(CALLS)('%s', async (_, call, code) => {
  const promise = call(db);
  await expect(promise).rejects.toMatchObject({ name: 'InvalidRequest', code, status: undefined });
});

test.each([
  ['no URL', []],
  ['no scheme', 'localhost:4466'],
  ['a path', 'http://localhost:4466/get'],
  ['a query', 'http://localhost:4466?a=1'],
  ['another scheme', 'redis://localhost:4466'],
  ['a user', 'http://me:secret@localhost:4466'],
  ['one bad URL of two', ['http://localhost:4466', '']],
])('%s is nothing to connect to', (_, url) => {
  expect(() => connectOver(transport, url)).toThrow(/http:\/\/localhost:4466/);
});

test('a default deadline that is none is refused at once', () => {
  expect(() => connectOver(transport, 'http://h:1', { deadlineMs: -5 })).toThrow(/deadlineMs is -5/);
});
