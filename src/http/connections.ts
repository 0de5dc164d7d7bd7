import type { Duplex } from 'node:stream';
import type { Clock } from '../ports/clock.ts';
import type { Exchange } from './exchange.ts';

/** How long the answers to earlier requests may take when their connection has to end: more than a write takes that is sent on. */
const ANSWERS_WAIT_MS = 15_000;
/** How long a connection is read behind its last answer: one that is closed over unread bytes is reset, and the answer lost. */
const LINGER_MS = 1000;

interface Talk {
  /** Not yet answered to the end, in the order in which they came. */
  readonly underWay: Set<Exchange>;
  /** Its end was decided: nothing more is taken from it. Called when an answer has gone out. */
  ending: (() => void) | null;
}

/** Which requests are under way on each connection, and how a connection is ended without a loss of their answers. */
export class Connections {
  readonly #clock: Clock;
  readonly #talks = new WeakMap<Duplex, Talk>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A request came. `false`: its connection is being ended, and nothing may be done of what it asks for. */
  began(exchange: Exchange): boolean {
    const talk = this.#talkOf(exchange.request.socket);
    if (talk.ending !== null) return false;
    talk.underWay.add(exchange);
    return true;
  }

  /** Its answer has gone out, or never will: nothing was done of what it asks for. */
  over(exchange: Exchange): void {
    const talk = this.#talkOf(exchange.request.socket);
    talk.underWay.delete(exchange);
    talk.ending?.();
  }

  /**
   * Lets the answers to all requests go out, in order and for `ANSWERS_WAIT_MS` at most, then sends what `last` gives, then
   * closes. One that did not come whole and whose body is needed is not answered: `last` stands in its place. If it is
   * answered all the same, since it may have taken effect without its body, there is no `last`.
   */
  end(socket: Duplex, last: (() => string) | null): void {
    const talk = this.#talkOf(socket);
    if (talk.ending !== null) return;
    socket.on('error', () => socket.destroy());
    const broken = [...talk.underWay].find(({ request }) => !request.complete) ?? null;
    const cancel = this.#clock.after(ANSWERS_WAIT_MS, () => socket.destroy());
    socket.once('close', cancel);
    talk.ending = () => {
      if (talk.underWay.size > 0) return;
      talk.ending = () => undefined;
      cancel();
      this.#close(socket, broken?.response.headersSent ? null : last);
      broken?.request.resume();
    };
    broken?.abandon();
    // All of that answer was handed over, and its end waits for a body that never comes.
    if (broken?.answered) talk.underWay.delete(broken);
    talk.ending();
  }

  #close(socket: Duplex, last: (() => string) | null): void {
    // Its end is there already, and would be waited for in vain.
    if (socket.destroyed) return;
    const cancel = this.#clock.after(LINGER_MS, () => socket.destroy());
    socket.once('close', cancel);
    // Else its end was asked for already, by the last of the answers.
    if (socket.writable) socket.end(last?.());
    socket.resume();
  }

  #talkOf(socket: Duplex): Talk {
    let talk = this.#talks.get(socket);
    if (talk === undefined) {
      talk = { underWay: new Set(), ending: null };
      this.#talks.set(socket, talk);
    }
    return talk;
  }
}
