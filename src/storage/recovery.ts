import type { StoreId } from '../base/ids.ts';
import { isPlanted } from '../base/planted.ts';
import type { Disk } from '../ports/disk.ts';
import type { Logger } from '../ports/logger.ts';
import type { Entry } from '../protocol/entry.ts';
import type { SnapshotHeader } from '../protocol/snapshot.ts';
import { corrupt } from './corrupt.ts';
import { LogScan, type ScannedLog } from './log-scan.ts';
import { type Identity, type Installing, type Meta, type MetaContent, readMeta, writeMeta } from './meta.ts';
import {
  LOG_DIRECTORY,
  META_PATH,
  SNAPSHOT_DIRECTORY,
  segmentNumberOf,
  snapshotPath,
  snapshotSeqOf,
  UNFINISHED,
} from './paths.ts';
import { beginLog } from './segments.ts';
import { readSnapshot, type SnapshotVisitor } from './snapshot.ts';

const EMPTY_META: MetaContent = { configuration: null, topology: null, leaseMsMax: 0, installing: null };

/** Who the directory is, this start counted. */
export interface Started {
  readonly identity: Identity;
  readonly meta: Meta;
  /** The directory was made by this start. */
  readonly fresh: boolean;
}

/**
 * Finds out who the directory is, or makes it somebody, raises and syncs its boot count, and ends the install of a snapshot
 * that a crash interrupted.
 *
 * @throws CatenaError CORRUPT, UNSUPPORTED_FORMAT, DISK_FULL, DISK_FAILED.
 */
export async function identify(disk: Disk, newStoreId: () => StoreId): Promise<Started> {
  const found = await readMeta(disk);
  if (found === null) await refuseUnlessEmpty(disk);
  await disk.makeDirectory(LOG_DIRECTORY);
  await disk.makeDirectory(SNAPSHOT_DIRECTORY);
  const { storeId, boot } = found?.identity ?? { storeId: newStoreId(), boot: 0 };
  const isSame = isPlanted('boot-not-raised') || isPlanted('restart-keeps-epoch');
  const identity = { storeId, boot: isSame ? Math.max(1, boot) : boot + 1 };
  const { installing: noted, ...meta } = found?.content ?? EMPTY_META;
  const installing = await renamed(disk, noted);
  // Syncs the root as well, with the two directories in it.
  await writeMeta(disk, identity, { ...meta, installing });
  if (installing !== null) {
    await finishInstall({ disk, storeId }, installing);
    await writeMeta(disk, identity, { ...meta, installing: null });
  }
  return { identity, meta, fresh: found === null };
}

/** The install that was under way, if its snapshot is in its place; else nothing of the old state is gone yet. */
async function renamed(disk: Disk, installing: Installing | null): Promise<Installing | null> {
  if (installing === null) return null;
  const names = await disk.list(SNAPSHOT_DIRECTORY);
  return names.some((name) => snapshotSeqOf(name) === installing.seq) ? installing : null;
}

/** The log goes and begins anew; the snapshots before it go when the newest is read. */
async function finishInstall(deps: { disk: Disk; storeId: StoreId }, installing: Installing): Promise<void> {
  // The rename may not be on the disk yet, and what it is to replace goes now.
  await deps.disk.syncDirectory(SNAPSHOT_DIRECTORY);
  const { file } = await beginLog(deps, installing);
  await file.close();
}

/**
 * Reads the newest snapshot, if there is one, and removes what is older or unfinished.
 *
 * @throws CatenaError CORRUPT, UNSUPPORTED_FORMAT, DISK_FULL, DISK_FAILED.
 */
export async function recoverSnapshot(
  disk: Disk,
  storeId: StoreId,
  visitor: SnapshotVisitor,
): Promise<{ header: SnapshotHeader; bytes: number } | null> {
  const names = await disk.list(SNAPSHOT_DIRECTORY);
  const seqs = names.map(snapshotSeqOf).filter((seq) => seq !== null);
  const newest = seqs.at(-1);
  const place = { disk, path: snapshotPath(newest ?? 0) };
  const found = newest === undefined ? null : await readSnapshot(place, { storeId, seq: newest }, visitor);
  // The newest may have been renamed and not synced: it must last before the others go.
  await disk.syncDirectory(SNAPSHOT_DIRECTORY);
  for (const name of names) {
    const old = snapshotSeqOf(name);
    if (name.endsWith(UNFINISHED) || (old !== null && old !== newest)) {
      await disk.remove(`${SNAPSHOT_DIRECTORY}/${name}`);
    }
  }
  return found;
}

/**
 * Reads the log, cuts off a torn end and says so.
 *
 * @throws CatenaError CORRUPT, UNSUPPORTED_FORMAT, DISK_FULL, DISK_FAILED.
 */
export async function recoverLog(
  found: { storeId: StoreId; snapshot: SnapshotHeader | null },
  deps: { disk: Disk; logger: Logger; visit: (entry: Entry) => void },
): Promise<ScannedLog> {
  const log = await new LogScan(found, deps).run();
  if (log.cutBytes > 0) {
    deps.logger.warn(
      { cutBytes: log.cutBytes, last: log.last },
      'cut off the end of the log, which a crash had left half-written',
    );
  }
  return log;
}

/** A log or a snapshot without the file that says whose it is was not left by any crash: `meta` is made first. */
async function refuseUnlessEmpty(disk: Disk): Promise<void> {
  const log = await disk.list(LOG_DIRECTORY);
  const snapshots = await disk.list(SNAPSHOT_DIRECTORY);
  if (
    log.some((name) => segmentNumberOf(name) !== null) ||
    snapshots.some((name) => snapshotSeqOf(name) !== null)
  ) {
    throw corrupt({ disk, path: META_PATH, offset: 0 }, 'the file is missing, and there is data beside it');
  }
}
