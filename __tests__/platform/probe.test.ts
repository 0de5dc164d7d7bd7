import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { tryConnection } from '../../src/platform/probe-connect.ts';
import { getPage } from '../../src/platform/probe-http.ts';
import { resolveHosts } from '../../src/platform/probe-names.ts';
import { troubleOf } from '../../src/platform/probe-trouble.ts';
import { freePorts } from '../support/free-ports.ts';

const LOCAL = [{ address: '127.0.0.1', family: 4 }];
const BOTH = [{ address: '::1', family: 6 }, ...LOCAL];
const WITHIN = { withinMs: 5000 };

const endings: (() => void)[] = [];
afterEach(() => {
  for (const end of endings.splice(0)) end();
});

async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  endings.push(() => server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Takes connections and does this with them. */
function tcp(accepted: (socket: Socket) => void): Promise<number> {
  return portOf(
    createServer((socket) => {
      endings.push(() => socket.destroy());
      socket.on('error', () => {});
      accepted(socket);
    }),
  );
}

async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}

function page(port: number, { charactersMax = 1000, withinMs = 5000, path = '/status' } = {}) {
  return getPage(`http://name.invalid:${port}${path}`, {
    to: { addresses: LOCAL, port },
    withinMs,
    charactersMax,
  });
}

const http = (listener: RequestListener): Promise<number> => portOf(createHttpServer(listener));

describe('a look-up', () => {
  test('finds names and takes addresses for themselves, and knows when there is no such name', async () => {
    const found = await resolveHosts(['localhost', '127.0.0.2', '::1', 'nowhere.invalid'], WITHIN);
    expect(found.get('localhost')).toContainEqual({ address: '127.0.0.1', family: 4 });
    expect(found.get('127.0.0.2')).toEqual([{ address: '127.0.0.2', family: 4 }]);
    expect(found.get('::1')).toEqual([{ address: '::1', family: 6 }]);
    expect(found.get('nowhere.invalid')).toMatchObject({ kind: 'unknown-name' });
  });
});

describe('a connection', () => {
  test('to a port that is listened on is open, and is closed without a word', async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    const port = await tcp((socket) => {
      let bytes = 0;
      socket.on('data', (chunk) => (bytes += chunk.length));
      socket.on('close', () => resolve(bytes));
    });
    expect(await tryConnection({ addresses: LOCAL, port }, WITHIN)).toEqual({ kind: 'open' });
    expect(await promise).toBe(0);
  });

  test('is open when one of several addresses is', async () => {
    const port = await tcp(() => {});
    expect(await tryConnection({ addresses: BOTH, port }, WITHIN)).toEqual({ kind: 'open' });
  });

  test('to a port that nobody listens on is refused', async () => {
    const port = await freePort();
    expect(await tryConnection({ addresses: BOTH, port }, WITHIN)).toEqual({ kind: 'refused' });
  });

  test('to an address that there is no way to is told as that', async () => {
    const addresses = [{ address: '255.255.255.255', family: 4 }];
    expect(await tryConnection({ addresses, port: 5466 }, WITHIN)).toMatchObject({ kind: 'unreachable' });
  });

  test.each([
    { codes: ['ECONNREFUSED'], kind: 'refused' },
    { codes: ['ECONNREFUSED', 'EADDRNOTAVAIL'], kind: 'refused' },
    { codes: ['ECONNREFUSED', 'ETIMEDOUT'], kind: 'silent' },
    { codes: ['ENETUNREACH', 'EHOSTUNREACH'], kind: 'unreachable' },
    { codes: ['ENETUNREACH'], kind: 'unreachable' },
    { codes: ['ECONNRESET'], kind: 'broken' },
  ])('that fails at its addresses with $codes is $kind', ({ codes, kind }) => {
    const errors = codes.map((code) => Object.assign(new Error(code), { code }));
    expect(troubleOf({ errors }, WITHIN)).toMatchObject({ kind });
  });
});

describe('a page', () => {
  test('is asked for under the name in the URL, at the addresses that were found', async () => {
    const port = await http((request, response) => {
      response.setHeader('Catena-Node', 'n1');
      response.end(`${request.method} ${request.url} ${request.headers.host}`);
    });
    expect(await page(port)).toEqual({
      kind: 'answer',
      status: 200,
      location: null,
      catenaNode: 'n1',
      text: `GET /status name.invalid:${port}`,
    });
  });

  test('that redirects is not followed', async () => {
    const port = await http((_request, response) => {
      response.writeHead(307, { Location: 'http://n3:4466/get/x' });
      response.end();
    });
    expect(await page(port)).toMatchObject({ status: 307, location: 'http://n3:4466/get/x' });
  });

  test('that is longer than the limit is cut off', async () => {
    const port = await http((_request, response) => {
      response.end('x'.repeat(100_000));
    });
    expect(await page(port, { charactersMax: 10 })).toMatchObject({ status: 200, text: 'xxxxxxxxxx' });
  });

  test('of a server that takes the connection and says nothing is told as that', async () => {
    const port = await tcp(() => {});
    expect(await page(port, { withinMs: 100 })).toEqual({ kind: 'mute', withinMs: 100 });
  });

  test('of a server that stops in the middle is told as that', async () => {
    const port = await http((_request, response) => {
      response.write('half');
    });
    expect(await page(port, { withinMs: 300 })).toEqual({ kind: 'mute', withinMs: 300 });
  });

  test.each([
    ['hangs up', (socket: Socket) => void socket.destroy()],
    ['speaks something else', (socket: Socket) => void socket.end('SSH-2.0-OpenSSH_9.2\r\n')],
  ])('of a server that %s is told as a broken connection', async (_what, accepted) => {
    expect(await page(await tcp(accepted))).toMatchObject({ kind: 'broken' });
  });

  test('where nobody listens is refused', async () => {
    expect(await page(await freePort())).toEqual({ kind: 'refused' });
  });
});
