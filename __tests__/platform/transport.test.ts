import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { ListeningPort } from '../../src/platform/listener.ts';
import { TcpTransport } from '../../src/platform/transport.ts';
import type { Connection } from '../../src/ports/transport.ts';

const transport = new TcpTransport();
const LOOPBACK = ['127.0.0.1'];
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** What came by one connection, and the promise of things to come. */
class Heard {
  readonly connection: Connection;
  readonly chunks: Uint8Array[] = [];
  reason: string | undefined;
  drains = 0;
  #changed = (): void => {};

  constructor(connection: Connection) {
    this.connection = connection;
    cleanups.push(() => connection.close());
    connection.listen({
      data: (bytes) => {
        this.chunks.push(bytes);
        this.#changed();
      },
      drained: () => {
        this.drains++;
        this.#changed();
      },
      closed: (reason) => {
        expect(this.reason).toBeUndefined();
        this.reason = reason;
        this.#changed();
      },
    });
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }
}

async function listen(
  accepted: (connection: Connection) => void,
  hosts = LOOPBACK,
  port = 0,
): Promise<ListeningPort> {
  const listening = await transport.accept({ hosts, port }, accepted);
  cleanups.push(() => listening.close());
  return listening;
}

function dial(port: number, failed: (reason: string) => void = () => {}): Promise<Connection> {
  const giveUp = new AbortController();
  cleanups.push(() => giveUp.abort());
  return transport.dial(`127.0.0.1:${port}`, { signal: giveUp.signal, retryMsMax: 50, failed });
}

async function pair(): Promise<[Heard, Heard]> {
  const { promise, resolve } = Promise.withResolvers<Heard>();
  const listening = await listen((connection) => resolve(new Heard(connection)));
  const near = new Heard(await dial(listening.port));
  return [near, await promise];
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const listening = await transport.accept({ hosts: LOOPBACK, port: 0 }, () => {});
  await listening.close();
  return listening.port;
}

test('bytes arrive in order, both ways, whether they left as one chunk, a few small or many large ones', async () => {
  const [near, far] = await pair();
  const large = Array.from({ length: 40 }, (_, i) => Buffer.alloc(1000 + i, i));
  near.connection.send([Buffer.from('one')]);
  near.connection.send([Buffer.from('t'), Buffer.from('wo')]);
  near.connection.send([]);
  near.connection.send(large);
  far.connection.send([Buffer.from('back')]);
  const expected = Buffer.concat([Buffer.from('onetwo'), ...large]);
  await far.until(() => far.bytes.length >= expected.length);
  await near.until(() => near.bytes.length >= 4);
  expect(far.bytes.equals(expected)).toBe(true);
  expect(near.bytes.toString()).toBe('back');
});

test('what a slow reader leaves behind is counted, and its leaving is told', async () => {
  const { promise, resolve } = Promise.withResolvers<Connection>();
  const listening = await listen(resolve);
  const near = new Heard(await dial(listening.port));
  const slow = await promise;
  cleanups.push(() => slow.close());
  const chunk = Buffer.alloc(1024 * 1024);
  // Nobody listens on `slow` yet, so nothing is read from it.
  for (let i = 0; i < 32; i++) near.connection.send([chunk]);
  expect(near.connection.bufferedBytes).toBeGreaterThan(chunk.length);
  new Heard(slow);
  await near.until(() => near.drains > 0);
  expect(near.connection.bufferedBytes).toBe(0);
});

test('a peer that closes is told once, with a reason, and sends to it are dropped', async () => {
  const [near, far] = await pair();
  near.connection.close();
  await far.until(() => far.reason !== undefined);
  expect(far.reason).toBe('the other end closed it');
  far.connection.send([Buffer.from('lost')]);
  near.connection.send([Buffer.from('lost')]);
  expect(near.connection.bufferedBytes).toBe(0);
  expect(near.reason).toBeUndefined();
});

test('a half-closed connection is closed, whatever is still queued for it', async () => {
  const { promise, resolve } = Promise.withResolvers<Heard>();
  const listening = await listen((connection) => resolve(new Heard(connection)));
  const socket = connect({ port: listening.port, host: '127.0.0.1', allowHalfOpen: true });
  cleanups.push(() => socket.destroy());
  socket.on('error', () => {});
  const far = await promise;
  for (let i = 0; i < 32; i++) far.connection.send([Buffer.alloc(1024 * 1024)]);
  socket.end();
  await far.until(() => far.reason !== undefined);
  expect(far.reason).toBe('the other end closed it');
});

