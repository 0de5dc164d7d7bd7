import { assert } from '../base/assert.ts';
import type { Connection, ConnectionListener } from '../ports/transport.ts';
import type { Process } from './machine.ts';
import { type Ending, type Hold, Pipe, type PipeDeps } from './pipe.ts';

const CLOSED: Ending = { reason: 'the other end closed it', lossy: false };
const RESET: Ending = { reason: 'the other end broke the connection (ECONNRESET)', lossy: true };
const BROKEN: Ending = { ...RESET, unheld: true };

/** How long it is until a sender tries again, with nobody left to take it, in ms of the world. */
const RESEND_MS_MAX = 1000;

/** What a wire needs of the network. */
export interface WireDeps extends PipeDeps {
  /** The machine has no power. */
  readonly isDark: (machine: string) => boolean;
  /** Nobody hears anything of the wire any more. */
  readonly over: (wire: Wire) => void;
}

/** Who is at an end of a wire, and what the other end is called there. */
export interface Party {
  readonly process: Process;
  readonly remote: string;
}

/** One connection, from the process that dialled to the one that accepted. */
export class Wire {
  readonly dialled: End;
  readonly accepted: End;
  readonly #deps: WireDeps;

  constructor(dialler: Party, acceptor: Party, deps: WireDeps) {
    this.#deps = deps;
    this.dialled = new End(dialler, this, deps);
    this.accepted = new End(acceptor, this, deps);
    const there = pipeBetween(this.dialled, this.accepted, deps);
    const back = pipeBetween(this.accepted, this.dialled, deps);
    Pipe.pair(there, back);
    this.dialled.attach({ out: there, into: back });
    this.accepted.attach({ out: back, into: there });
  }

  get ends(): readonly End[] {
    return [this.dialled, this.accepted];
  }

  /** It is reset: each end learns of it after a moment of its own. */
  break(): void {
    for (const { out } of this.ends) out.finish(BROKEN);
  }

  /** Holds back what one machine sends the other. */
  hold(from: string, to: string, why: Hold): void {
    for (const pipe of this.pipes(from, to)) pipe.hold(why);
  }

  release(from: string, to: string, why: Hold): void {
    for (const pipe of this.pipes(from, to)) pipe.release(why);
  }

  /** What carries bytes from one machine to the other: none or one, but two when a machine speaks with itself. */
  pipes(from: string, to: string): Pipe[] {
    const { dialled, accepted } = this;
    const pipes: Pipe[] = [];
    if (dialled.machine === from && accepted.machine === to) pipes.push(dialled.out);
    if (accepted.machine === from && dialled.machine === to) pipes.push(accepted.out);
    return pipes;
  }

  /** The machine has power again and knows nothing of the wire: it answers with a reset what is sent to it again. */
  powered(machine: string): void {
    const delayMs = this.#deps.prng.between(0, RESEND_MS_MAX);
    for (const end of this.ends) {
      if (end.machine === machine && end.isGone && end.into.isWaiting) end.out.finish({ ...RESET, delayMs });
    }
  }

  /** An end was closed, failed or died. */
  ended(): void {
    if (!this.dialled.isOpen && !this.accepted.isOpen) this.#deps.over(this);
  }
}

function pipeBetween(from: End, to: End, deps: PipeDeps): Pipe {
  const listener = {
    landed: (chunks: readonly Uint8Array[], bytes: number) => to.landed(chunks, bytes),
    ended: (reason: string) => to.over(reason),
    drained: () => from.drained(),
  };
  return new Pipe(listener, { from: from.machine, to: to.machine }, deps);
}

/** What one process holds of a wire. What lands waits in its machine until the process reads it. */
class End implements Connection {
  readonly remote: string;
  readonly process: Process;
  readonly #wire: Wire;
  readonly #deps: WireDeps;
  #pipes: { readonly out: Pipe; readonly into: Pipe } | null = null;
  #state: 'open' | 'closed' | 'gone' = 'open';
  #listener: ConnectionListener | null = null;
  #unread: Uint8Array[] = [];
  #unreadBytes = 0;
  /** Why it ended, behind what is unread. */
  #ending: string | null = null;
  /** The process has been asked to read. */
  #reading = false;

