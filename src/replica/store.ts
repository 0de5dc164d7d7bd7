import { crc32 } from 'node:zlib';
import { assert } from '../base/assert.ts';
import { type Epoch, NO_EPOCH, NO_SEQ, next, type RequestId, type Seq } from '../base/ids.ts';
import { isPlanted } from '../base/planted.ts';
import type { RecentChanges } from '../protocol/change.ts';
import { isWrite, type Operation, type Outcome, type StoredRecord } from '../protocol/command.ts';
import type { Entry } from '../protocol/entry.ts';
import type { RememberedRequest, SnapshotHeader, SnapshotRow, SnapshotSource } from '../protocol/snapshot.ts';
import { applyAtomically, applyCommand, applyEach } from './apply.ts';
import { ChangeLog } from './change-log.ts';
import { fingerprintOf } from './fingerprint.ts';
import { type KeyedRecord, Keyspace, type Page, recordOf } from './keyspace.ts';
import { type Applied, RequestWindow } from './request-window.ts';

/**
 * The committed state of a replica: keys, their expiry, and the requests that took effect. It is a deterministic function
 * of the entries applied, so equal on all replicas that have applied the same (I4). PROTOCOL.md §2, §8, §9.
 */
export class Store {
  #epoch = NO_EPOCH;
  #seq = NO_SEQ;
  #timeMs = 0;
  readonly #keys: Keyspace;
  readonly #requests: RequestWindow;
  /** What the snapshot being restored announced; `null` when none is. */
  #restoring: SnapshotHeader | null = null;

