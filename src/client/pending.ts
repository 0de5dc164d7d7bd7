import type { BatchOperation, BatchResult } from './caller.ts';
import type { Deadline } from './deadline.ts';
import type { Sending } from './sending.ts';

/** An operation on its way: waiting to travel, or in a batch that does. It is settled once, by whatever comes first. */
export class Pending {
  readonly operation: BatchOperation;
  /** The operation as the body of a batch has it. */
  readonly text: string;
  readonly deadline: Deadline;
  readonly result: Promise<BatchResult>;
  /** That of the batch that it travels in; `null` before, when it is certain to have had no effect. */
  sending: Sending | null = null;
  readonly #signal: AbortSignal | undefined;
  readonly #settled: () => void;
  #settle: PromiseWithResolvers<BatchResult> | null;

  /** `settled` is called once, when nobody waits for it any more. */
  constructor(
    operation: BatchOperation,
    {
      deadline,
      signal,
      settled,
    }: {
      readonly deadline: Deadline;
      readonly signal: AbortSignal | undefined;
      readonly settled: (pending: Pending) => void;
    },
  ) {
    this.operation = operation;
    this.text = JSON.stringify(operation);
    this.deadline = deadline;
    this.#signal = signal;
    this.#settled = () => settled(this);
    this.#settle = Promise.withResolvers();
    this.result = this.#settle.promise;
    signal?.addEventListener('abort', this.#abort, { once: true });
  }

  get isSettled(): boolean {
    return this.#settle === null;
  }

  resolve(result: BatchResult): void {
    this.#settle?.resolve(result);
    this.#over();
  }

  reject(error: unknown): void {
    this.#settle?.reject(error);
    this.#over();
  }

  /** Ends it before it is answered: with the error that says what is known of it. */
  endedBy(reason: unknown, sending: Sending): void {
    this.reject((this.sending ?? sending).endedBy({ reason, deadline: this.deadline }));
  }

  readonly #abort = (): void => this.reject(this.#signal?.reason);

  #over(): void {
    if (this.#settle === null) return;
    this.#settle = null;
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#settled();
  }
}
