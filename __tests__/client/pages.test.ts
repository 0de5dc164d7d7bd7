import { compareUtf8 } from '../../src/base/utf8.ts';
import type { Answer, Caller } from '../../src/client/caller.ts';
import { CatenaError, InvalidRequest } from '../../src/client/errors.ts';
import { itemsOf, keysOf } from '../../src/client/pages.ts';
import type { CallOptions } from '../../src/client/types.ts';
import { fakeCaller, jsonAnswer, problemAnswer } from '../support/fake-caller.ts';

/** A node that holds keys and answers pages of them. */
class Shelf {
  readonly queries: URLSearchParams[] = [];
  readonly options: CallOptions[] = [];
  readonly caller: Caller;
  readonly #keys: readonly string[];

  constructor(keys: readonly string[], before: (page: number) => Promise<void> = async () => {}) {
    this.#keys = [...keys].sort(compareUtf8);
    this.caller = fakeCaller({
      request: async ({ path }, options = {}) => {
        const query = new URLSearchParams(path.split('?')[1]);
        this.queries.push(query);
        this.options.push(options);
        await before(this.queries.length);
        options.signal?.throwIfAborted();
        return this.#page(query);
      },
    });
  }

  #page(query: URLSearchParams): Answer {
    const after = query.get('after');
    const rest = this.#keys.filter(
      (key) => key.startsWith(query.get('prefix') ?? '') && (after === null || compareUtf8(key, after) > 0),
    );
    const page = rest.slice(0, Number(query.get('limit')));
    const next = page.length < rest.length ? page.at(-1) : null;
    return jsonAnswer({ keys: page.map((key) => ({ key, version: 1 })), next });
  }
}

const numbered = (count: number): string[] => Array.from({ length: count }, (_, at) => `k${10 + at}`);

async function taken<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const row of rows) all.push(row);
  return all;
}

test('all keys come, each once and in order, whatever their number and the size of a page', async () => {
  for (const count of [0, 1, 4, 5, 6, 10, 11]) {
    const shelf = new Shelf(numbered(count));
    expect(await taken(keysOf(shelf.caller, { pageSize: 5 }))).toEqual(numbered(count));
    expect(shelf.queries).toHaveLength(Math.max(1, Math.ceil(count / 5)));
  }
});

test('a key may hold anything', async () => {
  const keys = ['a/b', 'a\0b', 'a&after=z', 'a+b c', '100%', '#', 'ü', '\uFFFD', '🙂', '..', '?'];
  const found = await taken(keysOf(new Shelf(keys).caller, { pageSize: 1 }));
  expect(found).toEqual([...keys].sort(compareUtf8));
});

test('prefix and after are kept to', async () => {
  const shelf = new Shelf(['a', 'b1', 'b2', 'b3', 'c']);
  expect(await taken(keysOf(shelf.caller, { prefix: 'b', after: 'b1', pageSize: 1 }))).toEqual(['b2', 'b3']);
});

test('one page at most is fetched ahead, and none before the second is asked for', async () => {
  const shelf = new Shelf(numbered(50));
  const keys = keysOf(shelf.caller, { pageSize: 5 });
  for (let at = 0; at < 5; at++) await keys.next();
  expect(shelf.queries).toHaveLength(1);
  for (let at = 5; at < 10; at++) await keys.next();
  expect(shelf.queries).toHaveLength(3);
  await keys.next();
  expect(shelf.queries).toHaveLength(4);
});

test('who breaks off leaves no request behind', async () => {
  const shelf = new Shelf(numbered(50));
  for await (const key of keysOf(shelf.caller, { pageSize: 5 })) if (key === 'k16') break;
  expect(shelf.queries).toHaveLength(3);
  expect(shelf.options.at(-1)?.signal?.aborted).toBe(true);
});

test('return() ends a next() that waits for its page', async () => {
  const caller = fakeCaller({ request: (_, options) => untilAborted(options) });
  const keys = keysOf(caller);
  const waiting = keys.next();
  await keys.return?.();
  expect(await waiting).toEqual({ done: true, value: undefined });
  expect(await keys.next()).toEqual({ done: true, value: undefined });
});

test('a signal gives the call up with its reason', async () => {
  const stop = new AbortController();
  const keys = keysOf(fakeCaller({ request: (_, options) => untilAborted(options) }), {
    signal: stop.signal,
  });
  const waiting = keys.next();
  stop.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
});

test('a page that can not be had is told of when the one before it is used up', async () => {
  const refused = async (page: number): Promise<void> => {
    if (page === 3) throw new CatenaError('UNAVAILABLE', 'nobody answers');
  };
  const keys = keysOf(new Shelf(numbered(50), refused).caller, { pageSize: 5 });
  for (let at = 0; at < 10; at++) expect(await keys.next()).toMatchObject({ done: false });
  await expect(keys.next()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('each page has the deadline of a call', async () => {
  const shelf = new Shelf(numbered(10));
  await taken(keysOf(shelf.caller, { pageSize: 5, deadlineMs: 77 }));
  expect(shelf.options.map(({ deadlineMs }) => deadlineMs)).toEqual([77, 77]);
});

test('items are keys with value, version, type and expiry', async () => {
  const rows = [
    { key: 'a', value: 'text', encoding: 'utf8', contentType: '', version: 3 },
    { key: 'b', value: '{"x":1}', encoding: 'utf8', contentType: 'application/json', version: 4 },
    { key: 'c', value: 'AP8=', encoding: 'base64', contentType: 'image/png', version: 5, expiresIn: 1.5 },
  ];
  const paths: string[] = [];
  const caller = fakeCaller({
    request: async ({ path }) => {
      paths.push(path);
      return jsonAnswer({ keys: rows, next: null });
    },
  });
  expect(await taken(itemsOf(caller))).toEqual([
    { key: 'a', value: 'text', version: 3, contentType: '', expiresIn: null },
    { key: 'b', value: { x: 1 }, version: 4, contentType: 'application/json', expiresIn: null },
    { key: 'c', value: new Uint8Array([0, 255]), version: 5, contentType: 'image/png', expiresIn: 1.5 },
  ]);
  expect(paths).toEqual(['/keys?limit=500&values=true']);
});

test('what can not be asked for is refused before anything is sent', async () => {
  for (const pageSize of [0, 1001, 1.5]) {
    await expect(taken(keysOf(fakeCaller({}), { pageSize }))).rejects.toThrow(InvalidRequest);
  }
  await expect(taken(keysOf(fakeCaller({}), { prefix: '\ud800' }))).rejects.toThrow(/surrogate/);
});

test('a refusal, and an answer that is no page, are errors', async () => {
  const refusing = fakeCaller({ request: async () => problemAnswer(400, 'bad-parameter') });
  await expect(taken(keysOf(refusing))).rejects.toMatchObject({
    name: 'InvalidRequest',
    code: 'BAD_PARAMETER',
  });
  const other = fakeCaller({ request: async () => jsonAnswer({ hello: 'world' }) });
  await expect(taken(keysOf(other))).rejects.toMatchObject({ code: 'BAD_ANSWER' });
});

function untilAborted({ signal }: CallOptions = {}): Promise<never> {
  return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
}
