import fc from 'fast-check';
import { epoch, nodeId, requestId, seq, storeId } from '../../src/base/ids.ts';
import type {
  Command,
  Condition,
  Operation,
  OperationFailure,
  OperationResult,
  Outcome,
  StoredRecord,
  Value,
} from '../../src/protocol/command.ts';
import type { Configuration, Incarnation } from '../../src/protocol/configuration.ts';
import type { Entry } from '../../src/protocol/entry.ts';
import type {
  LinkMessage,
  Message,
  NodeReport,
  PartialSnapshot,
  TransferProgress,
} from '../../src/protocol/messages.ts';
import type { SnapshotHeader, SnapshotRow } from '../../src/protocol/snapshot.ts';
import type { Topology, VersionedTopology } from '../../src/protocol/topology.ts';

/** Any text that UTF-8 can hold, NUL and characters beyond U+FFFF included. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom('', '\0', 'a\0b', '𝒳😀', '\uffff', '\ufffd', 'ключ'),
);
/** One byte per character. */
const latin1 = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const anySeq = fc.oneof(fc.nat(), fc.maxSafeNat()).map(seq);
const anyEpoch = fc.oneof(fc.nat(), fc.maxSafeNat()).map(epoch);
const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });

const value: fc.Arbitrary<Value> = fc.record({ bytes: latin1, contentType: text });
const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ kind: fc.constant('version' as const), version: anySeq }),
  fc.constantFrom({ kind: 'exists' as const }, { kind: 'absent' as const }),
);
const ttlMs = orNull(finite);

const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ op: fc.constant('set' as const), key: text, value, ttlMs, condition: orNull(condition) }),
  fc.record({ op: fc.constant('delete' as const), key: text, condition: orNull(condition) }),
  fc.record({ op: fc.constant('increment' as const), key: text, by: fc.maxSafeInteger() }),
  fc.record({ op: fc.constant('expire' as const), key: text, ttlMs }),
  fc.record({ op: fc.constant('get' as const), key: text }),
  fc.record({ op: fc.constant('check' as const), key: text, version: anySeq }),
);
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ kind: fc.constant('single' as const), operation }),
  fc.record({
    kind: fc.constant('batch' as const),
    atomic: fc.boolean(),
    operations: fc.array(operation, { maxLength: 10 }),
  }),
  fc.constant({ kind: 'tick' as const }),
);

/** An entry that was never encoded. */
export const anyEntry: fc.Arbitrary<Entry> = fc.record({
  epoch: anyEpoch,
  seq: anySeq,
  timeMs: finite,
  requestId: orNull(text.map(requestId)),
  command,
  encoded: fc.constant(null),
});

const storedRecord: fc.Arbitrary<StoredRecord> = fc.record({
  value,
  version: anySeq,
  expiresAtMs: orNull(finite),
});
const failure: fc.Arbitrary<OperationFailure> = fc.record({
  kind: fc.constant('failed' as const),
  code: fc.constantFrom('PRECONDITION_FAILED', 'KEY_NOT_FOUND', 'NOT_AN_INTEGER', 'OUT_OF_RANGE'),
  version: anySeq,
});
const result: fc.Arbitrary<OperationResult> = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), created: fc.boolean() }),
  fc.record({ kind: fc.constant('deleted' as const), deleted: fc.boolean() }),
  fc.record({ kind: fc.constant('incremented' as const), value: fc.maxSafeInteger() }),
  fc.record({ kind: fc.constant('expiry' as const), version: anySeq }),
  fc.record({
    kind: fc.constant('got' as const),
    record: fc.oneof(storedRecord, fc.constantFrom(null, undefined)),
  }),
  fc.constant({ kind: 'checked' as const }),
  failure,
);
const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  fc.record({ kind: fc.constant('done' as const), seq: anySeq, results: fc.array(result, { maxLength: 5 }) }),
  fc.record({ kind: fc.constant('refused' as const), seq: anySeq, index: fc.nat(), failure }),
  fc.record({
    kind: fc.constant('rejected' as const),
    code: fc.constantFrom('REQUEST_ID_REUSED' as const, 'REQUEST_ID_EXPIRED' as const),
  }),
);

export const snapshotRow: fc.Arbitrary<SnapshotRow> = fc.oneof(
  fc.record({ kind: fc.constant('key' as const), key: text, record: storedRecord }),
  fc.record({
    kind: fc.constant('request' as const),
    request: fc.record({
      requestId: text.map(requestId),
      timeMs: finite,
      fingerprint: fc.maxSafeNat(),
      outcome,
    }),
  }),
);

/** JSON has no -0. */
const plain = finite.map((number) => number + 0);
const incarnation: fc.Arbitrary<Incarnation> = fc.record({
  node: text.map(nodeId),
  storeId: text.map(storeId),
  boot: fc.nat(),
});
export const configuration: fc.Arbitrary<Configuration> = fc.record({
  epoch: anyEpoch,
  members: fc.array(incarnation, { minLength: 1, maxLength: 4 }),
  joiner: orNull(incarnation),
  sealed: fc.boolean(),
  fence: anyEpoch,
  leaseMs: plain,
  reads: fc.constantFrom('tail', 'any'),
  timeMs: plain,
});

