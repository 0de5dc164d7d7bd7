import { assert } from '../base/assert.ts';
import type { Seq } from '../base/ids.ts';
import type { Configuration } from '../protocol/configuration.ts';

/** What of a replica the invariants speak of. */
export interface Observed {
  readonly received: Seq;
  readonly durable: Seq;
  readonly committed: Seq;
  readonly store: { readonly seq: Seq };
  readonly active: boolean;
  readonly configuration: Configuration | null;
}

/** What must hold of a replica after every step. PROTOCOL.md §10; what spans replicas is checked over whole chains. */
export function checkInvariants({
  received,
  durable,
  committed,
  store,
  active,
  configuration,
}: Observed): void {
  assert(committed <= durable, () => `I2: committed ${committed} > durable ${durable}`);
  assert(durable <= received, () => `I2: durable ${durable} > received ${received}`);
  assert(store.seq === committed, () => `I2: the store is at ${store.seq}, committed at ${committed}`);
  assert(!active || configuration !== null, () => 'I1: active without a configuration');
}
