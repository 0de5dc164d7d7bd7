import { AssertionError } from '../../src/base/assert.ts';
import {
  type Epoch,
  epoch,
  type NodeId,
  nodeId,
  requestId,
  type Seq,
  seq,
  storeId,
} from '../../src/base/ids.ts';
import { compareUtf8 } from '../../src/base/utf8.ts';
import {
  type Command,
  type Condition,
  type Operation,
  type OperationResult,
  type Outcome,
  operationsOf,
  type StoredRecord,
} from '../../src/protocol/command.ts';
import type { Configuration, Incarnation, Role } from '../../src/protocol/configuration.ts';
import type { Topology, VersionedTopology } from '../../src/protocol/topology.ts';
import { ChangeLog } from '../../src/replica/change-log.ts';
import type { WriteReply } from '../../src/replica/events.ts';
import type {
  Health,
  Intent,
  KeyPage,
  NodeService,
  NodeStatus,
  Route,
  Watch,
  WatchListener,
} from '../../src/runtime/node-service.ts';

/** A topology of nodes n1… on these ports, all on the loopback, with the limits given. */
export function fakeTopology(
  ports: Readonly<Record<string, number>>,
  more: { limits?: Partial<Topology['limits']>; origins?: readonly string[] } = {},
): VersionedTopology {
  const nodes = Object.fromEntries(
    Object.entries(ports).map(([name, port]) => [
      name,
      { urls: [`http://127.0.0.1:${port}`], peer: `127.0.0.1:${port}` },
    ]),
  );
  return {
    version: 1,
    topology: {
      name: 'test',
      replicas: Object.keys(ports).length,
      chain: Object.keys(ports).map(nodeId),
      nodes,
      coordinators: { [nodeId('c1')]: { urls: ['http://localhost:4460'], peer: 'localhost:5460' } },
      reads: 'tail',
      durability: 'sync',
      timing: { heartbeatMs: 50, suspectAfterMs: 500, leaseMs: 200, stallAfterMs: 5000 },
      limits: {
        keyBytes: 1024,
        valueBytes: 1_048_576,
        batchBytes: 4_194_304,
        inFlightBytes: 67_108_864,
        storeBytes: 2_147_483_648,
        ...more.limits,
      },
      origins: more.origins ?? [],
    },
    departing: {},
  };
}

/** A configuration of these members, head first. */
export function fakeConfiguration(members: readonly string[], number = 1): Configuration {
  return {
    epoch: epoch(number),
    members: members.map(incarnation),
    joiner: null,
    sealed: false,
    fence: epoch(0),
    leaseMs: 200,
    reads: 'tail',
    timeMs: 1_700_000_000_000,
  };
}

function incarnation(name: string): Incarnation {
  return { node: nodeId(name), storeId: storeId(`store-${name}`), boot: 1 };
}

/** What a whole chain holds, applied at once: several fake nodes share one. */
export class FakeStore {
  readonly records = new Map<string, StoredRecord>();
  seq: Seq = seq(0);
  /** The log clock, in ms; tests move it. */
  nowMs = 1_700_000_000_000;
  /** What was changed of late. */
  readonly changes: ChangeLog;
  readonly #remembered = new Map<string, { command: string; outcome: Outcome }>();
  readonly #listeners = new Set<() => void>();

  /** @param changeBytesMax what `changes` may weigh. */
  constructor(changeBytesMax?: number) {
    this.changes = new ChangeLog(changeBytesMax === undefined ? {} : { bytesMax: changeBytesMax });
  }

  /** Calls whenever something was applied; returns how to stop that. */
  onApplied(call: () => void): () => void {
    this.#listeners.add(call);
    return () => void this.#listeners.delete(call);
  }

