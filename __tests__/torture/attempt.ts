import { type Dispatcher, request } from 'undici';
import type { HttpAnswer } from './answers.ts';
import type { HttpRequest } from './requests.ts';

const REDIRECTS_MAX = 6;
/** Of errors that come before anything was sent. */
const NOT_SENT: readonly string[] = ['ECONNREFUSED', 'UND_ERR_CONNECT_TIMEOUT'];

/** Where an attempt begins, and how it is made. */
export interface AttemptOptions {
  readonly base: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Goes into the query; `null` for none. */
  readonly requestIdInQuery: string | null;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly dispatcher: Dispatcher;
}

/** How one attempt ended. `requestId` is what a redirect said that the write goes on under. */
export type Attempted = {
  readonly requestId: string | null;
} & (
  | { readonly kind: 'answered'; readonly answer: HttpAnswer; readonly askedAtMs: number }
  | { readonly kind: 'failed'; readonly sent: boolean; readonly why: string }
);

/** Makes a request once, following redirects by hand as `Location` says, with the same method and body. */
export async function attempt(asked: HttpRequest, options: AttemptOptions): Promise<Attempted> {
  const first = new URL(asked.path, options.base);
  if (options.requestIdInQuery !== null) first.searchParams.set('request-id', options.requestIdInQuery);
  const signal = AbortSignal.any([AbortSignal.timeout(options.timeoutMs), options.signal]);
  let url = first.href;
  let requestId: string | null = null;
  try {
    for (let hops = 0; hops < REDIRECTS_MAX; hops++) {
      const askedAtMs = performance.now();
      const { statusCode, headers, body } = await request(url, {
        method: asked.method,
        headers: { ...asked.headers, ...options.headers },
        body: asked.body,
        dispatcher: options.dispatcher,
        signal,
      });
      const bytes = Buffer.from(await body.arrayBuffer());
      if (statusCode !== 307) {
        const answer = { status: statusCode, headers, body: bytes };
        return { kind: 'answered', answer, askedAtMs, requestId };
      }
      url = new URL(String(headers.location), url).href;
      requestId = new URL(url).searchParams.get('request-id') ?? requestId;
    }
    return { kind: 'failed', sent: false, why: 'redirected in a circle', requestId };
  } catch (error) {
    const why = reasonOf(error);
    return { kind: 'failed', sent: !NOT_SENT.includes(why), why, requestId };
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
