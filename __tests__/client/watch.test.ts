import { jest } from '@jest/globals';
import fc from 'fast-check';
import type { Caller, StreamAnswer } from '../../src/client/caller.ts';
import { CatenaError, Gone, InvalidRequest, Unavailable } from '../../src/client/errors.ts';
import type { Change, WatchOptions } from '../../src/client/types.ts';
import { type WatchTiming, watchOf } from '../../src/client/watch.ts';
import { until } from '../support/cluster.ts';
import { fakeCaller, problemAnswer } from '../support/fake-caller.ts';

/** One connection of a watch as a node sees it. */
class Connection {
  readonly path: string;
  readonly lastEventId: string | undefined;
  readonly #waiting: (string | null | Error)[] = [];
  #arrived = Promise.withResolvers<void>();
  /** How many pieces were asked for. */
  asked = 0;
  closed = false;

  constructor({ path, headers = {}, signal }: Parameters<Caller['stream']>[0]) {
    this.path = path;
    this.lastEventId = headers['Last-Event-ID'];
    signal?.addEventListener('abort', () => {
      this.closed = true;
      this.#put(signal.reason);
    });
  }

  send(text: string): this {
    return this.#put(text);
  }

  /** Sends an entry: its changes, the last of which has the id. */
  entry(version: number, ...keys: readonly string[]): this {
    return this.send(
      keys.map((key, at) => block(version, key, at === keys.length - 1 ? version : null)).join(''),
    );
  }

  end(): this {
    return this.#put(null);
  }

  break(): this {
    return this.#put(new Error('ECONNRESET'));
  }

  async *body(): AsyncGenerator<Uint8Array, void> {
    for (;;) {
      this.asked++;
      while (this.#waiting.length === 0) await this.#arrived.promise;
      const piece = this.#waiting.shift();
      if (piece === null) return;
      if (typeof piece !== 'string') throw piece;
      yield new TextEncoder().encode(piece);
    }
  }

  #put(piece: string | null | Error): this {
    this.#waiting.push(piece);
    this.#arrived.resolve();
    this.#arrived = Promise.withResolvers();
    return this;
  }
}

function block(version: number, key: string, id: number | null): string {
  const data = JSON.stringify({
    key,
    version,
    value: `v${version}`,
    encoding: 'utf8',
    contentType: 'text/plain',
  });
  return `event: set\ndata: ${data}\n${id === null ? '' : `id: ${id}\n`}\n`;
}

/** A chain whose members take watches on; each connection is played by hand. */
class Chain {
  readonly connections: Connection[] = [];
  readonly caller: Caller;
  /** What the next connections are answered with instead. */
  readonly refusals: (StreamAnswer | Error)[] = [];

  constructor() {
    this.caller = fakeCaller({
      stream: async (call) => {
        const refusal = this.refusals.shift();
        if (refusal instanceof Error) throw refusal;
        if (refusal !== undefined) return refusal;
        const connection = new Connection(call);
        this.connections.push(connection);
        return streamed(200, connection.body(), 'text/event-stream');
      },
    });
  }

  watch(options: WatchOptions = {}, timing: WatchTiming = {}): AsyncIterableIterator<Change> {
    return watchOf(this.caller, options, { pauseMsMax: 1, ...timing });
  }

  /** The nth connection, once it is there. */
  async connection(count: number): Promise<Connection> {
    await until(() => this.connections.length >= count, `connection ${count}`);
    return this.connections[count - 1] as Connection;
  }
}

function streamed(
  status: number,
  body: AsyncIterable<Uint8Array>,
  type = 'application/problem+json',
  node = 'n1',
): StreamAnswer {
  const headers = new Headers({ 'Content-Type': type, 'Catena-Node': node });
  return { status, headers, body };
}

function refused(status: number, code: string, node = 'n1'): StreamAnswer {
  const { body } = problemAnswer(status, code);
  return streamed(
    status,
    (async function* () {
      yield body;
    })(),
    'application/problem+json',
    node,
  );
}

async function take(watch: AsyncIterator<Change>, count: number): Promise<string[]> {
  const keys: string[] = [];
  for (let at = 0; at < count; at++) {
    const { value } = await watch.next();
    keys.push(value === undefined ? 'the end' : `${value.key}@${value.version}`);
  }
  return keys;
}

