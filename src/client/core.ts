import { messageOf } from '../base/errors.ts';
import { Batcher } from './batcher.ts';
import { RetryBudget } from './budget.ts';
import type { Answer, BatchOperation, BatchResult, Call, Caller, ChainView, StreamAnswer } from './caller.ts';
import { closedError, deadlineOf, Ending } from './deadline.ts';
import { Unavailable } from './errors.ts';
import { exchange } from './exchange.ts';
import { orAborted } from './pause.ts';
import { Requests } from './requests.ts';
import { retried } from './retry.ts';
import { Routing } from './routing.ts';
import type { Sending } from './sending.ts';
import { Streams } from './streams.ts';
import type { Transport } from './transport.ts';
import { TryFailed } from './try-failed.ts';
import type { CallOptions } from './types.ts';

/** The most that a batch is taken to hold while no topology is known, in bytes. */
const BATCH_BYTES_UNKNOWN = 1_048_576;
/** A node that is asked for itself and says nothing for so long has not answered, in ms. */
const ASK_MS = 2000;

/** All of a client but what it looks like: the ways of its requests to the chain, over the HTTP of the runtime. */
export class Core implements Caller {
  readonly #transport: Transport;
  readonly #deadlineMs: number | undefined;
  readonly #routing: Routing;
  readonly #requests: Requests;
  readonly #streams: Streams;
  readonly #batchers: Readonly<Record<Call['intent'], Batcher>>;
  readonly #closed = new AbortController();

  /** `urls` without slashes behind; `deadlineMs` for calls that are given none. */
  constructor({
    transport,
    urls,
    deadlineMs,
  }: {
    readonly transport: Transport;
    readonly urls: readonly string[];
    readonly deadlineMs: number | undefined;
  }) {
    const closed = this.#closed.signal;
    this.#transport = transport;
    this.#deadlineMs = deadlineMs;
    this.#routing = new Routing({ transport, urls, signal: closed });
    this.#requests = new Requests({ transport, routing: this.#routing });
    this.#streams = new Streams({ transport, routing: this.#routing, closed });
    this.#batchers = { read: this.#batcher('read'), write: this.#batcher('write') };
  }

  /** The most that nodes take in a batch, in bytes. */
  get batchBytesMax(): number {
    return this.#routing.known?.batchBytes ?? BATCH_BYTES_UNKNOWN;
  }

  async request(call: Call, options: CallOptions = {}): Promise<Answer> {
    const sending = this.#requests.sending(call.intent);
    return await this.#until(options, sending, ({ signal }) => this.#requests.run(call, { sending, signal }));
  }

  async operation(operation: BatchOperation, options: CallOptions = {}): Promise<BatchResult> {
    const { signal } = options;
    const deadline = deadlineOf(options, this.#deadlineMs);
    signal?.throwIfAborted();
    this.#closed.signal.throwIfAborted();
    const intent = operation.op === 'get' || operation.op === 'check' ? 'read' : 'write';
    return await this.#batchers[intent].add(operation, { deadline, signal });
  }

  stream(call: Parameters<Caller['stream']>[0]): Promise<StreamAnswer> {
    return this.#streams.open(call);
  }

  async ask(base: string, path: string, options: CallOptions = {}): Promise<Answer> {
    return await this.#until(options, this.#requests.sending('read'), async ({ signal }) => {
      const request = { origin: base, path, method: 'GET', headers: {}, body: undefined } as const;
      try {
        return await exchange(this.#transport, request, { quietMs: ASK_MS, signal });
      } catch (cause) {
        signal.throwIfAborted();
        throw new Unavailable(`${base} did not answer: ${messageOf(cause)}`, { cause });
      }
    });
  }

  async chain(options: CallOptions = {}): Promise<ChainView> {
    const sending = this.#requests.sending('read');
    return await this.#until(options, sending, ({ signal }) => {
      const askAll = async (): Promise<ChainView> => {
        const heard = await orAborted(this.#routing.refresh(), signal);
        if (heard && this.#routing.known !== null) return this.#routing.known;
        throw new TryFailed(this.#routing.trouble, { retryAfterMs: 0, costs: false, chainMayDiffer: false });
      };
      const failed = async (error: TryFailed): Promise<void> => {
        sending.last = error;
      };
      return retried(askAll, { signal, budget: new RetryBudget(), failed });
    });
  }

  /** Ends all calls under way, and the connections. */
  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    const error = closedError();
    for (const batcher of Object.values(this.#batchers)) batcher.close(error);
    this.#closed.abort(error);
    await this.#transport.close();
  }

  #batcher(intent: Call['intent']): Batcher {
    return new Batcher({ intent, requests: this.#requests, batchBytesMax: () => this.batchBytesMax });
  }

  async #until<T>(options: CallOptions, sending: Sending, work: (ending: Ending) => Promise<T>): Promise<T> {
    const deadline = deadlineOf(options, this.#deadlineMs);
    const ending = new Ending({ deadline, signal: options.signal, client: this.#closed.signal });
    try {
      ending.signal.throwIfAborted();
      return await work(ending);
    } catch (error) {
      if (ending.signal.aborted) throw sending.endedBy(ending);
      throw error;
    } finally {
      ending.done();
    }
  }
}