  /**
   * @param options.outcomeBytesMax for tests; what the remembered results of batches may weigh, per kind of id.
   * @param options.changeBytesMax for tests; what `changes` may weigh.
   */
  constructor(options: { outcomeBytesMax?: number; changeBytesMax?: number } = {}) {
    const { changeBytesMax } = options;
    this.#keys = new Keyspace(
      new ChangeLog(changeBytesMax === undefined ? {} : { bytesMax: changeBytesMax }),
    );
    this.#requests = new RequestWindow(options);
  }

  /** Of the entry applied last; `NO_EPOCH` for an empty store. */
  get epoch(): Epoch {
    return this.#epoch;
  }

  /** Of the entry applied last; `NO_SEQ` for an empty store. */
  get seq(): Seq {
    return this.#seq;
  }

  /** The log time of the entry applied last, in ms; 0 for an empty store. */
  get timeMs(): number {
    return this.#timeMs;
  }

  get keyCount(): number {
    return this.#keys.size;
  }

  /** What the keys and values weigh, in bytes, as `limits.storeBytes` counts it. O(1). */
  get bytes(): number {
    return this.#keys.bytes;
  }

  /** What the entries applied of late changed; no part of the state, as it depends on where applying began. */
  get changes(): RecentChanges {
    return this.#keys.log;
  }

  /**
   * Applies the entry that follows the one applied last. O(log n) for each operation.
   *
   * @param wallMs - the replica's own clock, by which nothing is decided but planted faults.
   */
  apply(entry: Entry, wallMs: number = entry.timeMs): Applied {
    if (this.#restoring !== null) this.restored();
    assert(entry.seq === next(this.#seq), () => `entry ${entry.seq} was applied after ${this.#seq}`);
    assert(
      entry.timeMs >= this.#timeMs,
      () => `entry ${entry.seq} has log time ${entry.timeMs}, before ${this.#timeMs}`,
    );
    this.#epoch = entry.epoch;
    this.#seq = entry.seq;
    this.#timeMs = entry.timeMs;
    this.#requests.advance(isPlanted('window-by-own-clock') ? wallMs : entry.timeMs);
    const { requestId, command } = entry;
    this.#keys.log.enter(entry.seq, command.kind === 'tick' ? 'expire' : 'delete');
    const isOwnTick = command.kind === 'tick' && isPlanted('expiry-by-own-clock');
    const at = isOwnTick ? { seq: entry.seq, timeMs: wallMs } : entry;
    const apply = () => applyCommand(this.#keys, command, at);
    if (requestId === null) return { outcome: apply(), replayed: false };
    const request = { requestId, timeMs: entry.timeMs, fingerprint: fingerprintOf(command) };
    return this.#requests.applyOnce(request, apply);
  }

  get(key: string): StoredRecord | undefined {
    const held = this.#keys.get(key);
    return held === undefined ? undefined : recordOf(held);
  }

  /** The first `limit` (at least 1) keys under `prefix` behind `after`. */
  page(query: { prefix: string; after: string | null; limit: number }): Page {
    return this.#keys.page(query);
  }

  /** Carries out `get` and `check` operations on the store as it is; the outcome's `seq` is the store's. */
  readBatch(operations: readonly Operation[], { atomic }: { atomic: boolean }): Outcome {
    assert(!operations.some(isWrite), () => 'a write outside the log');
    return (atomic ? applyAtomically : applyEach)(this.#keys, operations, this);
  }

  /** Everything under `prefix` at this instant, in the order of keys, unaffected by later writes. O(1) to get. */
  entries(prefix: string): Iterable<KeyedRecord> {
    return this.#keys.view(prefix);
  }

  /** Whether a retry of this request would change nothing. Exact as of the entry applied last. */
  remembers(id: RequestId): boolean {
    return this.#requests.has(id);
  }

  /** The earliest expiry held, in log time (ms), or `null`: when a tick has something to do. */
  nextExpiryMs(): number | null {
    return this.#keys.nextExpiryMs;
  }

  /** The store at this instant, unaffected by later writes. Costs a reference per thousand remembered requests. */
  snapshot(): SnapshotSource {
    const keys = this.#keys.view('');
    const requests = (isPlanted('snapshot-without-requests') ? new RequestWindow() : this.#requests).view();
    const header = {
      epoch: this.#epoch,
      seq: this.#seq,
      timeMs: this.#timeMs,
      keys: this.#keys.size,
      requests: requests.count,
    };
    const rows = () =>
      rowsOf(isPlanted('snapshot-not-of-one-instant') ? this.#keys.view('') : keys, requests.rows());
    return { header, rows };
  }

  /** Begins to restore a snapshot into this store, which must be empty; all its rows follow, then `restored`. */
  restore(header: SnapshotHeader): void {
    assert(this.#seq === NO_SEQ && this.#restoring === null, () => 'a snapshot restored into a store in use');
    this.#epoch = header.epoch;
    this.#seq = header.seq;
    this.#timeMs = header.timeMs;
    this.#restoring = header;
    this.#keys.log.startAfter(header.seq);
  }

  restoreRow(row: SnapshotRow): void {
    assert(this.#restoring !== null, () => 'a row of no snapshot');
    if (row.kind === 'request') {
      this.#requests.restore(row.request);
    } else {
      const { value, version, expiresAtMs } = row.record;
      this.#keys.replace(row.key, undefined, this.#keys.hold(value, version, expiresAtMs));
    }
  }

  /** Ends restoring: every row that the header announced is there. The first `apply` does it too. */
  restored(): void {
    const header = this.#restoring;
    assert(header !== null, () => 'no snapshot is being restored');
    const requests = this.#requests.view().count;
    assert(
      header.keys === this.#keys.size && header.requests === requests,
      () =>
        `a snapshot of ${header.keys} keys and ${header.requests} requests gave ${this.#keys.size} and ${requests}`,
    );
    this.#restoring = null;
  }

  /** A checksum over everything that the store holds: equal for equal stores (I4). O(n): for tests and the simulator. */
  digest(): string {
    const { header, rows } = this.snapshot();
    let sum = crc32(JSON.stringify(header));
    for (const row of rows()) sum = crc32(JSON.stringify(row), sum);
    return `${header.seq}-${header.keys}-${header.requests}-${sum.toString(16).padStart(8, '0')}`;
  }
}

function* rowsOf(
  keys: Iterable<KeyedRecord>,
  requests: Iterable<RememberedRequest>,
): Generator<SnapshotRow, undefined> {
  for (const { key, record } of keys) yield { kind: 'key', key, record };
  for (const request of requests) yield { kind: 'request', request };
}
