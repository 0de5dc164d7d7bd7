import { CatenaError, messageOf } from '../base/errors.ts';
import { encodeMessage, MessageDecoder } from '../codec/message-codec.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Connection, Transport } from '../ports/transport.ts';
import { type HeartbeatAnswer, type NodeReport, PROTOCOL_VERSION } from '../protocol/messages.ts';
import type { Topology } from '../protocol/topology.ts';
import { logDialFailures } from './dial-log.ts';

/** Longest wait between two tries to reach the coordinator, in ms. */
const RETRY_MS_MAX = 1000;
/** Shortest wait before a lost connection is made anew, in ms; doubled until an answer comes. */
const RETRY_MS_MIN = 20;
/** An address that can't be reached for so long has the next one tried, and is looked up anew, in ms. */
const ADDRESS_MS = 2000;
/** A coordinator that answers nothing for so long is given up, and looked for anew, in ms. */
const SILENT_MS_MAX = 2000;
/** A coordinator that has more than this queued toward it is not listening: beats are left out until it is, in bytes. */
const QUEUED_BYTES_MAX = 262_144;

/** Where the coordinator is, what to tell it, and who takes its answers. */
export interface CoordinatorLinkOptions {
  /** Peer addresses, `host:port`, at which it may be, the likeliest first; never empty. Asked at every dial. */
  readonly addresses: () => readonly string[];
  readonly heartbeatMs: () => number;
  readonly report: () => NodeReport;
  readonly answered: (answer: HeartbeatAnswer) => void;
}

/** A node's connection to the coordinator: reports every `heartbeatMs` and hands back the answers, for ever. */
export class CoordinatorLink {
  readonly #options: CoordinatorLinkOptions;
  readonly #deps: { transport: Transport; clock: Clock; logger: Logger };
  #stopped = false;
  /** The last report was sent. */
  #left = false;
  #dialling: AbortController | null = null;
  #connection: Connection | null = null;
  #cancelBeat: Cancel = () => {};
  #cancelDial: Cancel = () => {};
  #retryMs = RETRY_MS_MIN;
  #answeredAtMs = 0;
  /** Whether the connection has brought an answer. */
  #answered = false;
  /** Which of the addresses is tried: counted up when one leads nowhere. */
  #turn = 0;
  #dialLog: ReturnType<typeof logDialFailures> | null = null;

  constructor(options: CoordinatorLinkOptions, deps: { transport: Transport; clock: Clock; logger: Logger }) {
    this.#options = options;
    this.#deps = deps;
  }

  start(): void {
    this.#dial();
  }

  /** Reports once more, whatever is due, and no more after that; the connection stays for this to arrive. */
  leave(): void {
    this.beatNow();
    this.#left = true;
    this.#cancelBeat();
    this.#endDial();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelBeat();
    this.#endDial();
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
    const { transport, logger, clock } = this.#deps;
    const addresses = this.#options.addresses();
    const address = addresses[this.#turn % addresses.length] ?? '';
    this.#dialLog ??= logDialFailures(logger, `the coordinator at ${addresses.join(' or ')}`);
    const { failed } = this.#dialLog;
    const dialling = new AbortController();
    this.#dialling = dialling;
    this.#cancelDial = clock.after(ADDRESS_MS, () => this.#dialNext());
    const { signal } = dialling;
    transport.dial(address, { signal, retryMsMax: RETRY_MS_MAX, failed }).then(
      (connection) => {
        if (signal.aborted) return connection.close();
        this.#connected(connection);
      },
      (error: unknown) => {
        if (!signal.aborted) logger.error({ reason: messageOf(error) }, 'gave up on the coordinator');
      },
    );
  }

  /** It may have moved: the topology in force says where to, or the node's own file does. */
  #dialNext(): void {
    this.#endDial();
    this.#turn += 1;
    this.#dial();
  }

  #endDial(): void {
    this.#cancelDial();
    this.#dialling?.abort();
    this.#dialling = null;
  }

  #connected(connection: Connection): void {
    const decoder = new MessageDecoder();
    this.#cancelDial();
    this.#dialling = null;
    this.#dialLog?.succeeded();
    this.#dialLog = null;
    this.#connection = connection;
    this.#answered = false;
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
        this.#answered = true;
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
    this.#connection = null;
    this.#cancelBeat();
    if (this.#left || this.#stopped) return;
    this.#deps.logger.warn(
      { reason },
      'lost the connection to the coordinator; the chain serves on without it',
    );
    if (!this.#answered) this.#turn += 1;
    // One that lets in and closes at once, because it refuses this node say, must not be dialled in a loop.
    this.#cancelDial = this.#deps.clock.after(this.#retryMs, () => this.#dial());
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
  }

  #beat(connection: Connection): void {
    if (this.#connection !== connection || this.#left) return;
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

/** The topology in force says where the coordinator is; the word of the node's own file is how one that moved is found again. */
export function coordinatorAddresses(inForce: Topology, file: Topology): readonly string[] {
  const addresses = [inForce, file].flatMap(({ coordinators }) =>
    Object.values(coordinators).map(({ peer }) => peer),
  );
  if (addresses.length === 0) throw new CatenaError('BAD_TOPOLOGY', 'the topology names no coordinator');
  return [...new Set(addresses)];
}
