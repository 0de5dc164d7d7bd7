import { EventEmitter } from 'node:events';
import { CallerGone } from '../../src/http/body.ts';
import type { Exchange } from '../../src/http/exchange.ts';
import { Exports } from '../../src/http/export.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeNodeService, fakeTopology } from '../support/fake-node-service.ts';
import { call, openSocket, startNode } from './harness.ts';

const VALUE_BYTES = 100_000;

/** A reader that takes the next bytes when it is told to. */
class Reader extends EventEmitter {
  destroyed = false;
  ended = false;
  taken = 0;
  /** Takes everything at once. */
  fast = false;
  #held = 0;

  write(bytes: string | Buffer): boolean {
    this.#held += bytes.length;
    if (this.fast) this.take();
    return this.fast;
  }

  end(): void {
    this.ended = true;
  }

  take(): void {
    this.taken += this.#held;
    this.#held = 0;
    this.emit('drain');
  }
}

function startExport(values = 100) {
  const clock = new FakeClock();
  const exports = new Exports({ clock });
  const service = new FakeNodeService('n1', { topology: fakeTopology({ n1: 1 }) });
  for (let i = 0; i < values; i++) {
    const value = { bytes: 'x'.repeat(VALUE_BYTES), contentType: '' };
    service.store.apply(
      { kind: 'single', operation: { op: 'set', key: `k${i}`, value, ttlMs: null, condition: null } },
      null,
    );
  }
  const begin = () => {
    const reader = new Reader();
    const exchange = { response: reader, begin: () => {} } as unknown as Exchange;
    const end = exports.answer(exchange, service, '').then(
      () => 'whole',
      (error: unknown) => (error instanceof CallerGone ? error.message : Promise.reject(error)),
    );
    return { reader, end };
  };
  return { clock, begin };
}

const turns = () => new Promise<void>((resolve) => setImmediate(resolve));

test('a reader that takes nothing is cut, and makes room for others', async () => {
  const { clock, begin } = startExport();
  const stuck = Array.from({ length: 8 }, begin);
  await expect(begin().end).rejects.toMatchObject({ code: 'OVERLOADED' });
  clock.advance(59_999);
  await expect(begin().end).rejects.toMatchObject({ code: 'OVERLOADED' });
  clock.advance(1);
  for (const { end } of stuck) expect(await end).toContain('took nothing');
  const { reader, end } = begin();
  reader.fast = true;
  reader.take();
  expect(await end).toBe('whole');
  expect(reader.taken).toBeGreaterThan(100 * VALUE_BYTES);
  expect(reader.listenerCount('close') + reader.listenerCount('drain')).toBe(0);
});

test('a reader that takes a little now and then is cut after the grace', async () => {
  const { clock, begin } = startExport();
  const { reader, end } = begin();
  let ended = '';
  void end.then((how) => {
    ended = how;
  });
  let waitedMs = 0;
  while (ended === '' && waitedMs < 600_000) {
    clock.advance(9_000);
    waitedMs += 9_000;
    reader.take();
    await turns();
  }
  expect(ended).toContain('too slowly');
  expect(waitedMs).toBeGreaterThanOrEqual(30_000);
});

test('a reader that is slow but steady gets everything', async () => {
  const { clock, begin } = startExport();
  const { reader, end } = begin();
  while (!reader.ended && !reader.destroyed && clock.now().monotonicMs < 3_600_000) {
    clock.advance(500);
    reader.take();
    await turns();
  }
  expect(await end).toBe('whole');
  expect(clock.now().monotonicMs).toBeGreaterThan(120_000);
});

test('time that the node itself takes is not laid to the reader', async () => {
  const { clock, begin } = startExport(20);
  const { reader, end } = begin();
  reader.fast = true;
  const write = reader.write.bind(reader);
  reader.write = (bytes) => {
    clock.advance(60_000);
    return write(bytes);
  };
  reader.take();
  expect(await end).toBe('whole');
});

test('eight connections that read nothing shut nobody out for long', async () => {
  const clock = new FakeClock();
  const { port, url, service } = await startNode({ clock });
  const value = { bytes: 'x'.repeat(1_000_000), contentType: '' };
  for (let i = 0; i < 20; i++) {
    const operation = { op: 'set', key: `k${i}`, value, ttlMs: null, condition: null } as const;
    service.store.apply({ kind: 'single', operation }, null);
  }
  for (let i = 0; i < 8; i++) {
    const socket = await openSocket(port);
    socket.write('GET /export HTTP/1.1\r\nHost: x\r\n\r\n');
    await new Promise((resolve) => socket.once('readable', resolve));
  }
  expect((await call(`${url}/export`)).status).toBe(503);
  let status = 503;
  for (let tries = 0; status === 503 && tries < 500; tries++) {
    clock.advance(10_000);
    status = (await call(`${url}/export?prefix=none`)).status;
  }
  expect(status).toBe(200);
});