test('changes come as what they are', async () => {
  const chain = new Chain();
  const watch = chain.watch({ prefix: 'a/ü&', since: 3 });
  const first = watch.next();
  const node = await chain.connection(1);
  expect(node.path).toBe('/watch?prefix=a%2F%C3%BC%26&since=3');
  node.send(
    [
      'event: set\ndata: {"key":"a","version":4,"value":"{\\"x\\":1}","encoding":"utf8","contentType":"application/json"}\nid: 4\n\n',
      'event: set\ndata: {"key":"b","version":5,"value":"AP8=","encoding":"base64","contentType":"image/png"}\nid: 5\n\n',
      'event: delete\ndata: {"key":"a","version":6}\nid: 6\n\n',
      'event: expire\ndata: {"key":"b","version":7}\nid: 7\n\n',
    ].join(''),
  );
  const seen = [await first, await watch.next(), await watch.next(), await watch.next()];
  expect(seen.map(({ value }) => value)).toEqual([
    { kind: 'set', key: 'a', version: 4, value: { x: 1 }, contentType: 'application/json' },
    { kind: 'set', key: 'b', version: 5, value: new Uint8Array([0, 255]), contentType: 'image/png' },
    { kind: 'delete', key: 'a', version: 6 },
    { kind: 'expire', key: 'b', version: 7 },
  ]);
  await watch.return?.();
});

test.each([
  ['ends', (node: Connection) => node.end()],
  ['breaks', (node: Connection) => node.break()],
  ['cuts the reader off', (node: Connection) => node.send('event: error\ndata: {"detail":"too slow"}\n\n')],
])(
  'when a connection %s, the next goes on behind the last entry, and no change is lost or comes twice',
  async (_, happens) => {
    const chain = new Chain();
    const watch = chain.watch({ since: 1 });
    const seen = take(watch, 5);
    happens((await chain.connection(1)).entry(2, 'a').entry(3, 'b'));
    const second = await chain.connection(2);
    expect(second.lastEventId).toBe('3');
    expect(second.path).toBe('/watch');
    happens(second.entry(4, 'c', 'd'));
    const third = await chain.connection(3);
    expect(third.lastEventId).toBe('4');
    third.entry(5, 'e');
    expect(await seen).toEqual(['a@2', 'b@3', 'c@4', 'd@4', 'e@5']);
    await watch.return?.();
  },
);

test('an entry that breaks off in the middle comes once, whole, from the next connection', async () => {
  const chain = new Chain();
  const watch = chain.watch({ since: 1 });
  const seen = take(watch, 4);
  (await chain.connection(1))
    .entry(2, 'a')
    .send(block(3, 'b', null))
    .send(block(3, 'c', null))
    .break();
  const second = await chain.connection(2);
  expect(second.lastEventId).toBe('2');
  second.entry(3, 'b', 'c', 'd');
  expect(await seen).toEqual(['a@2', 'b@3', 'c@3', 'd@3']);
  await watch.return?.();
});

test('wherever connections are cut, each change comes once and in order', async () => {
  const entries = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 8 });
  const cuts = fc.array(fc.record({ at: fc.nat(700), breaks: fc.boolean() }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(entries, cuts, fc.integer({ min: 1, max: 200 }), async (sizes, ends, pieceLength) => {
      const log = sizes.map((size, at) => ({
        version: at + 1,
        keys: Array.from({ length: size }, (_, place) => `k${at}-${place}`),
      }));
      const watch = watchOf(serving(log, [...ends], pieceLength), { since: 0 }, { pauseMsMax: 0 });
      const wanted = log.flatMap(({ version, keys }) => keys.map((key) => `${key}@${version}`));
      expect(await take(watch, wanted.length)).toEqual(wanted);
      await watch.return?.();
    }),
  );
});

/** A node that holds these entries; each connection ends as it is told to, in bytes, and the one after the last stays. */
function serving(
  log: readonly { readonly version: number; readonly keys: readonly string[] }[],
  ends: { readonly at: number; readonly breaks: boolean }[],
  pieceLength: number,
): Caller {
  return fakeCaller({
    stream: async ({ headers = {}, signal }) => {
      const after = Number(headers['Last-Event-ID'] ?? 0);
      const rest = log.filter(({ version }) => version > after);
      const text = rest.map(({ version, keys }) =>
        keys.map((key, at) => block(version, key, at === keys.length - 1 ? version : null)).join(''),
      );
      return streamed(200, cut(text.join(''), ends.shift(), { pieceLength, signal }), 'text/event-stream');
    },
  });
}

async function* cut(
  text: string,
  end: { readonly at: number; readonly breaks: boolean } | undefined,
  { pieceLength, signal }: { pieceLength: number; signal: AbortSignal | undefined },
): AsyncGenerator<Uint8Array, void> {
  const bytes = new TextEncoder().encode(text).subarray(0, end?.at ?? text.length);
  for (let from = 0; from < bytes.length; from += pieceLength) yield bytes.subarray(from, from + pieceLength);
  if (end?.breaks === true) throw new Error('ECONNRESET');
  if (end === undefined) {
    await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
  }
}

