import { assert, unreachable } from '../base/assert.ts';
import { epoch, requestId, seq } from '../base/ids.ts';
import type { Command, Condition, Operation, Value } from '../protocol/command.ts';
import type { Entry } from '../protocol/entry.ts';
import { ByteReader, ByteWriter, badFrame, bufferOf } from './bytes.ts';

/** The largest entry that is written or taken, in bytes with its length. Limits in the topology stay below it. */
const ENTRY_BYTES_MAX = 48 * 1024 * 1024;

/** The length that stands before an entry, in bytes. */
const LENGTH_BYTES = 4;

const SINGLE = 0;
const BATCH = 1;
const ATOMIC_BATCH = 2;
const TICK = 3;
const HAS_REQUEST_ID = 0b100;

const OPS = ['set', 'delete', 'increment', 'expire', 'get', 'check'] as const;
const CONDITIONS = ['version', 'exists', 'absent'] as const;
const HAS_TTL = 0b10_0000;

/**
 * The entry as it lies on every disk and link, with its length in front: made once and kept in `entry.encoded`, so that
 * the disk, the successor and the disk after it get the same bytes. docs/storage-format.md.
 */
export function encodeEntry(entry: Entry): Uint8Array {
  entry.encoded ??= encode(entry);
  return entry.encoded;
}

/**
 * The entry that `bytes` hold, and nothing else. `encoded` is set to `bytes`, which must not be changed any more.
 *
 * @throws CatenaError BAD_FRAME.
 */
export function decodeEntry(bytes: Uint8Array): Entry {
  const buffer = bufferOf(bytes);
  const end = entryEnd(buffer, 0, buffer.length);
  if (end !== buffer.length) throw badFrame(`${buffer.length - end} bytes behind an entry`);
  return decode(buffer, 0, end);
}

/**
 * The `count` entries that `bytes` from `offset` to the end hold, one behind the other.
 *
 * @throws CatenaError BAD_FRAME.
 */
export function decodeEntries(bytes: Buffer, offset: number, count: number): Entry[] {
  const entries: Entry[] = [];
  let start = offset;
  for (let i = 0; i < count; i++) {
    const end = entryEnd(bytes, start, bytes.length);
    entries.push(decode(bytes, start, end));
    start = end;
  }
  if (start !== bytes.length) throw badFrame(`${bytes.length - start} bytes behind the last entry`);
  return entries;
}

function encode(entry: Entry): Buffer {
  const { command } = entry;
  const writer = new ByteWriter(sizeHint(entry));
  writer.u32(0);
  writer.u8(commandCode(command) | (entry.requestId === null ? 0 : HAS_REQUEST_ID));
  writer.varint(entry.epoch);
  writer.varint(entry.seq);
  writer.f64(entry.timeMs);
  if (entry.requestId !== null) writer.utf8(entry.requestId);
  if (command.kind === 'single') writeOperation(writer, command.operation);
  if (command.kind === 'batch') {
    writer.varint(command.operations.length);
    for (const operation of command.operations) writeOperation(writer, operation);
  }
  assert(writer.length <= ENTRY_BYTES_MAX, () => `entry ${entry.seq} has ${writer.length} bytes`);
  writer.patchU32(0, writer.length - LENGTH_BYTES);
  return writer.finish();
}

function decode(buffer: Buffer, start: number, end: number): Entry {
  const reader = new ByteReader(buffer, start + LENGTH_BYTES, end);
  const head = reader.u8();
  if (head > (TICK | HAS_REQUEST_ID)) throw badFrame(`no such entry: ${head}`);
  const entry: Entry = {
    epoch: epoch(reader.varint()),
    seq: seq(reader.varint()),
    timeMs: reader.f64(),
    requestId: (head & HAS_REQUEST_ID) === 0 ? null : requestId(reader.utf8()),
    command: readCommand(reader, head & 0b11),
    encoded: start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end),
  };
  if (!reader.done) throw badFrame('an entry is longer than its command');
  return entry;
}

function entryEnd(buffer: Buffer, start: number, end: number): number {
  if (end - start < LENGTH_BYTES) throw badFrame('an entry is cut off');
  const length = buffer.readUInt32LE(start);
  if (length > end - start - LENGTH_BYTES) throw badFrame('an entry is longer than what holds it');
  return start + LENGTH_BYTES + length;
}

