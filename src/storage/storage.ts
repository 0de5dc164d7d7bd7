import { assert } from '../base/assert.ts';
import { CatenaError } from '../base/errors.ts';
import { NO_SEQ, type Seq, type StoreId } from '../base/ids.ts';
import { isPlanted } from '../base/planted.ts';
import type { Clock } from '../ports/clock.ts';
import type { Disk, DiskLock } from '../ports/disk.ts';
import type { Logger } from '../ports/logger.ts';
import type { Configuration } from '../protocol/configuration.ts';
import type { Entry, Run } from '../protocol/entry.ts';
import type { PartialSnapshot } from '../protocol/messages.ts';
import type { SnapshotHeader, SnapshotRow, SnapshotSource } from '../protocol/snapshot.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import { IncomingSnapshot } from './incoming.ts';
import { type Identity, type Meta, type MetaContent, MetaSaver, writeMeta } from './meta.ts';
import { INCOMING_PATH, LOCK_PATH, SNAPSHOT_DIRECTORY, snapshotPath } from './paths.ts';
import { identify, recoverLog, recoverSnapshot } from './recovery.ts';
import { finishSetAside } from './set-aside.ts';
import { SnapshotKeeper } from './snapshot-keeper.ts';
import { SnapshotPins, type SnapshotReading } from './snapshot-pins.ts';
import { Wal } from './wal.ts';

const MIB = 1024 * 1024;

/** What may differ between one storage and another. */
export interface StorageOptions {
  /** A segment of the log is closed when it has grown to this; 16 MiB unless given. */
  readonly segmentBytesMax?: number;
  /** How much of the log is kept behind a snapshot, for neighbours to catch up from; 64 MiB unless given. */
  readonly retainBytesMin?: number;
  /** A snapshot is due when the log since the last has grown to this, or to the last one's size if that is more; 64 MiB unless given. */
  readonly snapshotBytesMin?: number;
  /** Rows of a snapshot are written in blocks of about this size: a few ms of encoding, then others have their turn; 256 KiB unless given. */
  readonly blockBytes?: number;
  /** 0: every write is synced at once, those that arrive meanwhile together. Else how long one may wait, in ms. */
  readonly syncDelayMs: number;
}

/** The ports that a storage works through. */
export interface StorageDependencies {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly newStoreId: () => StoreId;
}

/** Is told what becomes of what was appended; never before the call that caused it has returned. */
export interface StorageListener {
  /** The log is on disk up to `through`, after all truncations up to that of `generation`. */
  synced(through: Seq, generation: number): void;
  /** The disk failed: called once, and nothing more is taken. What was not reported as synced may be lost. */
  failed(error: CatenaError): void;
}

/** Is handed the store as recovery reads it: the snapshot if there is one, then the committed entries behind it. */
export interface RecoveryVisitor {
  /** Called first, when the boot count is raised: who this process is, though it is still recovering. */
  identified?(identity: Identity, fresh: boolean): void;
  snapshot(header: SnapshotHeader): void;
  row(row: SnapshotRow): void;
  /** In order. */
  committed(entry: Entry): void;
}

/** What recovery found, but for what it handed to the visitor. */
export interface Recovered extends Meta {
  readonly identity: Identity;
  /** The directory was made by this start. */
  readonly fresh: boolean;
  readonly configuration: Configuration | null;
  readonly topology: VersionedTopology | null;
  readonly leaseMsMax: number;
  /** Entries above `committed`, in order. */
  readonly pending: Entry[];
  readonly committed: Seq;
  /** The epochs of the whole log that is held, oldest first, the snapshot's last entry included. */
  readonly runs: Run[];
  /** Of a torn end of the log that was cut off, in bytes. */
  readonly cutBytes: number;
}

/** What works on a directory that was recovered. */
interface Opened {
  readonly wal: Wal;
  readonly saver: MetaSaver;
  readonly snapshots: SnapshotKeeper;
  readonly pins: SnapshotPins;
  readonly incoming: IncomingSnapshot;
}

/** Everything a replica keeps on disk: who it is, what it was told, its log, its snapshots. docs/storage-format.md. */
export class Storage {
  readonly #options: Required<StorageOptions>;
  readonly #deps: StorageDependencies;
  readonly #lock: DiskLock;
  #listener: StorageListener | null = null;
  #opened: Opened | null = null;
  /** A snapshot from a neighbour is being put in place of the log. */
  #installing = false;
  #failure: CatenaError | null = null;
  #closing: Promise<void> | null = null;

