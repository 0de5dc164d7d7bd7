import type { Seq } from '../base/ids.ts';
import {
  type PartialSnapshot,
  SNAPSHOT_WINDOW_PARTS,
  type SnapshotInstalled,
  type SnapshotStored,
} from '../protocol/messages.ts';
import type { SnapshotHeader } from '../protocol/snapshot.ts';
import type { LinkId, ReplicaEvent } from './events.ts';
import type { Outbox } from './outbox.ts';
import type { Place } from './place.ts';

type Opened = Extract<ReplicaEvent, { kind: 'snapshot-opened' }>;
type PartRead = Extract<ReplicaEvent, { kind: 'part-read' }>;

type State =
  | { readonly stage: 'opening' }
  /** Parts are read and sent; when `ended` all of them were. */
  | {
      readonly stage: 'sending';
      readonly header: SnapshotHeader;
      /** The part to be read next; all before it were sent. */
      next: number;
      /** The receiver holds all parts before this one. */
      stored: number;
      reading: boolean;
      ended: boolean;
    }
  /** The receiver has it: the log behind it is kept until that has been sent too. */
  | { readonly stage: 'installed' };

/**
 * The sender's side of one state transfer, within one session: a snapshot part by part, of which never more than
 * `SNAPSHOT_WINDOW_PARTS` are on their way unstored, and one is being read. PROTOCOL.md §4.
 */
export class SnapshotSending {
  readonly #link: LinkId;
  readonly #host: { readonly place: Place; readonly out: Outbox };
  #state: State = { stage: 'opening' };

  /** @param options.wanted what the receiver holds the first parts of. */
  constructor(
    options: { readonly link: LinkId; readonly wanted: PartialSnapshot | null },
    host: { readonly place: Place; readonly out: Outbox },
  ) {
    this.#link = options.link;
    this.#host = host;
    host.out.push({ kind: 'open-snapshot', link: options.link, wanted: options.wanted });
  }

  /** Whether the receiver has it all, so that entries follow again. */
  get installed(): boolean {
    return this.#state.stage === 'installed';
  }

  /** To be called once, however the transfer ends: nothing more is read. */
  close(): void {
    this.#host.out.push({ kind: 'close-snapshot', link: this.#link });
  }

  /**
   * The snapshot is open.
   *
   * @param after what the receiver holds already.
   * @returns whether it helps: one that ends no later than `after` does not.
   */
  onOpened({ header, from, bytes }: Opened, after: Seq): boolean {
    if (this.#state.stage !== 'opening') return true;
    if (header.seq <= after) return false;
    this.#state = { stage: 'sending', header, next: from, stored: from, reading: false, ended: false };
    const of = this.#host.place.self.storeId;
    this.#host.out.send(this.#link, { kind: 'snapshot-start', of, header, from, bytes });
    return true;
  }

  onPartRead({ place, part }: PartRead): void {
    const state = this.#state;
    if (state.stage !== 'sending' || !state.reading || place !== state.next) return;
    state.reading = false;
    if (part === null) {
      state.ended = true;
      this.#host.out.send(this.#link, { kind: 'snapshot-end', parts: place });
    } else {
      state.next += 1;
      this.#host.out.send(this.#link, { ...part, kind: 'snapshot-part' });
    }
  }

  /** @returns whether this makes sense. */
  onStored({ next }: SnapshotStored): boolean {
    const state = this.#state;
    if (state.stage !== 'sending' || next < state.stored || next > state.next) return false;
    state.stored = next;
    return true;
  }

  /** @returns whether this makes sense: it follows the end, and is of the same snapshot. */
  onInstalled({ seq }: SnapshotInstalled): boolean {
    const state = this.#state;
    if (state.stage !== 'sending' || !state.ended || state.stored !== state.next) return false;
    if (seq !== state.header.seq) return false;
    this.#state = { stage: 'installed' };
    return true;
  }

  /** Reads the next part if it may be sent now; to be called whenever something has changed. */
  pump(congested: boolean): void {
    const state = this.#state;
    if (state.stage !== 'sending' || state.reading || state.ended || congested) return;
    if (state.next - state.stored >= SNAPSHOT_WINDOW_PARTS) return;
    state.reading = true;
    this.#host.out.push({ kind: 'read-part', link: this.#link, place: state.next });
  }
}
