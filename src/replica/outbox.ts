import type { LinkMessage } from '../protocol/messages.ts';
import type { Effect, LinkId, Ticket, WriteReply } from './events.ts';

/** The effects of one step, in order. */
export class Outbox {
  #effects: Effect[] = [];
  #wakeAtMs = Number.NEGATIVE_INFINITY;

  /** Hands over what has gathered and begins anew. */
  take(): readonly Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  push(effect: Effect): void {
    this.#effects.push(effect);
  }

  send(link: LinkId, message: LinkMessage): void {
    this.#effects.push({ kind: 'send', link, message });
  }

  hangUp(link: LinkId | null, reason: string): void {
    this.#effects.push({ kind: 'hang-up', link, reason });
  }

  answer(ticket: Ticket, reply: WriteReply): void {
    this.#effects.push({ kind: 'answer', ticket, reply });
  }

  /** Asks for a tick at this time, by the monotonic clock, for what can't wait for the next one; once for each time. */
  wakeAt(atMs: number): void {
    if (atMs === this.#wakeAtMs) return;
    this.#wakeAtMs = atMs;
    this.#effects.push({ kind: 'wake', atMs });
  }

  say(level: 'info' | 'warn', message: string, fields: object = {}): void {
    this.#effects.push({ kind: 'say', level, message, fields });
  }
}
