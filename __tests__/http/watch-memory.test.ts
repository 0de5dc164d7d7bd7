import { EventEmitter } from 'node:events';
import type { Exchange } from '../../src/http/exchange.ts';
import { Watches } from '../../src/http/watch.ts';
import { set, single } from '../support/builders.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeNodeService, fakeTopology } from '../support/fake-node-service.ts';

const MEBIBYTE = 1_048_576;

/** The answer to a reader that takes nothing until it is told to. */
class Stuck extends EventEmitter {
  readonly socket = Object.assign(new EventEmitter(), { destroyed: false });
  destroyed = false;
  last = '';
  #held = 0;

  write(what: string | Buffer): boolean {
    this.#held += what.length;
    return this.#held < 1000;
  }

  end(words: string): void {
    this.last = words;
  }

  destroy(): void {
    this.destroyed = true;
    this.socket.emit('close');
  }

  take(): void {
    this.#held = 0;
    this.emit('drain');
  }
}

function begin() {
  const clock = new FakeClock();
  const watches = new Watches({ clock });
  const service = new FakeNodeService('n1', { topology: fakeTopology({ n1: 1 }) });
  const watch = async (prefix: string) => {
    const response = new Stuck();
    const exchange = { response, request: { socket: response.socket }, begin: () => {} };
    await watches.answer(exchange as unknown as Exchange, service, { prefix, since: null });
    return response;
  };
  const write = (key: string, bytes: number) =>
    service.store.apply(single(set(key, 'v'.repeat(bytes))), null);
  return { clock, service, watch, write };
}

const turns = () => new Promise<void>((resolve) => setImmediate(resolve));

test('when more waits than may, the slowest are cut, until it is enough', async () => {
  const { clock, service, watch, write } = begin();
  const readers: Stuck[] = [];
  // Each has a prefix of its own, and so bytes of its own.
  for (let length = 1; length <= 70; length++) readers.push(await watch('k'.repeat(length)));
  write('k'.repeat(70), MEBIBYTE);
  await turns();
  expect(service.cut).toBe(0);
  clock.advance(30_000);
  const cut = readers.filter(({ destroyed }) => destroyed);
  expect(cut.length).toBeGreaterThanOrEqual(6);
  expect(cut.length).toBeLessThan(10);
  expect(service.cut).toBe(cut.length);
  for (const { last } of cut)
    expect(last).toMatch(/^event: error\ndata: {"type":"urn:catena:problem:overloaded"/);
});

test('what all of them wait for counts once', async () => {
  const { clock, service, watch, write } = begin();
  const readers: Stuck[] = [];
  for (let count = 0; count < 500; count++) readers.push(await watch('k'));
  for (let round = 0; round < 5; round++) {
    write('k', MEBIBYTE);
    await turns();
    clock.advance(20_000);
    expect(service.cut).toBe(0);
    for (const reader of readers) reader.take();
    await turns();
  }
  expect(service.watchers.size).toBe(500);
});
