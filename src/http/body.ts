import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ErrorCode } from '../base/errors.ts';
import { Refusal } from './problem.ts';

/** The caller closed the connection before its request was whole: nobody is left to be answered. */
export class CallerGone extends Error {
  override readonly name = 'CallerGone';
}

/** Is emitted on a request whose body will not be whole, while its connection goes on for a while. */
export const ABANDONED = Symbol('abandoned');

/** How many bytes of bodies a server holds at once, so that many large uploads can't take all memory. */
export class BodyBudget {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Whether there was room for so many more bytes; what was taken has to be given back. */
  take(bytes: number): boolean {
    if (this.#bytes + bytes > this.#bytesMax) return false;
    this.#bytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/** How long a body may be, what it is called by, and the code that refuses a longer one. */
export interface BodyLimit {
  readonly bytesMax: number;
  readonly name: string;
  readonly code: Extract<ErrorCode, 'VALUE_TOO_LARGE' | 'BATCH_TOO_LARGE' | 'TOPOLOGY_TOO_LARGE'>;
}

/** Whether a body was announced. */
export function hasBody(request: IncomingMessage): boolean {
  const { headers } = request;
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/**
 * The whole body. `proceed` is called when it is certain that the body is wanted, for callers that asked first with
 * `Expect: 100-continue`.
 *
 * @throws Refusal with the limit's code, as soon as the length is known to be beyond it; OVERLOADED without room.
 * @throws CallerGone.
 */
export async function readBody(
  request: IncomingMessage,
  limit: BodyLimit,
  { budget, proceed }: { budget: BodyBudget; proceed: () => void },
): Promise<Buffer> {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new Refusal('BAD_REQUEST', 'a Content-Encoding is not understood; send the body unencoded');
  }
  if (!hasBody(request)) return Buffer.alloc(0);
  if (Number(request.headers['content-length'] ?? 0) > limit.bytesMax) throw tooLarge(limit);
  proceed();
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    await eachChunk(request, (chunk) => {
      if (bytes + chunk.length > limit.bytesMax) throw tooLarge(limit);
      if (!budget.take(chunk.length)) {
        throw new Refusal('OVERLOADED', 'too many large requests are under way; try again in a moment');
      }
      bytes += chunk.length;
      chunks.push(chunk);
    });
  } finally {
    budget.give(bytes);
  }
  const [first] = chunks;
  return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, bytes);
}

function tooLarge({ bytesMax, name, code }: BodyLimit): Refusal {
  return new Refusal(code, `the body is larger than ${bytesMax} bytes (${name}); send less at once`, {
    members: { limit: bytesMax },
    headers: { Connection: 'close' },
  });
}

/** Ends with the body; rejects with what `take` threw, leaving the rest unread. */
function eachChunk(request: IncomingMessage, take: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null): void => {
      request.pause();
      request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      request.off(ABANDONED, onClose);
      if (error === null) resolve();
      else reject(error);
    };
    const onData = (chunk: Buffer): void => {
      try {
        take(chunk);
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
      }
    };
    const onEnd = (): void => done(null);
    const onClose = (): void => done(new CallerGone('the caller closed the connection'));
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
    request.on(ABANDONED, onClose);
    if (request.destroyed && !request.complete) onClose();
  });
}

/** How the reading of an unwanted body ended. */
export type Drained = 'whole' | 'too long' | 'gone';

/**
 * Reads what is left of a body and drops it, so that a caller that is still sending gets to see the answer, and then
 * calls `done`: at the end of the body, after `bytesMax`, or when the caller has gone.
 */
export function drain(
  request: IncomingMessage,
  response: ServerResponse,
  { bytesMax, done }: { bytesMax: number; done: (how: Drained) => void },
): void {
  let bytes = 0;
  let over = false;
  const finish = (how: Drained): void => {
    if (over) return;
    over = true;
    if (how === 'too long') request.pause();
    request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
    done(how);
  };
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    // What is left of a body that has come whole is in memory already, and other requests may follow it.
    if (bytes > bytesMax && !request.complete) finish('too long');
  };
  const onEnd = (): void => finish('whole');
  const onClose = (): void => finish('gone');
  request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  request.resume();
  if (request.destroyed || response.destroyed) onClose();
}
