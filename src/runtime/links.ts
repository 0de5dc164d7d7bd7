import { assert } from '../base/assert.ts';
import { CatenaError, messageOf } from '../base/errors.ts';
import { encodeMessage, MessageDecoder } from '../codec/message-codec.ts';
import type { Logger } from '../ports/logger.ts';
import type { Connection, Transport } from '../ports/transport.ts';
import type { Incarnation } from '../protocol/configuration.ts';
import type { LinkMessage } from '../protocol/messages.ts';
import type { LinkId, ReplicaEvent } from '../replica/events.ts';
import { logDialFailures } from './dial-log.ts';

/** Longest wait between two tries to reach the successor, in ms: short, since the chain stands still meanwhile. */
const RETRY_MS_MAX = 200;
/** What may be queued on one link unless another bound is given, in bytes. */
const LINK_QUEUED_BYTES_MAX = 8_388_608;
/** A connection that never held more than a little says nothing of being drained: a lower bound could hold back for ever. */
const LINK_QUEUED_BYTES_MIN = 16_384;
/** Connections from other nodes at once; the oldest that has said nothing makes room. */
const INBOUND_LINKS_MAX = 32;

interface Link {
  readonly id: LinkId;
  readonly connection: Connection;
  readonly inbound: boolean;
  congested: boolean;
  /** A message came by it. */
  spoke: boolean;
}

/** What the links need of the driver. */
export interface LinksOptions {
  /** The peer address of a node, `host:port`, as the topology in force says; `null` for a node that it doesn't know. */
  readonly addressOf: (to: Incarnation) => string | null;
  /** Takes an event for the replica. */
  readonly happened: (event: ReplicaEvent) => void;
  /**
   * With more queued on one link, the replica is told to hold back, in bytes; 8 MiB unless given. At least 16 KiB, and over
   * TCP 64 KiB: `drained` follows only on more than the transport calls a little.
   */
  readonly queuedBytesMax?: number | undefined;
}

/** The peer connections of one replica: numbers them, turns bytes into messages and back, and dials the successor. */
export class Links {
  readonly #options: LinksOptions;
  readonly #queuedBytesMax: number;
  readonly #deps: { transport: Transport; logger: Logger };
  readonly #links = new Map<LinkId, Link>();
  #lastId = 0;
  #dialling: AbortController | null = null;

  constructor(options: LinksOptions, deps: { transport: Transport; logger: Logger }) {
    const { queuedBytesMax = LINK_QUEUED_BYTES_MAX } = options;
    assert(queuedBytesMax >= LINK_QUEUED_BYTES_MIN, () => `a link of ${queuedBytesMax} B may never drain`);
    this.#options = options;
    this.#queuedBytesMax = queuedBytesMax;
    this.#deps = deps;
  }

  /** Takes a connection that another node opened. */
  accepted(connection: Connection): void {
    const inbound = [...this.#links.values()].filter((link) => link.inbound);
    const worst = inbound.find((link) => !link.spoke) ?? inbound[0];
    if (worst && inbound.length >= INBOUND_LINKS_MAX) this.#drop(worst, 'made room for a newer connection');
    this.#add(connection, true);
  }

  /** Connects to `to`, trying until it succeeds; an earlier dial is given up. */
  dial(to: Incarnation): void {
    this.#dialling?.abort();
    const address = this.#options.addressOf(to);
    if (address === null) {
      // The replica dials again when it is told of another topology.
      this.#deps.logger.warn({ to: to.node }, 'the topology has no address of the successor');
      return;
    }
    const dialling = new AbortController();
    this.#dialling = dialling;
    const log = logDialFailures(this.#deps.logger, `the successor ${to.node} at ${address}`);
    const { signal } = dialling;
    this.#deps.transport.dial(address, { signal, retryMsMax: RETRY_MS_MAX, failed: log.failed }).then(
      (connection) => {
        if (signal.aborted) return connection.close();
        this.#dialling = null;
        log.succeeded();
        const { id } = this.#add(connection, false);
        this.#options.happened({ kind: 'connected', link: id, to });
      },
      (error: unknown) => {
        if (!signal.aborted)
          this.#deps.logger.error({ to: to.node, reason: messageOf(error) }, 'gave up dialling');
      },
    );
  }

  /** Closes a link, or with `null` gives up the dial. */
  hangUp(id: LinkId | null, reason: string): void {
    if (id === null) {
      this.#dialling?.abort();
      this.#dialling = null;
      return;
    }
    const link = this.#links.get(id);
    if (!link) return;
    this.#links.delete(id);
    this.#deps.logger.debug({ remote: link.connection.remote, reason }, 'closed a link');
    link.connection.close();
  }

  /** Closes a link that nothing comes of, and lets the replica know. */
  giveUp(id: LinkId, reason: string): void {
    const link = this.#links.get(id);
    if (link) this.#drop(link, reason);
  }

  send(id: LinkId, message: LinkMessage): void {
    const link = this.#links.get(id);
    if (!link) return;
    link.connection.send(encodeMessage(message));
    if (link.congested || link.connection.bufferedBytes <= this.#queuedBytesMax) return;
    link.congested = true;
    this.#options.happened({ kind: 'congested', link: id });
  }

  closeAll(): void {
    this.hangUp(null, 'stopping');
    for (const id of [...this.#links.keys()]) this.hangUp(id, 'stopping');
  }

  #add(connection: Connection, inbound: boolean): Link {
    this.#lastId += 1;
    const link: Link = { id: this.#lastId, connection, inbound, congested: false, spoke: false };
    const decoder = new MessageDecoder();
    this.#links.set(link.id, link);
    connection.listen({
      data: (bytes) => this.#onData(link, decoder, bytes),
      drained: () => this.#onDrained(link),
      closed: (reason) => this.#onClosed(link, reason),
    });
    return link;
  }

  #onData(link: Link, decoder: MessageDecoder, bytes: Uint8Array): void {
    try {
      const messages = decoder.push(bytes);
      if (messages.length === 0) this.#options.happened({ kind: 'heard', link: link.id });
      for (const message of messages) {
        link.spoke = true;
        if (message.kind === 'heartbeat' || message.kind === 'heartbeat-answer') {
          throw new CatenaError('BAD_FRAME', `a node was sent a ${message.kind}`);
        }
        // A message counts only in the session that it came by: one step may have closed this link.
        if (this.#links.has(link.id)) this.#options.happened({ kind: 'message', link: link.id, message });
      }
    } catch (error) {
      if (!(error instanceof CatenaError)) throw error;
      this.#drop(link, messageOf(error));
    }
  }

  #onDrained(link: Link): void {
    if (!link.congested || !this.#links.has(link.id)) return;
    link.congested = false;
    this.#options.happened({ kind: 'drained', link: link.id });
  }

  #onClosed(link: Link, reason: string): void {
    if (!this.#links.delete(link.id)) return;
    this.#deps.logger.debug({ remote: link.connection.remote, reason }, 'a link was closed');
    this.#options.happened({ kind: 'disconnected', link: link.id });
  }

  /** Closes a link that misbehaves, and says so to the replica. */
  #drop(link: Link, reason: string): void {
    if (!this.#links.delete(link.id)) return;
    this.#deps.logger.warn({ remote: link.connection.remote }, `closed a link: ${reason}`);
    link.connection.close();
    this.#options.happened({ kind: 'disconnected', link: link.id });
  }
}
