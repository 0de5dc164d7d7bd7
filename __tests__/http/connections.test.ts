import { connect, type Socket } from 'node:net';
import { FakeClock } from '../support/fake-clock.ts';
import {
  call,
  curlLike,
  openSocket,
  parseAnswer,
  type RawAnswer,
  rawRequest,
  startChain,
  startNode,
} from './harness.ts';

const ended = (socket: Socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()));

/** Sends bytes and the end of them at once, as `nc -N` does, and reads what comes. */
function halfClosing(port: number, bytes: string): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => socket.end(bytes));
    socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
    socket.on('end', () => resolve(parseAnswer(Buffer.concat(chunks).toString('latin1'))));
  });
}

describe('connections beyond the limit', () => {
  test('are counted, and said in the log once in ten seconds', async () => {
    const clock = new FakeClock();
    const { port, logger, url } = await startNode({ clock, httpLimits: { connectionsMax: 1 } });
    const held = await openSocket(port);
    const dropped = async (): Promise<void> => {
      const socket = await openSocket(port);
      await ended(socket);
    };
    await dropped();
    await dropped();
    await dropped();
    expect(logger.warnings).toEqual([expect.objectContaining({ dropped: 1, connectionsMax: 1 })]);
    clock.advance(10_000);
    await dropped();
    expect(logger.warnings).toEqual([
      expect.anything(),
      expect.objectContaining({ dropped: 3, connectionsMax: 1 }),
    ]);
    held.write('GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const chunks: Buffer[] = [];
    held.on('data', (chunk: Buffer) => chunks.push(chunk));
    await ended(held);
    expect(Buffer.concat(chunks).toString()).toContain('catena_http_connections_dropped_total 4');
    expect(url).not.toBe('');
  });
});

describe('one who ends his side behind the request', () => {
  test('is answered, when the answer takes its time as well', async () => {
    const { port, service } = await startNode();
    expect(await halfClosing(port, rawRequest('PUT', '/set/a', [], 'value'))).toMatchObject({ status: 201 });
    const write = service.write.bind(service);
    service.write = async (...asked) => {
      await new Promise<void>((resolve) => setImmediate(resolve));
      return await write(...asked);
    };
    const set = 'PUT /set/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx';
    expect(await halfClosing(port, set)).toMatchObject({ status: 200 });
    const both = await halfClosing(port, set + set);
    expect(both.body).toContain('HTTP/1.1 200');
    expect(service.store.seq).toBe(4);
  });

  test('gets the whole of an export', async () => {
    const { port, service } = await startNode();
    const value = { bytes: 'x'.repeat(1_000_000), contentType: '' };
    for (let i = 0; i < 10; i++) {
      const operation = { op: 'set', key: `k${i}`, value, ttlMs: null, condition: null } as const;
      service.store.apply({ kind: 'single', operation }, null);
    }
    const { body } = await halfClosing(port, 'GET /export HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(body.length).toBeGreaterThan(10_000_000);
    expect(body.endsWith('0\r\n\r\n')).toBe(true);
  });

  test('and sends less than a request, or none, leaves no connection behind', async () => {
    const { port, server, service } = await startNode();
    expect(
      await halfClosing(port, 'PUT /set/a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf'),
    ).toMatchObject({ status: 400 });
    expect(await halfClosing(port, 'GET /get')).toMatchObject({ status: 400 });
    expect(await halfClosing(port, '')).toMatchObject({ status: 0 });
    await halfClosing(port, 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(service.writes).toEqual([]);
    await server.close(60_000);
  });
});

describe('keys of the longest that a topology allows', () => {
  const keyBytes = 65_535;

  test('can be written, read, listed and forwarded', async () => {
    const { n1, n2 } = await startChain(['n1', 'n2'], { limits: { keyBytes } });
    const path = '%C3%BC'.repeat((keyBytes - 1) / 2);
    expect((await curlLike(n1.port, 'PUT', `/set/${path}`, [], 'x')).status).toBe(201);
    expect((await curlLike(n2.port, 'GET', `/get/${path}`, [], '')).status).toBe(200);
    expect((await curlLike(n1.port, 'GET', `/get/${path}?forward=true`, [], '')).status).toBe(200);
    const page = await curlLike(n2.port, 'GET', `/keys?prefix=${path}&after=${path}`, [], '');
    expect(page).toMatchObject({ status: 200, body: '{"keys":[],"next":null}' });
  });

  test('and longer ones are told the limit', async () => {
    const { port } = await startNode({ limits: { keyBytes } });
    const { status, body } = await curlLike(port, 'GET', `/get/${'x'.repeat(keyBytes + 1)}`, [], '');
    expect({ status, limit: JSON.parse(body).limit }).toEqual({ status: 414, limit: keyBytes });
    const { url } = await startNode();
    expect((await call(`${url}/get/${'x'.repeat(60_000)}`)).status).toBe(414);
  });
});
