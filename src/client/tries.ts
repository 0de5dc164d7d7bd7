import { messageOf } from '../base/errors.ts';
import type { Answer, Call } from './caller.ts';
import { exchange } from './exchange.ts';
import type { Gate } from './gate.ts';
import { orAborted } from './pause.ts';
import type { Routing, Way } from './routing.ts';
import type { Sending } from './sending.ts';
import { type Transport, TransportError } from './transport.ts';
import { TryFailed } from './try-failed.ts';
import { verdictOn } from './verdict.ts';

/**
 * A node that says nothing for so long is left for another, in ms: a little longer than it waits itself for a read to become
 * possible. A write that it waits longer for goes on there under its id, and is asked for again.
 */
const QUIET_MS: Readonly<Record<Call['intent'], number>> = { read: 1200, write: 2000 };
/** After each try that met with silence it is waited so many times as long: what takes its time gets it. */
const PATIENCE_GROWTH = 2;
/** A chain sends nobody further than this; more is a circle. */
const HOPS_MAX = 5;
const LOCATION = /^(https?:\/\/[^/?#]+)(\/.*)?$/i;

/** Tries a request once: at the node that the chain as known says, and at those that it is sent on to. */
export class Tries {
  readonly #transport: Transport;
  readonly #routing: Routing;
  /** One for reads and one for writes: those that hang must not hold up the others. */
  readonly #gates: Readonly<Record<Call['intent'], Gate>>;

  constructor({
    transport,
    routing,
    gates,
  }: {
    readonly transport: Transport;
    readonly routing: Routing;
    readonly gates: Readonly<Record<Call['intent'], Gate>>;
  }) {
    this.#transport = transport;
    this.#routing = routing;
    this.#gates = gates;
  }

  /** @throws TryFailed when another try may give an answer; CatenaError when none will; the reason of the signal. */
  async once(
    call: Call,
    {
      sending,
      signal,
      elapsedMs,
    }: { readonly sending: Sending; readonly signal: AbortSignal; readonly elapsedMs: number },
  ): Promise<Answer> {
    const gate = this.#gates[call.intent];
    await gate.enter(signal);
    try {
      const { answer, from } = await this.#follow(call, { sending, signal });
      return verdictOn(answer, { sending, from, elapsedMs });
    } finally {
      gate.leave();
    }
  }

  async #follow(
    call: Call,
    { sending, signal }: { readonly sending: Sending; readonly signal: AbortSignal },
  ): Promise<{ readonly answer: Answer; readonly from: string }> {
    let way = await this.#firstWay(call, signal);
    let path = way.forward || !this.#transport.showsRedirects ? withForward(call.path) : call.path;
    for (let hops = 0; hops <= HOPS_MAX; hops++) {
      const answer = await this.#send({ ...call, path }, way, { sending, signal });
      if (answer.status !== 307 && answer.status !== 308) return { answer, from: way.base };
      const location = answer.headers.get('location') ?? '';
      const [, base, rest = '/'] = LOCATION.exec(location) ?? [];
      // A head that lost its place with the write in hand says under which id it goes on: it may have got that far.
      sending.ends(/[?&]request-id=/.test(location) ? 'maybe' : 'none');
      void this.#routing.refresh();
      if (base === undefined) throw lost(`${way.base} sent it on to ${JSON.stringify(location)}`);
      way = { base, forward: false };
      path = rest;
    }
    throw lost(`it was sent on in a circle, last to ${way.base}`);
  }

  async #firstWay({ intent }: Call, signal: AbortSignal): Promise<Way> {
    if (this.#routing.known === null) await orAborted(this.#routing.refresh(), signal);
    const way = this.#routing.wayFor(intent);
    if (way !== null) return way;
    throw new TryFailed(this.#routing.trouble, { retryAfterMs: 0, costs: false, chainMayDiffer: true });
  }

  async #send(
    call: Call,
    way: Way,
    { sending, signal }: { readonly sending: Sending; readonly signal: AbortSignal },
  ): Promise<Answer> {
    const { method, path, body, intent } = call;
    const headers: Record<string, string> = { ...call.headers };
    if (intent === 'write') headers['Idempotency-Key'] = sending.requestId;
    const elsewhere = async (): Promise<boolean> => {
      await this.#routing.refresh();
      return this.#routing.isElsewhere(intent, way);
    };
    const quietMs = QUIET_MS[intent] * PATIENCE_GROWTH ** sending.quietTries;
    sending.begins();
    try {
      const request = { origin: way.base, method, path, headers, body };
      const answer = await exchange(this.#transport, request, { quietMs, signal, elsewhere });
      this.#routing.answered(way.base, answer.headers);
      return answer;
    } catch (error) {
      const unsent = error instanceof TransportError && !error.sent;
      sending.ends(unsent ? 'none' : 'maybe');
      signal.throwIfAborted();
      if (!(error instanceof TransportError)) throw error;
      this.#routing.failed(way.base);
      if (error.quiet) sending.metSilence();
      throw new TryFailed(`${way.base}: ${messageOf(error)}`, {
        retryAfterMs: 0,
        costs: !unsent,
        chainMayDiffer: true,
        cause: error,
      });
    }
  }
}

/** Asks the node to send the request on itself. */
export function withForward(path: string): string {
  return `${path}${path.includes('?') ? '&' : '?'}forward=true`;
}

function lost(message: string): TryFailed {
  return new TryFailed(message, { retryAfterMs: 0, costs: true, chainMayDiffer: true });
}
