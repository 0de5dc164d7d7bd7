import { connect, type Socket } from 'node:net';
import { afterEach } from '@jest/globals';
import type { HttpLimits } from '../../src/http/limits.ts';
import type { HttpServer } from '../../src/http/listeners.ts';
import { createNodeServer } from '../../src/http/node-server.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Logger } from '../../src/ports/logger.ts';
import type { Topology } from '../../src/protocol/topology.ts';
import { FakeNodeService, FakeStore, fakeConfiguration, fakeTopology } from '../support/fake-node-service.ts';

/** Ends what a test started, the last of it first. */
const endings: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});
export function afterwards(end: () => Promise<void> | void): void {
  endings.push(end);
}

/** Keeps what was logged at `warn` and `error`, for tests to ask that there was none. */
export class FakeLogger implements Logger {
  readonly errors: object[] = [];
  readonly warnings: object[] = [];
  debug(): void {}
  info(): void {}
  warn(fields: object): void {
    this.warnings.push(fields);
  }
  error(fields: object): void {
    this.errors.push(fields);
  }
}

/** A node under test: its HTTP side on a port of its own, and the fake behind it. */
export interface TestNode {
  readonly url: string;
  readonly port: number;
  readonly service: FakeNodeService;
  readonly server: HttpServer;
  readonly logger: FakeLogger;
}

export interface ChainOptions {
  readonly httpLimits?: Partial<HttpLimits>;
  readonly limits?: Partial<Topology['limits']>;
  readonly origins?: readonly string[];
  readonly clock?: Clock;
  /** What the store's recent changes may weigh. */
  readonly changeBytesMax?: number;
}

/** Nodes that make a chain in this order over one store, until the test ends. */
export async function startChain<Name extends string>(
  names: readonly Name[],
  { httpLimits, clock = systemClock, changeBytesMax, ...more }: ChainOptions = {},
): Promise<Record<Name, TestNode> & { readonly store: FakeStore }> {
  const store = new FakeStore(changeBytesMax);
  const configuration = fakeConfiguration(names);
  const topology = fakeTopology({}, more);
  const nodes = new Map<Name, TestNode>();
  for (const name of names) {
    const service = new FakeNodeService(name, { store, topology, configuration });
    const logger = new FakeLogger();
    const server = createNodeServer({
      service,
      logger,
      clock,
      ...(httpLimits && { limits: httpLimits }),
    });
    await server.listen({ hosts: ['127.0.0.1'], port: 0 });
    afterwards(() => server.close(0));
    const port = server.port();
    nodes.set(name, { url: `http://127.0.0.1:${port}`, port, service, server, logger });
  }
  const known = fakeTopology(Object.fromEntries([...nodes].map(([name, { port }]) => [name, port])), more);
  for (const { service } of nodes.values()) service.topologyNow = known;
  return Object.assign(Object.fromEntries(nodes) as Record<Name, TestNode>, { store });
}

/** One node that is the whole chain. */
export async function startNode(
  options: ChainOptions = {},
): Promise<TestNode & { readonly store: FakeStore }> {
  const { n1, store } = await startChain(['n1'], options);
  return { ...n1, store };
}

/** A request by `fetch` that follows no redirect, its answer read: JSON if it is JSON. */
export async function call(
  url: string,
  {
    method = 'GET',
    headers = {},
    body = null,
  }: {
    method?: string;
    headers?: Record<string, string>;
    body?: string | Uint8Array<ArrayBuffer> | null;
  } = {},
): Promise<{ status: number; headers: Headers; body: unknown; text: string }> {
  const answer = await fetch(url, { method, headers, body, redirect: 'manual' });
  const text = await answer.text();
  const isJson = /json$/.test(answer.headers.get('content-type') ?? '') && text !== '';
  return { status: answer.status, headers: answer.headers, body: isJson ? JSON.parse(text) : text, text };
}

/** What came back on a bare connection, in full, until the server closed it. */
export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** Sends bytes as they are and reads until the connection ends. */
export function raw(port: number, bytes: string | Buffer): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(bytes));
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('close', () => resolve(parseAnswer(Buffer.concat(chunks).toString('latin1'))));
  });
}

/** A connection left open, closed when the test ends. */
export async function openSocket(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => {});
  afterwards(() => void socket.destroy());
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  return socket;
}

/** The last answer of a connection, past any `100 Continue`. */
export function parseAnswer(text: string): RawAnswer {
  const rest = text.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '');
  const cut = rest.indexOf('\r\n\r\n');
  return {
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(rest)?.[1] ?? 0),
    head: cut < 0 ? rest : rest.slice(0, cut),
    body: cut < 0 ? '' : rest.slice(cut + 4),
  };
}

/** A request in bytes that ends its connection, with `target` as it stands. */
export function rawRequest(
  method: string,
  target: string,
  headers: readonly string[] = [],
  body = '',
): string {
  const lines = [`${method} ${target} HTTP/1.1`, 'Host: localhost', 'Connection: close', ...headers];
  const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body, 'latin1')}`];
  return `${[...lines, ...length].join('\r\n')}\r\n\r\n${body}`;
}

/** A request with bytes (one per character) for a body, and its answer. */
export function curlLike(
  port: number,
  method: string,
  target: string,
  headers: readonly string[],
  body: string,
): Promise<RawAnswer> {
  return raw(port, Buffer.from(rawRequest(method, target, headers, body), 'latin1'));
}