  constructor({ process, remote }: Party, wire: Wire, deps: WireDeps) {
    this.process = process;
    this.remote = remote;
    this.#wire = wire;
    this.#deps = deps;
  }

  attach(pipes: { readonly out: Pipe; readonly into: Pipe }): void {
    this.#pipes = pipes;
  }

  get machine(): string {
    return this.process.name;
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Its machine lost its power. */
  get isGone(): boolean {
    return this.#state === 'gone';
  }

  get out(): Pipe {
    return this.#attached.out;
  }

  get into(): Pipe {
    return this.#attached.into;
  }

  get #attached(): { readonly out: Pipe; readonly into: Pipe } {
    assert(this.#pipes !== null, () => 'an end of a wire has no pipes yet');
    return this.#pipes;
  }

  get bufferedBytes(): number {
    return this.isOpen ? this.out.keptBytes : 0;
  }

  send(chunks: readonly Uint8Array[]): void {
    if (this.isOpen && !this.process.dead) this.out.send(chunks);
  }

  close(): void {
    if (this.isOpen && !this.process.dead) this.#shut(this.#unreadBytes > 0);
  }

  listen(listener: ConnectionListener): void {
    assert(this.#listener === null, () => `${this.remote} has a listener already`);
    this.#listener = listener;
    if (this.#unreadBytes > 0 || this.#ending !== null) this.process.clock.defer(this.#read);
  }

  /** Its process was killed: the machine closes it. Something unread, or that is just coming in, makes that a reset. */
  killed(): void {
    if (this.isOpen) this.#shut(this.#unreadBytes > 0 || this.#deps.prng.chance(0.5));
  }

  /** Its machine lost its power. */
  powerCut(): void {
    this.#end('gone');
    this.out.vanish();
    this.#wire.ended();
  }

  landed(chunks: readonly Uint8Array[], bytes: number): void {
    // A machine that knows nothing of a connection says so.
    if (this.isGone && !this.#deps.isDark(this.machine)) this.out.finish(RESET);
    if (!this.isOpen) return;
    for (const chunk of chunks) this.#unread.push(chunk);
    this.#unreadBytes += bytes;
    this.#wake();
  }

  over(reason: string): void {
    if (!this.isOpen) return;
    this.#ending = reason;
    this.#wake();
  }

  drained(): void {
    this.process.reach(() => {
      if (this.isOpen && this.out.keptBytes === 0) this.#listener?.drained();
    });
  }

  #wake(): void {
    if (this.#reading) return;
    this.#reading = true;
    this.process.reach(this.#read);
  }

  readonly #read = (): void => {
    this.#reading = false;
    const listener = this.#listener;
    if (listener === null || !this.isOpen) return;
    const chunks = this.#unread;
    if (chunks.length > 0) {
      const bytes = this.#unreadBytes;
      this.#unread = [];
      this.#unreadBytes = 0;
      this.into.read(bytes);
      listener.data(joined(chunks, bytes));
    }
    if (this.#ending !== null && this.#state === 'open') this.#fail(listener, this.#ending);
  };

  #fail(listener: ConnectionListener, reason: string): void {
    this.#end('closed');
    this.#wire.ended();
    listener.closed(reason);
  }

  #shut(isReset: boolean): void {
    this.#end('closed');
    this.out.finish(isReset ? RESET : CLOSED);
    this.#wire.ended();
  }

  #end(state: 'closed' | 'gone'): void {
    this.#state = state;
    this.#listener = null;
    this.#unread = [];
    this.#unreadBytes = 0;
  }
}

/** One buffer, of its own when there are several. */
function joined(chunks: readonly Uint8Array[], bytes: number): Uint8Array {
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes);
}
