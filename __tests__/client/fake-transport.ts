import type { AnswerHeaders, StreamAnswer } from '../../src/client/caller.ts';
import { type Transport, TransportError, type TransportRequest } from '../../src/client/transport.ts';

/** What a node does with a request. `hang`: it takes it and says nothing. */
export type Reply =
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: unknown;
      /** The connection breaks in the middle of the body. */
      readonly broken?: boolean;
    }
  | TransportError
  | 'hang';

/** What went out. */
export interface Seen {
  readonly origin: string;
  readonly method: string;
  readonly path: string;
  readonly id: string | undefined;
  readonly body: string;
}

export const HEAD = 'http://h:1';
export const MIDDLE = 'http://m:1';
export const TAIL = 'http://t:1';

const encoder = new TextEncoder();

/** A chain that exists in its answers alone: three nodes that say what the chain is, and `reply` to all else. */
export class FakeTransport implements Transport {
  showsRedirects = true;
  /** Everything but the questions for the topology. */
  readonly seen: Seen[] = [];
  readonly asked: string[] = [];
  chain = { epoch: 1, members: ['head', 'middle', 'tail'], reads: 'tail', batchBytes: 4_194_304 };
  closed = false;
  reply: (request: Seen, at: number) => Reply | Promise<Reply>;
  /** Says whether a node says what the chain is. */
  answersTopology: (origin: string) => boolean | 'hang' = () => true;

  constructor(reply: (request: Seen, at: number) => Reply | Promise<Reply>) {
    this.reply = reply;
  }

  async open({ origin, path, method, headers, body, signal }: TransportRequest): Promise<StreamAnswer> {
    signal.throwIfAborted();
    if (path === '/topology') {
      this.asked.push(origin);
      const answers = this.answersTopology(origin);
      return answered(answers === 'hang' ? 'hang' : answers ? this.#topology() : refused(), signal);
    }
    const text = typeof body === 'string' ? body : new TextDecoder().decode(body);
    const request = { origin, method, path, id: headers['Idempotency-Key'], body: text };
    this.seen.push(request);
    const reply = Promise.resolve(this.reply(request, this.seen.length - 1));
    return answered(await Promise.race([reply, aborted(signal)]), signal);
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  #topology(): Reply {
    const { epoch, members, reads, batchBytes } = this.chain;
    const address = (url: string) => ({ urls: [url], peer: 'x:1' });
    const topology = {
      nodes: { head: address(HEAD), middle: address(MIDDLE), tail: address(TAIL) },
      coordinators: {},
      limits: { batchBytes },
    };
    const configuration = { epoch, members: members.map((node) => ({ node })), joiner: null, reads };
    return { status: 200, body: { topology, version: 1, configuration, problem: null } };
  }
}

/** Nobody listens there. */
export function refused(): TransportError {
  return new TransportError('connect ECONNREFUSED', { sent: false });
}

/** The connection broke behind the request. */
export function reset(): TransportError {
  return new TransportError('read ECONNRESET', { sent: true });
}

/** A problem as nodes answer it. */
export function problem(
  status: number,
  name: string,
  members: Readonly<Record<string, unknown>> = {},
  headers: Readonly<Record<string, string>> = {},
): Reply {
  const body = {
    type: `urn:catena:problem:${name}`,
    title: name,
    status,
    detail: `because of ${name}`,
    ...members,
  };
  return { status, headers, body };
}

/** Answers a batch as a node would: each operation on a store of its own. */
export function batchAnswer({ body }: Seen, results?: (operation: Record<string, unknown>) => object): Reply {
  const { operations } = JSON.parse(body) as { operations: Record<string, unknown>[] };
  const plain = ({ key }: Record<string, unknown>) => ({ key, version: 1, value: 1, created: true });
  return { status: 200, body: { results: operations.map(results ?? plain) } };
}

/** The operations of a batch that went out. */
export function operationsIn({ body }: Seen): { op: string; key: string }[] {
  return (JSON.parse(body) as { operations: { op: string; key: string }[] }).operations;
}

function answered(reply: Reply, signal: AbortSignal): Promise<StreamAnswer> {
  if (reply === 'hang') return aborted(signal);
  if (reply instanceof TransportError) return Promise.reject(reply);
  const { status, headers = {}, body = {}, broken = false } = reply;
  const all: Record<string, string> = { 'catena-node': 'head', 'catena-epoch': '1', ...headers };
  return Promise.resolve({ status, headers: headersOf(all), body: bodyOf(JSON.stringify(body), broken) });
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

function headersOf(headers: Readonly<Record<string, string>>): AnswerHeaders {
  return { get: (name) => headers[name.toLowerCase()] || null };
}

async function* bodyOf(text: string, broken: boolean): AsyncGenerator<Uint8Array, undefined> {
  const bytes = encoder.encode(text);
  const middle = Math.floor(bytes.length / 2);
  yield bytes.subarray(0, middle);
  if (broken) throw reset();
  yield bytes.subarray(middle);
}
