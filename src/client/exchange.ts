import type { Answer } from './caller.ts';
import { type Transport, TransportError, type TransportRequest } from './transport.ts';

/** A body on its way up may take so long for each MiB of it, in ms, beside the patience for the answer. */
const UPLOAD_MS_PER_MIB = 4000;
const MIB = 1_048_576;

/** How long a node is waited for. */
export interface Patience {
  /** Nothing moved for so long: it is given up, in ms. */
  readonly quietMs: number;
  /** The request is given up when this aborts. */
  readonly signal: AbortSignal;
  /** Asked again and again while the node says nothing; `true` gives it up, as another one is to be asked. */
  readonly elsewhere?: (() => Promise<boolean>) | undefined;
}

/** How often `elsewhere` is asked, in ms. */
const LOOK_AROUND_MS = 500;

/**
 * One request, and its whole answer.
 *
 * @throws TransportError; the reason of the signal.
 */
export async function exchange(
  transport: Transport,
  request: Omit<TransportRequest, 'signal'>,
  patience: Patience,
): Promise<Answer> {
  const watch = new Watch(patience, patience.quietMs + uploadMs(request.body));
  try {
    const opened = await transport.open({ ...request, signal: watch.signal });
    const chunks: Uint8Array[] = [];
    watch.moved();
    for await (const chunk of opened.body) {
      chunks.push(chunk);
      watch.moved();
    }
    return { status: opened.status, headers: opened.headers, body: joined(chunks) };
  } finally {
    watch.done();
  }
}

/** Gives a request up when its node is quiet for too long, when it belongs elsewhere, or when its caller says so. */
class Watch {
  readonly #controller = new AbortController();
  readonly #patience: Patience;
  #quiet: ReturnType<typeof setTimeout>;
  #look: ReturnType<typeof setTimeout> | undefined;

  constructor(patience: Patience, firstMs: number) {
    this.#patience = patience;
    if (patience.signal.aborted) this.#byCaller();
    patience.signal.addEventListener('abort', this.#byCaller, { once: true });
    this.#quiet = setTimeout(this.#byQuiet, firstMs, firstMs);
    if (patience.elsewhere !== undefined) this.#lookLater(patience.elsewhere);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  moved(): void {
    clearTimeout(this.#look);
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(this.#byQuiet, this.#patience.quietMs, this.#patience.quietMs);
  }

  done(): void {
    clearTimeout(this.#look);
    clearTimeout(this.#quiet);
    this.#look = undefined;
    this.#patience.signal.removeEventListener('abort', this.#byCaller);
  }

  readonly #byCaller = (): void => this.#controller.abort(this.#patience.signal.reason);
  readonly #byQuiet = (ms: number): void =>
    this.#controller.abort(
      new TransportError(`it said nothing for ${Math.round(ms)} ms`, { sent: true, quiet: true }),
    );

  #lookLater(elsewhere: () => Promise<boolean>): void {
    const look = async (): Promise<void> => {
      const moved = await elsewhere();
      if (this.#look === undefined) return;
      if (moved)
        this.#controller.abort(new TransportError('its place in the chain has changed', { sent: true }));
      else this.#lookLater(elsewhere);
    };
    this.#look = setTimeout(() => void look(), LOOK_AROUND_MS);
  }
}

function uploadMs(body: string | Uint8Array | undefined): number {
  return ((body?.length ?? 0) / MIB) * UPLOAD_MS_PER_MIB;
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const [only] = chunks;
  if (chunks.length === 1 && only !== undefined) return only;
  const whole = new Uint8Array(chunks.reduce((bytes, chunk) => bytes + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
