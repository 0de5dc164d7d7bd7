/** Why a try failed in a way that another may not. */
export interface Failure {
  /** The node asked for so long a pause, in ms; 0: it did not. */
  readonly retryAfterMs: number;
  /** Whether the next try takes from the budget: it does unless it was certain that nobody had any work with this one. */
  readonly costs: boolean;
  /** Whether the chain may have changed: it is asked for before the next try. */
  readonly chainMayDiffer: boolean;
  readonly cause?: unknown;
}

/** A try that failed; another may not. */
export class TryFailed extends Error {
  override readonly name = 'TryFailed';
  readonly failure: Failure;

  constructor(message: string, failure: Failure) {
    super(message, { cause: failure.cause });
    this.failure = failure;
  }
}