function sizeHint({ command, requestId: id }: Entry): number {
  const base = 48 + (id === null ? 0 : id.length);
  if (command.kind === 'single') return base + operationHint(command.operation);
  if (command.kind === 'tick') return base;
  return command.operations.reduce((bytes, operation) => bytes + operationHint(operation), base);
}

function operationHint(operation: Operation): number {
  const bytes = 32 + operation.key.length;
  if (operation.op !== 'set') return bytes;
  return bytes + operation.value.bytes.length + operation.value.contentType.length;
}

function commandCode(command: Command): number {
  switch (command.kind) {
    case 'single':
      return SINGLE;
    case 'batch':
      return command.atomic ? ATOMIC_BATCH : BATCH;
    case 'tick':
      return TICK;
    default:
      return unreachable(command);
  }
}

function readCommand(reader: ByteReader, code: number): Command {
  if (code === TICK) return { kind: 'tick' };
  if (code === SINGLE) return { kind: 'single', operation: readOperation(reader) };
  const count = reader.varint();
  const operations: Operation[] = [];
  // No room is made ahead for a count that the bytes may not live up to: the reader throws when they end.
  for (let i = 0; i < count; i++) operations.push(readOperation(reader));
  return { kind: 'batch', atomic: code === ATOMIC_BATCH, operations };
}

function writeOperation(writer: ByteWriter, operation: Operation): void {
  const condition = 'condition' in operation ? operation.condition : null;
  const ttlMs = 'ttlMs' in operation ? operation.ttlMs : null;
  const conditionCode = condition === null ? 0 : CONDITIONS.indexOf(condition.kind) + 1;
  writer.u8(OPS.indexOf(operation.op) | (conditionCode << 3) | (ttlMs === null ? 0 : HAS_TTL));
  writer.utf8(operation.key);
  if (ttlMs !== null) writer.f64(ttlMs);
  if (condition?.kind === 'version') writer.varint(condition.version);
  if (operation.op === 'set') writeValue(writer, operation.value);
  if (operation.op === 'increment') writer.f64(operation.by);
  if (operation.op === 'check') writer.varint(operation.version);
}

function readOperation(reader: ByteReader): Operation {
  const code = reader.u8();
  const op = OPS[code & 0b111];
  if (op === undefined || code >= HAS_TTL * 2) throw badFrame(`no such operation: ${code}`);
  const key = reader.utf8();
  const ttlMs = (code & HAS_TTL) === 0 ? null : reader.f64();
  const condition = readCondition(reader, (code >> 3) & 0b11);
  if (ttlMs !== null && op !== 'set' && op !== 'expire') throw badFrame(`${op} with an expiry`);
  if (condition !== null && op !== 'set' && op !== 'delete') throw badFrame(`${op} with a condition`);
  switch (op) {
    case 'set':
      return { op, key, value: readValue(reader), ttlMs, condition };
    case 'delete':
      return { op, key, condition };
    case 'increment':
      return { op, key, by: readInteger(reader) };
    case 'expire':
      return { op, key, ttlMs };
    case 'get':
      return { op, key };
    case 'check':
      return { op, key, version: seq(reader.varint()) };
    default:
      return unreachable(op);
  }
}

function readCondition(reader: ByteReader, code: number): Condition | null {
  if (code === 0) return null;
  if (code === 1) return { kind: 'version', version: seq(reader.varint()) };
  return { kind: code === 2 ? 'exists' : 'absent' };
}

function readInteger(reader: ByteReader): number {
  const value = reader.f64();
  if (!Number.isSafeInteger(value)) throw badFrame(`not an integer within 2^53-1: ${value}`);
  return value;
}

/** Writes a value; also the form it has in snapshots. */
export function writeValue(writer: ByteWriter, value: Value): void {
  writer.utf8(value.contentType);
  writer.latin1(value.bytes);
}

/**
 * Reads what `writeValue` wrote.
 *
 * @throws CatenaError BAD_FRAME.
 */
export function readValue(reader: ByteReader): Value {
  const contentType = reader.repeatedUtf8();
  return { bytes: reader.latin1(), contentType };
}
