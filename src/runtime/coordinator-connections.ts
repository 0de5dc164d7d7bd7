import { CatenaError } from '../base/errors.ts';
import { encodeMessage, MessageDecoder } from '../codec/message-codec.ts';
import type { LinkId } from '../coordinator/events.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Connection } from '../ports/transport.ts';
import {
  type HeartbeatAnswer,
  type Message,
  type NodeReport,
  PROTOCOL_VERSION,
} from '../protocol/messages.ts';

/** Most peer connections at once: two for each node that a topology may have. */
export const CONNECTIONS_MAX = 64;
/** The longest message that is taken, in bytes: many times a heartbeat. */
const FRAME_BYTES_MAX = 1024 * 1024;
/** More than this queued toward a node means that it reads no answers, in bytes. */
const QUEUED_BYTES_MAX = 8 * 1024 * 1024;

interface Link {
  readonly connection: Connection;
  readonly decoder: MessageDecoder;
  /** By the monotonic clock, when it was opened or last brought a heartbeat. */
  heardMs: number;
}

/** What the connections bring. `closed` may be called from within `tell`; neither for one that was hung up. */
export interface ConnectionEvents {
  heartbeat(link: LinkId, report: NodeReport): void;
  closed(link: LinkId): void;
}

/** The coordinator's peer connections: numbered, bounded, and closed when they misbehave. */
export class CoordinatorConnections {
  readonly #events: ConnectionEvents;
  readonly #deps: { readonly clock: Clock; readonly logger: Logger };
  readonly #links = new Map<LinkId, Link>();
  #last: LinkId = 0;
  #full = false;

  constructor(events: ConnectionEvents, deps: { clock: Clock; logger: Logger }) {
    this.#events = events;
    this.#deps = deps;
  }

  get count(): number {
    return this.#links.size;
  }

  accept(connection: Connection): void {
    if (this.#links.size >= CONNECTIONS_MAX) return this.#refuse(connection);
    this.#full = false;
    this.#last += 1;
    const link = this.#last;
    const heardMs = this.#deps.clock.now().monotonicMs;
    this.#links.set(link, {
      connection,
      decoder: new MessageDecoder({ frameBytesMax: FRAME_BYTES_MAX }),
      heardMs,
    });
    connection.listen({
      data: (bytes) => this.#onData(link, bytes),
      drained: () => {},
      closed: () => this.#gone(link),
    });
  }

  tell(link: LinkId, answer: HeartbeatAnswer): void {
    const { connection } = this.#links.get(link) ?? {};
    if (connection === undefined) return;
    if (connection.bufferedBytes > QUEUED_BYTES_MAX) return this.#misbehaved(link, 'it reads no answers');
    connection.send(encodeMessage(answer));
  }

  /** Closes a connection that the coordinator is done with; nothing is reported of it any more. */
  hangUp(link: LinkId, reason: string): void {
    const { connection } = this.#links.get(link) ?? {};
    if (connection === undefined) return;
    this.#links.delete(link);
    this.#deps.logger.info({ remote: connection.remote, reason }, 'closed a peer connection');
    connection.close();
  }

  /** Closes those that have brought nothing for so long: half-open ones would use up the limit. */
  closeIdle(idleMs: number): void {
    const { monotonicMs } = this.#deps.clock.now();
    for (const [link, { heardMs }] of this.#links) {
      if (monotonicMs - heardMs > idleMs) this.#misbehaved(link, `no heartbeat for ${idleMs} ms`);
    }
  }

  closeAll(): void {
    for (const { connection } of this.#links.values()) connection.close();
    this.#links.clear();
  }

  #onData(link: LinkId, bytes: Uint8Array): void {
    const messages = this.#decoded(link, bytes);
    for (const message of messages) {
      const state = this.#links.get(link);
      // An earlier message of the same bytes may have ended the connection.
      if (state === undefined) return;
      if (message.kind !== 'heartbeat') return this.#misbehaved(link, `it sent a ${message.kind}`);
      if (message.protocolVersion !== PROTOCOL_VERSION) {
        const { protocolVersion } = message;
        return this.#misbehaved(
          link,
          `it speaks protocol ${protocolVersion}, this coordinator ${PROTOCOL_VERSION}`,
        );
      }
      state.heardMs = this.#deps.clock.now().monotonicMs;
      this.#events.heartbeat(link, message.report);
    }
  }

  #decoded(link: LinkId, bytes: Uint8Array): readonly Message[] {
    try {
      return this.#links.get(link)?.decoder.push(bytes) ?? [];
    } catch (error) {
      if (!(error instanceof CatenaError)) throw error;
      this.#misbehaved(link, error.message);
      return [];
    }
  }

  #refuse(connection: Connection): void {
    const { remote } = connection;
    if (!this.#full) {
      this.#deps.logger.warn(
        { remote, connectionsMax: CONNECTIONS_MAX },
        'refused a peer connection: there are too many',
      );
    }
    this.#full = true;
    connection.close();
  }

  #misbehaved(link: LinkId, reason: string): void {
    const { connection } = this.#links.get(link) ?? {};
    this.#deps.logger.warn(
      { remote: connection?.remote, reason },
      'closed a peer connection that misbehaved',
    );
    connection?.close();
    this.#gone(link);
  }

  #gone(link: LinkId): void {
    if (this.#links.delete(link)) this.#events.closed(link);
  }
}
