import fc from 'fast-check';
import { NotAnInteger, Unavailable } from '../../src/client/errors.ts';
import { type RedisLikeClient, redisLike } from '../../src/client/redis-like.ts';
import { cursorAfter, keyOfCursor } from '../../src/client/redis-like-cursor.ts';
import { parseGlob } from '../../src/client/redis-like-glob.ts';
import type { KeysOptions } from '../../src/client/types.ts';

/** A client of which only this is used. */
function client(parts: Partial<RedisLikeClient>): RedisLikeClient {
  return parts as RedisLikeClient;
}

describe('a cursor', () => {
  test('is a number in digits that holds the key, whatever that is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (key) => {
        expect(cursorAfter(key)).toMatch(/^[1-9]\d*$/);
        expect(keyOfCursor(cursorAfter(key))).toBe(key);
      }),
    );
    expect(keyOfCursor('0')).toBeNull();
  });

  test('that no scan gave is refused', () => {
    // 0x1ff is a byte that is no UTF-8, 0x2ff begins with no mark.
    for (const cursor of ['', 'x', '-1', '1.5', String(0x1ff), String(0x2ff), '17', '9'.repeat(30_000)]) {
      expect(() => keyOfCursor(cursor)).toThrow('ERR invalid cursor');
    }
  });
});

describe('a pattern', () => {
  /** Says it the slow way, from the definition. */
  function matches(pattern: readonly string[], text: readonly string[]): boolean {
    const [first, ...rest] = pattern;
    if (first === undefined) return text.length === 0;
    if (first !== '*') {
      return text.length > 0 && (first === '?' || first === text[0]) && matches(rest, text.slice(1));
    }
    return matches(rest, text) || (text.length > 0 && matches(pattern, text.slice(1)));
  }

  test('of stars and question marks matches what it should', () => {
    const letters = fc.array(fc.constantFrom('a', 'b', '🙂'), { maxLength: 8 });
    const patterns = fc.array(fc.constantFrom('a', 'b', '🙂', '*', '?'), { maxLength: 8 });
    fc.assert(
      fc.property(patterns, letters, (pattern, text) => {
        const glob = parseGlob(pattern.join(''));
        expect(glob.matches(text.join(''))).toBe(matches(pattern, text));
      }),
      { numRuns: 2000 },
    );
  });

  test('matches nothing that does not begin with its prefix', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', 'b', '*', '?', '[', ']', '\\', '^', '-'),
      maxLength: 8,
    });
    fc.assert(
      fc.property(text, text, (pattern, other) => {
        const glob = parseGlob(pattern);
        if (glob.matches(other)) expect(other.startsWith(glob.prefix)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ['user:*', 'user:'],
    ['a\\*b?', 'a*b'],
    ['*', ''],
    ['plain', 'plain'],
    ['ab[cd]', 'ab'],
    ['a*b', 'a'],
  ])('%s asks only for keys that begin with %j', (pattern, prefix) => {
    expect(parseGlob(pattern).prefix).toBe(prefix);
  });

  test.each([
    ['[]', '', false],
    ['[]a', 'a', false],
    ['[^]', 'a', true],
    ['[a', 'a', true],
    ['[z-a]', 'm', true],
    ['[\\]]', ']', true],
    ['[a\\-c]', 'b', false],
    ['[a-]', '-', false],
    ['[a-]', '^', true],
    ['\\', '\\', true],
    ['\\\\', '\\', true],
  ])('%s and %s: %s, as Redis has it', (pattern, text, expected) => {
    expect(parseGlob(pattern).matches(text)).toBe(expected);
  });

  test('of many stars ends on a text that almost matches', () => {
    expect(parseGlob(`${'a*'.repeat(30)}b`).matches('a'.repeat(1000))).toBe(false);
  });
});

test('a scan asks for one page of as many keys as it looks at, and for none beyond', async () => {
  const asked: KeysOptions[] = [];
  let given = 0;
  const redis = redisLike(
    client({
      async *keys(options = {}) {
        asked.push(options);
        for (const key of ['p:a', 'p:b', 'p:c', 'p:d']) {
          given++;
          yield key;
        }
      },
    }),
  );
  const [cursor, keys] = await redis.scan('0', 'MATCH', 'p:*b', 'COUNT', 3);
  expect(keys).toEqual(['p:b']);
  expect(given).toBe(3);
  expect(asked).toEqual([{ prefix: 'p:', pageSize: 3 }]);
  await redis.scan(cursor, 'MATCH', 'p:*', 'COUNT', 5000);
  expect(asked[1]).toEqual({ prefix: 'p:', pageSize: 1000, after: 'p:c' });
});

test('an error of Redis has the name that ioredis gives it, and what the chain said as its cause', async () => {
  const refusal = new NotAnInteger('the value is not an integer; set it to one first');
  const redis = redisLike(client({ increment: () => Promise.reject(refusal) }));
  await expect(redis.incr('a')).rejects.toMatchObject({
    name: 'ReplyError',
    message: 'ERR value is not an integer or out of range',
    cause: refusal,
  });
});

test('what has no likeness in Redis comes as it is', async () => {
  const down = new Unavailable('nobody answers');
  const redis = redisLike(client({ set: () => Promise.reject(down), increment: () => Promise.reject(down) }));
  await expect(redis.set('a', 'b', 'NX')).rejects.toBe(down);
  await expect(redis.incr('a')).rejects.toBe(down);
});

test('options go with every call', async () => {
  const seen: unknown[] = [];
  const redis = redisLike(
    client({
      increment: async (...args) => {
        seen.push(args);
        return 1;
      },
      set: async (...args) => {
        seen.push(args);
        return { version: 1, created: true };
      },
    }),
    { deadlineMs: 77 },
  );
  await redis.decrby('a', 2);
  await redis.set('b', 'v', 'PX', 1500, 'NX');
  expect(seen).toEqual([
    ['a', -2, { deadlineMs: 77 }],
    ['b', 'v', { deadlineMs: 77, ifAbsent: true, ttl: 1.5 }],
  ]);
});

test('a value that another program stored as JSON is read as its text', async () => {
  const item = { key: 'a', value: { x: 1 }, version: 1, contentType: 'application/json', expiresIn: null };
  const redis = redisLike(client({ getItem: async () => item, getMany: async () => [item.value] }));
  expect(await redis.get('a')).toBe('{"x":1}');
  expect((await redis.getBuffer('a'))?.toString('utf8')).toBe('{"x":1}');
  expect(await redis.mget('a')).toEqual(['{"x":1}']);
});
