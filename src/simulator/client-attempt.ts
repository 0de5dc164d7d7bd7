import { unreachable } from '../base/assert.ts';
import type { ErrorCode } from '../base/errors.ts';
import { NO_EPOCH, type RequestId } from '../base/ids.ts';
import type { Prng } from '../base/prng.ts';
import type { Cancel } from '../ports/clock.ts';
import type { Asked, Told } from './history.ts';
import { askNode, type Doors, type Reply } from './request.ts';
import type { Scheduler } from './scheduler.ts';

/** Redirects that one attempt follows. */
const REDIRECTS_MAX = 10;
/** How late a request is that is very late, in ms. */
const LATE_MS_MIN = 500;
const LATE_MS_MAX = 5000;

/** What the way to the nodes and back is like; see `ClientPlan`. */
export interface Way {
  readonly latencyMs: number;
  readonly lossRate: number;
  readonly lateRate: number;
}

/** What hears of an attempt. After `failed`, an answer may still come, and counts if it is the first. */
export interface AttemptListener {
  answered(told: Told, node: string): void;
  rejected(code: Extract<Reply, { kind: 'rejected' }>['code']): void;
  failed(failure: Failure): void;
  redirected(): void;
  /** A request was sent, and arrives after the delay, though the attempt may be over by then. */
  sent(afterMs: number, arrive: () => void): void;
}

/** An attempt without an answer. */
export interface Failure {
  /** It may have had an effect, or may yet. */
  readonly uncertain: boolean;
  /** The id under which it may have had one, if the client knows. */
  readonly requestId: RequestId | null;
  /** Why a node turned it away; `null` when none did. */
  readonly code: ErrorCode | null;
}

/** One attempt of a call: from the first node over redirects to an answer, or until patience ends. */
export class Attempt {
  readonly #asked: Asked;
  readonly #way: Way;
  readonly #doors: Doors;
  readonly #scheduler: Scheduler;
  readonly #prng: Prng;
  readonly #listener: AttemptListener;
  readonly #stopWaiting: Cancel;
  #requestId: RequestId | null;
  #minEpoch = NO_EPOCH;
  #redirects = 0;
  #uncertain = false;
  #over = false;

  constructor(
    request: { asked: Asked; requestId: RequestId | null; patienceMs: number; way: Way },
    deps: { doors: Doors; scheduler: Scheduler; prng: Prng; listener: AttemptListener },
  ) {
    this.#asked = request.asked;
    this.#requestId = request.requestId;
    this.#way = request.way;
    this.#doors = deps.doors;
    this.#scheduler = deps.scheduler;
    this.#prng = deps.prng;
    this.#listener = deps.listener;
    this.#stopWaiting = this.#scheduler.after(request.patienceMs, () => this.#cutOff());
  }

  send(node: string): void {
    const { lossRate, lateRate } = this.#way;
    const isLost = this.#prng.chance(lossRate);
    const isLate = this.#prng.chance(lateRate);
    const delayMs = isLate ? this.#prng.between(LATE_MS_MIN, LATE_MS_MAX) : this.#latencyMs();
    // What is lost shows when patience ends.
    if (!isLost) this.#listener.sent(delayMs, () => this.#arrive(node));
  }

  #arrive(node: string): void {
    const request = { asked: this.#asked, requestId: this.#requestId, minEpoch: this.#minEpoch };
    let hasReplied = false;
    let forget: Cancel = () => {};
    this.#doors.visit(node, {
      arrived: (service) => {
        forget = askNode(service, request, {
          reply: (reply) => {
            hasReplied = true;
            this.#back(() => this.#onReply(reply, node));
          },
          // In an event of the world, where whoever plays it learns of it.
          failed: (error) =>
            void this.#scheduler.after(0, () => {
              throw error;
            }),
        });
      },
      refused: () => this.#back(() => this.#fail(null)),
      lost: () => {
        forget();
        if (!hasReplied) this.#back(() => this.#cutOff());
      },
    });
  }

  #back(arrive: () => void): void {
    const isLost = this.#prng.chance(this.#way.lossRate);
    const delayMs = this.#latencyMs();
    if (!isLost) this.#scheduler.after(delayMs, arrive);
  }

  #onReply(reply: Reply, node: string): void {
    switch (reply.kind) {
      case 'told':
        this.#end();
        this.#listener.answered(reply.told, node);
        return;
      case 'rejected':
        this.#end();
        this.#listener.rejected(reply.code);
        return;
      case 'elsewhere':
        this.#keepId(reply.requestId);
        if (reply.epoch > this.#minEpoch) this.#minEpoch = reply.epoch;
        this.#follow(reply.node);
        return;
      case 'unavailable':
        this.#keepId(reply.requestId);
        this.#fail(reply.code);
        return;
      default:
        unreachable(reply);
    }
  }

  #follow(node: string): void {
    if (this.#over) return;
    this.#redirects += 1;
    if (this.#redirects > REDIRECTS_MAX) return this.#fail(null);
    this.#listener.redirected();
    this.send(node);
  }

  #keepId(requestId: RequestId | null): void {
    if (requestId === null) return;
    this.#requestId = requestId;
    this.#uncertain = true;
  }

  /** Patience has ended, or the connection: nobody knows what became of the request. */
  #cutOff(): void {
    this.#uncertain = true;
    this.#fail(null);
  }

  #fail(code: ErrorCode | null): void {
    if (this.#over) return;
    this.#end();
    this.#listener.failed({ uncertain: this.#uncertain, requestId: this.#requestId, code });
  }

  #end(): void {
    this.#over = true;
    this.#stopWaiting();
  }

  #latencyMs(): number {
    return this.#way.latencyMs * this.#prng.between(0.5, 1.5);
  }
}
