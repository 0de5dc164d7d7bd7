import { unreachable } from '../base/assert.ts';
import { CatenaError } from '../base/errors.ts';
import { badFrame } from '../codec/bytes.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import { SNAPSHOT_WINDOW_PARTS, type TransferProgress } from '../protocol/messages.ts';
import type { SnapshotHeader, SnapshotRow } from '../protocol/snapshot.ts';
import type { Effect } from '../replica/events.ts';
import { Store } from '../replica/store.ts';
import type { TransferHost } from './snapshot-sender.ts';
import { TransferRate } from './transfer-rate.ts';

/** What a replica asks for to receive a snapshot. */
export type ReceiveEffect = Extract<
  Effect,
  { kind: 'begin-snapshot' | 'store-part' | 'install-snapshot' | 'drop-snapshot' }
>;

/** How far a state transfer has come, and how fast it goes. */
export interface TransferStatus extends TransferProgress {
  /** Over the last seconds. */
  readonly bytesPerSecond: number;
  /** At this rate; `null` while nothing comes. */
  readonly secondsLeft: number | null;
}

/** More parts than this wait only when the sender does not keep to its window. */
const QUEUED_PARTS_MAX = 2 * SNAPSHOT_WINDOW_PARTS;
/** The longest rest between two parts, in ms. */
const REST_MS_MAX = 100;
/** How often a transfer says how far it has come, in ms. */
const SAY_EVERY_MS = 5000;

/** Stores the snapshot that a predecessor sends and makes a store of it, one effect after the other. */
export class SnapshotReceiver {
  readonly #host: TransferHost;
  readonly #deps: { readonly clock: Clock; readonly logger: Logger };
  /** Holds at most `QUEUED_PARTS_MAX` parts, and what a replica asks for beside them. */
  #queue: ReceiveEffect[] = [];
  #running = false;
  #receipt: Receipt | null = null;
  #stopped = false;
  #cancelSay: Cancel = () => {};

  constructor(host: TransferHost, deps: { clock: Clock; logger: Logger }) {
    this.#host = host;
    this.#deps = deps;
  }

  /** What of a snapshot is here, while it is received or interrupted; else `null`. */
  status(): TransferStatus | null {
    return this.#receipt?.status(this.#nowMs()) ?? null;
  }

  /** Returns at once; never raises an event before it has. */
  carryOut(effect: ReceiveEffect): void {
    if (this.#stopped) return;
    if (effect.kind === 'begin-snapshot' || effect.kind === 'drop-snapshot') {
      // Of the link before: they come again, or are not wanted any more.
      this.#queue = this.#queue.filter(({ kind }) => kind !== 'store-part' && kind !== 'install-snapshot');
    }
    // The gap that this leaves ends the transfer.
    if (effect.kind === 'store-part' && this.#queue.length >= QUEUED_PARTS_MAX) return;
    this.#queue.push(effect);
    if (this.#running) return;
    this.#running = true;
    this.#run().catch((error: unknown) => this.#fail(error));
  }

  /** Nothing more is done or raised; what was received stays with the storage until that is closed. */
  stop(): void {
    this.#stopped = true;
    this.#queue = [];
    this.#cancelSay();
  }

  async #run(): Promise<void> {
    for (let effect = this.#queue.shift(); effect !== undefined; effect = this.#queue.shift()) {
      try {
        await this.#do(effect);
      } catch (error) {
        if (!(error instanceof CatenaError) || error.code !== 'BAD_FRAME') throw error;
        await this.#refuse(effect, error);
      }
    }
    this.#running = false;
  }

  async #do(effect: ReceiveEffect): Promise<void> {
    switch (effect.kind) {
      case 'begin-snapshot':
        return this.#begin(effect);
      case 'store-part':
        return this.#store(effect);
      case 'install-snapshot':
        return this.#install(effect);
      case 'drop-snapshot':
        return this.#drop();
      default:
        return unreachable(effect);
    }
  }

  async #begin(effect: Extract<ReceiveEffect, { kind: 'begin-snapshot' }>): Promise<void> {
    const { header, from, bytes } = effect;
    if (from === 0) this.#receipt = null;
    await this.#host.storage.incoming.begin(effect);
    this.#receipt ??= new Receipt(header, { bytesTotal: bytes, nowMs: this.#nowMs() });
    const { seq, keys } = header;
    this.#say(
      { seq, keys, bytes, from },
      from === 0
        ? `receives the store: ${count(keys)} keys, ${megabytes(bytes)}`
        : `goes on receiving the store: ${this.#receipt.words(this.#nowMs())}`,
    );
    this.#sayLater();
  }

  async #store({ link, part }: Extract<ReceiveEffect, { kind: 'store-part' }>): Promise<void> {
    const receipt = this.#receipt;
    // What was begun was refused.
    if (receipt === null) return;
    const startedMs = this.#nowMs();
    const taken = await this.#host.storage.incoming.storePart(part, (row) => receipt.take(row));
    if (taken) receipt.stored(part.payload.length, this.#nowMs());
    await this.#rest(this.#nowMs() - startedMs);
    this.#happened({ kind: 'part-stored', link, place: part.place });
  }

  /** Leaves half of the processor to whoever serves on the same machine: a transfer is never in such a hurry as they are. */
  async #rest(workedMs: number): Promise<void> {
    const restMs = Math.min(workedMs, REST_MS_MAX);
    if (restMs > 0) await new Promise<void>((resolve) => this.#deps.clock.after(restMs, resolve));
  }

  async #install({ link, parts }: Extract<ReceiveEffect, { kind: 'install-snapshot' }>): Promise<void> {
    const receipt = this.#receipt;
    if (receipt === null) return;
    const store = receipt.whole();
    const header = await this.#host.storage.incoming.install(parts);
    this.#forget();
    const ms = Math.round(this.#nowMs() - receipt.startedMs);
    const { seq, keys } = header;
    this.#say({ seq, keys, parts, ms }, `received the store: ${count(keys)} keys in ${seconds(ms)} s`);
    this.#happened({ kind: 'installed', link, header, store });
  }

  async #drop(): Promise<void> {
    const receipt = this.#receipt;
    this.#forget();
    await this.#host.storage.incoming.drop();
    if (receipt) this.#say({}, `forgets the store received so far: ${receipt.words(this.#nowMs())}`);
  }

  /** What makes no sense is forgotten, with what came before it. */
  async #refuse(effect: ReceiveEffect, { message }: CatenaError): Promise<void> {
    this.#forget();
    await this.#host.storage.incoming.drop();
    if (effect.kind === 'drop-snapshot') return;
    this.#deps.logger.warn({ link: effect.link, reason: message }, 'the snapshot that came makes no sense');
    this.#happened({ kind: 'bad-snapshot', link: effect.link, reason: message });
  }

  #forget(): void {
    this.#receipt = null;
    this.#cancelSay();
  }

  #fail(error: unknown): void {
    // A storage that is closed under it rejects whatever is still asked of it.
    if (this.#stopped) return;
    this.stop();
    this.#host.failed(error);
  }

  #happened(event: Parameters<TransferHost['happened']>[0]): void {
    if (!this.#stopped) this.#host.happened(event);
  }

  #say(fields: object, message: string): void {
    if (!this.#stopped) this.#deps.logger.info(fields, message);
  }

  /** That it waits is said once. */
  #sayLater(waitedBefore = false): void {
    this.#cancelSay();
    const before = this.#receipt?.bytes ?? 0;
    this.#cancelSay = this.#deps.clock.after(SAY_EVERY_MS, () => {
      const receipt = this.#receipt;
      if (receipt === null) return;
      const waits = receipt.bytes === before;
      const words = receipt.words(this.#nowMs());
      if (!waits) this.#say({}, `receives the store: ${words}`);
      else if (!waitedBefore) this.#say({}, `waits for more of the store: ${words}`);
      this.#sayLater(waits);
    });
  }

  #nowMs(): number {
    return this.#deps.clock.now().monotonicMs;
  }
}

