import { assert, unreachable } from '../base/assert.ts';
import { requestId, type Seq, seq } from '../base/ids.ts';
import type { OperationFailure, OperationResult, Outcome, StoredRecord } from '../protocol/command.ts';
import type { RememberedRequest, SnapshotRow } from '../protocol/snapshot.ts';
import { type ByteReader, type ByteWriter, badFrame } from './bytes.ts';
import { readValue, writeValue } from './entry-codec.ts';

const ROWS = ['key', 'request'] as const;
const OUTCOMES = ['done', 'refused', 'rejected'] as const;
const REJECTIONS = ['REQUEST_ID_REUSED', 'REQUEST_ID_EXPIRED'] as const;
const RESULTS = ['set', 'deleted', 'incremented', 'expiry', 'got', 'checked', 'failed'] as const;
const FAILURES = ['PRECONDITION_FAILED', 'KEY_NOT_FOUND', 'NOT_AN_INTEGER', 'OUT_OF_RANGE'] as const;
/** What a batch read: nothing kept of it, an absent key, a record. */
const GOT = ['forgotten', 'absent', 'record'] as const;

/** Appends a row of a snapshot; rows need no length of their own. docs/storage-format.md. */
export function writeSnapshotRow(writer: ByteWriter, row: SnapshotRow): void {
  writeName(writer, ROWS, row.kind);
  if (row.kind === 'key') {
    writer.utf8(row.key);
    writeRecord(writer, row.record);
  } else {
    writeRequest(writer, row.request);
  }
}

/**
 * Reads the next row.
 *
 * @throws CatenaError BAD_FRAME.
 */
export function readSnapshotRow(reader: ByteReader): SnapshotRow {
  const kind = readName(reader, ROWS);
  if (kind === 'key') return { kind, key: reader.utf8(), record: readRecord(reader) };
  return { kind, request: readRequest(reader) };
}

function writeRecord(writer: ByteWriter, record: StoredRecord): void {
  writeFlag(writer, record.expiresAtMs !== null);
  if (record.expiresAtMs !== null) writer.f64(record.expiresAtMs);
  writer.varint(record.version);
  writeValue(writer, record.value);
}

function readRecord(reader: ByteReader): StoredRecord {
  const expiresAtMs = readFlag(reader) ? reader.f64() : null;
  const version = readSeq(reader);
  return { value: readValue(reader), version, expiresAtMs };
}

function writeRequest(writer: ByteWriter, request: RememberedRequest): void {
  writer.utf8(request.requestId);
  writer.f64(request.timeMs);
  writer.f64(request.fingerprint);
  writeOutcome(writer, request.outcome);
}

function readRequest(reader: ByteReader): RememberedRequest {
  return {
    requestId: requestId(reader.utf8()),
    timeMs: reader.f64(),
    fingerprint: reader.f64(),
    outcome: readOutcome(reader),
  };
}

function writeOutcome(writer: ByteWriter, outcome: Outcome): void {
  writeName(writer, OUTCOMES, outcome.kind);
  switch (outcome.kind) {
    case 'done':
      writer.varint(outcome.seq);
      writer.varint(outcome.results.length);
      for (const result of outcome.results) writeResult(writer, result);
      return;
    case 'refused':
      writer.varint(outcome.seq);
      writer.varint(outcome.index);
      writeFailure(writer, outcome.failure);
      return;
    case 'rejected':
      writeName(writer, REJECTIONS, outcome.code);
      return;
    default:
      unreachable(outcome);
  }
}

function readOutcome(reader: ByteReader): Outcome {
  const kind = readName(reader, OUTCOMES);
  switch (kind) {
    case 'done':
      return { kind, seq: readSeq(reader), results: readResults(reader) };
    case 'refused':
      return { kind, seq: readSeq(reader), index: reader.varint(), failure: readFailure(reader) };
    case 'rejected':
      return { kind, code: readName(reader, REJECTIONS) };
    default:
      return unreachable(kind);
  }
}

function readResults(reader: ByteReader): OperationResult[] {
  const count = reader.varint();
  const results: OperationResult[] = [];
  for (let i = 0; i < count; i++) results.push(readResult(reader));
  return results;
}

function writeResult(writer: ByteWriter, result: OperationResult): void {
  writeName(writer, RESULTS, result.kind);
  switch (result.kind) {
    case 'set':
      writeFlag(writer, result.created);
      return;
    case 'deleted':
      writeFlag(writer, result.deleted);
      return;
    case 'incremented':
      writer.f64(result.value);
      return;
    case 'expiry':
      writer.varint(result.version);
      return;
    case 'got':
      writeGot(writer, result.record);
      return;
    case 'checked':
      return;
    case 'failed':
      writeFailure(writer, result);
      return;
    default:
      unreachable(result);
  }
}

function readResult(reader: ByteReader): OperationResult {
  const kind = readName(reader, RESULTS);
  switch (kind) {
    case 'set':
      return { kind, created: readFlag(reader) };
    case 'deleted':
      return { kind, deleted: readFlag(reader) };
    case 'incremented':
      return { kind, value: reader.f64() };
    case 'expiry':
      return { kind, version: readSeq(reader) };
    case 'got':
      return { kind, record: readGot(reader) };
    case 'checked':
      return { kind };
    case 'failed':
      return readFailure(reader);
    default:
      return unreachable(kind);
  }
}

function writeGot(writer: ByteWriter, record: StoredRecord | null | undefined): void {
  writeName(writer, GOT, record === undefined ? 'forgotten' : record === null ? 'absent' : 'record');
  if (record) writeRecord(writer, record);
}

function readGot(reader: ByteReader): StoredRecord | null | undefined {
  const got = readName(reader, GOT);
  if (got === 'forgotten') return undefined;
  return got === 'absent' ? null : readRecord(reader);
}

function writeFailure(writer: ByteWriter, failure: OperationFailure): void {
  writeName(writer, FAILURES, failure.code);
  writer.varint(failure.version);
}

function readFailure(reader: ByteReader): OperationFailure {
  return { kind: 'failed', code: readName(reader, FAILURES), version: readSeq(reader) };
}

function readSeq(reader: ByteReader): Seq {
  return seq(reader.varint());
}

function writeFlag(writer: ByteWriter, flag: boolean): void {
  writer.u8(flag ? 1 : 0);
}

function readFlag(reader: ByteReader): boolean {
  const byte = reader.u8();
  if (byte > 1) throw badFrame(`neither yes nor no: ${byte}`);
  return byte === 1;
}

/** One byte: the place of `name` among `names`. */
function writeName<T extends string>(writer: ByteWriter, names: readonly T[], name: T): void {
  const place = names.indexOf(name);
  assert(place >= 0, () => `${name} is none of ${names.join(', ')}`);
  writer.u8(place);
}

function readName<T extends string>(reader: ByteReader, names: readonly T[]): T {
  const name = names[reader.u8()];
  if (name === undefined) throw badFrame(`none of ${names.join(', ')}`);
  return name;
}