const exampleTopology: Topology = {
  name: 'local',
  replicas: 2,
  chain: [nodeId('n1'), nodeId('n2')],
  nodes: {
    [nodeId('n1')]: { urls: ['http://localhost:1'], peer: 'localhost:2' },
    [nodeId('n2')]: { urls: ['http://localhost:3'], peer: 'localhost:4' },
  },
  coordinators: { [nodeId('c1')]: { urls: ['http://localhost:5'], peer: 'localhost:6' } },
  reads: 'tail',
  durability: 'sync',
  timing: { heartbeatMs: 50, suspectAfterMs: 500, leaseMs: 200, stallAfterMs: 5000 },
  limits: { keyBytes: 1024, valueBytes: 9, batchBytes: 10, inFlightBytes: 11, storeBytes: 12 },
  origins: [],
};
export const topology: fc.Arbitrary<VersionedTopology> = fc.record({
  version: fc.nat(),
  topology: text.map((name) => ({ ...exampleTopology, name })),
  departing: fc.constantFrom({}, { [nodeId('n9')]: { urls: ['http://localhost:7'], peer: 'localhost:8' } }),
});

const transfer: fc.Arbitrary<TransferProgress> = fc.record({
  bytes: fc.maxSafeNat(),
  bytesTotal: fc.maxSafeNat(),
  keys: fc.nat(),
  keysTotal: fc.nat(),
});

const report: fc.Arbitrary<NodeReport> = fc.record({
  incarnation,
  phase: fc.constantFrom('recovering', 'running', 'sick', 'broken', 'stopping'),
  problem: orNull(text),
  empty: fc.boolean(),
  configuration: orNull(configuration),
  received: anySeq,
  durable: anySeq,
  committed: anySeq,
  ready: fc.boolean(),
  stopped: fc.boolean(),
  readOnly: fc.boolean(),
  stalledMs: plain,
  transfer: orNull(transfer),
  unreachable: fc.array(text.map(nodeId), { maxLength: 3 }),
  topologyVersion: fc.nat(),
  wallMs: plain,
});

const snapshotHeader: fc.Arbitrary<SnapshotHeader> = fc.record({
  epoch: anyEpoch,
  seq: anySeq,
  timeMs: plain,
  keys: fc.nat(),
  requests: fc.nat(),
});
const partial: fc.Arbitrary<PartialSnapshot> = fc.record({
  of: text.map(storeId),
  seq: anySeq,
  next: fc.nat(),
});
const payload = fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes));

/** Of a state transfer, and of leases and reads at any replica. */
const lateMessage: fc.Arbitrary<LinkMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('snapshot-start' as const),
    of: text.map(storeId),
    header: snapshotHeader,
    from: fc.nat(),
    bytes: fc.maxSafeNat(),
  }),
  fc.record({
    kind: fc.constant('snapshot-part' as const),
    place: fc.maxSafeNat(),
    rows: fc.integer({ min: 1 }),
    payload,
  }),
  fc.record({ kind: fc.constant('snapshot-end' as const), parts: fc.nat() }),
  fc.record({ kind: fc.constant('snapshot-stored' as const), next: fc.maxSafeNat() }),
  fc.record({ kind: fc.constant('snapshot-installed' as const), seq: anySeq }),
  fc.record({
    kind: fc.constantFrom('probe' as const, 'grant' as const, 'confirm' as const, 'committed-query' as const),
    id: fc.maxSafeNat(),
  }),
  fc.record({ kind: fc.constant('committed-answer' as const), id: fc.maxSafeNat(), committed: anySeq }),
);

export const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  lateMessage,
  fc.record({
    kind: fc.constant('append' as const),
    entries: fc.array(anyEntry, { maxLength: 5 }),
    upstreamDurable: anySeq,
    committed: anySeq,
  }),
  fc.record({ kind: fc.constant('ack' as const), committed: anySeq }),
  fc.record({
    kind: fc.constant('hello' as const),
    protocolVersion: fc.nat(),
    configuration,
    topology,
    sender: incarnation,
    received: anySeq,
    fenceMs: plain,
    leaseMsMax: plain,
  }),
  fc.record({ kind: fc.constant('stale' as const), configuration, topology }),
  fc.record({
    kind: fc.constant('welcome' as const),
    committed: anySeq,
    committedEpoch: anyEpoch,
    runs: fc.array(fc.record({ epoch: anyEpoch, lastSeq: anySeq }), { maxLength: 4 }),
    partial: orNull(partial),
  }),
  fc.record({ kind: fc.constant('resume' as const), after: anySeq }),
  fc.record({ kind: fc.constant('heartbeat' as const), protocolVersion: fc.nat(), report }),
  fc.record({
    kind: fc.constant('heartbeat-answer' as const),
    epoch: anyEpoch,
    configuration: orNull(configuration),
    topology: orNull(topology),
    stop: fc.boolean(),
  }),
);

/** The same bytes in pieces, cut at places that the numbers from 0 to 1 say. */
export function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const cuts = places.map((place) => Math.floor(place * bytes.length)).sort((a, b) => a - b);
  return [0, ...cuts].map((start, i) => bytes.subarray(start, cuts[i] ?? bytes.length));
}
