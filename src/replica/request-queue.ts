import { assert, defined } from '../base/assert.ts';
import { type RequestId, type Seq, seq } from '../base/ids.ts';
import type { Outcome } from '../protocol/command.ts';
import type { RememberedRequest } from '../protocol/snapshot.ts';
import { type Kept, kept, outcomeOf, weightOfKept } from './outcomes.ts';

const CHUNK_REQUESTS = 1024;

/**
 * A stretch of the queue, a column per field: a busy head remembers half a million requests, and objects of their own
 * would cost each twice the memory. Nothing that has been filled in ever changes, so a view may share it.
 */
interface Chunk {
  readonly ids: RequestId[];
  readonly timesMs: Float64Array;
  readonly fingerprints: Uint32Array;
  readonly seqs: Float64Array;
  readonly kept: Kept[];
}

/** What a request was answered, and by what it is told from another command. */
export interface Remembered {
  readonly fingerprint: number;
  readonly outcome: Outcome;
}

/** Remembered requests as they were at one instant, oldest first. */
export interface RequestsView {
  readonly count: number;
  rows(): Iterable<RememberedRequest>;
}

/**
 * Remembered requests, oldest first, found by id. When their outcomes weigh more than `outcomeBytesMax`, the oldest
 * outcomes of batches are forgotten, but the ids stay: a request is never applied twice for want of memory.
 */
export class RequestQueue {
  readonly #outcomeBytesMax: number;
  readonly #places = new Map<RequestId, number>();
  /** Requests are numbered from 0 on; these are the numbers of the oldest, and of the next to come. */
  #from = 0;
  #to = 0;
  /** The chunks that hold `#from` to `#to`. */
  #chunks: Chunk[] = [];
  #outcomeBytes = 0;
  /** No outcome before this number weighs anything. */
  #heavyFrom = 0;

  constructor({ outcomeBytesMax }: { outcomeBytesMax: number }) {
    this.#outcomeBytesMax = outcomeBytesMax;
  }

  get size(): number {
    return this.#to - this.#from;
  }

  get oldestId(): RequestId | null {
    return this.size === 0 ? null : idAt(this.#chunk(this.#from), this.#from % CHUNK_REQUESTS);
  }

  /** The log time of the entry that brought the oldest, in ms, or `null`. */
  get oldestMs(): number | null {
    return this.size === 0 ? null : timeAt(this.#chunk(this.#from), this.#from % CHUNK_REQUESTS);
  }

  has(id: RequestId): boolean {
    return this.#places.has(id);
  }

  get(id: RequestId): Remembered | undefined {
    const number = this.#places.get(id);
    return number === undefined ? undefined : readRow(this.#chunk(number), number);
  }

  push({ requestId, timeMs, fingerprint, outcome }: RememberedRequest): void {
    assert(!this.#places.has(requestId), () => `request ${requestId} is remembered twice`);
    const offset = this.#to % CHUNK_REQUESTS;
    if (offset === 0) this.#chunks.push(newChunk());
    const chunk = this.#chunk(this.#to);
    const memory = kept(outcome);
    chunk.ids[offset] = requestId;
    chunk.timesMs[offset] = timeMs;
    chunk.fingerprints[offset] = fingerprint;
    chunk.seqs[offset] = outcome.kind === 'rejected' ? 0 : outcome.seq;
    chunk.kept[offset] = memory;
    this.#places.set(requestId, this.#to);
    this.#to += 1;
    this.#outcomeBytes += weightOfKept(memory);
    while (this.#outcomeBytes > this.#outcomeBytesMax) this.#forgetOldestOutcome();
  }

  shift(): void {
    assert(this.size > 0, () => 'no request is left to forget');
    const chunk = this.#chunk(this.#from);
    const offset = this.#from % CHUNK_REQUESTS;
    this.#outcomeBytes -= weightOfKept(keptAt(chunk, offset));
    this.#places.delete(idAt(chunk, offset));
    this.#from += 1;
    this.#heavyFrom = Math.max(this.#heavyFrom, this.#from);
    if (this.#from % CHUNK_REQUESTS === 0) this.#chunks.shift();
  }

  /** As it is now, unaffected by what is pushed and shifted later. Costs a reference per thousand requests. */
  view(): RequestsView {
    const chunks = this.#chunks.slice();
    const from = this.#from;
    const to = this.#to;
    return { count: to - from, rows: () => readRows(chunks, from, to) };
  }

  #chunk(number: number): Chunk {
    return chunkOf(this.#chunks, this.#from, number);
  }

  #forgetOldestOutcome(): void {
    const number = this.#heavyFrom;
    assert(number < this.#to, () => `${this.#outcomeBytes} B of outcomes, and none to forget`);
    const index = chunkIndex(this.#from, number);
    const chunk = this.#chunk(number);
    const offset = number % CHUNK_REQUESTS;
    const weight = weightOfKept(keptAt(chunk, offset));
    this.#heavyFrom = number + 1;
    if (weight === 0) return;
    this.#outcomeBytes -= weight;
    this.#chunks[index] = { ...chunk, kept: chunk.kept.with(offset, null) }; // views keep the old one
  }
}

function newChunk(): Chunk {
  return {
    ids: [],
    timesMs: new Float64Array(CHUNK_REQUESTS),
    fingerprints: new Uint32Array(CHUNK_REQUESTS),
    seqs: new Float64Array(CHUNK_REQUESTS),
    kept: [],
  };
}

function* readRows(
  chunks: readonly Chunk[],
  from: number,
  to: number,
): Generator<RememberedRequest, undefined> {
  for (let number = from; number < to; number++) yield readRow(chunkOf(chunks, from, number), number);
}

function readRow(chunk: Chunk, number: number): RememberedRequest {
  const offset = number % CHUNK_REQUESTS;
  return {
    requestId: idAt(chunk, offset),
    timeMs: timeAt(chunk, offset),
    fingerprint: defined(chunk.fingerprints[offset], () => `request ${number}`),
    outcome: outcomeOf(keptAt(chunk, offset), seqAt(chunk, offset)),
  };
}

/** The chunk that holds a request, of chunks whose first holds request `from`. */
function chunkOf(chunks: readonly Chunk[], from: number, number: number): Chunk {
  return defined(chunks[chunkIndex(from, number)], () => `the chunk of request ${number}`);
}

function chunkIndex(from: number, number: number): number {
  return Math.floor(number / CHUNK_REQUESTS) - Math.floor(from / CHUNK_REQUESTS);
}

function idAt(chunk: Chunk, offset: number): RequestId {
  return defined(chunk.ids[offset], () => `the id of a request at ${offset}`);
}

function timeAt(chunk: Chunk, offset: number): number {
  return defined(chunk.timesMs[offset], () => `the time of a request at ${offset}`);
}

function seqAt(chunk: Chunk, offset: number): Seq {
  return seq(defined(chunk.seqs[offset], () => `the seq of a request at ${offset}`));
}

function keptAt(chunk: Chunk, offset: number): Kept {
  const memory = chunk.kept[offset];
  assert(memory !== undefined, () => `the outcome of a request at ${offset}`);
  return memory;
}
