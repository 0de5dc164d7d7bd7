/** A byte stream to another process. Bytes arrive in order or not at all; a connection that fails stays failed. */
export interface Connection {
  /** Who is at the other end, for people. */
  readonly remote: string;
  /** What was given to `send` and has not left this process yet, in bytes. */
  readonly bufferedBytes: number;
  /** Queues bytes behind those queued before; what is sent on a closed connection is dropped. The caller must not change them. */
  send(chunks: readonly Uint8Array[]): void;
  /** Ends the connection at once, both ways; `closed` is not called for it. */
  close(): void;
  /** Set once, before the turn in which the connection was handed over ends. */
  listen(listener: ConnectionListener): void;
}

/** What is told of a connection, one call at a time and in order. */
export interface ConnectionListener {
  data(bytes: Uint8Array): void;
  /** Everything queued has left; called after `send` found more than a little queued. */
  drained(): void;
  /** The other end closed it, or it failed, for the reason given. Nothing is called after this. */
  closed(reason: string): void;
}

/** A port that accepts connections. */
export interface Listening {
  /** Stops accepting; open connections stay. */
  close(): Promise<void>;
}

/** Byte streams between processes: TCP, or a simulated network. */
export interface Transport {
  /**
   * Accepts connections on a port, on each of `hosts`.
   *
   * @throws CatenaError PORT_IN_USE, naming the port.
   */
  accept(
    at: { hosts: readonly string[]; port: number },
    accepted: (connection: Connection) => void,
  ): Promise<Listening>;
  /**
   * Tries once to connect, and hangs up at once: `open` when somebody listens there, `refused` when the machine answers that
   * nobody does, `unknown` when nothing can be said within `withinMs`.
   */
  knock(address: string, options: { withinMs: number }): Promise<'open' | 'refused' | 'unknown'>;
  /**
   * Dials until it succeeds, waiting longer between the tries up to `retryMsMax`, and says through `failed` why each one
   * did not. Rejects only when `signal` aborts.
   */
  dial(
    address: string,
    options: { signal: AbortSignal; retryMsMax: number; failed: (reason: string) => void },
  ): Promise<Connection>;
}
