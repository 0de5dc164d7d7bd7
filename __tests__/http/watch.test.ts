import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from '../../src/protocol/command.ts';
import { batch, expire, increment, remove, set, single, value } from '../support/builders.ts';
import { type EventReader, openWatch } from '../support/event-reader.ts';
import { FakeClock } from '../support/fake-clock.ts';
import type { FakeStore } from '../support/fake-node-service.ts';
import { afterwards, call, openSocket, startChain, startNode } from './harness.ts';

async function watch(url: string, headers: Record<string, string> = {}): Promise<EventReader> {
  const reader = await openWatch(url, headers);
  afterwards(() => reader.close());
  await reader.until(({ blocks }) => blocks.length > 0, 'the first words');
  return reader;
}

const write = (store: FakeStore, ...commands: Command[]) => {
  for (const command of commands) store.apply(command, null);
};

async function problemOf(url: string, headers: Record<string, string> = {}) {
  const { status, body } = await call(url, { headers });
  return { status, ...(body as { type: string; detail: string }) };
}

describe('a watch', () => {
  test('tells of every committed change from then on, in order, with what an export says of a value', async () => {
    const { url, store } = await startNode();
    write(store, single(set('before', 'x')));
    const reader = await watch(`${url}/watch`);
    write(
      store,
      single(set('text', value(Buffer.from('grüße').toString('latin1')))),
      single(increment('n', 3)),
      single(remove('text')),
    );
    write(store, single(set('bytes', value('\xff\x00', 'image/png'))), single(expire('n', 60_000)));
    store.expireNow('n');
    await reader.until(({ events }) => events.length === 5);
    expect(reader.events).toEqual([
      {
        event: 'set',
        id: '2',
        data: { key: 'text', version: 2, value: 'grüße', encoding: 'utf8', contentType: '' },
      },
      expect.objectContaining({ event: 'set', id: '3' }),
      { event: 'delete', id: '4', data: { key: 'text', version: 4 } },
      {
        event: 'set',
        id: '5',
        data: { key: 'bytes', version: 5, value: '/wA=', encoding: 'base64', contentType: 'image/png' },
      },
      { event: 'expire', id: '7', data: { key: 'n', version: 7 } },
    ]);
  });

  test('is an event stream that no cache keeps, and begins with the place it begins at', async () => {
    const { url, store } = await startNode();
    write(store, single(set('a', '1')), single(set('b', '2')));
    const { answer, blocks } = await watch(`${url}/watch`);
    expect(answer.statusCode).toBe(200);
    expect(answer.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
    });
    expect(blocks).toEqual([{ event: null, id: '2', data: null }]);
  });

  test('can be read by a page of an allowed origin, and by no other', async () => {
    const { url } = await startNode({ origins: ['https://page.example'] });
    const { answer } = await watch(`${url}/watch`, { Origin: 'https://page.example' });
    expect(answer.headers['access-control-allow-origin']).toBe('https://page.example');
    expect((await problemOf(`${url}/watch`, { Origin: 'https://other.example' })).status).toBe(403);
  });

  test('has an id with the last change of an entry alone, also of those that a prefix lets through', async () => {
    const { url, store } = await startNode();
    write(store, batch([set('a/1', '1'), set('b/1', '2'), set('a/1', '3'), set('b/2', '4')]));
    const ids = ({ events }: EventReader) => events.map(({ id }) => id);
    const all = await watch(`${url}/watch?since=0`);
    const some = await watch(`${url}/watch?since=0&prefix=a/`);
    await all.until(({ events }) => events.length === 4);
    await some.until(({ events }) => events.length === 2);
    expect(ids(all)).toEqual([null, null, null, '1']);
    expect(some.told).toEqual(['set a/1@1=1', 'set a/1@1=3']);
    expect(ids(some)).toEqual([null, '1']);
  });

  test('goes on behind since, or behind Last-Event-ID, which wins', async () => {
    const { url, store } = await startNode();
    for (let i = 1; i <= 5; i++) write(store, single(set('k', `${i}`)));
    const since = await watch(`${url}/watch?since=3`);
    const resumed = await watch(`${url}/watch?since=1`, { 'Last-Event-ID': '4' });
    const empty = await watch(`${url}/watch?since=4`, { 'Last-Event-ID': '' });
    await since.until(({ events }) => events.length === 2);
    await resumed.until(({ events }) => events.length === 1);
    await empty.until(({ events }) => events.length === 1);
    expect(since.told).toEqual(['set k@4=4', 'set k@5=5']);
    expect(resumed.told).toEqual(['set k@5=5']);
    expect(resumed.blocks[0]?.id).toBe('4');
  });

  test('cut anywhere and resumed each time gives each entry once and whole', async () => {
    const { url, store } = await startNode();
    const expected: string[] = [];
    for (let i = 1; i <= 60; i++) {
      const keys = Array.from({ length: 1 + (i % 4) }, (_, at) => `k${at}`);
      write(store, batch(keys.map((key) => set(key, 'v'.repeat(20_000)))));
      expected.push(...keys.map((key) => `${key}@${i}`));
    }
    const whole: string[] = [];
    let lastId = '0';
    for (let bytes = 30_000; whole.length < expected.length; bytes += 7_000) {
      const reader = await watch(`${url}/watch`, { 'Last-Event-ID': lastId });
      await reader.until((now) => now.bytes > bytes || now.lastId === '60');
      reader.close();
      const lastWhole = reader.blocks.findLastIndex(({ id }) => id !== null);
      for (const { event, data } of reader.blocks.slice(0, lastWhole + 1)) {
        const { key, version } = (data ?? {}) as { key?: string; version?: number };
        if (event !== null) whole.push(`${key}@${version}`);
      }
      lastId = reader.lastId ?? lastId;
    }
    expect(whole).toEqual(expected);
  });

  test('to whom nothing is shown is told how far it has come, so that it resumes from there', async () => {
    const clock = new FakeClock();
    const { url, store } = await startNode({ clock });
    const reader = await watch(`${url}/watch?prefix=rare/`);
    for (let i = 0; i < 10; i++) write(store, single(set('other', `${i}`)));
    await until(
      () => clock.advance(1000),
      () => reader.lastId === '10',
    );
    expect(reader.events).toEqual([]);
  });

  test('gives a sign of life every 15 s, and is cut neither for being idle nor for lasting long', async () => {
    const clock = new FakeClock();
    const { url, store, service } = await startNode({
      clock,
      httpLimits: { idleMs: 500, headersTimeoutMs: 600, requestTimeoutMs: 600 },
    });
    const reader = await watch(`${url}/watch`);
    let quietMs = 0;
    for (let signs = 2; signs < 30; signs++) {
      await until(
        () => {
          clock.advance(1000);
          quietMs += 1000;
        },
        () => reader.comments >= signs,
      );
      // Real time goes by, with something said in each half of what idle connections have.
      await wait(50);
    }
    expect(quietMs).toBeGreaterThanOrEqual(28 * 15_000);
    write(store, single(set('k', 'v')));
    await reader.until(({ events }) => events.length === 1);
    expect(service.watchers.size).toBe(1);
  });

  test('is counted until its reader has gone', async () => {
    const { url, service } = await startNode();
    const readers = await Promise.all([watch(`${url}/watch`), watch(`${url}/watch?prefix=a`)]);
    expect(service.watchers.size).toBe(2);
    for (const reader of readers) reader.close();
    await until(
      () => {},
      () => service.watchers.size === 0,
    );
  });
});

