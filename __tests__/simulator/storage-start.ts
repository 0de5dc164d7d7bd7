import { epoch, storeId } from '../../src/base/ids.ts';
import { type Recovered, Storage, type StorageOptions } from '../../src/storage/storage.ts';
import { type Name, nameOf, silent } from '../storage/harness.ts';
import type { DiskWorld } from './disk-world.ts';

/** A storage that has started, with the log that it found. */
export interface Start {
  readonly storage: Storage;
  readonly recovered: Recovered;
  readonly held: readonly Name[];
}

/** Everything happens often. */
export const SMALL: StorageOptions = {
  segmentBytesMax: 900,
  retainBytesMin: 900,
  snapshotBytesMin: 1500,
  syncDelayMs: 0,
};

/** Starts the real storage on the world's disk. */
export async function start(world: DiskWorld, options = SMALL): Promise<Start> {
  const deps = {
    disk: world.own,
    clock: world.process.clock,
    logger: silent,
    newStoreId: () => storeId('store-1'),
  };
  const storage = await Storage.open(options, deps);
  const held: Name[] = [];
  const recovered = await storage.recover({
    snapshot: () => undefined,
    row: (row) => {
      if (row.kind === 'request') return;
      held.push({ epoch: epoch(Number(row.record.value.contentType)), seq: row.record.version });
    },
    committed: (entry) => held.push(nameOf(entry)),
  });
  return { storage, recovered, held: [...held, ...recovered.pending.map(nameOf)] };
}
