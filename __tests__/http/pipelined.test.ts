import type { Socket } from 'node:net';
import { type Answer, answersIn } from '../fuzz/http-answers.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { call, openSocket, startNode, type TestNode } from './harness.ts';

const BIG = 'x'.repeat(1_000_000);
const GET_BIG = 'GET /get/big HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n\r\n';
const SET = 'PUT /set/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx';
const BROKEN_CHUNK = 'PUT /set/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n';

/** All answers that come until the connection ends. */
function answersOf(socket: Socket): Promise<Answer[]> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => {
    socket.on('close', () => resolve(answersIn(Buffer.concat(chunks).toString('latin1'))));
  });
}

const statuses = (answers: readonly Answer[]): number[] => answers.map(({ status }) => status);

async function withBigValue(options: Parameters<typeof startNode>[0] = {}) {
  const node = await startNode(options);
  const headers = { 'Content-Type': 'text/plain' };
  expect((await call(`${node.url}/set/big`, { method: 'PUT', headers, body: BIG })).status).toBe(201);
  return node;
}

/** Writes of this node are answered when the test says. */
function heldWrites({ service }: TestNode): { taken: Promise<void>; release: () => void } {
  const write = service.write.bind(service);
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const taken = new Promise<void>((resolve) => {
    service.write = async (...asked) => {
      resolve();
      await released;
      return await write(...asked);
    };
  });
  return { taken, release: () => release() };
}

describe('what is no request behind a whole one', () => {
  test.each([
    ['rubbish', 'nonsense\r\n\r\n', 400],
    ['a broken body', BROKEN_CHUNK, 400],
    ['too many headers', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`, 431],
    ['a CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n', 405],
  ])('lets a long answer out whole, and %s is answered behind it', async (_what, bytes, status) => {
    const { port, logger } = await withBigValue();
    const socket = await openSocket(port);
    const answers = answersOf(socket);
    socket.write(GET_BIG + GET_BIG + bytes);
    const [first, second, last, ...more] = await answers;
    for (const answer of [first, second]) expect(answer).toMatchObject({ status: 200, body: BIG });
    expect(last).toMatchObject({ status, whole: true });
    expect(JSON.parse(last?.body ?? '').status).toBe(status);
    expect(more).toEqual([]);
    expect(logger.errors).toEqual([]);
  });

  test('is not looked at when that was said to be the last', async () => {
    const { port } = await withBigValue();
    const socket = await openSocket(port);
    const answers = answersOf(socket);
    socket.write(`${GET_BIG.replace('Host', 'Connection: close\r\nHost')}nonsense\r\n\r\n`);
    expect(await answers).toMatchObject([{ status: 200, body: BIG }]);
  });

  test('waits for the answer to a write, and refuses nothing of it', async () => {
    const node = await startNode();
    const { taken, release } = heldWrites(node);
    const socket = await openSocket(node.port);
    const answers = answersOf(socket);
    socket.write(SET);
    await taken;
    socket.write('nonsense\r\n\r\n');
    await call(`${node.url}/healthz`);
    socket.write('more of it\r\n\r\n');
    await call(`${node.url}/healthz`);
    release();
    expect(statuses(await answers)).toEqual([201, 400]);
    expect(node.service.store.seq).toBe(1);
  });

  test('with a broken body does not take effect', async () => {
    const node = await startNode();
    const { taken, release } = heldWrites(node);
    const socket = await openSocket(node.port);
    const answers = answersOf(socket);
    socket.write(SET + BROKEN_CHUNK);
    await taken;
    await call(`${node.url}/healthz`);
    socket.write(SET);
    release();
    expect(statuses(await answers)).toEqual([201, 400]);
    expect(node.service.store.seq).toBe(1);
  });

  test('and in the body of one that needs none leaves it its answer', async () => {
    const node = await startNode();
    const { taken, release } = heldWrites(node);
    const socket = await openSocket(node.port);
    const answers = answersOf(socket);
    socket.write(BROKEN_CHUNK.replace('PUT /set/', 'DELETE /delete/'));
    await taken;
    await call(`${node.url}/healthz`);
    release();
    expect(await answers).toMatchObject([{ status: 200, body: '{"key":"b","deleted":false}' }]);
  });

  test('waits no longer than a bound for an answer that never comes', async () => {
    const clock = new FakeClock();
    const node = await startNode({ clock });
    const { taken } = heldWrites(node);
    const socket = await openSocket(node.port);
    const answers = answersOf(socket);
    socket.write(SET);
    await taken;
    socket.write('nonsense\r\n\r\n');
    while (!socket.closed) {
      await call(`${node.url}/healthz`);
      clock.advance(1000);
    }
    expect(clock.now().monotonicMs).toBeGreaterThan(12_000);
    expect(await answers).toEqual([]);
  });
});

test('a body that goes on and on behind other requests is refused behind their answers', async () => {
  const { port } = await withBigValue({ httpLimits: { drainBytesMax: 100_000 } });
  const socket = await openSocket(port);
  const answers = answersOf(socket);
  socket.write(GET_BIG + GET_BIG);
  socket.write('PUT /set/b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
  const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
  for (let i = 0; i < 100; i++) socket.write(chunk);
  const [first, second, last] = await answers;
  for (const answer of [first, second]) expect(answer).toMatchObject({ status: 200, body: BIG });
  expect(last).toMatchObject({ status: 413, whole: true });
});

test('a body whose rest comes behind the 408 to it is not written', async () => {
  const { port, service } = await startNode({ httpLimits: { headersTimeoutMs: 500, requestTimeoutMs: 500 } });
  const socket = await openSocket(port);
  const answers = answersOf(socket);
  socket.write('PUT /set/a HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nhalf');
  await new Promise((resolve) => socket.once('data', resolve));
  socket.write('rest');
  expect(statuses(await answers)).toEqual([408]);
  expect(service.writes).toEqual([]);
});