/** A snapshot that is being received. */
class Receipt {
  readonly startedMs: number;
  bytes = 0;
  readonly #header: SnapshotHeader;
  readonly #bytesTotal: number;
  readonly #store = new Store();
  readonly #rate = new TransferRate();
  #keys = 0;

  constructor(header: SnapshotHeader, { bytesTotal, nowMs }: { bytesTotal: number; nowMs: number }) {
    this.#header = header;
    this.#bytesTotal = bytesTotal;
    this.startedMs = nowMs;
    this.#store.restore(header);
    this.#rate.note(nowMs, 0);
  }

  take(row: SnapshotRow): void {
    this.#store.restoreRow(row);
    if (row.kind === 'key') this.#keys++;
  }

  stored(bytes: number, nowMs: number): void {
    this.bytes += bytes;
    this.#rate.note(nowMs, this.bytes);
  }

  /** The store, if all rows came that the header announced. @throws CatenaError BAD_FRAME. */
  whole(): Store {
    const { keys, requests } = this.#store.snapshot().header;
    if (keys !== this.#header.keys || requests !== this.#header.requests) {
      throw badFrame(
        `a snapshot of ${this.#header.keys} keys and ${this.#header.requests} requests gave ${keys} and ${requests}`,
      );
    }
    this.#store.restored();
    return this.#store;
  }

  status(nowMs: number): TransferStatus {
    const bytesPerSecond = this.#rate.perSecond(nowMs, this.bytes);
    const left = Math.max(0, this.#bytesTotal - this.bytes);
    return {
      bytes: this.bytes,
      bytesTotal: this.#bytesTotal,
      keys: this.#keys,
      keysTotal: this.#header.keys,
      bytesPerSecond,
      secondsLeft: bytesPerSecond > 0 ? Math.ceil(left / bytesPerSecond) : null,
    };
  }

  /** For people: "38 %, 412,000 of 1,000,000 keys, 21.0 MB/s, 6 s left". */
  words(nowMs: number): string {
    const { bytes, bytesTotal, keys, keysTotal, bytesPerSecond, secondsLeft } = this.status(nowMs);
    const percent = bytesTotal > 0 ? Math.min(100, Math.floor((bytes / bytesTotal) * 100)) : 100;
    const words = [`${percent} %`, `${count(keys)} of ${count(keysTotal)} keys`];
    if (secondsLeft !== null) words.push(`${megabytes(bytesPerSecond)}/s`, `${count(secondsLeft)} s left`);
    return words.join(', ');
  }
}

function count(number: number): string {
  return number.toLocaleString('en-US');
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}
