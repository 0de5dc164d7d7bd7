import { randomBytes, randomInt } from 'node:crypto';
import { type StoreId, storeId } from '../base/ids.ts';

/** A name for a new data directory, which no other ever had: 128 random bits, in hex. */
export function newStoreId(): StoreId {
  return storeId(randomBytes(16).toString('hex'));
}

/**
 * Below the ports that Linux, macOS and Windows give to outgoing connections and to whoever asks for any: nobody is handed
 * one of these by chance while its owner is away.
 */
const PORT_MIN = 10_000;
const PORT_MAX = 30_000;

/** A port that is probably free. */
export function randomPort(): number {
  return randomInt(PORT_MIN, PORT_MAX);
}
