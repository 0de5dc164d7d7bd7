/** Values that travel alone. */
import { Client } from '../../src/client/client.ts';
import { Core } from '../../src/client/core.ts';
import { FakeTransport, MIDDLE, reset } from './fake-transport.ts';

test('bytes are taken as they are when set is called: what is written into the buffer later is in no try', async () => {
  const buffer = Buffer.alloc(100_000, 'a');
  const transport = new FakeTransport((_, at) => {
    buffer.fill('b');
    return at === 0 ? reset() : { status: 200, body: { key: 'k', version: 1 } };
  });
  const db = new Client(new Core({ transport, urls: [MIDDLE], deadlineMs: undefined }));
  await db.set('k', buffer);
  await db.close();
  expect(transport.seen).toHaveLength(2);
  for (const { body } of transport.seen) expect(new Set(body)).toEqual(new Set('a'));
});

test('a buffer that is used again at once holds each value apart', async () => {
  const transport = new FakeTransport(() => ({ status: 200, body: { key: 'k', version: 1 } }));
  const db = new Client(new Core({ transport, urls: [MIDDLE], deadlineMs: undefined }));
  const buffer = Buffer.alloc(100_000);
  await Promise.all(['a', 'b'].map((letter) => db.set(letter, buffer.fill(letter))));
  await db.close();
  expect(transport.seen.map(({ path, body }) => [path, [...new Set(body)].join('')])).toEqual([
    ['/set/a', 'a'],
    ['/set/b', 'b'],
  ]);
});
