import { defined } from '../base/assert.ts';
import type { RequestId, Seq } from '../base/ids.ts';
import {
  type Command,
  type Operation,
  type OperationFailure,
  type OperationResult,
  type Outcome,
  operationsOf,
  type StoredRecord,
} from '../protocol/command.ts';
import type { Exchange } from './exchange.ts';
import { type Headers, type ProblemMembers, Refusal } from './problem.ts';
import { noneMatches } from './request.ts';
import { describe, kindOf, render } from './value-format.ts';

/** What an operation answers: for a single request its status, headers and body, in a batch the body alone. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A stored value as JSON documents show it: in pages, batches and exports. `expiresIn` in seconds, if it expires. */
export function describeRecord(record: StoredRecord, logTimeMs: number): Readonly<Record<string, unknown>> {
  const described = { ...describe(record.value), version: record.version };
  const expiresIn = expiresInSeconds(record, logTimeMs);
  return expiresIn === null ? described : { ...described, expiresIn };
}

/** What is left of a value's time to live, in seconds; 0 when its removal is due. */
function expiresInSeconds({ expiresAtMs }: StoredRecord, logTimeMs: number): number | null {
  return expiresAtMs === null ? null : Math.max(0, Math.round(expiresAtMs - logTimeMs)) / 1000;
}

/** Answers `GET` and `HEAD /get/KEY`. */
export function answerValue(
  exchange: Exchange,
  { key, record, logTimeMs }: { key: string; record: StoredRecord | undefined; logTimeMs: number },
): void {
  if (record === undefined) {
    throw new Refusal('KEY_NOT_FOUND', 'there is no such key; PUT /set/KEY makes it', {
      members: { key },
      headers: { Vary: 'Accept' },
    });
  }
  const headers: Record<string, string> = { ETag: tagOf(record.version), Vary: 'Accept' };
  const expiresIn = expiresInSeconds(record, logTimeMs);
  if (expiresIn !== null) headers['Expires-In'] = String(expiresIn);
  if (noneMatches(exchange.header('if-none-match'), record.version)) {
    exchange.answer(304, headers, null);
    return;
  }
  const { text, encoding, contentType } = render(record.value, exchange.header('accept'));
  headers['Content-Type'] = contentType;
  headers['X-Content-Type-Options'] = 'nosniff';
  // What somebody stored must not run as a page of the cluster's, which may write to it.
  if (kindOf(record.value.contentType) === 'raw')
    headers['Content-Security-Policy'] = "default-src 'none'; sandbox";
  exchange.answer(200, headers, text, encoding);
}

/** What a single operation that applying has decided answers; `seq` is the version of what it wrote. */
export function answerOf(
  operation: Operation,
  result: OperationResult,
  { seq, logTimeMs }: { seq: Seq; logTimeMs: number },
): Answer {
  const { key } = operation;
  switch (result.kind) {
    case 'set':
      return tagged(result.created ? 201 : 200, { key, version: seq });
    case 'incremented':
      return tagged(200, { key, value: result.value, version: seq });
    case 'expiry':
      return tagged(200, { key, version: result.version });
    case 'deleted':
      return { status: 200, headers: {}, body: { key, deleted: result.deleted } };
    case 'checked':
      return { status: 200, headers: {}, body: { key, checked: true } };
    case 'got':
      return { status: 200, headers: {}, body: { key, ...gotBody(result.record, logTimeMs) } };
    case 'failed': {
      const refusal = failureOf(operation, result);
      const { type, title, status, detail } = refusal.problem();
      return {
        status,
        headers: {},
        body: { key, error: { type, title, status, detail, version: result.version } },
      };
    }
  }
}

/** The results of a batch, in order. */
export function batchResults(
  operations: readonly Operation[],
  { results, seq }: { results: readonly OperationResult[]; seq: Seq },
  logTimeMs: number,
): readonly object[] {
  return operations.flatMap((operation, index) => {
    const result = results[index];
    if (result === undefined) return [];
    const { body } = answerOf(operation, result, { seq, logTimeMs });
    return [result.kind === 'set' ? { ...body, created: result.created } : body];
  });
}

/**
 * What the operations of an applied command gave.
 *
 * @throws Refusal when nothing was done: 412 for an atomic batch, the failure of a single operation, a rejected id.
 */
export function resultsOf(
  outcome: Outcome,
  { command, requestId, replayed }: { command: Command; requestId: RequestId | null; replayed: boolean },
): { readonly results: readonly OperationResult[]; readonly seq: Seq } {
  switch (outcome.kind) {
    case 'done':
      return outcome;
    case 'refused': {
      const operation = defined(operationsOf(command)[outcome.index], () => `operation ${outcome.index}`);
      const refusal =
        command.kind === 'batch' ? batchFailure(operation, outcome) : failureOf(operation, outcome.failure);
      throw refusal.withHeaders(replayHeaders(replayed));
    }
    case 'rejected':
      throw rejection(outcome.code, requestId);
  }
}

/** What the answer to a write says when it was decided before. */
export function replayHeaders(replayed: boolean): Headers {
  return replayed ? { 'Idempotent-Replay': 'true' } : {};
}

/** An atomic batch is answered 412 whatever failed in it; the type says which. */
function batchFailure(
  operation: Operation,
  { index, failure }: { index: number; failure: OperationFailure },
): Refusal {
  const why = failureOf(operation, failure);
  return new Refusal(failure.code, `operation ${index}: ${why.message}; nothing of the batch was done`, {
    status: 412,
    members: { index, ...why.members },
  });
}

function failureOf({ key }: Operation, { code, version }: OperationFailure): Refusal {
  const members: ProblemMembers = { key, version };
  switch (code) {
    case 'PRECONDITION_FAILED':
      return new Refusal(
        code,
        version === 0
          ? 'the key is absent; use If-None-Match: * (ifVersion 0) to make it'
          : `the key has version ${version}; read it and decide anew`,
        { members, ...(version === 0 ? {} : { headers: { ETag: tagOf(version) } }) },
      );
    case 'KEY_NOT_FOUND':
      return new Refusal(code, 'there is no such key; PUT /set/KEY makes it', { members });
    case 'NOT_AN_INTEGER':
      return new Refusal(code, 'the value is not an integer; set it to one first', { members });
    case 'OUT_OF_RANGE':
      return new Refusal(code, 'the sum would leave ±(2^53-1); set the key to a smaller number first', {
        members,
      });
  }
}

function rejection(code: 'REQUEST_ID_REUSED' | 'REQUEST_ID_EXPIRED', requestId: RequestId | null): Refusal {
  const members: ProblemMembers = { requestId };
  return code === 'REQUEST_ID_REUSED'
    ? new Refusal(code, 'this id was given to another request; use a new one for every write', { members })
    : new Refusal(
        code,
        'this id is too old to say whether the write took effect; read the key, then write under a new id',
        { members },
      );
}

/** A replay remembers which keys were read, not what they held. */
function gotBody(
  record: StoredRecord | null | undefined,
  logTimeMs: number,
): Readonly<Record<string, unknown>> {
  if (record === undefined) return { replayed: true };
  return record === null ? { value: null, version: 0 } : describeRecord(record, logTimeMs);
}

function tagged(status: number, body: { readonly version: Seq; readonly [member: string]: unknown }): Answer {
  return { status, headers: { ETag: tagOf(body.version) }, body };
}

function tagOf(version: Seq): string {
  return `"${version}"`;
}