  /** As a tick does. */
  expireNow(key: string): void {
    this.seq = seq(this.seq + 1);
    this.changes.enter(this.seq, 'expire');
    if (this.records.delete(key)) this.changes.note(key, undefined);
    for (const call of this.#listeners) call();
  }

  apply(command: Command, id: string | null): { outcome: Outcome; replayed: boolean } {
    const text = JSON.stringify(command);
    const known = id === null ? undefined : this.#remembered.get(id);
    if (known !== undefined && known.command !== text) {
      return { outcome: { kind: 'rejected', code: 'REQUEST_ID_REUSED' }, replayed: false };
    }
    if (known !== undefined) return { outcome: known.outcome, replayed: true };
    this.seq = seq(this.seq + 1);
    this.changes.enter(this.seq, 'delete');
    const atomic = command.kind === 'single' || (command.kind === 'batch' && command.atomic);
    const outcome = this.run(operationsOf(command), { atomic });
    if (id !== null) this.#remembered.set(id, { command: text, outcome: withoutValues(outcome) });
    for (const call of this.#listeners) call();
    return { outcome, replayed: false };
  }

  run(operations: readonly Operation[], { atomic }: { atomic: boolean }): Outcome {
    const before = new Map(this.records);
    const logged = this.changes.end;
    const results: OperationResult[] = [];
    for (const [index, operation] of operations.entries()) {
      const result = this.#one(operation);
      if (result.kind === 'failed' && atomic) {
        this.records.clear();
        for (const [key, record] of before) this.records.set(key, record);
        this.changes.takeBack(logged);
        return { kind: 'refused', seq: this.seq, index, failure: result };
      }
      results.push(result);
    }
    return { kind: 'done', seq: this.seq, results };
  }

  #put(key: string, record: StoredRecord): void {
    this.records.set(key, record);
    this.changes.note(key, { ...record.value, version: record.version });
  }

  #one(operation: Operation): OperationResult {
    const { key } = operation;
    const record = this.records.get(key);
    const version = record?.version ?? seq(0);
    const failed = (code: 'PRECONDITION_FAILED' | 'KEY_NOT_FOUND' | 'NOT_AN_INTEGER' | 'OUT_OF_RANGE') =>
      ({ kind: 'failed', code, version }) as const;
    switch (operation.op) {
      case 'set': {
        if (!holds(operation.condition, version)) return failed('PRECONDITION_FAILED');
        const { ttlMs, value } = operation;
        const expiresAtMs = ttlMs === null ? null : this.nowMs + ttlMs;
        this.#put(key, { value, version: this.seq, expiresAtMs });
        return { kind: 'set', created: record === undefined };
      }
      case 'delete':
        if (!holds(operation.condition, version)) return failed('PRECONDITION_FAILED');
        if (record !== undefined) this.changes.note(key, undefined);
        return { kind: 'deleted', deleted: this.records.delete(key) };
      case 'increment': {
        const text = record?.value.bytes ?? '0';
        if (!/^-?\d+$/.test(text)) return failed('NOT_AN_INTEGER');
        const sum = Number(text) + operation.by;
        if (!Number.isSafeInteger(sum)) return failed('OUT_OF_RANGE');
        const value = { bytes: String(sum), contentType: record?.value.contentType ?? 'application/json' };
        this.#put(key, { value, version: this.seq, expiresAtMs: record?.expiresAtMs ?? null });
        return { kind: 'incremented', value: sum };
      }
      case 'expire':
        if (record === undefined) return failed('KEY_NOT_FOUND');
        this.records.set(key, {
          ...record,
          expiresAtMs: operation.ttlMs === null ? null : this.nowMs + operation.ttlMs,
        });
        return { kind: 'expiry', version: record.version };
      case 'get':
        return { kind: 'got', record: record ?? null };
      case 'check':
        return operation.version === version ? { kind: 'checked' } : failed('PRECONDITION_FAILED');
    }
  }
}

function holds(condition: Condition | null, version: Seq): boolean {
  if (condition === null) return true;
  if (condition.kind === 'exists') return version !== 0;
  if (condition.kind === 'absent') return version === 0;
  return condition.version === version;
}

function withoutValues(outcome: Outcome): Outcome {
  if (outcome.kind !== 'done') return outcome;
  const results = outcome.results.map((result) =>
    result.kind === 'got' ? ({ kind: 'got', record: undefined } as const) : result,
  );
  return { ...outcome, results };
}

/** A node without a chain behind it: what it is and answers is set by the test. */
export class FakeNodeService implements NodeService {
  readonly node: NodeId;
  readonly store: FakeStore;
  /** Read on every request, so that a test may fill in ports when it knows them. */
  topologyNow: VersionedTopology;
  configurationNow: Configuration | null;
  /** What writes are answered with instead of being applied, the first of them first. */
  readonly replies: WriteReply[] = [];
  /** Every write that came here. */
  readonly writes: { command: Command; requestId: string | null }[] = [];
  /** What each read that asked for its way was to show, `null` for more than can be listed. */
  readonly keysRead: (readonly string[] | null)[] = [];
  /** Said instead of what the configuration says. */
  unavailable: Extract<Route, { kind: 'unavailable' }> | null = null;
  healthNow: Health = { well: true, reason: null };
  readinessNow: Health = { well: true, reason: null };
  readonly watchers = new Set<WatchListener>();
  watchersMax = 1000;
  /** Watchers that were cut off. */
  cut = 0;
  isNewest = true;
  #made = 0;

