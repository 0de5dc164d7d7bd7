import { type Epoch, NO_EPOCH } from '../base/ids.ts';
import type { Clock } from '../ports/clock.ts';
import type { Role } from '../protocol/configuration.ts';
import type { NodeService } from '../runtime/node-service.ts';
import type { Headers } from './problem.ts';

/** For so long after a change of the configuration others may not have learned it, in ms. */
const UNSETTLED_MS = 10_000;

/** What a node says of itself in every answer, and when it last changed. */
export class NodeIdentity {
  readonly #service: NodeService;
  readonly #clock: Clock;
  #epoch: Epoch = NO_EPOCH;
  #role: Role = 'spare';
  #headers: Headers;
  #changedAtMs: number | null = null;

  constructor({ service, clock }: { service: NodeService; clock: Clock }) {
    this.#service = service;
    this.#clock = clock;
    this.#epoch = service.epoch();
    this.#role = service.role();
    this.#headers = this.#make();
  }

  /** The headers of an answer given now. */
  headers(): Headers {
    const epoch = this.#service.epoch();
    const role = this.#service.role();
    if (epoch !== this.#epoch || role !== this.#role) {
      // The first that this process learns is no change: nobody was sent by an earlier one.
      if (epoch !== this.#epoch && this.#epoch !== NO_EPOCH) {
        this.#changedAtMs = this.#clock.now().monotonicMs;
      }
      this.#epoch = epoch;
      this.#role = role;
      this.#headers = this.#make();
    }
    return this.#headers;
  }

  /** Whether the chain changed within the last seconds, as far as this node has seen. */
  unsettled(): boolean {
    this.headers();
    return this.#changedAtMs !== null && this.#clock.now().monotonicMs - this.#changedAtMs < UNSETTLED_MS;
  }

  #make(): Headers {
    return {
      'Catena-Node': this.#service.node,
      'Catena-Role': this.#role,
      'Catena-Epoch': String(this.#epoch),
    };
  }
}
