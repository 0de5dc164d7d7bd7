import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import { type ReceiveEffect, SnapshotReceiver, type TransferStatus } from './snapshot-receiver.ts';
import { type SendEffect, SnapshotSender, type TransferHost } from './snapshot-sender.ts';

/** What a replica asks for to send a snapshot to its successor, or to receive one from its predecessor. */
type TransferEffect = SendEffect | ReceiveEffect;

/**
 * Carries out a replica's effects of state transfer over the storage, and raises the events that follow. Holds at most a
 * window of parts each way. PROTOCOL.md §4.
 */
export class StateTransfer {
  readonly #sender: SnapshotSender;
  readonly #receiver: SnapshotReceiver;

  /** `host.failed` is told what the disk refused, and bugs; nothing more is received then. */
  constructor(host: TransferHost, deps: { clock: Clock; logger: Logger }) {
    this.#sender = new SnapshotSender(host, deps);
    this.#receiver = new SnapshotReceiver(host, deps);
  }

  /** Returns at once; those of receiving are carried out one behind the other. Never raises an event before it has returned. */
  carryOut(effect: TransferEffect): void {
    switch (effect.kind) {
      case 'open-snapshot':
      case 'read-part':
      case 'close-snapshot':
        return this.#sender.carryOut(effect);
      default:
        return this.#receiver.carryOut(effect);
    }
  }

  /** How far the store that is being received has come, and how fast; `null` when none is. */
  status(): TransferStatus | null {
    return this.#receiver.status();
  }

  /** Lets go of what is being sent and raises nothing more. To be called before the storage is closed. */
  stop(): void {
    this.#sender.stop();
    this.#receiver.stop();
  }
}