test('a peer whose process is killed is told as closed', async () => {
  const { promise, resolve } = Promise.withResolvers<Heard>();
  const listening = await listen((connection) => resolve(new Heard(connection)));
  const script = `require('node:net').connect(${listening.port}, '127.0.0.1').write('here')`;
  const peer = spawn(process.execPath, ['-e', script], { stdio: 'inherit' });
  const far = await promise;
  await far.until(() => far.bytes.length === 4);
  peer.kill('SIGKILL');
  await far.until(() => far.reason !== undefined);
  expect(far.reason).not.toBe('');
});

test('dialling goes on until somebody listens, and says why each try failed', async () => {
  const port = await freePort();
  const reasons: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const dialled = dial(port, (reason) => {
    reasons.push(reason);
    if (reasons.length === 3) resolve();
  });
  await promise;
  await listen(() => {}, LOOPBACK, port);
  const connection = await dialled;
  cleanups.push(() => connection.close());
  expect(connection.remote).toBe(`127.0.0.1:${port}`);
  expect(reasons[0]).toContain('refused');
});

test('a dial that is given up rejects at once and calls back no more', async () => {
  const port = await freePort();
  const giveUp = new AbortController();
  const failed = Promise.withResolvers<void>();
  const dialled = transport.dial(`127.0.0.1:${port}`, {
    signal: giveUp.signal,
    retryMsMax: 60_000,
    failed: () => failed.resolve(),
  });
  await failed.promise;
  giveUp.abort(new Error('not needed any more'));
  await expect(dialled).rejects.toThrow('not needed any more');
});

test('a dial given up the moment it connects leaves no connection behind', async () => {
  const ended = Promise.withResolvers<void>();
  const giveUp = new AbortController();
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('close', () => ended.resolve());
    socket.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const dialled = transport.dial(`127.0.0.1:${port}`, { signal: giveUp.signal, retryMsMax: 50, failed() {} });
  server.once('connection', () => giveUp.abort(new Error('too late')));
  await expect(Promise.race([dialled, ended.promise.then(() => dialled)])).rejects.toThrow('too late');
  await ended.promise;
});

test('a knock where somebody listens finds it open, and hangs up', async () => {
  const { promise, resolve } = Promise.withResolvers<Heard>();
  const { port } = await listen((connection) => resolve(new Heard(connection)));
  expect(await transport.knock(`127.0.0.1:${port}`, { withinMs: 5000 })).toBe('open');
  const far = await promise;
  await far.until(() => far.reason !== undefined);
  expect(far.bytes).toHaveLength(0);
});

test.each(['127.0.0.1', 'localhost'])('a knock where nobody listens is refused: %s', async (host) => {
  const port = await freePort();
  expect(await transport.knock(`${host}:${port}`, { withinMs: 5000 })).toBe('refused');
});

test('a knock at a name with several addresses finds the one where somebody listens', async () => {
  const { port } = await listen(() => {});
  expect(await transport.knock(`localhost:${port}`, { withinMs: 5000 })).toBe('open');
});

test.each(['255.255.255.255:5466', 'nowhere.invalid:5466'])(
  'a knock that says nothing is not known: %s',
  async (address) => {
    expect(await transport.knock(address, { withinMs: 50 })).toBe('unknown');
  },
);

test('an address that is none is refused, not tried for ever', async () => {
  const options = { signal: new AbortController().signal, retryMsMax: 50, failed() {} };
  for (const address of ['localhost', ':80', 'localhost:0', 'localhost:65536', 'localhost:x']) {
    await expect(transport.dial(address, options)).rejects.toMatchObject({ code: 'BAD_TOPOLOGY' });
  }
});

test('a port in use is refused with its number and what to do', async () => {
  const { port } = await listen(() => {});
  await expect(transport.accept({ hosts: LOOPBACK, port }, () => {})).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    message: expect.stringMatching(new RegExp(`port ${port} is in use.*lsof -i :${port}.*topology file`)),
  });
});

test('a port that is taken on the second host leaves none open on the first', async () => {
  const { port } = await listen(() => {}, ['127.0.0.2']);
  await expect(transport.accept({ hosts: ['127.0.0.1', '127.0.0.2'], port }, () => {})).rejects.toMatchObject(
    { code: 'PORT_IN_USE' },
  );
  await listen(() => {}, LOOPBACK, port);
});

test('a host that this machine lacks is left out as long as another works', async () => {
  // 192.0.2.0/24 is set aside for documentation: no machine has it.
  const { port } = await listen(() => {}, ['192.0.2.1', '127.0.0.1']);
  const connection = await dial(port);
  connection.close();
  await expect(transport.accept({ hosts: ['192.0.2.1'], port: 0 }, () => {})).rejects.toMatchObject({
    code: 'PORT_IN_USE',
  });
});