  private constructor(options: StorageOptions, deps: StorageDependencies, lock: DiskLock) {
    this.#options = {
      segmentBytesMax: 16 * MIB,
      retainBytesMin: 64 * MIB,
      snapshotBytesMin: 64 * MIB,
      blockBytes: MIB / 4,
      ...options,
    };
    this.#deps = deps;
    this.#lock = lock;
  }

  /**
   * Takes the directory for this process alone. A `setAside` that a crash interrupted is ended first.
   *
   * @throws CatenaError LOCKED, DISK_FULL, DISK_FAILED.
   */
  static async open(options: StorageOptions, deps: StorageDependencies): Promise<Storage> {
    await deps.disk.makeDirectory('');
    const lock = await deps.disk.lock(LOCK_PATH);
    if (lock === null) {
      throw new CatenaError(
        'LOCKED',
        `the data directory ${deps.disk.root} is in use by another process: stop that one, or give this one a directory of its own`,
      );
    }
    try {
      await finishSetAside(deps.disk);
    } catch (error) {
      await lock.release();
      throw error;
    }
    return new Storage(options, deps, lock);
  }

  /**
   * Raises and syncs the boot count, then reads snapshot and log. To be called once, before everything else. What it hands
   * out and gives back is on the disk, to stay.
   *
   * @throws CatenaError CORRUPT, UNSUPPORTED_FORMAT, DISK_FULL, DISK_FAILED: what the visitor was given counts for nothing.
   */
  async recover(visitor: RecoveryVisitor): Promise<Recovered> {
    assert(this.#opened === null, () => 'recovered twice');
    const { disk, clock, logger, newStoreId } = this.#deps;
    const { identity, meta, fresh } = await identify(disk, newStoreId);
    const { storeId } = identity;
    visitor.identified?.(identity, fresh);
    const snapshot = await recoverSnapshot(disk, storeId, visitor);
    const log = await recoverLog(
      { storeId, snapshot: snapshot?.header ?? null },
      { disk, logger, visit: (entry) => visitor.committed(entry) },
    );
    const runs = log.runs.list();
    const { pending, committed, cutBytes } = log;
    const listener = {
      synced: (through: Seq, generation: number) => this.#listener?.synced(through, generation),
      failed: (error: CatenaError) => this.#fail(error),
    };
    const wal = new Wal(this.#options, { disk, clock, storeId, listener }, log);
    const last = { seq: snapshot?.header.seq ?? NO_SEQ, bytes: snapshot?.bytes ?? 0 };
    const pins = new SnapshotPins({ disk, storeId });
    this.#opened = {
      wal,
      pins,
      saver: new MetaSaver({ ...meta, installing: null }, (content) => this.#save(identity, content)),
      snapshots: new SnapshotKeeper(
        this.#options,
        { disk, clock, wal, storeId, pins },
        { last, bytesBehind: log.bytesBehindSnapshot },
      ),
      incoming: new IncomingSnapshot({
        disk,
        clock,
        storeId,
        install: (header, bytes) => this.#install(header, bytes),
        failed: (error) => this.#fail(error),
      }),
    };
    return { identity, fresh, ...meta, pending, committed, runs, cutBytes };
  }

  /** To be called once, before the first `append`. A failure that came before is told at once. */
  listen(listener: StorageListener): void {
    this.#listener = listener;
    if (this.#failure) listener.failed(this.#failure);
  }

  /**
   * Appends entries that follow the last one, and records `committed` with them. Returns at once; `synced` follows. While
   * one write and sync is under way arrivals gather, and the next takes them all. Without entries `committed` is only
   * noted, to be written with the next entries or at the end.
   */
  append(entries: readonly Entry[], committed: Seq, generation: number): void {
    if (!this.#takes()) return;
    if (this.#installing) {
      assert(entries.length === 0, () => 'entries were appended while a snapshot is put in place of the log');
      return;
    }
    this.#ready().wal.append(entries, committed, generation);
  }

  /**
   * Drops the log beyond `after`, in order with the appends, and before a later one is written. Returns at once; `synced`
   * follows with this generation, and from now on none goes beyond `after` until entries appended later are synced.
   */
  truncate(after: Seq, generation: number): void {
    if (!this.#takes()) return;
    assert(!this.#installing, () => 'the log was truncated while a snapshot is put in its place');
    this.#ready().wal.truncate(after, generation);
  }

  /**
   * Resolves when this, or what was given to a later call, is on disk. Not held up by the log.
   *
   * @throws CatenaError DISK_FULL, DISK_FAILED, INTERNAL when the storage is closed.
   */
  async save({ configuration, topology, leaseMsMax }: Meta): Promise<void> {
    if (this.#failure) throw this.#failure;
    // Without the lock, another process may be writing there by now.
    if (this.#closing) throw new CatenaError('INTERNAL', 'the storage is closed');
    await this.#ready().saver.save({ configuration, topology, leaseMsMax });
  }

  /**
   * Entries after `after` from the disk, for a neighbour that catches up: as many as `bytesMax` allows but at least one, none
   * when there are none yet, `null` when the log no longer reaches back so far.
   *
   * @throws CatenaError CORRUPT, DISK_FAILED.
   */
  read(after: Seq, bytesMax: number): Promise<Entry[] | null> {
    return this.#ready().wal.read(after, bytesMax);
  }

  /** Whether the log has grown enough since the last snapshot, and none is under way. */
  snapshotDue(): boolean {
    return this.#takes() && this.#ready().snapshots.due();
  }

  /**
   * Writes a snapshot aside, puts it in force, and drops the log behind it but for what neighbours may need. At most one at a
   * time. When it rejects, the one before stays in force, or the new one is already and what it makes superfluous could not
   * be removed. Closing gives it up, and so does installing one from a neighbour.
   *
   * @returns whether it is in force now.
   * @throws CatenaError DISK_FULL, DISK_FAILED.
   */
  async snapshot(source: SnapshotSource): Promise<boolean> {
    if (this.#failure) throw this.#failure;
    return this.#takes() && (await this.#ready().snapshots.take(source));
  }

  /**
   * What `read` or a snapshot's reading found damaged is of no use to neighbours: a snapshot is due at once, in place of the
   * newest, and with `dropLog` nothing is kept of the log before it.
   */
  renewSnapshot(options: { readonly dropLog: boolean }): void {
    this.#ready().snapshots.renew(options);
  }

  /** Whether the snapshot that was last asked for so is not in force yet. */
  get renewingSnapshot(): boolean {
    return this.#ready().snapshots.renewing;
  }

  /**
   * Opens the newest snapshot for a neighbour, or the very one that is `wanted` if that is still kept, to go on from there;
   * `null` when there is none. Until the reading is closed, it can be read and the log behind it is kept, whatever newer
   * ones are taken; but a snapshot from a neighbour that is installed takes the log away.
   *
   * @throws CatenaError CORRUPT, DISK_FAILED.
   */
  openSnapshot(wanted: PartialSnapshot | null): Promise<SnapshotReading | null> {
    const { pins, snapshots } = this.#ready();
    return pins.open(() => snapshots.last.seq, wanted);
  }

  /** Receives a snapshot from a neighbour. */
  get incoming(): IncomingSnapshot {
    return this.#ready().incoming;
  }

  stats(): {
    logBytes: number;
    segments: number;
    snapshotSeq: Seq;
    snapshotBytes: number;
    syncs: number;
    syncMsLast: number;
    writtenBytes: number;
  } {
    const { wal, snapshots } = this.#ready();
    return { ...wal.stats, snapshotSeq: snapshots.last.seq, snapshotBytes: snapshots.last.bytes };
  }

  /** Finishes what is queued, writes down what is committed, and frees the directory. Safe to call at any time. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.#opened?.incoming.close();
      await this.#opened?.pins.close();
      await this.#opened?.snapshots.stop();
      await this.#opened?.saver.idle();
      await this.#opened?.wal.close();
    } finally {
      await this.#lock.release();
    }
  }

  /** The order is what makes every crash leave the old state or the new one whole. docs/storage-format.md. */
  async #install(header: SnapshotHeader, bytes: number): Promise<void> {
    if (this.#failure) throw this.#failure;
    const { wal, saver, snapshots } = this.#ready();
    assert(header.seq >= wal.committed, () => `I2: snapshot ${header.seq} behind committed ${wal.committed}`);
    this.#installing = true;
    try {
      await snapshots.stop();
      await wal.settled();
      const { epoch, seq } = header;
      const installing = { epoch, seq, ...wal.nextStart };
      if (!isPlanted('install-not-noted')) await saver.save({ installing });
      await this.#deps.disk.rename(INCOMING_PATH, snapshotPath(seq));
      await this.#deps.disk.syncDirectory(SNAPSHOT_DIRECTORY);
      await wal.restart(installing);
      await snapshots.installed({ seq, bytes });
      // Before anything is appended: at a start, the log of an install under way is taken away.
      await saver.save({ installing: null });
      this.#installing = false;
      snapshots.goOn();
    } catch (error) {
      if (error instanceof CatenaError) this.#fail(error);
      throw error;
    }
  }

  async #save(identity: Identity, content: MetaContent): Promise<void> {
    try {
      await writeMeta(this.#deps.disk, identity, content);
    } catch (error) {
      if (error instanceof CatenaError) this.#fail(error);
      throw error;
    }
  }

  #fail(error: CatenaError): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#listener?.failed(error);
  }

  #takes(): boolean {
    return this.#failure === null && this.#closing === null;
  }

  #ready(): Opened {
    assert(this.#opened !== null, () => 'used before it was recovered');
    return this.#opened;
  }
}