test('what a node repeats is not given out again', async () => {
  const chain = new Chain();
  const watch = chain.watch({ since: 1 });
  const seen = take(watch, 3);
  (await chain.connection(1)).entry(2, 'a').entry(3, 'b').end();
  (await chain.connection(2)).entry(2, 'a').entry(3, 'b').entry(4, 'c');
  expect(await seen).toEqual(['a@2', 'b@3', 'c@4']);
  await watch.return?.();
});

test('a watch from now on goes on from where it began, although nothing had changed when the connection broke', async () => {
  const chain = new Chain();
  const watch = chain.watch();
  const seen = take(watch, 1);
  const first = await chain.connection(1);
  expect([first.path, first.lastEventId]).toEqual(['/watch', undefined]);
  first.send('id: 41\n\n').break();
  const second = await chain.connection(2);
  expect(second.lastEventId).toBe('41');
  second.entry(42, 'a');
  expect(await seen).toEqual(['a@42']);
  await watch.return?.();
});

test('a place that a node names moves the watch on past what it has no part in', async () => {
  const chain = new Chain();
  const watch = chain.watch({ prefix: 'p', since: 1 });
  const seen = take(watch, 1);
  (await chain.connection(1)).send('id: 900\n\n: still here\n\n').end();
  const second = await chain.connection(2);
  expect([second.path, second.lastEventId]).toEqual(['/watch?prefix=p', '900']);
  second.entry(901, 'pa');
  expect(await seen).toEqual(['pa@901']);
  await watch.return?.();
});

test('nodes that are down, or can not serve it yet, are tried again until one can', async () => {
  const chain = new Chain();
  chain.refusals.push(new Unavailable('down'), new Error('ECONNREFUSED'), refused(503, 'not-ready'));
  chain.refusals.push(refused(502, 'x'));
  const watch = chain.watch({ since: 1 });
  const seen = take(watch, 1);
  (await chain.connection(1)).entry(2, 'a');
  expect(await seen).toEqual(['a@2']);
  expect(chain.refusals).toEqual([]);
  await watch.return?.();
});

test('a connection that falls silent is given up for another', async () => {
  const chain = new Chain();
  const watch = chain.watch({ since: 1 }, { silenceMs: 20 });
  const seen = take(watch, 2);
  const first = (await chain.connection(1)).entry(2, 'a');
  const second = await chain.connection(2);
  expect(first.closed).toBe(true);
  expect(second.lastEventId).toBe('2');
  second.entry(3, 'b');
  expect(await seen).toEqual(['a@2', 'b@3']);
  await watch.return?.();
});

test('a node that takes the request and does not answer is given up as well', async () => {
  const chain = new Chain();
  let hung = 0;
  const caller = fakeCaller({
    stream: (call) => {
      if (hung++ > 0) return chain.caller.stream(call);
      return new Promise((_, reject) =>
        call.signal?.addEventListener('abort', () => reject(call.signal?.reason)),
      );
    },
  });
  const watch = watchOf(caller, { since: 1 }, { silenceMs: 20, pauseMsMax: 1 });
  const seen = take(watch, 1);
  (await chain.connection(1)).entry(2, 'a');
  expect(await seen).toEqual(['a@2']);
  await watch.return?.();
});

test("silence is the node's alone: while the reader is at work no time runs", async () => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] });
  try {
    const chain = new Chain();
    const watch = chain.watch({ since: 1 });
    const first = watch.next();
    expect(jest.getTimerCount()).toBe(1);
    const [node] = chain.connections;
    node?.entry(2, 'a').entry(3, 'b');
    await first;
    expect(jest.getTimerCount()).toBe(0);
    await watch.return?.();
    expect(jest.getTimerCount()).toBe(0);
  } finally {
    jest.useRealTimers();
  }
});

test('a slow reader reads slowly: no more is asked of the connection than what was taken', async () => {
  const chain = new Chain();
  const watch = chain.watch({ since: 1 });
  const first = watch.next();
  const node = await chain.connection(1);
  for (let version = 2; version < 100; version++) node.entry(version, `k${version}`);
  await first;
  expect(node.asked).toBe(1);
  await watch.next();
  expect(node.asked).toBe(2);
  await watch.return?.();
});

test('changes that no member holds any more are an error that says so, and the watch is over', async () => {
  const chain = new Chain();
  for (const node of ['n1', 'n2', 'n1', 'n2', 'n1']) chain.refusals.push(refused(410, 'gone', node));
  const watch = chain.watch({ since: 1 });
  await expect(watch.next()).rejects.toThrow(Gone);
  expect(await watch.next()).toEqual({ done: true, value: undefined });
  expect(chain.refusals).toEqual([]);
  expect(chain.connections).toEqual([]);
});

