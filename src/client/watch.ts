import { unreachable } from '../base/assert.ts';
import type { Caller, StreamAnswer } from './caller.ts';
import { closingIterator, eitherSignal } from './closing-iterator.ts';
import { CatenaError, Gone, InvalidRequest, Unavailable } from './errors.ts';
import { EventStreamDecoder, type ServerEvent } from './event-stream.ts';
import { pause } from './pause.ts';
import { refusalOf } from './problem.ts';
import type { Change, Version, WatchOptions } from './types.ts';
import { decodeValue } from './values.ts';

/** How a watch deals with silence and loss. */
export interface WatchTiming {
  /** A connection that brings no byte for so long is given up. Nodes send something every 15 s. */
  readonly silenceMs?: number;
  /** The longest wait before the next try, in ms. */
  readonly pauseMsMax?: number;
}

const SILENCE_MS = 40_000;
const PAUSE_MS_LEAST = 50;
const PAUSE_MS_MAX = 2000;
/** Beyond what one entry can change, by far. */
const HELD_CHANGES_MAX = 100_000;
/** How often one member may say that it no longer holds what comes next before it is believed of all. */
const GONE_TIMES_MAX = 2;
/** Of the body of a refusal, in bytes. */
const REFUSAL_BYTES_MAX = 65_536;

/**
 * Committed changes in order, each once. When the connection ends, breaks or falls silent, it goes on at the next member, behind the
 * last entry that came whole, for as long as it takes. Without `since` it begins where the chain is when a member takes it on. Changes are read
 * no faster than they are taken: a node may cut off a watch that falls far behind, which then goes on like any other.
 *
 * @throws Gone when no member holds the changes that come next any more: take `committed` of any node from `status()`, then read all
 * with `items()`, then watch since that version. InvalidRequest. A signal ends it without an error.
 */
export function watchOf(
  caller: Caller,
  options: WatchOptions = {},
  timing: WatchTiming = {},
): AsyncIterableIterator<Change> {
  return closingIterator((closed) =>
    new Watch(caller, options, timing).changes(eitherSignal(closed, options.signal)),
  );
}

/** The connection is no more, for a reason that says nothing about the watch. */
class Lost extends Error {
  override readonly name = 'Lost';
}

class Watch {
  readonly #caller: Caller;
  readonly #prefix: string;
  readonly #since: Version | undefined;
  readonly #silenceMs: number;
  readonly #pauseMsMax: number;
  /** Of the last entry that came whole; `null` until one has, or a node has said where it begins. */
  #position: Version | null = null;
  /** Tries since a byte came last. */
  #failures = 0;
  /** Nodes that no longer hold what comes next: others may, as each holds what it has applied since it was last given a copy. */
  readonly #goneAt = new Map<string, number>();

  constructor(
    caller: Caller,
    { prefix = '', since }: WatchOptions,
    { silenceMs = SILENCE_MS, pauseMsMax = PAUSE_MS_MAX }: WatchTiming,
  ) {
    this.#caller = caller;
    this.#prefix = prefix;
    this.#since = since;
    this.#silenceMs = silenceMs;
    this.#pauseMsMax = pauseMsMax;
  }

  async *changes(signal: AbortSignal): AsyncGenerator<Change, void, undefined> {
    while (!signal.aborted) {
      try {
        for await (const change of this.#connection(signal)) {
          if (signal.aborted) return;
          yield change;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof Lost || error instanceof Unavailable)) throw error;
      }
      // It rejects with the signal alone, which the loop sees.
      await pause(this.#pauseMs(), signal).catch(() => {});
    }
  }

