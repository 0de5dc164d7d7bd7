import { unreachable } from '../base/assert.ts';
import type { Condition, Operation } from '../protocol/command.ts';
import type { Call, ToldResult } from './history.ts';
import type { FailingPart } from './linearizability-shrink.ts';

/** More than this nobody reads: of a longer part the last calls are drawn. */
const CALLS_DRAWN_MAX = 40;
const VALUE_CHARS_MAX = 24;
const EVENT_WIDTH = 3;

interface Bar {
  readonly call: Call;
  readonly label: string;
  /** Columns of its first and last character. */
  readonly from: number;
  readonly to: number;
}

/**
 * Draws a failing part as text: a row for each client (more where it went on without an answer), time from left to right,
 * `[` where a call was made and `]` where it was answered, `>` where it never was. Only the order of the ends is to scale.
 */
export function pictureOf(part: FailingPart): string {
  const drawn = part.calls.slice(-CALLS_DRAWN_MAX);
  const labels = new Map(part.calls.map((call, i) => [call, String(i + 1)]));
  const labelOf = (call: Call) => labels.get(call) ?? '?';
  const bars = barsOf(drawn, labelOf);
  const hidden = part.calls.length - drawn.length;
  const order = part.order.map(labelOf).join(' ');
  return [
    `No order explains what ${part.stuck.client} was told by call ${labelOf(part.stuck)}.`,
    ...part.before.map((words, i) => `${i === 0 ? 'Before:' : '     or'} ${words}`),
    '',
    ...rowsOf(bars, part.stuck),
    '',
    ...(hidden > 0 ? [`(${hidden} calls before these)`] : []),
    ...drawn.map((call) => lineOf(call, labelOf(call), part.stuck)),
    '',
    `Without it, this order explains the rest: ${order === '' ? 'none needed' : order}`,
    ...(part.leftOut > 0 ? [`Unanswered calls left out, without which it is as wrong: ${part.leftOut}`] : []),
  ].join('\n');
}

function barsOf(calls: readonly Call[], labelOf: (call: Call) => string): Bar[] {
  const ends = new Set(
    calls.flatMap(({ calledAtMs, answer }) => [calledAtMs, ...(answer === null ? [] : [answer.atMs])]),
  );
  const columns = new Map([...ends].sort((a, b) => a - b).map((ms, i) => [ms, i * EVENT_WIDTH]));
  const last = ends.size * EVENT_WIDTH;
  return calls.map((call) => {
    const from = columns.get(call.calledAtMs) ?? 0;
    const to = call.answer === null ? last : (columns.get(call.answer.atMs) ?? last);
    return { call, label: labelOf(call), from, to: Math.max(to, from + 1) };
  });
}

function rowsOf(bars: readonly Bar[], stuck: Call): string[] {
  const clients = [...new Set(bars.map(({ call }) => call.client))].sort();
  const width = Math.max(...clients.map((client) => client.length));
  return clients.flatMap((client) => {
    const lanes = lanesOf(bars.filter(({ call }) => call.client === client));
    return lanes.map((lane, i) => `${(i === 0 ? client : '').padEnd(width)}  ${drawLane(lane, stuck)}`);
  });
}

/** The answered calls in the first row; each one that overlaps in the next that has room. */
function lanesOf(bars: readonly Bar[]): Bar[][] {
  const lanes: Bar[][] = [];
  const answeredFirst = [...bars].sort(
    (a, b) => Number(a.call.answer === null) - Number(b.call.answer === null),
  );
  for (const bar of answeredFirst) {
    const lane = lanes.find((others) => others.every((other) => other.to < bar.from || bar.to < other.from));
    if (lane === undefined) lanes.push([bar]);
    else lane.push(bar);
  }
  return lanes;
}

