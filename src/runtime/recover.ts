import type { NodeId } from '../base/ids.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Incarnation } from '../protocol/configuration.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import { Replica } from '../replica/replica.ts';
import type { Store } from '../replica/store.ts';
import type { Storage } from '../storage/storage.ts';

/** Whose disk it is, and what stands in for what is not on it. */
export interface RecoverOptions {
  readonly node: NodeId;
  /** For a directory that no coordinator has written to yet. */
  readonly topology: VersionedTopology;
  /** Empty; filled as the disk is read, so that others can see how far it has come. */
  readonly store: Store;
  /** Who this start is: called before the log is read. */
  readonly identified: (self: Incarnation) => void;
}

/**
 * Reads a replica back from its disk, and says in the log what was found.
 *
 * @returns a function that makes it: to be called when it is sure that it is still wanted.
 * @throws CatenaError CORRUPT, UNSUPPORTED_FORMAT, DISK_FULL, DISK_FAILED.
 */
export async function recoverReplica(
  storage: Storage,
  { node, topology, store, identified }: RecoverOptions,
  { clock, logger }: { clock: Clock; logger: Logger },
): Promise<() => Replica> {
  const startedMs = clock.now().monotonicMs;
  const recovered = await storage.recover({
    identified: (identity) => identified({ node, ...identity }),
    snapshot: (header) => store.restore(header),
    row: (row) => store.restoreRow(row),
    committed: (entry) => {
      store.apply(entry);
    },
  });
  const { identity, fresh, committed, pending, runs, cutBytes } = recovered;
  const ms = Math.round(clock.now().monotonicMs - startedMs);
  logger.info(
    { ...identity, keys: store.keyCount, committed, pending: pending.length, cutBytes, ms },
    fresh ? 'made a new data directory' : 'recovered the store',
  );
  const { configuration, leaseMsMax } = recovered;
  const self = { node, ...identity };
  const log = { committed, committedTimeMs: store.timeMs, pending, runs };
  return () =>
    new Replica(
      { self, topology: recovered.topology ?? topology, configuration, leaseMsMax, log, store },
      clock.now(),
    );
}
