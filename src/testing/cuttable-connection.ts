import type { Cancel } from '../ports/clock.ts';
import type { Connection, ConnectionListener } from '../ports/transport.ts';

/**
 * A connection as the process that dialled has it, in front of the real one. While its cable is cut, nothing passes through here
 * either way, so the process at the other end needs nothing of the kind.
 */
export class CuttableConnection implements Connection {
  readonly #real: Connection;
  readonly #isCut: () => boolean;
  readonly #gone: Cancel;
  #listener: ConnectionListener | null = null;
  /** It lost something, so it can't go on when the cut is healed. */
  #torn = false;
  /** This side is through with it, or was told of its end. */
  #ended = false;
  /** What was sent into the cut: it stays queued, as what no other end confirms. */
  #lostBytes = 0;

  /** `gone` is called when there is no real connection any more. */
  constructor(real: Connection, { isCut, gone }: { isCut: () => boolean; gone: () => void }) {
    this.#real = real;
    this.#isCut = isCut;
    this.#gone = gone;
  }

  get remote(): string {
    return this.#real.remote;
  }

  get bufferedBytes(): number {
    return this.#ended ? 0 : this.#real.bufferedBytes + this.#lostBytes;
  }

  send(chunks: readonly Uint8Array[]): void {
    if (this.#ended) return;
    if (!this.#lost()) return this.#real.send(chunks);
    for (const { byteLength } of chunks) this.#lostBytes += byteLength;
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    // The other end is not to learn of it before the cut is healed.
    if (!this.#lost()) this.#release();
  }

  listen(listener: ConnectionListener): void {
    this.#listener = listener;
    this.#real.listen({
      data: (bytes) => {
        if (!this.#lost() && !this.#ended) listener.data(bytes);
      },
      drained: () => {
        if (!this.#lost() && !this.#ended) listener.drained();
      },
      closed: (reason) => {
        if (!this.#lost()) this.#end(reason);
      },
    });
  }

  /** The cable is whole again. */
  healed(): void {
    if (this.#torn) this.#end('what was sent on it while its cable was cut is lost');
  }

  /** Whether what happens now is lost in the cut. */
  #lost(): boolean {
    this.#torn ||= this.#isCut();
    return this.#torn;
  }

  #end(reason: string): void {
    this.#release();
    if (this.#ended) return;
    this.#ended = true;
    this.#listener?.closed(reason);
  }

  #release(): void {
    this.#real.close();
    this.#gone();
  }
}
