import type { ErrorCode } from '../base/errors.ts';
import type { Epoch, NodeId, RequestId, Seq } from '../base/ids.ts';
import type { RecentChanges } from '../protocol/change.ts';
import type { Command, Operation, Outcome, StoredRecord } from '../protocol/command.ts';
import type { Configuration, Role } from '../protocol/configuration.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import type { WriteReply } from '../replica/events.ts';

/** What a request wants to do: a read goes to the tail, a write to the head, and any member can be watched. */
export type Intent = 'read' | 'write' | 'watch';

/** Where a request is to be answered. */
export type Route =
  | { readonly kind: 'here' }
  | { readonly kind: 'elsewhere'; readonly node: NodeId; readonly epoch: Epoch }
  /** Not within the time that such a request waits (a read and a watch 1 s, a write 5 s); `OVERLOADED`: too many wait already. */
  | {
      readonly kind: 'unavailable';
      readonly code: Extract<ErrorCode, 'NOT_READY' | 'RECOVERING' | 'BROKEN' | 'READ_ONLY' | 'OVERLOADED'>;
      readonly reason: string;
    };

/** A page of keys in the order of their UTF-8 bytes. */
export interface KeyPage {
  readonly keys: readonly { readonly key: string; readonly record: StoredRecord }[];
  /** The last key of the page if more follow, else `null`. */
  readonly next: string | null;
}

/** Is told of what is committed here, in the midst of things: it is to look later. */
export interface WatchListener {
  /** More is committed. */
  changed(): void;
  /** Nothing more is told: this node has left the chain, stops, or may be cut off without knowing it. Called once. */
  ended(reason: string): void;
}

/** A look at what is committed on a node, while it is in the chain. */
export interface Watch {
  readonly changes: RecentChanges;
  /** Whether nothing newer than `changes.committed` was shown to anybody, anywhere. Where it says no, that may be so all the same. */
  isNewest(): boolean;
  /** Nothing more is told. `cut`: its reader was too slow. Harmless when it is over already. */
  close(how: 'left' | 'cut'): void;
}

/** The shape of `GET /status`: the names that INTERFACE.md fixes, and more. */
export interface NodeStatus {
  readonly node: NodeId;
  readonly role: Role;
  readonly epoch: Epoch;
  readonly received: Seq;
  readonly durable: Seq;
  readonly committed: Seq;
  readonly keys: number;
  readonly [more: string]: unknown;
}

/** How a process is, in words that `/healthz` and `/readyz` give. Of one that is well, `reason` says what did no harm; mostly `null`. */
export interface Health {
  readonly well: boolean;
  readonly reason: string | null;
}

/**
 * A node as its HTTP side sees it. Reads (`get`, `page`, `readBatch`, `entries`) are linearizable when they are called in
 * the same turn as a `route` or `routeNow` for `read` that said `here`.
 */
export interface NodeService {
  readonly node: NodeId;
  topology(): VersionedTopology;
  configuration(): Configuration | null;
  role(): Role;
  epoch(): Epoch;
  /**
   * Where to answer, if that can be said without waiting; `minEpoch` is the `?epoch=` that the caller was redirected with.
   * `keys` are those that a read is to show, `null` for more than can be listed: with reads at any replica it matters
   * whether a write of one of them is under way. For a write it is ignored.
   */
  routeNow(intent: Intent, minEpoch: Epoch, keys: readonly string[] | null): Route | null;
  /** Waits until it can be said, up to the intent's limit. */
  route(intent: Intent, minEpoch: Epoch, keys: readonly string[] | null): Promise<Route>;
  /** Never rejects: every end is a reply, at the latest 5 s after `sinceMs` by the monotonic clock (now, if not given). */
  write(command: Command, requestId: RequestId | null, sinceMs?: number): Promise<WriteReply>;
  get(key: string): StoredRecord | undefined;
  page(query: { prefix: string; after: string | null; limit: number }): KeyPage;
  /** Applies `get` and `check` operations to the store as it is; other operations are a programming error. */
  readBatch(operations: readonly Operation[], options: { atomic: boolean }): Outcome;
  /** Everything under `prefix` at this instant, unaffected by later writes, to be read as slowly as the caller likes. */
  entries(prefix: string): Iterable<{ readonly key: string; readonly record: StoredRecord }>;
  /**
   * Begins to tell of what is committed; `null` when as many watch as may. To be called in the same turn as a `route` or
   * `routeNow` for `watch` that said `here`.
   */
  watch(listener: WatchListener): Watch | null;
  /** This replica's estimate of the log clock, in ms: what `expiresAtMs` is compared with. */
  logTimeMs(): number;
  status(): NodeStatus;
  /** Is the process well? */
  health(): Health;
  /** Would a request now be answered or redirected? */
  readiness(): Health;
  /** Numbers for `/metrics`, by their Prometheus names without the `catena_` prefix. */
  gauges(): Readonly<Record<string, number>>;
}