describe('a watch that is refused', () => {
  test('since what is no longer held is 410, and says since when it would do', async () => {
    const { url, store } = await startNode({ changeBytesMax: 50_000 });
    for (let i = 0; i < 100; i++) write(store, single(set('k', 'v'.repeat(1000))));
    const gone = await problemOf(`${url}/watch?since=5`);
    expect(gone).toMatchObject({ status: 410, type: 'urn:catena:problem:gone', since: 5 });
    const { oldest } = gone as unknown as { oldest: number };
    expect((await problemOf(`${url}/watch?since=${oldest - 1}`)).status).toBe(410);
    const reader = await watch(`${url}/watch?since=${oldest}`);
    await reader.until(({ lastId }) => lastId === '100');
    expect(reader.events).toHaveLength(100 - oldest);
  });

  test('since a version that there is not yet is 400 where that is known, and 503 elsewhere after a moment', async () => {
    const { url, store, service } = await startNode();
    write(store, single(set('k', 'v')));
    expect(await problemOf(`${url}/watch?since=2`)).toMatchObject({
      status: 400,
      type: 'urn:catena:problem:bad-parameter',
      parameter: 'since',
    });
    service.isNewest = false;
    expect(await problemOf(`${url}/watch`, { 'Last-Event-ID': '2' })).toMatchObject({
      status: 503,
      since: 2,
      committed: 1,
    });
    expect(service.watchers.size).toBe(0);
  });

  test('since a version that comes in time waits for it', async () => {
    const clock = new FakeClock();
    const { url, store, service } = await startNode({ clock });
    service.isNewest = false;
    const opening = watch(`${url}/watch?since=2`);
    await until(
      () => {},
      () => service.watchers.size === 1,
    );
    for (const bytes of ['1', '2', '3']) write(store, single(set('k', bytes)));
    const reader = await opening;
    await reader.until(({ events }) => events.length > 0);
    expect(reader.told).toEqual(['set k@3=3']);
  });

  test('with a since that is no version is 400, named', async () => {
    const { url } = await startNode();
    for (const since of ['-1', '1.5', 'x', '', '99999999999999999']) {
      expect(await problemOf(`${url}/watch?since=${since}`)).toMatchObject({
        status: 400,
        parameter: 'since',
      });
    }
    expect(await problemOf(`${url}/watch`, { 'Last-Event-ID': 'x' })).toMatchObject({
      status: 400,
      parameter: 'Last-Event-ID',
    });
    expect((await problemOf(`${url}/watch?prefix=${'x'.repeat(1025)}`)).status).toBe(400);
  });

  test('is 503 when as many watch as may, and 405 for any method but GET', async () => {
    const { url, service } = await startNode();
    service.watchersMax = 2;
    const [first] = [await watch(`${url}/watch`), await watch(`${url}/watch`)];
    expect(await problemOf(`${url}/watch`)).toMatchObject({
      status: 503,
      type: 'urn:catena:problem:overloaded',
    });
    first.close();
    await until(
      () => {},
      () => service.watchers.size < 2,
    );
    await watch(`${url}/watch`);
    for (const method of ['HEAD', 'POST', 'PUT', 'DELETE']) {
      const { status, headers } = await call(`${url}/watch`, { method });
      expect([status, headers.get('allow')]).toEqual([405, 'GET, OPTIONS']);
    }
  });
});

