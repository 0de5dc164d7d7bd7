import type { IncomingMessage, ServerResponse } from 'node:http';
import { ABANDONED, type BodyBudget, type BodyLimit, CallerGone, drain, hasBody, readBody } from './body.ts';
import type { Headers, Refusal } from './problem.ts';
import { Query } from './query.ts';
import { parseTarget, type Target } from './target.ts';

/** What all the exchanges of a server share. */
export interface Surroundings {
  /** The headers that every answer carries, as of now: `Catena-Node` and its like. */
  identity(): Headers;
  /** Whether the server is being closed: then every answer ends its connection. */
  closing(): boolean;
  readonly budget: BodyBudget;
  /** How much of an unwanted body is read and dropped. */
  readonly drainBytesMax: number;
  /** The caller sends more of an unwanted body than that: the connection is to end behind the answers on it. */
  overrun(exchange: Exchange): void;
}

/** One request and its answer, of which there is exactly one. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly target: Target;
  readonly query: Query;
  /** The path that the router found, for the metrics. */
  route = 'none';
  /** Further headers of the answer, set before it: those of an allowed origin. */
  originHeaders: Headers | null = null;
  readonly #around: Surroundings;
  /** The caller sends the body only when asked (`Expect: 100-continue`), and has not been asked. */
  #bodyHeldBack: boolean;
  #answered = false;
  #abandoned = false;

  constructor(
    { request, response }: { request: IncomingMessage; response: ServerResponse },
    around: Surroundings,
    { bodyHeldBack }: { bodyHeldBack: boolean },
  ) {
    this.request = request;
    this.response = response;
    this.target = parseTarget(request.url ?? '/');
    this.query = new Query(this.target.rawQuery);
    this.#around = around;
    this.#bodyHeldBack = bodyHeldBack;
  }

  /** A header of the request; for one that came several times, the text that Node makes of them. */
  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  /** The whole of its answer was handed over. */
  get answered(): boolean {
    return this.#answered;
  }

  /** Its request will never be whole. */
  get abandoned(): boolean {
    return this.#abandoned;
  }

  /** Its request will never be whole: who needs the body gets `CallerGone`, and who doesn't may answer as ever. */
  abandon(): void {
    this.#abandoned = true;
    this.request.emit(ABANDONED);
  }

  /**
   * @throws Refusal, CallerGone as `readBody` does.
   */
  async body(limit: BodyLimit): Promise<Buffer> {
    if (this.#abandoned) throw new CallerGone('the request was not whole');
    return await readBody(this.request, limit, {
      budget: this.#around.budget,
      proceed: () => {
        if (!this.#bodyHeldBack) return;
        this.#bodyHeldBack = false;
        this.response.writeContinue();
      },
    });
  }

  /** Answers, unless that was done already. A `body` of `null` is none at all (204, 304). */
  answer(
    status: number,
    headers: Headers,
    body: string | Buffer | null,
    encoding: 'latin1' | 'utf8' = 'utf8',
  ): void {
    if (this.response.headersSent) return;
    this.#answered = true;
    const unread = this.#unread();
    const all = this.#headersOf(headers, unread);
    if (body === null) {
      this.response.writeHead(status, all);
      this.response.end();
      return;
    }
    const length = typeof body === 'string' ? Buffer.byteLength(body, encoding) : body.length;
    all['Content-Length'] = String(length);
    this.response.writeHead(status, all);
    if (unread && !this.#bodyHeldBack && !this.#abandoned) this.#answerEarly(body, encoding);
    else this.response.end(body, encoding);
  }

  json(status: number, body: unknown, headers: Headers = {}): void {
    this.answer(status, { 'Content-Type': 'application/json', ...headers }, JSON.stringify(body));
  }

  problem(refusal: Refusal): void {
    this.answer(
      refusal.status,
      { 'Content-Type': 'application/problem+json', ...refusal.headers },
      JSON.stringify(refusal.problem()),
    );
  }

  /** Begins an answer of unknown length; the caller writes it to `response` and ends it. */
  begin(status: number, headers: Headers): void {
    this.response.writeHead(status, this.#headersOf(headers, this.#unread()));
  }

  /** Whether a body was announced that nobody has read to its end. */
  #unread(): boolean {
    return hasBody(this.request) && !this.request.readableEnded;
  }

  #headersOf(headers: Headers, unread: boolean): Record<string, string> {
    const all: Record<string, string> = { ...this.#around.identity(), ...headers };
    if (this.originHeaders !== null) {
      Object.assign(all, this.originHeaders);
      all.Vary = headers.Vary === undefined ? 'Origin' : `${headers.Vary}, Origin`;
    }
    if (this.#around.closing() || (unread && (this.#bodyHeldBack || this.#tooLongToDrop()))) {
      all.Connection = 'close';
    }
    return all;
  }

  #tooLongToDrop(): boolean {
    return Number(this.request.headers['content-length'] ?? 0) > this.#around.drainBytesMax;
  }

  /** Ended only when the body is read: a connection closed over unread bytes is reset, and the answer lost with it. */
  #answerEarly(body: string | Buffer, encoding: 'latin1' | 'utf8'): void {
    const { request, response } = this;
    response.write(body, encoding);
    drain(request, response, {
      bytesMax: this.#around.drainBytesMax,
      done: (how) => {
        if (how === 'whole') response.end();
        else if (how === 'too long') this.#around.overrun(this);
        else response.destroy();
      },
    });
  }
}