  constructor(
    name: string,
    parts: { store?: FakeStore; topology: VersionedTopology; configuration?: Configuration | null },
  ) {
    this.node = nodeId(name);
    this.store = parts.store ?? new FakeStore();
    this.topologyNow = parts.topology;
    this.configurationNow =
      parts.configuration === undefined ? fakeConfiguration([name]) : parts.configuration;
  }

  topology(): VersionedTopology {
    return this.topologyNow;
  }
  configuration(): Configuration | null {
    return this.configurationNow;
  }
  role(): Role {
    const members = this.configurationNow?.members.map((member) => member.node) ?? [];
    const place = members.indexOf(this.node);
    if (place < 0) return 'spare';
    if (members.length === 1) return 'only';
    return place === 0 ? 'head' : place === members.length - 1 ? 'tail' : 'middle';
  }
  epoch(): Epoch {
    return this.configurationNow?.epoch ?? epoch(0);
  }
  routeNow(intent: Intent, minEpoch: Epoch, keys: readonly string[] | null): Route | null {
    if (intent === 'read') this.keysRead.push(keys);
    if (this.unavailable !== null) return this.unavailable;
    if (this.configurationNow === null || minEpoch > this.epoch()) return null;
    const { members, reads } = this.configurationNow;
    const isMember = members.some(({ node }) => node === this.node);
    const isAnyoneWelcome = intent === 'watch' || (intent === 'read' && reads === 'any');
    if (isAnyoneWelcome && isMember) return { kind: 'here' };
    const target = intent === 'write' ? members[0] : members.at(-1);
    if (target === undefined) throw new AssertionError('a configuration has members');
    return target.node === this.node
      ? { kind: 'here' }
      : { kind: 'elsewhere', node: target.node, epoch: this.epoch() };
  }
  /** Doesn't wait: what can't be said now is unavailable. */
  route(intent: Intent, minEpoch: Epoch, keys: readonly string[] | null): Promise<Route> {
    const route = this.routeNow(intent, minEpoch, keys);
    return Promise.resolve(
      route ?? { kind: 'unavailable', code: 'NOT_READY', reason: 'no configuration is known' },
    );
  }
  write(command: Command, id: string | null): Promise<WriteReply> {
    this.writes.push({ command, requestId: id });
    const reply = this.replies.shift();
    if (reply !== undefined) return Promise.resolve(reply);
    const applied = this.store.apply(command, id);
    return Promise.resolve({
      kind: 'applied',
      ...applied,
      requestId: requestId(id ?? `catena-${this.epoch()}-${++this.#made}-0`),
    });
  }
  get(key: string): StoredRecord | undefined {
    return this.store.records.get(key);
  }
  page({ prefix, after, limit }: { prefix: string; after: string | null; limit: number }): KeyPage {
    const rest = [...this.entries(prefix)].filter(({ key }) => after === null || compareUtf8(key, after) > 0);
    const keys = rest.slice(0, limit);
    return { keys, next: rest.length > limit ? (keys.at(-1)?.key ?? null) : null };
  }
  readBatch(operations: readonly Operation[], options: { atomic: boolean }): Outcome {
    return this.store.run(operations, options);
  }
  entries(prefix: string): Iterable<{ readonly key: string; readonly record: StoredRecord }> {
    return [...this.store.records]
      .filter(([key]) => key.startsWith(prefix))
      .sort(([a], [b]) => compareUtf8(a, b))
      .map(([key, record]) => ({ key, record }));
  }
  watch(listener: WatchListener): Watch | null {
    if (this.watchers.size >= this.watchersMax) return null;
    const stop = this.store.onApplied(() => listener.changed());
    this.watchers.add(listener);
    const close = (how: 'left' | 'cut'): void => {
      if (this.watchers.delete(listener) && how === 'cut') this.cut += 1;
      stop();
    };
    return { changes: this.store.changes, isNewest: () => this.isNewest, close };
  }
  /** As when it leaves the chain. */
  endWatches(reason: string): void {
    for (const listener of this.watchers) listener.ended(reason);
  }
  logTimeMs(): number {
    return this.store.nowMs;
  }
  status(): NodeStatus {
    const { seq: last, records } = this.store;
    return {
      node: this.node,
      role: this.role(),
      epoch: this.epoch(),
      received: last,
      durable: last,
      committed: last,
      keys: records.size,
    };
  }
  health(): Health {
    return this.healthNow;
  }
  readiness(): Health {
    return this.readinessNow;
  }
  gauges(): Readonly<Record<string, number>> {
    return { store_keys: this.store.records.size };
  }
}
