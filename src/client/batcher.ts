import type { Answer, BatchOperation, BatchResult, Call } from './caller.ts';
import { DEADLINE_PASSED, type Deadline } from './deadline.ts';
import { CatenaError, StoreFull } from './errors.ts';
import { Lateness } from './lateness.ts';
import { nextTurn } from './next-turn.ts';
import { Pending } from './pending.ts';
import { codeOf, errorOf, isProblem, jsonOf, problemOf, refusalOf } from './problem.ts';
import type { Requests } from './requests.ts';
import type { Sending } from './sending.ts';

/** What nodes take in a batch. */
const OPERATIONS_MAX = 1000;
/** The most that one has, in bytes: more would hold up what is behind it. */
const BATCH_BYTES_MAX = 1_048_576;
/** How much the answer to a batch should have, in bytes; by what the last ones had it is seen how many operations that is. */
const ANSWER_BYTES_WANTED = 4_194_304;
/** So many operations are in a batch before it is known what their answers have. */
const FIRST_OPERATIONS_MAX = 64;
/** What is left of the weight of large answers with each batch of smaller ones. */
const WEIGHT_KEPT = 0.5;
/** So many are under way at once; what comes meanwhile gathers. */
const BATCHES_MAX = 4;
/** What the body has around its operations, and between them. */
const FRAME_BYTES = 64;
/** UTF-16 units take up to so many bytes in UTF-8. */
const BYTES_PER_UNIT = 3;
/** Operations of so many units are not weighed exactly: a thousand of them are within the limit however they are. */
const LIGHT_UNITS = 300;
/** What a full store goes on taking. */
const TAKES_NO_ROOM: ReadonlySet<BatchOperation['op']> = new Set(['delete', 'expire']);

const encoder = new TextEncoder();

/**
 * Operations of one kind, reads or writes. Those of a turn of the event loop travel in one batch, each standing alone in it, and
 * so do those that come while enough batches are under way.
 */
export class Batcher {
  readonly #intent: Call['intent'];
  readonly #requests: Requests;
  readonly #batchBytesMax: () => number;
  readonly #lateness = new Lateness((late) => this.#end(late, DEADLINE_PASSED));
  #waiting: Pending[] = [];
  /** How many of these are settled: they are let go of before they are more than the others. */
  #settledWaiting = 0;
  #underWay = 0;
  #turnIsDue = false;
  #answerBytesPerOperation = 0;

  /** `batchBytesMax` says what nodes take now. */
  constructor({
    intent,
    requests,
    batchBytesMax,
  }: {
    readonly intent: Call['intent'];
    readonly requests: Requests;
    readonly batchBytesMax: () => number;
  }) {
    this.#intent = intent;
    this.#requests = requests;
    this.#batchBytesMax = batchBytesMax;
  }

  /** Resolves with the result of this operation alone. */
  add(
    operation: BatchOperation,
    { deadline, signal }: { readonly deadline: Deadline; readonly signal: AbortSignal | undefined },
  ): Promise<BatchResult> {
    const settled = (pending: Pending): void => {
      this.#lateness.remove(pending);
      if (pending.sending === null) this.#letGo();
    };
    const pending = new Pending(operation, { deadline, signal, settled });
    this.#lateness.add(pending);
    this.#waiting.push(pending);
    this.#turnSoon();
    return pending.result;
  }

