import type { Socket } from 'node:net';
import { assert } from '../base/assert.ts';
import type { Connection, ConnectionListener } from '../ports/transport.ts';
import { reasonOf } from './network-error.ts';

/** Below this, copying chunks together costs less than handing the system a list of them. */
const JOIN_BYTES_MAX = 16 * 1024;

/** A TCP connection. Bytes that were sent leave in one system call per `send`. */
export class TcpConnection implements Connection {
  readonly remote: string;
  readonly #socket: Socket;
  #listener: ConnectionListener | undefined;
  #reason: string | undefined;
  #ended = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.remote = nameOf(socket);
    socket.setNoDelay(true);
    socket.on('error', (error) => {
      this.#reason ??= reasonOf(error);
    });
    // Nobody here speaks on a half-open connection, and its queued bytes could hold it open for ever.
    socket.on('end', () => {
      this.#reason ??= 'the other end closed it';
      socket.destroy();
    });
    socket.on('close', () => this.#closed());
  }

  get bufferedBytes(): number {
    return this.#ended ? 0 : this.#socket.writableLength;
  }

  send(chunks: readonly Uint8Array[]): void {
    if (this.#ended || this.#socket.destroyed) return;
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
    if (bytes === 0) return;
    const [only] = chunks;
    if (chunks.length === 1 && only !== undefined) this.#socket.write(only);
    else if (bytes <= JOIN_BYTES_MAX) this.#socket.write(Buffer.concat(chunks, bytes));
    else this.#sendList(chunks);
  }

  close(): void {
    this.#ended = true;
    this.#socket.destroy();
  }

  listen(listener: ConnectionListener): void {
    assert(this.#listener === undefined, () => `${this.remote} has a listener already`);
    this.#listener = listener;
    this.#socket.on('data', (bytes: Uint8Array) => {
      if (!this.#ended) listener.data(bytes);
    });
    this.#socket.on('drain', () => {
      if (!this.#ended) listener.drained();
    });
    // It may have failed between being made and being handed over; its 'close' has been and gone then.
    if (this.#socket.closed) setImmediate(() => this.#closed());
  }

  #sendList(chunks: readonly Uint8Array[]): void {
    this.#socket.cork();
    for (const chunk of chunks) this.#socket.write(chunk);
    this.#socket.uncork();
  }

  #closed(): void {
    if (this.#ended || this.#listener === undefined) return;
    this.#ended = true;
    this.#listener.closed(this.#reason ?? 'the connection ended');
  }
}

function nameOf({ remoteAddress = 'unknown', remotePort = 0 }: Socket): string {
  return remoteAddress.includes(':') ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
}
