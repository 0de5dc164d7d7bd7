import type { RequestId } from '../base/ids.ts';
import type { Outcome } from '../protocol/command.ts';
import {
  bornMsOf,
  CLIENT_REQUEST_WINDOW_MS,
  CLIENT_REQUESTS_MAX,
  HEAD_REQUEST_WINDOW_MS,
} from '../protocol/request-id.ts';
import type { RememberedRequest } from '../protocol/snapshot.ts';
import { RequestQueue, type RequestsView } from './request-queue.ts';

const REUSED: Applied = { outcome: { kind: 'rejected', code: 'REQUEST_ID_REUSED' }, replayed: false };
const EXPIRED: Applied = { outcome: { kind: 'rejected', code: 'REQUEST_ID_EXPIRED' }, replayed: false };

/** What the remembered results of batches may weigh, in bytes, for each of the two kinds of ids. */
const OUTCOME_BYTES_MAX = 32 * 1024 * 1024;

/** What applying an entry gave. */
export interface Applied {
  readonly outcome: Outcome;
  /** The request had been applied before: nothing changed, and the outcome is the one remembered. */
  readonly replayed: boolean;
}

/** A request that is about to be applied. */
export interface Request {
  readonly requestId: RequestId;
  /** The log time of its entry, in ms. */
  readonly timeMs: number;
  readonly fingerprint: number;
}

/**
 * Which requests took effect, and with what outcome, so that a retry takes effect once. PROTOCOL.md §8.
 *
 * An id that a head made is refused as soon as it may have been forgotten: it leaves only when it is older than its
 * window by its birth as well, and by its birth alone it is refused then.
 */
export class RequestWindow {
  readonly #byClients: RequestQueue;
  readonly #byHeads: RequestQueue;

  constructor({ outcomeBytesMax = OUTCOME_BYTES_MAX }: { outcomeBytesMax?: number } = {}) {
    this.#byClients = new RequestQueue({ outcomeBytesMax });
    this.#byHeads = new RequestQueue({ outcomeBytesMax });
  }

  /** Forgets what is older than its window at log time `nowMs`, that of the entry about to be judged. */
  advance(nowMs: number): void {
    while (isOver(this.#byClients.oldestMs, CLIENT_REQUEST_WINDOW_MS, nowMs)) this.#byClients.shift();
    while (this.#mayForgetOldestOfHeads(nowMs)) this.#byHeads.shift();
  }

  /** Applies a request and remembers the outcome, unless it is known or too old; call `advance` before. */
  applyOnce(request: Request, apply: () => Outcome): Applied {
    const { requestId, timeMs, fingerprint } = request;
    const bornMs = bornMsOf(requestId);
    const queue = bornMs === null ? this.#byClients : this.#byHeads;
    const known = queue.get(requestId);
    if (known !== undefined) return known.fingerprint === fingerprint ? replay(known.outcome) : REUSED;
    if (bornMs !== null && isFromAnotherTime(bornMs, timeMs)) return EXPIRED;
    const outcome = apply();
    this.#push(queue, { requestId, timeMs, fingerprint, outcome });
    return { outcome, replayed: false };
  }

  /** Takes over what another store remembered, oldest first. */
  restore(request: RememberedRequest): void {
    this.#push(this.#queueOf(request.requestId), request);
  }

  has(id: RequestId): boolean {
    return this.#queueOf(id).has(id);
  }

  /** As it is now, unaffected by what comes later; oldest first. */
  view(): RequestsView {
    const clients = this.#byClients.view();
    const heads = this.#byHeads.view();
    return { count: clients.count + heads.count, rows: () => merge(clients.rows(), heads.rows()) };
  }

  /** Its birth counts as well as its entry: the log clock of the head that brought it may have been behind. */
  #mayForgetOldestOfHeads(nowMs: number): boolean {
    const { oldestMs, oldestId } = this.#byHeads;
    if (!isOver(oldestMs, HEAD_REQUEST_WINDOW_MS, nowMs)) return false;
    return oldestId !== null && isOver(bornMsOf(oldestId), HEAD_REQUEST_WINDOW_MS, nowMs);
  }

  #push(queue: RequestQueue, request: RememberedRequest): void {
    queue.push(request);
    if (this.#byClients.size > CLIENT_REQUESTS_MAX) this.#byClients.shift();
  }

  #queueOf(id: RequestId): RequestQueue {
    return bornMsOf(id) === null ? this.#byClients : this.#byHeads;
  }
}

function isOver(sinceMs: number | null, windowMs: number, nowMs: number): boolean {
  return sinceMs !== null && sinceMs + windowMs < nowMs;
}

/**
 * Whether a head's id is too old, so that it may have been forgotten. One from too far ahead is refused too: it would
 * have to be remembered until then.
 */
function isFromAnotherTime(bornMs: number, nowMs: number): boolean {
  return Math.abs(nowMs - bornMs) > HEAD_REQUEST_WINDOW_MS;
}

/** A forgotten outcome is known and yet no answer. */
function replay(outcome: Outcome): Applied {
  return { outcome, replayed: outcome.kind !== 'rejected' };
}

/** Both in the order of log time, clients' first where they tie: an order that the rows alone decide. */
function* merge(
  clients: Iterable<RememberedRequest>,
  heads: Iterable<RememberedRequest>,
): Generator<RememberedRequest, undefined> {
  const others = heads[Symbol.iterator]();
  let other = others.next();
  for (const client of clients) {
    for (; !other.done && other.value.timeMs < client.timeMs; other = others.next()) yield other.value;
    yield client;
  }
  for (; !other.done; other = others.next()) yield other.value;
}
