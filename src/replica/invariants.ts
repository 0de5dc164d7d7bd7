import { assert } from '../base/assert.ts';
import type { Replica } from './replica.ts';

/** What must hold of a replica after every step. PROTOCOL.md §10; what spans replicas is for the simulator. */
export function checkInvariants(replica: Replica): void {
  const { received, durable, committed, store, active } = replica;
  assert(committed <= durable, () => `I2: committed ${committed} > durable ${durable}`);
  assert(durable <= received, () => `I2: durable ${durable} > received ${received}`);
  assert(store.seq === committed, () => `I2: the store is at ${store.seq}, committed at ${committed}`);
  assert(!active || replica.configuration !== null, () => 'I1: active without a configuration');
}
