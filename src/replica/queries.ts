import type { Seq } from '../base/ids.ts';
import type { CommittedAnswer, CommittedQuery } from '../protocol/messages.ts';
import type { Downstream } from './downstream.ts';
import type { LinkId, Ticket } from './events.ts';
import type { Outbox } from './outbox.ts';
import type { Place } from './place.ts';
import type { Upstream } from './upstream.ts';

/** What asking the tail needs of the replica. */
export interface QueriesHost {
  readonly place: Place;
  readonly out: Outbox;
  readonly upstream: Upstream;
  readonly downstream: Downstream;
  /** What the tail itself answers. */
  committed(): Seq;
}

/** The predecessor's question, to be answered on the link that it came by. */
interface Above {
  readonly link: LinkId;
  readonly id: number;
}

/** A question on its way, and everybody who waits for its answer. */
interface Asked {
  readonly link: LinkId;
  readonly id: number;
  readonly tickets: readonly Ticket[];
  readonly above: Above | null;
}

/**
 * Asks the tail what it has committed, for reads of keys that have entries above the own `committed` (CRAQ). One question is
 * on its way at a time; those that come meanwhile go together with the next. Acks travel up the same way before the answer, so
 * that the own `committed` has reached what it says. PROTOCOL.md §7.
 */
export class Queries {
  readonly #host: QueriesHost;
  #tickets: Ticket[] = [];
  #above: Above | null = null;
  #asked: Asked | null = null;
  #lastId = 0;

  constructor(host: QueriesHost) {
    this.#host = host;
  }

  /** Nobody is answered: who still wants to know asks again. */
  leaveEpoch(): void {
    this.#tickets = [];
    this.#above = null;
    this.#asked = null;
  }

  onAsk(ticket: Ticket): void {
    if (this.#host.place.isTail) return this.#host.out.push({ kind: 'settled', ticket });
    this.#tickets.push(ticket);
    this.askIfDue();
  }

  onQuery(link: LinkId, { id }: CommittedQuery): void {
    const { place, upstream } = this.#host;
    if (!upstream.isReconciledOn(link)) return;
    if (place.isTail) {
      return upstream.sendUp({ kind: 'committed-answer', id, committed: this.#host.committed() });
    }
    this.#above = { link, id };
    this.askIfDue();
  }

  /** The caller has already committed what the answer says. */
  onAnswer(link: LinkId, { id, committed }: CommittedAnswer): void {
    const asked = this.#asked;
    if (asked?.link !== link || asked.id !== id) return;
    this.#asked = null;
    for (const ticket of asked.tickets) this.#host.out.push({ kind: 'settled', ticket });
    if (asked.above && this.#host.upstream.isReconciledOn(asked.above.link)) {
      this.#host.upstream.sendUp({ kind: 'committed-answer', id: asked.above.id, committed });
    }
    this.askIfDue();
  }

  /** Sends the next question; one that was lost with its link is asked again. Harmless at any time. */
  askIfDue(): void {
    const { downstream } = this.#host;
    if (this.#asked && !downstream.isStreamingOn(this.#asked.link)) {
      this.#tickets = [...this.#asked.tickets, ...this.#tickets];
      this.#above ??= this.#asked.above;
      this.#asked = null;
    }
    if (this.#asked || (this.#tickets.length === 0 && this.#above === null)) return;
    const link = downstream.sendDown({ kind: 'committed-query', id: this.#lastId + 1 });
    if (link === null) return;
    this.#lastId += 1;
    this.#asked = { link, id: this.#lastId, tickets: this.#tickets, above: this.#above };
    this.#tickets = [];
    this.#above = null;
  }
}
