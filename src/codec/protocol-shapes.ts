import type { CoordinatorMessage, LinkMessage } from '../protocol/messages.ts';
import {
  fields,
  finite,
  flag,
  listOf,
  nullable,
  oneOf,
  optional,
  type Shape,
  tableOf,
  text,
  whole,
} from './shape.ts';

const incarnation = fields({ node: text, storeId: text, boot: whole });

/** Of a `Configuration`. */
export const configurationShape = fields({
  epoch: whole,
  members: listOf(incarnation, { itemsMin: 1 }),
  joiner: nullable(incarnation),
  sealed: flag,
  fence: whole,
  leaseMs: finite,
  reads: oneOf('tail', 'any'),
  timeMs: finite,
});

const addresses = tableOf(fields({ urls: listOf(text, { itemsMin: 1 }), peer: text }));

const topology = fields({
  $schema: optional(text),
  name: text,
  replicas: whole,
  chain: listOf(text),
  nodes: addresses,
  coordinators: addresses,
  reads: oneOf('tail', 'any'),
  durability: oneOf('sync', 'memory'),
  timing: fields({ heartbeatMs: finite, suspectAfterMs: finite, leaseMs: finite, stallAfterMs: finite }),
  limits: fields({
    keyBytes: whole,
    valueBytes: whole,
    batchBytes: whole,
    inFlightBytes: whole,
    storeBytes: whole,
  }),
  origins: listOf(text),
});

/** Of a `VersionedTopology`. Whether it makes sense was checked where it came in. */
const topologyShape = fields({ version: whole, topology, departing: addresses });

/** Of a `VersionedTopology` as a file holds it: one from before nodes could depart says nothing of them. */
export const keptTopologyShape = fields({ version: whole, topology, departing: optional(addresses) });

const snapshotHeader = fields({ epoch: whole, seq: whole, timeMs: finite, keys: whole, requests: whole });

const transfer = fields({ bytes: whole, bytesTotal: whole, keys: whole, keysTotal: whole });

const report = fields({
  incarnation,
  phase: oneOf('recovering', 'running', 'sick', 'broken', 'stopping'),
  problem: nullable(text),
  empty: flag,
  configuration: nullable(configurationShape),
  received: whole,
  durable: whole,
  committed: whole,
  ready: flag,
  stopped: flag,
  readOnly: flag,
  stalledMs: finite,
  transfer: nullable(transfer),
  unreachable: listOf(text),
  topologyVersion: whole,
  wallMs: finite,
});

/** Those that are many or large. */
type BinaryKind =
  | 'append'
  | 'ack'
  | 'snapshot-part'
  | 'snapshot-stored'
  | 'probe'
  | 'grant'
  | 'confirm'
  | 'committed-query'
  | 'committed-answer';

/** The messages that travel as JSON; the others are binary. */
export type JsonMessage = Exclude<LinkMessage | CoordinatorMessage, { kind: BinaryKind }>;

/** Of each message that travels as JSON, by its kind. */
export const messageShapes: Readonly<Record<JsonMessage['kind'], Shape>> = {
  hello: fields({
    protocolVersion: whole,
    configuration: configurationShape,
    topology: topologyShape,
    sender: incarnation,
    received: whole,
    fenceMs: finite,
    leaseMsMax: finite,
  }),
  stale: fields({ configuration: configurationShape, topology: topologyShape }),
  welcome: fields({
    committed: whole,
    committedEpoch: whole,
    runs: listOf(fields({ epoch: whole, lastSeq: whole })),
    partial: nullable(fields({ of: text, seq: whole, next: whole })),
  }),
  resume: fields({ after: whole }),
  'snapshot-start': fields({ of: text, header: snapshotHeader, from: whole, bytes: whole }),
  'snapshot-end': fields({ parts: whole }),
  'snapshot-installed': fields({ seq: whole }),
  heartbeat: fields({ protocolVersion: whole, report }),
  'heartbeat-answer': fields({
    epoch: whole,
    configuration: nullable(configurationShape),
    topology: nullable(topologyShape),
    stop: flag,
  }),
};
