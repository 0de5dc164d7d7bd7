import { assert } from '../base/assert.ts';
import { earlier, NO_SEQ, type Seq, type StoreId } from '../base/ids.ts';
import { isPlanted } from '../base/planted.ts';
import type { Clock } from '../ports/clock.ts';
import type { Disk, DiskFile } from '../ports/disk.ts';
import type { SnapshotSource } from '../protocol/snapshot.ts';
import { SNAPSHOT_DIRECTORY, snapshotPath, snapshotSeqOf } from './paths.ts';
import { writeSnapshot } from './snapshot.ts';
import type { SnapshotPins } from './snapshot-pins.ts';
import type { Wal } from './wal.ts';
import { writeAside } from './write-aside.ts';

/** After one that failed none is due for so long, in ms: a full disk is not made better by trying at once. */
const RETRY_MS = 30_000;

interface KeeperDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly wal: Wal;
  readonly storeId: StoreId;
  /** The log behind what is being read for neighbours is kept. */
  readonly pins: SnapshotPins;
}

/** See `StorageOptions`. */
interface KeeperOptions {
  readonly snapshotBytesMin: number;
  readonly retainBytesMin: number;
  readonly blockBytes: number;
}

/** Says when a snapshot is due, makes it, and drops the log behind it. */
export class SnapshotKeeper {
  readonly #options: KeeperOptions;
  readonly #deps: KeeperDeps;
  #last: { seq: Seq; bytes: number };
  /** Of the log when the last snapshot was taken, on the scale of the log's `writtenBytes`; may be negative. */
  #takenAtBytes: number;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #underWay: Promise<boolean> | null = null;
  #stopped = false;
  /** What neighbours are given is damaged on disk: one is due whatever there is. */
  #renewal: { readonly dropLog: boolean } | null = null;

  constructor(
    options: KeeperOptions,
    deps: KeeperDeps,
    found: { last: { seq: Seq; bytes: number }; bytesBehind: number },
  ) {
    this.#options = options;
    this.#deps = deps;
    this.#last = found.last;
    this.#takenAtBytes = -found.bytesBehind;
  }

  /** The snapshot in force; seq 0 when there is none. */
  get last(): { readonly seq: Seq; readonly bytes: number } {
    return this.#last;
  }

  due(): boolean {
    if (this.#underWay || this.#stopped || this.#deps.clock.now().monotonicMs < this.#notBeforeMs)
      return false;
    if (this.#renewal !== null) return true;
    if (this.#deps.wal.committed <= this.#last.seq) return false;
    const grown = this.#deps.wal.writtenBytes - this.#takenAtBytes;
    return grown >= Math.max(this.#options.snapshotBytesMin, this.#last.bytes);
  }

  /** Whether `renew` was called and the fresh one is not in force yet. */
  get renewing(): boolean {
    return this.#renewal !== null;
  }

  /**
   * The one in force, or with `dropLog` the log, was found damaged: a fresh one is due at once, which may be of the same
   * entry. With `dropLog` nothing is kept of the log before it.
   */
  renew({ dropLog }: { readonly dropLog: boolean }): void {
    this.#renewal = { dropLog: dropLog || (this.#renewal?.dropLog ?? false) };
  }

  /**
   * `false` when it was given up, or there is one of as much already and no `renew`.
   *
   * @throws CatenaError DISK_FULL, DISK_FAILED: the one before stays in force, or the new one is already and what it makes
   * superfluous could not be removed.
   */
  async take(source: SnapshotSource): Promise<boolean> {
    if (this.#stopped) return false;
    assert(this.#underWay === null, () => 'a snapshot is under way already');
    this.#underWay = this.#take(source);
    try {
      return await this.#underWay;
    } catch (error) {
      this.#notBeforeMs = this.#deps.clock.now().monotonicMs + RETRY_MS;
      throw error;
    } finally {
      this.#underWay = null;
    }
  }

  /** Gives up the one that is under way, if any, and resolves when it is off the disk. None is taken until `goOn`. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#underWay?.catch(() => undefined);
  }

  /** A snapshot from elsewhere is in force: the older ones go. */
  async installed(last: { seq: Seq; bytes: number }): Promise<void> {
    const { disk, wal } = this.#deps;
    this.#last = last;
    this.#takenAtBytes = wal.writtenBytes;
    this.#renewal = null;
    for (const name of await disk.list(SNAPSHOT_DIRECTORY)) {
      const seq = snapshotSeqOf(name);
      if (seq !== null && seq !== last.seq) await disk.remove(snapshotPath(seq));
    }
    await disk.syncDirectory(SNAPSHOT_DIRECTORY);
  }

  /** Takes back `stop`. */
  goOn(): void {
    this.#stopped = false;
  }

  async #take(source: SnapshotSource): Promise<boolean> {
    const { disk, wal, pins } = this.#deps;
    const { seq } = source.header;
    const renewal = this.#renewal;
    if (seq === NO_SEQ || seq < this.#last.seq || (seq === this.#last.seq && renewal === null)) return false;
    const takenAtBytes = wal.writtenBytes;
    const before = this.#last;
    const dropLog = () => {
      const retainBytes = renewal?.dropLog ? 0 : this.#options.retainBytesMin;
      return wal.dropBehind(earlier(seq, pins.oldest ?? seq), retainBytes);
    };
    if (isPlanted('log-dropped-early')) await dropLog();
    let bytes = 0;
    try {
      await writeAside(disk, snapshotPath(seq), async (file) => {
        bytes = await this.#write(file, source);
      });
    } catch (error) {
      if (error === GIVEN_UP) return false;
      throw error;
    }
    this.#last = { seq, bytes };
    this.#takenAtBytes = takenAtBytes;
    // Asked for once more meanwhile, it is due once more.
    if (this.#renewal === renewal) this.#renewal = null;
    if (before.seq === seq) pins.replaced(seq);
    else if (before.seq > 0) await disk.remove(snapshotPath(before.seq));
    await disk.syncDirectory(SNAPSHOT_DIRECTORY);
    await dropLog();
    return true;
  }

  async #write(file: DiskFile, source: SnapshotSource): Promise<number> {
    const { storeId, wal } = this.#deps;
    const { blockBytes } = this.#options;
    const bytes = await writeSnapshot(file, source, { storeId, blockBytes, stopped: () => this.#stopped });
    if (bytes === null) throw GIVEN_UP;
    // A snapshot beyond the synced log would leave a gap behind it after a power cut.
    await wal.flushed(source.header.seq);
    return bytes;
  }
}

/** Thrown to leave a snapshot that nobody waits for any more. */
const GIVEN_UP = new Error('given up');