describe('the end of a watch', () => {
  test('comes in order, without an event, when the node leaves the chain', async () => {
    const { url, service } = await startNode();
    const reader = await watch(`${url}/watch`);
    service.endWatches('this node left the chain');
    await reader.until(({ end }) => end !== null);
    expect([reader.end, reader.events]).toEqual(['whole', []]);
    expect(service.cut).toBe(0);
  });

  test('comes at once when the node stops, however long requests may take to end', async () => {
    const { url, server, store } = await startNode();
    const reader = await watch(`${url}/watch`);
    write(store, single(set('k', 'v')));
    await server.close(3_600_000);
    await reader.until(({ end }) => end !== null);
    expect([reader.end, reader.told]).toEqual(['whole', ['set k@1=v']]);
  });

  test('comes to a reader that is behind what is held, who is told so last, while others go on', async () => {
    const { url, store, service, port } = await startNode({ changeBytesMax: 4_000_000 });
    const good = await watch(`${url}/watch`);
    const slow = await openWatch(`http://127.0.0.1:${port}/watch`);
    afterwards(() => slow.close());
    slow.answer.pause();
    for (let i = 1; i <= 200; i++) {
      write(store, single(set(`k${i}`, 'v'.repeat(200_000))));
      await good.until(({ lastId }) => lastId === `${i}`);
    }
    expect(good.events).toHaveLength(200);
    slow.answer.resume();
    await slow.until(({ end }) => end !== null);
    expect(slow.blocks.at(-1)).toMatchObject({
      event: 'error',
      data: { type: 'urn:catena:problem:gone', status: 410 },
    });
    expect([slow.end, service.cut]).toEqual(['whole', 1]);
    // What it did get came without a hole.
    const versions = slow.events.slice(0, -1).map(({ id }) => Number(id));
    expect(versions).toEqual(versions.map((_, at) => at + 1));
  });

  test('comes to a reader that takes nothing for 45 s', async () => {
    const clock = new FakeClock();
    const { url, store, service, port } = await startNode({ clock });
    const good = await watch(`${url}/watch`);
    const socket = await openSocket(port);
    socket.write('GET /watch HTTP/1.1\r\nHost: x\r\n\r\n');
    await new Promise((resolve) => socket.once('readable', resolve));
    for (let i = 0; i < 60; i++) write(store, single(set(`k${i}`, 'v'.repeat(900_000))));
    await good.until(({ lastId }) => lastId === '60');
    const sinceMs = clock.now().monotonicMs;
    await until(
      () => clock.advance(1000),
      () => service.cut === 1,
    );
    expect(clock.now().monotonicMs - sinceMs).toBeGreaterThanOrEqual(45_000);
    expect(good.end).toBeNull();
    expect(service.watchers.size).toBe(1);
  });
});