test('changes that one member no longer holds come from another', async () => {
  const chain = new Chain();
  chain.refusals.push(refused(410, 'gone', 'n3'), refused(410, 'gone', 'n1'));
  const watch = chain.watch({ since: 1 });
  const seen = take(watch, 1);
  (await chain.connection(1)).entry(2, 'a');
  expect(await seen).toEqual(['a@2']);
  await watch.return?.();
});

test('a watch that was cut off for too long is told that it missed something, after what it had got', async () => {
  const chain = new Chain();
  const watch = chain.watch({ since: 1 });
  const seen = take(watch, 1);
  const first = await chain.connection(1);
  chain.refusals.push(refused(410, 'gone'), refused(410, 'gone'), refused(410, 'gone'));
  first.entry(2, 'a').end();
  expect(await seen).toEqual(['a@2']);
  await expect(watch.next()).rejects.toThrow(Gone);
});

test('what no other member would answer otherwise is an error at once', async () => {
  const chain = new Chain();
  chain.refusals.push(refused(400, 'bad-parameter'));
  await expect(chain.watch().next()).rejects.toThrow(InvalidRequest);
  chain.refusals.push(new CatenaError('CLOSED', 'the client was closed'));
  await expect(chain.watch().next()).rejects.toMatchObject({ code: 'CLOSED' });
  chain.refusals.push(streamed(200, new Connection({ path: '' }).body(), 'text/html'));
  await expect(chain.watch().next()).rejects.toMatchObject({ code: 'BAD_ANSWER' });
  await expect(chain.watch({ prefix: '\ud800' }).next()).rejects.toThrow(/surrogate/);
});

test.each([
  ['data that is no JSON', 'event: set\ndata: {\n\n'],
  ['no key', 'event: delete\ndata: {"version":1}\n\n'],
  ['an id that is no version', 'id: x\n\n'],
])('a stream with %s is none of catena, and is left', async (_, text) => {
  const chain = new Chain();
  const next = chain.watch().next();
  const node = (await chain.connection(1)).send(text);
  await expect(next).rejects.toMatchObject({ code: 'BAD_ANSWER' });
  expect(node.closed).toBe(true);
});

test('events of a kind that a newer node may have are passed over', async () => {
  const chain = new Chain();
  const watch = chain.watch({ since: 1 });
  const seen = take(watch, 1);
  (await chain.connection(1)).send('event: moved\ndata: {}\nid: 2\n\n').entry(3, 'a');
  expect(await seen).toEqual(['a@3']);
  await watch.return?.();
});

test('a signal ends the watch, also one that waits, and closes its connection', async () => {
  const chain = new Chain();
  const stop = new AbortController();
  const watch = chain.watch({ since: 1, signal: stop.signal });
  const seen = take(watch, 2);
  const node = (await chain.connection(1)).entry(2, 'a');
  await until(() => node.asked === 2, 'the first change taken');
  stop.abort();
  expect(await seen).toEqual(['a@2', 'the end']);
  expect(node.closed).toBe(true);
  expect(await chain.watch({ signal: stop.signal }).next()).toEqual({ done: true, value: undefined });
});

test('return() ends a next() that waits, and closes the connection', async () => {
  const chain = new Chain();
  const watch = chain.watch();
  const waiting = watch.next();
  const node = await chain.connection(1);
  await watch.return?.();
  expect(await waiting).toEqual({ done: true, value: undefined });
  expect(node.closed).toBe(true);
});

test('leaving a loop closes the connection, and what was held is forgotten', async () => {
  const chain = new Chain();
  const loop = (async () => {
    for await (const change of chain.watch({ since: 1 })) return change.key;
    return null;
  })();
  const node = (await chain.connection(1)).entry(2, 'a', 'b');
  expect(await loop).toBe('a');
  expect(node.closed).toBe(true);
  expect(chain.connections).toHaveLength(1);
});

test('a watch that waits to try again ends at once when it is told to', async () => {
  const chain = new Chain();
  const stop = new AbortController();
  chain.refusals.push(new Unavailable('down'));
  const watch = watchOf(chain.caller, { signal: stop.signal }, { pauseMsMax: 2 ** 30 });
  const next = watch.next();
  await until(() => chain.refusals.length === 0, 'the first try');
  stop.abort();
  expect(await next).toEqual({ done: true, value: undefined });
  expect(chain.connections).toEqual([]);
});
