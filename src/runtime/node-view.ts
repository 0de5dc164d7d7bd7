import { type Epoch, NO_EPOCH } from '../base/ids.ts';
import type { Operation, Outcome, StoredRecord } from '../protocol/command.ts';
import type { Configuration, Role } from '../protocol/configuration.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import type { Replica } from '../replica/replica.ts';
import type { Store } from '../replica/store.ts';
import type { NodeParts } from './node-parts.ts';
import type { Health, KeyPage, NodeStatus, Watch, WatchListener } from './node-service.ts';
import { gaugesOf, healthOf, readinessOf, statusOf } from './node-status.ts';
import { Watching } from './watching.ts';

/** The half of a node that only looks: what it says of itself, and what it reads from its store. */
export abstract class NodeView {
  /** `null` while there is none: during recovery, or when that failed. */
  protected abstract get replica(): Replica | null;
  /** Another one when a snapshot was installed: nobody keeps it. */
  protected abstract get store(): Store;
  protected abstract get fileTopology(): VersionedTopology;
  protected abstract parts(): NodeParts;
  protected readonly watching = new Watching();

  topology(): VersionedTopology {
    return this.replica?.topology ?? this.fileTopology;
  }

  configuration(): Configuration | null {
    return this.replica?.configuration ?? null;
  }

  role(): Role {
    return this.replica?.role ?? 'spare';
  }

  epoch(): Epoch {
    return this.configuration()?.epoch ?? NO_EPOCH;
  }

  get(key: string): StoredRecord | undefined {
    return this.store.get(key);
  }

  page(query: { prefix: string; after: string | null; limit: number }): KeyPage {
    return this.store.page(query);
  }

  readBatch(operations: readonly Operation[], options: { atomic: boolean }): Outcome {
    return this.store.readBatch(operations, options);
  }

  entries(prefix: string): Iterable<{ readonly key: string; readonly record: StoredRecord }> {
    return this.store.entries(prefix);
  }

  watch(listener: WatchListener): Watch | null {
    return this.watching.open(this.store.changes, listener, () => hasNewest(this.parts()));
  }

  status(): NodeStatus {
    return statusOf(this.parts());
  }

  health(): Health {
    return healthOf(this.parts());
  }

  readiness(): Health {
    return readinessOf(this.parts());
  }

  gauges(): Readonly<Record<string, number>> {
    return gaugesOf(this.parts());
  }
}

/** At the tail, with a lease and at its readFloor, nothing newer was shown to anybody. PROTOCOL.md §7. */
function hasNewest({ replica, now }: NodeParts): boolean {
  return (replica?.role === 'tail' || replica?.role === 'only') && replica.servesReads(now);
}