function drawLane(lane: readonly Bar[], stuck: Call): string {
  const row: string[] = [];
  for (const { call, label, from, to } of lane) {
    const fill = call === stuck ? '#' : '-';
    for (let i = from; i <= to; i++) row[i] = fill;
    row[from] = '[';
    row[to] = call.answer === null ? '>' : ']';
    const start = from + Math.max(1, Math.floor((to - from + 1 - label.length) / 2));
    for (const [i, letter] of [...label].entries())
      if (start + i < to || to - from < 2) row[start + i] = letter;
  }
  return Array.from(row, (letter) => letter ?? ' ').join('');
}

function lineOf(call: Call, label: string, stuck: Call): string {
  const { client, calledAtMs, answer } = call;
  const times = `${calledAtMs.toFixed(1)}..${answer === null ? '' : answer.atMs.toFixed(1)} ms`;
  const mark = call === stuck ? '  <-- fits nowhere' : '';
  return `${label.padStart(4)}  ${client}  ${askedInWords(call)} -> ${toldInWords(call)}  (${times})${mark}`;
}

function askedInWords({ asked }: Call): string {
  if (asked.kind === 'page') {
    const after = asked.after === null ? '' : ` after ${JSON.stringify(asked.after)}`;
    return `keys ${JSON.stringify(asked.prefix)}${after} limit ${asked.limit}`;
  }
  const operations = asked.operations.map(operationInWords);
  if (operations.length === 1) return operations.join('');
  return `${asked.atomic ? 'batch' : 'loose batch'} { ${operations.join('; ')} }`;
}

function operationInWords(operation: Operation): string {
  const { key } = operation;
  switch (operation.op) {
    case 'set':
      return `set ${key} = ${short(operation.value.bytes)}${ttlInWords(operation.ttlMs)}${conditionInWords(operation.condition)}`;
    case 'delete':
      return `delete ${key}${conditionInWords(operation.condition)}`;
    case 'increment':
      return `increment ${key} by ${operation.by}`;
    case 'expire':
      return `expire ${key}${operation.ttlMs === null ? ' never' : ttlInWords(operation.ttlMs)}`;
    case 'get':
      return `get ${key}`;
    case 'check':
      return `check ${key} @${operation.version}`;
    default:
      return unreachable(operation);
  }
}

function ttlInWords(ttlMs: number | null): string {
  return ttlMs === null ? '' : ` for ${ttlMs} ms`;
}

function conditionInWords(condition: Condition | null): string {
  if (condition === null) return '';
  return condition.kind === 'version' ? ` if @${condition.version}` : ` if ${condition.kind}`;
}

function toldInWords({ answer }: Call): string {
  if (answer === null) return 'no answer';
  const { told } = answer;
  switch (told.kind) {
    case 'done':
      return `${told.results.map(resultInWords).join('; ')}${at(told.version)}`;
    case 'refused':
      return `refused at ${told.index}: ${told.code}${at(told.version)}`;
    case 'page': {
      const keys = told.keys.map(({ key, version }) => `${key}${at(version)}`).join(', ');
      return `{ ${keys} }${told.next === null ? '' : ' and more'}`;
    }
    default:
      return unreachable(told);
  }
}

function resultInWords(result: ToldResult): string {
  switch (result.kind) {
    case 'set':
      return result.created ? 'created' : 'replaced';
    case 'deleted':
      return result.deleted ? 'deleted' : 'was absent';
    case 'incremented':
      return String(result.value);
    case 'expiry':
      return `expiry set${at(result.version)}`;
    case 'got':
      if (result.record === undefined) return 'not remembered';
      return result.record === null ? 'absent' : `${short(result.record.bytes)}${at(result.record.version)}`;
    case 'checked':
      return 'as expected';
    case 'failed':
      return `${result.code}${at(result.version)}`;
    default:
      return unreachable(result);
  }
}

function at(version: number | null): string {
  return version === null ? '' : ` @${version}`;
}

function short(bytes: string): string {
  return JSON.stringify(bytes.length > VALUE_CHARS_MAX ? `${bytes.slice(0, VALUE_CHARS_MAX)}…` : bytes);
}
