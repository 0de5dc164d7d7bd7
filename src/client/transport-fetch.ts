import type { StreamAnswer } from './caller.ts';
import { type Transport, TransportError, type TransportRequest } from './transport.ts';

const encoder = new TextEncoder();

/** HTTP by `fetch`, as every browser has it. It says nothing of how far a failed request got. */
export class FetchTransport implements Transport {
  readonly showsRedirects = false;
  readonly #closed = new AbortController();

  async open({ origin, path, method, headers, body, signal }: TransportRequest): Promise<StreamAnswer> {
    const either = AbortSignal.any([signal, this.#closed.signal]);
    try {
      const answer = await fetch(`${origin}${path}`, {
        method,
        headers,
        signal: either,
        redirect: 'follow',
        cache: 'no-store',
        credentials: 'omit',
        // A string would get a content type that nobody gave.
        ...(body === undefined ? {} : { body: typeof body === 'string' ? encoder.encode(body) : body }),
      });
      return { status: answer.status, headers: answer.headers, body: bodyOf(answer, signal) };
    } catch (cause) {
      signal.throwIfAborted();
      throw failure(cause);
    }
  }

  close(): Promise<void> {
    this.#closed.abort();
    return Promise.resolve();
  }
}

/** By a reader: not every browser iterates over streams. */
async function* bodyOf({ body }: Response, signal: AbortSignal): AsyncGenerator<Uint8Array, undefined> {
  if (body === null) return;
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value as Uint8Array;
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw failure(cause);
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function failure(cause: unknown): TransportError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new TransportError(why, { sent: true, cause });
}