describe('a watch elsewhere', () => {
  test('is answered by any member', async () => {
    const chain = await startChain(['n1', 'n2', 'n3']);
    const readers = await Promise.all([chain.n1, chain.n2, chain.n3].map(({ url }) => watch(`${url}/watch`)));
    write(chain.store, single(set('k', 'v')));
    for (const reader of readers) await reader.until(({ told }) => told.join() === 'set k@1=v');
  });

  test('is redirected by a node that is not in the chain, or passed on when asked to, and ends there too', async () => {
    const chain = await startChain(['n1', 'n2', 'n3']);
    const { configurationNow } = chain.n2.service;
    if (configurationNow === null) throw new Error('the chain has a configuration');
    const members = configurationNow.members.filter(({ node }) => node !== 'n2');
    chain.n2.service.configurationNow = { ...configurationNow, members };
    const { status, headers } = await call(`${chain.n2.url}/watch?prefix=a&since=0`);
    expect([status, headers.get('location')]).toEqual([307, `${chain.n3.url}/watch?prefix=a&since=0`]);
    const passedOn = await watch(`${chain.n2.url}/watch?forward=true`, { 'Last-Event-ID': '0' });
    expect(passedOn.answer.headers['content-type']).toBe('text/event-stream');
    write(chain.store, single(set('k', 'v')));
    await passedOn.until(({ told }) => told.join() === 'set k@1=v');
    await chain.n2.server.close(3_600_000);
    await passedOn.until(({ end }) => end !== null);
    expect(chain.n2.logger.errors).toEqual([]);
    expect(chain.n3.service.cut).toBe(0);
  });

  test('passed on a hundred times takes no connection from other requests', async () => {
    const chain = await startChain(['n1', 'n2']);
    const { configurationNow } = chain.n1.service;
    if (configurationNow === null) throw new Error('the chain has a configuration');
    chain.n1.service.configurationNow = { ...configurationNow, members: configurationNow.members.slice(1) };
    await Promise.all(Array.from({ length: 100 }, () => watch(`${chain.n1.url}/watch?forward=true`)));
    const { status } = await call(`${chain.n1.url}/get/none?forward=true`);
    expect(status).toBe(404);
  });
});

/** Does something again and again until it has had its effect. */
async function until(step: () => void, holds: () => boolean): Promise<void> {
  const untilMs = Date.now() + 20_000;
  while (!holds()) {
    if (Date.now() > untilMs) throw new Error('it had no effect');
    step();
    await wait(1);
  }
}