  /** What one connection brings. Ends, or throws `Lost`, when another one may bring more. */
  async *#connection(ended: AbortSignal): AsyncGenerator<Change, void, undefined> {
    const silence = new Silence(this.#silenceMs);
    const signal = AbortSignal.any([ended, silence.signal]);
    try {
      silence.begins();
      const answer = await lostUnlessSaid(() => this.#open(signal));
      silence.ends();
      await this.#refuseAllBut200(answer);
      yield* this.#entries(heard(answer.body, silence));
    } finally {
      silence.close();
    }
  }

  #open(signal: AbortSignal): Promise<StreamAnswer> {
    const parts: string[] = [];
    if (this.#prefix !== '') parts.push(`prefix=${encodedPrefix(this.#prefix)}`);
    if (this.#position === null && this.#since !== undefined) parts.push(`since=${this.#since}`);
    const headers: Record<string, string> = { Accept: 'text/event-stream' };
    if (this.#position !== null) headers['Last-Event-ID'] = String(this.#position);
    const path = parts.length === 0 ? '/watch' : `/watch?${parts.join('&')}`;
    return this.#caller.stream({ path, headers, signal });
  }

  async #refuseAllBut200({ status, headers, body }: StreamAnswer): Promise<void> {
    if (status === 200) {
      const type = headers.get('content-type') ?? 'none';
      if (type.startsWith('text/event-stream')) return;
      throw badAnswer(`content of type ${type}`);
    }
    if (status >= 500) throw new Lost(`answered ${status}`);
    const refusal = refusalOf({ status, body: await beginningOf(body) });
    const node = headers.get('catena-node') ?? '';
    const times = (this.#goneAt.get(node) ?? 0) + 1;
    // Members are tried in turn, by all watches of a client: who comes to one so often has been to all.
    if (!(refusal instanceof Gone) || times > GONE_TIMES_MAX) throw refusal;
    this.#goneAt.set(node, times);
    this.#failures = 0;
    throw new Lost(refusal.message);
  }

  /** Only whole entries are given out: one that breaks off comes again from its beginning. */
  async *#entries(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Change, void, undefined> {
    const decoder = new EventStreamDecoder();
    let held: Change[] = [];
    for await (const bytes of pieces) {
      this.#failures = 0;
      this.#goneAt.clear();
      for (const event of decoder.push(bytes)) {
        // The node's last word: it cuts this connection off, and what is to be done is to come again.
        if (event.event === 'error') return;
        const change = changeOf(event);
        if (change !== null) held.push(change);
        if (held.length > HELD_CHANGES_MAX) throw badAnswer(`${held.length} changes without an id`);
        if (event.id === null) continue;
        if (this.#movesTo(event.id)) yield* held;
        held = [];
      }
    }
  }

  /** Whether the entry that ends here is new. */
  #movesTo(id: string): boolean {
    const version = /^\d{1,16}$/.test(id) ? Number(id) : Number.NaN;
    if (!Number.isSafeInteger(version)) throw badAnswer(`the id ${JSON.stringify(id)}`);
    const before = this.#position ?? this.#since ?? -1;
    this.#position = Math.max(version, before);
    return version > before;
  }

  /** Longer after each failure, and each client's own, so that not all come back at once. */
  #pauseMs(): number {
    const most = Math.min(this.#pauseMsMax, PAUSE_MS_LEAST * 2 ** this.#failures++);
    return most * (0.5 + Math.random() / 2);
  }
}

/** Aborts its signal when a silence that has begun does not end in time. */
class Silence {
  readonly #limitMs: number;
  readonly #aborting = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  get signal(): AbortSignal {
    return this.#aborting.signal;
  }

  begins(): void {
    this.#timer = setTimeout(() => {
      this.#aborting.abort(new Lost(`no byte came for ${this.#limitMs} ms`));
    }, this.#limitMs);
  }

  ends(): void {
    clearTimeout(this.#timer);
  }

  /** Ends the connection too. */
  close(): void {
    this.ends();
    this.#aborting.abort(new Lost('it was left'));
  }
}

/** The bytes, with the time that is spent waiting for them, not the reader's own, counted as silence. */
async function* heard(
  body: AsyncIterable<Uint8Array>,
  silence: Silence,
): AsyncGenerator<Uint8Array, void, undefined> {
  const pieces = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      silence.begins();
      const piece = await lostUnlessSaid(() => pieces.next());
      silence.ends();
      if (piece.done === true) return;
      yield piece.value;
    }
  } finally {
    silence.close();
    await pieces.return?.().catch(() => {});
  }
}

/** Whatever breaks below is a loss, unless the client says what it is. */
async function lostUnlessSaid<T>(step: () => PromiseLike<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof CatenaError) throw error;
    throw new Lost('the connection broke', { cause: error });
  }
}

async function beginningOf(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  let beginning = new Uint8Array();
  for await (const bytes of body) {
    const longer = new Uint8Array(beginning.length + bytes.length);
    longer.set(beginning);
    longer.set(bytes, beginning.length);
    beginning = longer;
    if (beginning.length > REFUSAL_BYTES_MAX) break;
  }
  return beginning;
}

const KINDS = ['set', 'delete', 'expire'] as const;

/** `null` for a place alone, and for an event that a newer node may send. */
function changeOf({ event, data }: ServerEvent): Change | null {
  const kind = KINDS.find((known) => known === event);
  if (kind === undefined || data === null) return null;
  const { key, version, value, encoding, contentType } = membersOf(data);
  if (typeof key !== 'string' || typeof version !== 'number') throw badAnswer(`${event} of no key`);
  switch (kind) {
    case 'delete':
    case 'expire':
      return { kind, key, version };
    case 'set': {
      if (typeof value !== 'string') throw badAnswer('a set without its value');
      const type = typeof contentType === 'string' ? contentType : '';
      const decoded = decodeValue({
        value,
        encoding: encoding === 'base64' ? encoding : 'utf8',
        contentType: type,
      });
      return { kind, key, version, value: decoded, contentType: type };
    }
    default:
      return unreachable(kind);
  }
}

function membersOf(data: string): Readonly<Record<string, unknown>> {
  try {
    return { ...JSON.parse(data) };
  } catch {
    throw badAnswer('data that is no JSON');
  }
}

function badAnswer(what: string): CatenaError {
  return new CatenaError('BAD_ANSWER', `GET /watch brought ${what}: is it catena that listens there?`);
}

function encodedPrefix(prefix: string): string {
  if (prefix.isWellFormed()) return encodeURIComponent(prefix);
  throw new InvalidRequest(
    'BAD_KEY',
    `prefix ${JSON.stringify(prefix)} holds half a surrogate pair, which no key can: leave it out`,
  );
}
