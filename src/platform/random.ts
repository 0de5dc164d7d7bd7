import { randomBytes } from 'node:crypto';
import { type StoreId, storeId } from '../base/ids.ts';

/** A name for a new data directory, which no other ever had: 128 random bits, in hex. */
export function newStoreId(): StoreId {
  return storeId(randomBytes(16).toString('hex'));
}
