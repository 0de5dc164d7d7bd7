import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { Agent, errors } from 'undici';
import { messageOf } from '../base/errors.ts';
import { type Epoch, epoch, type NodeId, type RequestId, requestId } from '../base/ids.ts';
import type { Clock } from '../ports/clock.ts';
import { errorCodeOf } from './error-code.ts';
import type { Exchange } from './exchange.ts';
import type { Headers } from './problem.ts';

/** Marks a request that a node sent on, with that node's name: it is not sent on again. */
export const FORWARDED_HEADER = 'Catena-Forwarded';
/** What that header says in the answer of a node that such a request was sent to in error. */
export const WRONG_NODE = 'wrong-node';
/** The same, where that node has taken the write and lost its place before it could say what came of it. */
export const MOVED = 'moved';

const CONNECT_TIMEOUT_MS = 1000;
/** A target waits 5 s at most for its place in the chain, and 5 s at most for the chain. */
const ANSWER_TIMEOUT_MS = 12_000;
const CONNECTIONS_PER_TARGET_MAX = 64;
/** As many as may watch a node. */
const LASTING_PER_TARGET_MAX = 1000;
/** A watch on which nothing comes for so long, not even a sign of life, is lost. */
const LASTING_SILENCE_MS = 40_000;
/** The largest answer that is handed back whole: a page of values with its escapes is smaller. */
const ANSWER_BYTES_MAX = 33_554_432;

const PASSED_ON = [
  'accept',
  'content-type',
  'if-match',
  'if-none-match',
  'idempotency-key',
  'last-event-id',
] as const;
const HANDED_BACK = [
  'Content-Type',
  'ETag',
  'Vary',
  'Expires-In',
  'Idempotent-Replay',
  'Retry-After',
  'Allow',
  'Cache-Control',
  'X-Accel-Buffering',
  'X-Content-Type-Options',
  'Content-Security-Policy',
  'Catena-Node',
  'Catena-Role',
  'Catena-Epoch',
] as const;
/** Errors that only a connection that never came about has: the target has seen nothing. */
const NOT_SENT: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_INVALID_ARG',
]);

/** What a target answered; `body` is whole, or comes as it is read. */
export interface ForwardedAnswer<Body> {
  readonly kind: 'answered';
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

/** What came of sending a request on. */
export type Forwarded<Body> =
  | ForwardedAnswer<Body>
  /** The target is no longer the one to answer; `epoch` is what it knows. `moved`: it had taken the write. */
  | { readonly kind: 'wrong-node'; readonly epoch: Epoch; readonly moved: boolean }
  /** `sent`: the target may have got the request. */
  | { readonly kind: 'failed'; readonly sent: boolean; readonly reason: string };

/** What is sent on: the request as it came, but for its path and the body that was read. */
export interface Onward {
  /** The URL of the target, without a path. */
  readonly base: string;
  /** Path and query. */
  readonly path: string;
  readonly body: Buffer | null;
}

/** Sends requests on to other nodes over connections that are kept. */
export class Forwarder {
  readonly #node: NodeId;
  readonly #agent = new Agent({
    connections: CONNECTIONS_PER_TARGET_MAX,
    pipelining: 1,
    connect: { timeout: CONNECT_TIMEOUT_MS },
    headersTimeout: ANSWER_TIMEOUT_MS,
    bodyTimeout: ANSWER_TIMEOUT_MS,
  });
  /** For answers without end, so that they take no connection from the others. */
  readonly #lasting = new Agent({
    connections: LASTING_PER_TARGET_MAX,
    pipelining: 1,
    connect: { timeout: CONNECT_TIMEOUT_MS },
    headersTimeout: ANSWER_TIMEOUT_MS,
    bodyTimeout: LASTING_SILENCE_MS,
  });

  /** Told from every other forwarder there was by the instant that it was made at. */
  readonly #name: string;
  #named = 0;

  /** `node` is the one that forwards. */
  constructor({ node, clock }: { node: NodeId; clock: Clock }) {
    const { wallMs, monotonicMs } = clock.now();
    this.#node = node;
    this.#name = `forwarded-${node}-${wallMs.toString(36)}-${Math.round(monotonicMs * 1000).toString(36)}`;
  }

  /** An id for a write that came without one, so that sending it on twice writes it once. */
  newRequestId(): RequestId {
    return requestId(`${this.#name}-${(++this.#named).toString(36)}`);
  }

  /** Waits for the whole of an answer that was opened. Never rejects. */
  async whole(opened: Forwarded<Readable>): Promise<Forwarded<Buffer>> {
    if (opened.kind !== 'answered') return opened;
    try {
      return { ...opened, body: await collect(opened.body) };
    } catch (error) {
      return { kind: 'failed', sent: true, reason: messageOf(error) };
    }
  }

  /**
   * Sends the request on and waits for the head of the answer, until `signal` aborts for the reason that it gives. Never
   * rejects; the body has to be read or destroyed. `lasts`: the answer has no end of its own.
   */
  async open(
    exchange: Exchange,
    { base, path, body }: Onward,
    { signal, lasts }: { signal: AbortSignal; lasts: boolean },
  ): Promise<Forwarded<Readable>> {
    try {
      const { method } = exchange.request;
      // Not undici's `request`, which would resolve the dots in a key and cut it at a #.
      const answer = await (lasts ? this.#lasting : this.#agent).request({
        origin: base.replace(/\/$/, ''),
        path,
        method:
          method === 'POST' || method === 'PUT' || method === 'DELETE' || method === 'HEAD' ? method : 'GET',
        headers: this.#headersFor(exchange),
        body,
        signal,
      });
      const misdirected = answer.headers[FORWARDED_HEADER.toLowerCase()];
      if (misdirected === WRONG_NODE || misdirected === MOVED) {
        await answer.body.dump();
        const known = epoch(Number(answer.headers['catena-epoch'] ?? 0));
        return { kind: 'wrong-node', epoch: known, moved: misdirected === MOVED };
      }
      const headers = handedBack(answer.headers, method === 'HEAD');
      return { kind: 'answered', status: answer.statusCode, headers, body: answer.body };
    } catch (error) {
      return { kind: 'failed', sent: !neverSent(error), reason: messageOf(error) };
    }
  }

  /** Ends the answers without end, wherever they are: whoever gets one has to ask another node. */
  async endLasting(): Promise<void> {
    await this.#lasting.destroy();
  }

  async close(): Promise<void> {
    await Promise.all([this.#agent.destroy(), this.endLasting()]);
  }

  #headersFor(exchange: Exchange): Record<string, string> {
    const headers: Record<string, string> = { [FORWARDED_HEADER]: this.#node };
    for (const name of PASSED_ON) {
      const value = exchange.header(name);
      if (value !== undefined) headers[name] = value;
    }
    return headers;
  }
}

/** Whether the target of a request that failed so can have seen nothing of it. An established connection may end with `EHOSTUNREACH` and such as well, when the request is out: there what was called tells. */
export function neverSent(error: unknown): boolean {
  if (NOT_SENT.has(errorCodeOf(error))) return true;
  return error instanceof Error && 'syscall' in error && error.syscall === 'connect';
}

async function collect(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw new errors.ResponseExceededMaxSizeError();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}

/** The length belongs to the answer to `HEAD` alone: elsewhere it follows from the body. */
function handedBack(headers: IncomingHttpHeaders, lengthToo: boolean): Headers {
  const back: Record<string, string> = {};
  for (const name of lengthToo ? [...HANDED_BACK, 'Content-Length'] : HANDED_BACK) {
    const value = headers[name.toLowerCase()];
    if (value !== undefined) back[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return back;
}
