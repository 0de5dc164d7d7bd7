import type { CallOptions, Version } from './types.ts';

/** An HTTP request as the parts of the client have it; which node it goes to is found out. */
export interface Call {
  /** A read is answered by the tail (with `"reads": "any"` by any member), a write by the head. */
  readonly intent: 'read' | 'write';
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Path and query, percent-encoded: `/set/a%2Fb?ttl=3`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** The headers of an answer. */
export interface AnswerHeaders {
  /** By a name in any case; `null` when it is not there. */
  get(name: string): string | null;
}

/** What a node answered. */
export interface Answer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: Uint8Array;
}

/** An answer whose body comes bit by bit. Leaving the iteration early closes the connection. */
export interface StreamAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: AsyncIterable<Uint8Array>;
}

/** An operation as `POST /batch` has it. */
export type BatchOperation =
  | { readonly op: 'get'; readonly key: string }
  | ({
      readonly op: 'set';
      readonly key: string;
      readonly ttl?: number;
      readonly ifVersion?: Version;
    } & EncodedValue)
  | { readonly op: 'delete'; readonly key: string; readonly ifVersion?: Version }
  | { readonly op: 'increment'; readonly key: string; readonly by?: number }
  | { readonly op: 'expire'; readonly key: string; readonly ttl?: number | null }
  | { readonly op: 'check'; readonly key: string; readonly version: Version };

/** A value within a `set` of a batch: text (JSON if `contentType` says so), or bytes in base64. */
export interface EncodedValue {
  readonly value: string;
  readonly encoding?: 'utf8' | 'base64';
  readonly contentType?: string;
}

/** The result of an operation as `POST /batch` has it: which members are there depends on the operation. */
export interface BatchResult {
  readonly key: string;
  /** Of `get`, `set`, `increment`, `expire`; 0 of a `get` of an absent key. */
  readonly version?: Version;
  /** Of `get`: as `encoding` says, `null` if the key is absent. Of `increment`: the sum. */
  readonly value?: string | number | null;
  readonly encoding?: 'utf8' | 'base64';
  readonly contentType?: string;
  /** In seconds; not there if the value does not expire. */
  readonly expiresIn?: number;
  readonly created?: boolean;
  readonly deleted?: boolean;
  readonly checked?: true;
  /** Of a `get` in a write that was tried again after it had taken effect: its value is not remembered. */
  readonly replayed?: true;
}

/** The chain as it was last heard of. Immutable. */
export interface ChainView {
  readonly epoch: number;
  /** Head first. */
  readonly members: readonly string[];
  readonly joiner: string | null;
  /** Whether every member answers reads. */
  readonly reads: 'tail' | 'any';
  /** By node of the topology: where it is reached from here, such as `http://localhost:4466`. */
  readonly urls: Readonly<Record<string, string>>;
}

/** Sends requests to the chain: finds the node, tries again, keeps to deadlines. */
export interface Caller {
  /**
   * One HTTP request, tried again until it is answered: a write under one id, so that it takes effect once. Resolves with
   * every answer that is an answer to it: 2xx, 304 and 4xx (`refusalOf` makes errors of those).
   *
   * @throws CatenaError of what no further try mends (`StoreFull`); OutcomeUnknown, Unavailable when the deadline has passed; the reason of the signal.
   */
  request(call: Call, options?: CallOptions): Promise<Answer>;
  /**
   * An operation that travels in one batch with others of the same turn, each standing alone.
   *
   * @throws CatenaError of its own; else as `request`.
   */
  operation(operation: BatchOperation, options?: CallOptions): Promise<BatchResult>;
  /**
   * Opens a stream (`GET`) at a member. Tried once: resolves with any status but a redirect, and takes the member that failed last for the
   * last choice of the next try.
   *
   * @throws Unavailable when no answer begins; the reason of the signal, which also ends the body.
   */
  stream(call: {
    readonly path: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly signal?: AbortSignal;
  }): Promise<StreamAnswer>;
  /** One `GET` at this base URL and no other, tried once, given up after 2 s or at the deadline. @throws CatenaError. */
  ask(base: string, path: string, options?: CallOptions): Promise<Answer>;
  /** The chain, asked anew. @throws Unavailable when nobody says it before the deadline. */
  chain(options?: CallOptions): Promise<ChainView>;
}
