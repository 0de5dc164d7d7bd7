import type { LinkMessage } from '../protocol/messages.ts';
import type { Effect, LinkId, Ticket, WriteReply } from './events.ts';

/** The effects of one step, in order. */
export class Outbox {
  #effects: Effect[] = [];

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

  say(level: 'info' | 'warn', message: string, fields: object = {}): void {
    this.#effects.push({ kind: 'say', level, message, fields });
  }
}
