import { CatenaError, messageOf } from '../base/errors.ts';
import { encodeMessage, MessageDecoder } from '../codec/message-codec.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Connection, Transport } from '../ports/transport.ts';
import { type HeartbeatAnswer, type NodeReport, PROTOCOL_VERSION } from '../protocol/messages.ts';
import { logDialFailures } from './dial-log.ts';

/** Longest wait between two tries to reach the coordinator, in ms. */
const RETRY_MS_MAX = 1000;
/** Shortest wait before a lost connection is made anew, in ms; doubled until an answer comes. */
const RETRY_MS_MIN = 20;
/** A coordinator that answers nothing for so long is given up, and looked for anew, in ms. */
const SILENT_MS_MAX = 2000;
/** A coordinator that has more than this queued toward it is not listening: beats are left out until it is, in bytes. */
const QUEUED_BYTES_MAX = 262_144;

/** Where the coordinator is, what to tell it, and who takes its answers. */
export interface CoordinatorLinkOptions {
  /** The coordinator's peer address, `host:port`. */
  readonly address: string;
  readonly heartbeatMs: () => number;
  readonly report: () => NodeReport;
  readonly answered: (answer: HeartbeatAnswer) => void;
}

/** A node's connection to the coordinator: reports every `heartbeatMs` and hands back the answers, for ever. */
export class CoordinatorLink {
  readonly #options: CoordinatorLinkOptions;
  readonly #deps: { transport: Transport; clock: Clock; logger: Logger };
  readonly #stop = new AbortController();
  #connection: Connection | null = null;
  #cancelBeat: Cancel = () => {};
  #cancelDial: Cancel = () => {};
  #retryMs = RETRY_MS_MIN;
  #answeredAtMs = 0;

  constructor(options: CoordinatorLinkOptions, deps: { transport: Transport; clock: Clock; logger: Logger }) {
    this.#options = options;
    this.#deps = deps;
  }

  start(): void {
    this.#dial();
  }

  stop(): void {
    this.#stop.abort();
    this.#cancelBeat();
    this.#cancelDial();
    this.#connection?.close();
    this.#connection = null;
  }

  get connected(): boolean {
    return this.#connection !== null;
  }

  /** Reports at once, because something has changed that the coordinator waits for. */
  beatNow(): void {
    if (this.#connection) this.#beat(this.#connection);
  }

  #dial(): void {
    const { transport, logger } = this.#deps;
    const { address } = this.#options;
    const log = logDialFailures(logger, `the coordinator at ${address}`);
    transport.dial(address, { signal: this.#stop.signal, retryMsMax: RETRY_MS_MAX, failed: log.failed }).then(
      (connection) => {
        if (this.#stop.signal.aborted) return connection.close();
        log.succeeded();
        this.#connected(connection);
      },
      (error: unknown) => {
        if (!this.#stop.signal.aborted)
          logger.error({ reason: messageOf(error) }, 'gave up on the coordinator');
      },
    );
  }

  #connected(connection: Connection): void {
    const decoder = new MessageDecoder();
    this.#connection = connection;
    this.#answeredAtMs = this.#deps.clock.now().monotonicMs;
    connection.listen({
      data: (bytes) => this.#onData(connection, decoder, bytes),
      drained: () => {},
      closed: (reason) => this.#lost(connection, reason),
    });
    this.#beat(connection);
  }

  #onData(connection: Connection, decoder: MessageDecoder, bytes: Uint8Array): void {
    try {
      for (const message of decoder.push(bytes)) {
        if (message.kind !== 'heartbeat-answer')
          throw new CatenaError('BAD_FRAME', `a coordinator sent ${message.kind}`);
        this.#retryMs = RETRY_MS_MIN;
        this.#answeredAtMs = this.#deps.clock.now().monotonicMs;
        this.#options.answered(message);
      }
    } catch (error) {
      if (!(error instanceof CatenaError)) throw error;
      this.#giveUp(connection, messageOf(error));
    }
  }

  #giveUp(connection: Connection, reason: string): void {
    connection.close();
    this.#lost(connection, reason);
  }

  #lost(connection: Connection, reason: string): void {
    if (this.#connection !== connection) return;
    this.#deps.logger.warn(
      { reason },
      'lost the connection to the coordinator; the chain serves on without it',
    );
    this.#connection = null;
    this.#cancelBeat();
    // One that lets in and closes at once, because it refuses this node say, must not be dialled in a loop.
    this.#cancelDial = this.#deps.clock.after(this.#retryMs, () => this.#dial());
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
  }

  #beat(connection: Connection): void {
    if (this.#connection !== connection) return;
    this.#cancelBeat();
    if (this.#deps.clock.now().monotonicMs - this.#answeredAtMs > SILENT_MS_MAX) {
      return this.#giveUp(connection, `no answer for ${SILENT_MS_MAX} ms`);
    }
    if (connection.bufferedBytes <= QUEUED_BYTES_MAX) {
      connection.send(
        encodeMessage({
          kind: 'heartbeat',
          protocolVersion: PROTOCOL_VERSION,
          report: this.#options.report(),
        }),
      );
    }
    this.#cancelBeat = this.#deps.clock.after(this.#options.heartbeatMs(), () => this.#beat(connection));
  }
}
