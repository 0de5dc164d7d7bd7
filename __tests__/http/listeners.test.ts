import { createServer, type Server } from 'node:net';
import { createNodeServer } from '../../src/http/node-server.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { FakeNodeService, fakeTopology } from '../support/fake-node-service.ts';
import { afterwards, call, FakeLogger, openSocket, startNode } from './harness.ts';

function make() {
  const service = new FakeNodeService('n1', { topology: fakeTopology({ n1: 1 }) });
  const server = createNodeServer({ service, logger: new FakeLogger(), clock: systemClock });
  afterwards(() => server.close(0));
  return { server, service };
}

/** Whether this machine has IPv6 on its loopback. */
async function hasIpv6(): Promise<boolean> {
  const server = createServer();
  const there = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen({ host: '::1', port: 0 }, () => resolve(true));
  });
  if (there) await closed(server);
  return there;
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => void server.close(() => resolve()));
}

test('one router answers on several hosts, on the same port', async () => {
  const { server, service } = make();
  const hosts = ['127.0.0.1', (await hasIpv6()) ? '::1' : '127.0.0.2'];
  await server.listen({ hosts, port: 0 });
  const [, second = ''] = hosts;
  const other = second.includes(':') ? `[${second}]` : second;
  await call(`http://127.0.0.1:${server.port()}/set/a`, { method: 'PUT', body: 'x' });
  expect((await call(`http://${other}:${server.port()}/get/a`)).text).toBe('"x"');
  expect(service.writes).toHaveLength(1);
});

test('a host that the machine lacks is left out while another works', async () => {
  const { server } = make();
  await server.listen({ hosts: ['192.0.2.1', '127.0.0.1'], port: 0 });
  expect((await call(`http://127.0.0.1:${server.port()}/healthz`)).status).toBe(200);
});

test('with no host that works, listening fails and says where', async () => {
  const { server } = make();
  await expect(server.listen({ hosts: ['192.0.2.1'], port: 0 })).rejects.toMatchObject({
    code: 'BAD_TOPOLOGY',
    message: expect.stringContaining('192.0.2.1'),
  });
});

test('all hosts are every address of the machine', async () => {
  const { server } = make();
  await server.listen({ hosts: ['all'], port: 0 });
  expect((await call(`http://127.0.0.1:${server.port()}/healthz`)).status).toBe(200);
  if (await hasIpv6()) expect((await call(`http://[::1]:${server.port()}/healthz`)).status).toBe(200);
});

test('a port that is taken is PORT_IN_USE, named, and nothing stays open', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => void taken.listen({ host: '127.0.0.2', port: 0 }, () => resolve()));
  afterwards(() => closed(taken));
  const { port } = taken.address() as { port: number };
  const { server } = make();
  await expect(server.listen({ hosts: ['127.0.0.1', '127.0.0.2'], port })).rejects.toMatchObject({
    code: 'PORT_IN_USE',
    message: expect.stringContaining(`port ${port}`),
  });
  await expect(call(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow();
});

describe('closing', () => {
  test('ends idle connections at once and lets a request under way end', async () => {
    const { server, service, port, url } = await startNode();
    const idle = await openSocket(port);
    idle.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    await new Promise((resolve) => idle.once('data', resolve));
    const idleClosed = new Promise((resolve) => idle.once('close', resolve));
    let letGo = (): void => {};
    const taken = new Promise<void>((resolve) => {
      service.route = () =>
        new Promise((route) => {
          letGo = () => route({ kind: 'here' });
          resolve();
        });
    });
    service.routeNow = () => null;
    const answer = call(`${url}/get/a`);
    await taken;
    const done = server.close(60_000);
    await idleClosed;
    await expect(call(`${url}/healthz`)).rejects.toThrow();
    letGo();
    const { status, headers } = await answer;
    expect(status).toBe(404);
    expect(headers.get('connection')).toBe('close');
    await done;
  });

  test('cuts what is left when its time is over', async () => {
    const { server, port } = await startNode();
    const half = await openSocket(port);
    half.write('GET /healthz HT');
    const cut = new Promise((resolve) => half.once('close', resolve));
    await call(`http://127.0.0.1:${port}/healthz`);
    await server.close(20);
    await cut;
  });

  test('twice is as good as once', async () => {
    const { server } = await startNode();
    await Promise.all([server.close(0), server.close(0)]);
    await server.close(0);
  });
});
