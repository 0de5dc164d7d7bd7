import type { CoordinatorEffect, CoordinatorEvent } from './events.ts';

/** What an operator asks for; answered exactly once. */
export type OperatorRequest = Extract<CoordinatorEvent, { kind: 'edit' | 'force' }>;

/** How many of them may wait for their turn. */
const REQUESTS_MAX = 16;
const TOO_MANY = 'too many edits are under way: try again in a moment';

/** Requests of operators that wait for their turn, oldest first. */
export class Requests {
  #waiting: readonly OperatorRequest[] = [];

  put(request: OperatorRequest): CoordinatorEffect[] {
    if (this.#waiting.length < REQUESTS_MAX) {
      this.#waiting = [...this.#waiting, request];
      return [];
    }
    const { ticket } = request;
    const reply = { kind: 'refused', problem: TOO_MANY } as const;
    return [request.kind === 'edit' ? { kind: 'edited', ticket, reply } : { kind: 'forced', ticket, reply }];
  }

  /** Takes the oldest out; `null` when there is none. */
  next(): OperatorRequest | null {
    const [first, ...rest] = this.#waiting;
    this.#waiting = rest;
    return first ?? null;
  }
}
