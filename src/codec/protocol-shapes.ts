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

/** Of a `VersionedTopology`. Whether it makes sense was checked where it came in. */
export const topologyShape = fields({
  version: whole,
  topology: fields({
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
  }),
});

const report = fields({
  incarnation,
  phase: oneOf('recovering', 'running', 'broken'),
  problem: nullable(text),
  empty: flag,
  configuration: nullable(configurationShape),
  received: whole,
  durable: whole,
  committed: whole,
  ready: flag,
  unreachable: listOf(text),
  topologyVersion: whole,
  wallMs: finite,
});

/** The messages that travel as JSON; `append` and `ack`, which are many, are binary. */
export type JsonMessage = Exclude<LinkMessage | CoordinatorMessage, { kind: 'append' | 'ack' }>;

/** Of each message that travels as JSON, by its kind. */
export const messageShapes: Readonly<Record<JsonMessage['kind'], Shape>> = {
  hello: fields({
    protocolVersion: whole,
    configuration: configurationShape,
    topology: topologyShape,
    sender: incarnation,
    received: whole,
    fenceMs: finite,
  }),
  stale: fields({ configuration: configurationShape, topology: topologyShape }),
  welcome: fields({
    committed: whole,
    committedEpoch: whole,
    runs: listOf(fields({ epoch: whole, lastSeq: whole })),
  }),
  resume: fields({ after: whole }),
  heartbeat: fields({ protocolVersion: whole, report }),
  'heartbeat-answer': fields({
    epoch: whole,
    configuration: nullable(configurationShape),
    topology: nullable(topologyShape),
  }),
};
