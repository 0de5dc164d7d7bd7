import { messageOf } from '../base/errors.ts';
import type { Caller, StreamAnswer } from './caller.ts';
import { Unavailable } from './errors.ts';
import { orAborted } from './pause.ts';
import type { Routing, Way } from './routing.ts';
import type { Transport } from './transport.ts';
import { withForward } from './tries.ts';

/** A stream that has not begun by then is given up, in ms. */
const BEGIN_MS = 5000;
const HOPS_MAX = 5;

/** Opens streams at members in turn; see `Caller.stream`. */
export class Streams {
  readonly #transport: Transport;
  readonly #routing: Routing;
  readonly #closed: AbortSignal;

  constructor({
    transport,
    routing,
    closed,
  }: { readonly transport: Transport; readonly routing: Routing; readonly closed: AbortSignal }) {
    this.#transport = transport;
    this.#routing = routing;
    this.#closed = closed;
  }

  /** @throws Unavailable; the reason of the signal. */
  async open(call: Parameters<Caller['stream']>[0]): Promise<StreamAnswer> {
    const signal = call.signal === undefined ? this.#closed : AbortSignal.any([call.signal, this.#closed]);
    signal.throwIfAborted();
    if (this.#routing.known === null) await orAborted(this.#routing.refresh(), signal);
    const way = this.#routing.wayForStream();
    if (way === null) throw new Unavailable(this.#routing.trouble);
    return await this.#follow(way, call, signal);
  }

  async #follow(
    first: Way,
    call: Parameters<Caller['stream']>[0],
    signal: AbortSignal,
  ): Promise<StreamAnswer> {
    let { base } = first;
    let path = this.#transport.showsRedirects ? call.path : withForward(call.path);
    for (let hops = 0; hops <= HOPS_MAX; hops++) {
      const answer = await this.#open(base, { path, headers: call.headers ?? {} }, signal);
      if (answer.status !== 307) return answer;
      for await (const _ of answer.body) break;
      const location = URL.parse(answer.headers.get('location') ?? '');
      if (location === null) break;
      base = location.origin;
      path = `${location.pathname}${location.search}`;
    }
    throw new Unavailable(`${base} sent the stream on, and nobody took it; try again in a moment`);
  }

  async #open(
    base: string,
    { path, headers }: { readonly path: string; readonly headers: Readonly<Record<string, string>> },
    signal: AbortSignal,
  ): Promise<StreamAnswer> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new Error(`it did not begin within ${BEGIN_MS} ms`)), BEGIN_MS);
    try {
      const answer = await this.#transport.open({
        origin: base,
        path,
        method: 'GET',
        headers,
        body: undefined,
        signal: AbortSignal.any([signal, late.signal]),
      });
      this.#routing.answered(base, answer.headers);
      return answer;
    } catch (cause) {
      signal.throwIfAborted();
      this.#routing.failed(base);
      void this.#routing.refresh();
      throw new Unavailable(`${base}: ${messageOf(cause)}`, { cause });
    } finally {
      clearTimeout(timer);
    }
  }
}
