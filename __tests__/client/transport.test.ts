/** Both transports against real sockets: above all, whether a request that failed may have been received. */
import { createServer, type Socket } from 'node:net';
import type { StreamAnswer } from '../../src/client/caller.ts';
import { type Transport, TransportError } from '../../src/client/transport.ts';
import { FetchTransport } from '../../src/client/transport-fetch.ts';
import { UndiciTransport } from '../../src/client/transport-undici.ts';
import { freePorts } from '../support/free-ports.ts';

interface Listening {
  readonly origin: string;
  /** What came, connection by connection. */
  readonly received: string[];
  close(): Promise<void>;
}

async function listen(onRequest: (socket: Socket, text: string) => void): Promise<Listening> {
  const received: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const at = received.push('') - 1;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      received[at] += bytes.toString();
      onRequest(socket, bytes.toString());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const close = (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  return { origin: `http://127.0.0.1:${port}`, received, close };
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCatena-Node: n1\r\n\r\nok';

let transport: Transport;
let server: Listening;

async function serve(onRequest: (socket: Socket, text: string) => void): Promise<void> {
  server = await listen(onRequest);
}

afterEach(async () => {
  await transport.close();
  await server?.close();
});

function get(
  path = '/get/k',
  signal = new AbortController().signal,
  origin = server.origin,
): Promise<StreamAnswer> {
  return transport.open({ origin, path, method: 'GET', headers: { 'X-Y': 'z' }, body: undefined, signal });
}

async function textOf({ body }: StreamAnswer): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe.each([
  ['undici', () => new UndiciTransport()],
  ['fetch', () => new FetchTransport()],
])('by %s', (name, make) => {
  beforeEach(() => {
    transport = make();
  });

  test('an answer comes with status, headers and body', async () => {
    await serve((socket) => socket.write(OK));
    const answer = await get();
    expect([answer.status, answer.headers.get('catena-node'), answer.headers.get('Catena-Epoch')]).toEqual([
      200,
      'n1',
      null,
    ]);
    expect(await textOf(answer)).toBe('ok');
    expect(server.received[0]).toMatch(/^GET \/get\/k HTTP\/1.1\r\n[\s\S]*x-y: z/i);
  });

  test('a text goes out without a type that nobody gave', async () => {
    await serve((socket, text) => text.includes('text ä') && socket.write(OK));
    const signal = new AbortController().signal;
    await textOf(
      await transport.open({
        origin: server.origin,
        path: '/set/k',
        method: 'PUT',
        headers: {},
        body: 'text ä',
        signal,
      }),
    );
    expect(server.received[0]).not.toMatch(/content-type/i);
  });

  test('a connection that breaks before or within the answer may have brought the request there', async () => {
    await serve((socket) => socket.destroy());
    await expect(get()).rejects.toMatchObject({ name: 'TransportError', sent: true });
    await server.close();
    await serve((socket) => socket.end(OK.slice(0, -1)));
    await expect(get().then(textOf)).rejects.toMatchObject({ name: 'TransportError', sent: true });
  });

  test('a signal ends a request, and the body of its answer, with its reason', async () => {
    const reason = new Error('enough');
    const first = new AbortController();
    await serve(() => first.abort(reason));
    await expect(get('/get/k', first.signal)).rejects.toBe(reason);
    await server.close();
    await serve((socket) => socket.write(OK.slice(0, -1)));
    const second = new AbortController();
    const answer = await get('/get/k', second.signal);
    const text = textOf(answer);
    second.abort(reason);
    await expect(text).rejects.toBe(reason);
  });

  test('closing ends what is under way', async () => {
    await serve(() => void transport.close());
    await expect(get()).rejects.toBeInstanceOf(TransportError);
  });

  test(`where nobody listens, ${name === 'undici' ? 'nothing was sent' : 'it is not certain that nothing was sent'}`, async () => {
    await serve(() => {});
    const [port] = await freePorts(1);
    for (const host of ['127.0.0.1', 'localhost', '[::1]']) {
      const error = await get('/', new AbortController().signal, `http://${host}:${port}`).catch(
        (error: unknown) => error,
      );
      expect(error).toMatchObject({ name: 'TransportError', sent: name !== 'undici' });
    }
  });
});

test('by undici a host that has no address got nothing', async () => {
  transport = new UndiciTransport();
  await serve(() => {});
  const error = await get('/', new AbortController().signal, 'http://no-such-host.invalid:1').catch(
    (error: unknown) => error,
  );
  expect(error).toMatchObject({ name: 'TransportError', sent: false });
});

test('by undici a path goes out as it is, dots and all', async () => {
  transport = new UndiciTransport();
  await serve((socket) => socket.write(OK));
  await textOf(await get('/get/a/../b%2F..'));
  expect(server.received[0]).toMatch(/^GET \/get\/a\/\.\.\/b%2F\.\. /);
});

test('by undici connections are kept, and serve one request after the other', async () => {
  transport = new UndiciTransport();
  await serve((socket) => socket.write(OK));
  for (let i = 0; i < 50; i++) await textOf(await get());
  expect(server.received.length).toBeLessThan(5);
});
