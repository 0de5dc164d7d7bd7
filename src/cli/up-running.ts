import type { TopologyFile } from '../server/topology-file.ts';
import { parseTopology } from '../topology/topology.ts';
import { type Fields, fieldsOf, isFields, listOf, numberOf, textOf, textsOf } from './json-fields.ts';

const ANSWER_MS_MAX = 1000;
/** Most that is read of one answer, in characters: what answers at the port may be something else by now. */
const ANSWER_CHARACTERS_MAX = 16_777_216;

/** What the coordinator wants and has chosen, as `GET /topology` says it. */
export interface RunningTopology {
  readonly version: number;
  readonly topology: TopologyFile['topology'];
  /** 0 while there is no configuration yet. */
  readonly epoch: number;
  /** Head first. */
  readonly members: readonly string[];
  readonly joiner: string | null;
  /** The edit that was refused last, in words. */
  readonly problem: string | null;
}

/** A configuration that was chosen, as `GET /history` says it. */
export interface Chosen {
  readonly epoch: number;
  readonly members: readonly string[];
  readonly reason: string;
  readonly change: string;
}

/** How far a state transfer has come, as `GET /status` of the node that it goes to says it. */
export interface Transfer {
  readonly bytes: number;
  readonly bytesTotal: number;
  readonly keys: number;
  readonly keysTotal: number;
  readonly bytesPerSecond: number;
  /** `null` while it can't be told. */
  readonly secondsLeft: number | null;
}

/** `null` when the coordinator at this URL does not say it now. */
export async function readRunning(coordinatorUrl: string): Promise<RunningTopology | null> {
  const said = await fieldsAt(`${coordinatorUrl}/topology`);
  const version = numberOf(said.version);
  const parsed = parseTopology(JSON.stringify(said.topology ?? null), 'the running topology');
  if (version === null || parsed.kind !== 'ok') return null;
  const configuration = fieldsOf(said.configuration);
  return {
    version,
    topology: parsed.topology,
    epoch: numberOf(configuration.epoch) ?? 0,
    members: listOf(configuration.members).map(nameOf),
    joiner: isFields(configuration.joiner) ? nameOf(configuration.joiner) : null,
    problem: textOf(said.problem),
  };
}

/** Oldest first; empty when the coordinator at this URL does not say it now. */
export async function readHistory(coordinatorUrl: string): Promise<readonly Chosen[]> {
  const { configurations } = await fieldsAt(`${coordinatorUrl}/history`);
  return listOf(configurations)
    .map(fieldsOf)
    .map(({ epoch, members, reason, change }) => ({
      epoch: numberOf(epoch) ?? 0,
      members: textsOf(members),
      reason: textOf(reason) ?? '',
      change: textOf(change) ?? '',
    }));
}

/** `null` when none is under way to the node at this URL, or it does not say so. */
export async function readTransfer(nodeUrl: string): Promise<Transfer | null> {
  const { transfer } = await fieldsAt(`${nodeUrl}/status`);
  if (!isFields(transfer)) return null;
  return {
    bytes: numberOf(transfer.bytes) ?? 0,
    bytesTotal: numberOf(transfer.bytesTotal) ?? 0,
    keys: numberOf(transfer.keys) ?? 0,
    keysTotal: numberOf(transfer.keysTotal) ?? 0,
    bytesPerSecond: numberOf(transfer.bytesPerSecond) ?? 0,
    secondsLeft: numberOf(transfer.secondsLeft),
  };
}

/** What is served at a URL as a JSON object; an empty one when nothing of the kind is. */
async function fieldsAt(url: string): Promise<Fields> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    const text = await response.text();
    return response.ok && text.length <= ANSWER_CHARACTERS_MAX ? fieldsOf(JSON.parse(text)) : {};
  } catch {
    // It is not there, or is no coordinator: the next look is soon.
    return {};
  }
}

function nameOf(member: unknown): string {
  return textOf(fieldsOf(member).node) ?? '?';
}
