import type { Call, StreamAnswer } from './caller.ts';

/** A request to one node, tried once. */
export interface TransportRequest {
  /** Scheme, host and port, without a slash behind. */
  readonly origin: string;
  /** Path and query as they are to go out: a transport that can does not tidy them. */
  readonly path: string;
  readonly method: Call['method'];
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | undefined;
  /** Ends the request, or the body of its answer. */
  readonly signal: AbortSignal;
}

/** HTTP as the runtime has it. No timeouts, no retries: those are the client's. */
export interface Transport {
  /** Whether a redirect comes as an answer. Browsers hide it, and drop their `Origin` on the way: there nodes are asked to forward instead. */
  readonly showsRedirects: boolean;
  /** Resolves when the headers are there. @throws TransportError; the reason of the signal. */
  open(request: TransportRequest): Promise<StreamAnswer>;
  /** Ends the connections, also those in use. */
  close(): Promise<void>;
}

/** A request that got no answer. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  /** Whether a node may have got it; `false` only when that is certain. */
  readonly sent: boolean;
  /** Whether it was given up because nothing came for too long. */
  readonly quiet: boolean;

  constructor(
    message: string,
    {
      sent,
      quiet = false,
      cause,
    }: { readonly sent: boolean; readonly quiet?: boolean; readonly cause?: unknown },
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.sent = sent;
    this.quiet = quiet;
  }
}