  /** Ends all that is waited for. */
  close(reason: unknown): void {
    for (const pending of this.#lateness.live) this.#end(pending, reason);
  }

  #end(pending: Pending, reason: unknown): void {
    pending.endedBy(reason, this.#requests.sending(this.#intent));
  }

  /** A turn later: what is asked for by those who are just being answered goes along. */
  #turnSoon(): void {
    if (this.#turnIsDue || this.#underWay >= BATCHES_MAX || this.#waiting.length === 0) return;
    this.#turnIsDue = true;
    nextTurn(() => {
      this.#turnIsDue = false;
      while (this.#underWay < BATCHES_MAX && this.#waiting.length > 0) this.#depart(this.#take());
    });
  }

  /** What goes next, in the order that it came. */
  #take(): readonly Pending[] {
    const bytesMax = Math.min(BATCH_BYTES_MAX, this.#batchBytesMax()) - FRAME_BYTES;
    const operationsMax = this.#operationsMax();
    let bytes = 0;
    let count = 0;
    for (const { text } of this.#waiting) {
      bytes += bytesAtMost(text) + 1;
      if (count > 0 && (bytes > bytesMax || count >= operationsMax)) break;
      count += 1;
    }
    const taken = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    const wanted = taken.filter(({ isSettled }) => !isSettled);
    this.#settledWaiting -= taken.length - wanted.length;
    return wanted;
  }

  /** One that waits was settled. While all batches hang, nothing else would end what was given up and what it holds. */
  #letGo(): void {
    this.#settledWaiting += 1;
    if (this.#settledWaiting * 2 <= this.#waiting.length) return;
    this.#waiting = this.#waiting.filter(({ isSettled }) => !isSettled);
    this.#settledWaiting = 0;
  }

  #operationsMax(): number {
    if (this.#intent === 'write') return OPERATIONS_MAX;
    if (this.#answerBytesPerOperation === 0) return FIRST_OPERATIONS_MAX;
    const count = Math.floor(ANSWER_BYTES_WANTED / this.#answerBytesPerOperation);
    return Math.max(1, Math.min(OPERATIONS_MAX, count));
  }

  #depart(batch: readonly Pending[]): void {
    if (batch.length === 0) return;
    this.#underWay += 1;
    void this.#deliver(batch).finally(() => {
      this.#underWay -= 1;
      this.#turnSoon();
    });
  }

  /** Settles all of a batch. Never rejects. */
  async #deliver(batch: readonly Pending[]): Promise<void> {
    const sending = this.#requests.sending(this.#intent);
    const abandoned = new AbortController();
    let left = batch.length;
    for (const pending of batch) {
      pending.sending = sending;
      const gone = (): void => {
        left -= 1;
        if (left === 0) abandoned.abort();
      };
      pending.result.then(gone, gone);
    }
    try {
      const answer = await this.#requests.run(this.#callFor(batch), { sending, signal: abandoned.signal });
      if (answer.status === 200) this.#deal(batch, { answer, sending });
      else await this.#refused(batch, answer);
    } catch (error) {
      const light = batch.filter(({ operation }) => TAKES_NO_ROOM.has(operation.op));
      if (error instanceof StoreFull && light.length > 0 && light.length < batch.length) {
        // Those that take no room must not fail of their company; the others fit when these are done, or fail alone.
        await this.#deliverParts([light, batch.filter((pending) => !light.includes(pending))]);
      } else {
        for (const pending of batch) pending.reject(error);
      }
    }
  }

  #callFor(batch: readonly Pending[]): Call {
    const operations = batch.map(({ text }) => text).join(',');
    return {
      intent: this.#intent,
      method: 'POST',
      path: '/batch',
      headers: { 'Content-Type': 'application/json' },
      body: `{"atomic":false,"operations":[${operations}]}`,
    };
  }

  #deal(
    batch: readonly Pending[],
    { answer, sending }: { readonly answer: Answer; readonly sending: Sending },
  ): void {
    const results = resultsIn(answer, batch.length);
    if (results === null) throw unreadable(sending);
    const weight = answer.body.length / batch.length;
    this.#answerBytesPerOperation = Math.max(weight, this.#answerBytesPerOperation * WEIGHT_KEPT);
    for (const [at, pending] of batch.entries()) {
      const result = results[at];
      if (result === undefined) continue;
      if (isProblem(result.error)) pending.reject(errorOf(result.error));
      else pending.resolve(result);
    }
  }

  /** Nothing was done of it. What is wrong with one operation is no matter of the others. */
  async #refused(batch: readonly Pending[], answer: Answer): Promise<void> {
    const problem = problemOf(answer);
    const at = Number(/^\/operations\/(\d+)(\/|$)/.exec(String(problem?.pointer))?.[1] ?? Number.NaN);
    const wrong = batch[at];
    if (wrong !== undefined) {
      wrong.reject(refusalOf(answer));
      // Nodes read in order: what stands before it is sound, and waits for nothing that is wrong behind it. The rest in halves, as
      // many that are wrong would else each cost a request with nearly all of them.
      const behind = batch.slice(at + 1);
      const half = Math.ceil(behind.length / 2);
      return await this.#deliverParts([batch.slice(0, at), behind.slice(0, half), behind.slice(half)]);
    }
    if (problem !== null && codeOf(problem) === 'BATCH_TOO_LARGE' && batch.length > 1) {
      const half = Math.ceil(batch.length / 2);
      return await this.#deliverParts([batch.slice(0, half), batch.slice(half)]);
    }
    throw refusalOf(answer);
  }

  /** Under new ids: the refused one had no effect. */
  async #deliverParts(parts: readonly (readonly Pending[])[]): Promise<void> {
    for (const part of parts) {
      const wanted = part.filter(({ isSettled }) => !isSettled);
      if (wanted.length > 0) await this.#deliver(wanted);
    }
  }
}

type Result = BatchResult & { readonly error?: unknown };

/** The results, one for each operation; `null` when the answer has something else. */
function resultsIn(answer: Answer, count: number): readonly Result[] | null {
  const body = jsonOf(answer);
  if (typeof body !== 'object' || body === null || !('results' in body)) return null;
  const { results } = body;
  const are = Array.isArray(results) && results.length === count && results.every(isResult);
  return are ? (results as readonly Result[]) : null;
}

function isResult(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'key' in value && typeof value.key === 'string';
}

function unreadable(sending: Sending): CatenaError {
  const reason = 'the answer to its batch is not what a node of catena answers';
  return sending.intent === 'write' ? sending.unknown(reason) : new CatenaError('BAD_ANSWER', reason);
}

function bytesAtMost(text: string): number {
  return text.length <= LIGHT_UNITS ? text.length * BYTES_PER_UNIT : encoder.encode(text).length;
}
