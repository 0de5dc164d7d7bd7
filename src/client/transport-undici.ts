import { Agent, type Dispatcher } from 'undici';
import type { AnswerHeaders, StreamAnswer } from './caller.ts';
import { type Transport, TransportError, type TransportRequest } from './transport.ts';

const CONNECTIONS_PER_NODE_MAX = 64;
const CONNECT_TIMEOUT_MS = 1000;
/** Steps on the way to a connection: an error in one of them came before anything was sent. */
const BEFORE_SENDING: ReadonlySet<unknown> = new Set(['connect', 'getaddrinfo']);

/** HTTP/1.1 by undici: connections are kept, and each carries a request at a time. For Node. */
export class UndiciTransport implements Transport {
  readonly showsRedirects = true;
  readonly #agent = new Agent({
    connections: CONNECTIONS_PER_NODE_MAX,
    pipelining: 1,
    connect: { timeout: CONNECT_TIMEOUT_MS },
    // The client has timeouts of its own, which know what a request is for.
    headersTimeout: 0,
    bodyTimeout: 0,
  });

  async open({ origin, path, method, headers, body, signal }: TransportRequest): Promise<StreamAnswer> {
    try {
      // Not undici's `request`, which would resolve the dots in a key and cut it at a #.
      const answer = await this.#agent.request({
        origin,
        path,
        method,
        headers,
        signal,
        ...(body === undefined ? {} : { body }),
      });
      return { status: answer.statusCode, headers: headersOf(answer), body: bodyOf(answer, signal) };
    } catch (error) {
      signal.throwIfAborted();
      throw failure(error);
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

function headersOf({ headers }: Dispatcher.ResponseData): AnswerHeaders {
  return {
    get: (name) => {
      const value = headers[name.toLowerCase()];
      return value === undefined ? null : Array.isArray(value) ? value.join(', ') : value;
    },
  };
}

async function* bodyOf(
  { body }: Dispatcher.ResponseData,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, undefined> {
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) yield chunk;
  } catch (error) {
    signal.throwIfAborted();
    throw failure(error);
  }
}

function failure(error: unknown): TransportError {
  const [first] = causesOf(error);
  const told = first instanceof Error && first.message !== '' ? first.message : String(first);
  return new TransportError(told, { sent: !causesOf(error).every(isBeforeSending), cause: error });
}

/** Each address of a host that was tried in vain, or the error itself. */
function causesOf(error: unknown): readonly unknown[] {
  return error instanceof AggregateError && error.errors.length > 0 ? error.errors : [error];
}

/** `EHOSTUNREACH` and such also end connections on which a request went out: what failed decides, not how. */
function isBeforeSending(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  if ('code' in error && error.code === 'UND_ERR_CONNECT_TIMEOUT') return true;
  return 'syscall' in error && BEFORE_SENDING.has(error.syscall);
}
