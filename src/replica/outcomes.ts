import { unreachable } from '../base/assert.ts';
import type { Seq } from '../base/ids.ts';
import type { OperationFailure, OperationResult, Outcome } from '../protocol/command.ts';

const CREATED: OperationResult = { kind: 'set', created: true };
const REPLACED: OperationResult = { kind: 'set', created: false };
const DELETED: OperationResult = { kind: 'deleted', deleted: true };
const NOT_DELETED: OperationResult = { kind: 'deleted', deleted: false };
const GOT: OperationResult = { kind: 'got', record: undefined };
/** A check that held. */
export const CHECKED: OperationResult = { kind: 'checked' };

/** Whether a key was made or replaced; one shared object each. */
export const setResult = (created: boolean): OperationResult => (created ? CREATED : REPLACED);
/** Whether there was a key to remove; one shared object each. */
export const deletedResult = (deleted: boolean): OperationResult => (deleted ? DELETED : NOT_DELETED);

/**
 * What is remembered of an outcome, without its seq: the results, or the failure. `null` once it has been forgotten to
 * save memory: then only that the request was applied is still known.
 */
export type Kept = readonly OperationResult[] | KeptFailure | null;
interface KeptFailure {
  readonly index: number;
  readonly failure: OperationFailure;
}

/** Lists of one shared result are shared too: most requests are single writes. */
const ALONE = new Map<OperationResult, readonly OperationResult[]>(
  [CREATED, REPLACED, DELETED, NOT_DELETED, GOT, CHECKED].map((result) => [result, [result]]),
);
const FORGOTTEN: Outcome = { kind: 'rejected', code: 'REQUEST_ID_EXPIRED' };

/** What to remember of an outcome: no values, and constant results shared. The inverse of `outcomeOf`, but for values. */
export function kept(outcome: Outcome): Kept {
  switch (outcome.kind) {
    case 'done': {
      const results = outcome.results.map(keptResult);
      const [only] = results;
      return (results.length === 1 && only !== undefined && ALONE.get(only)) || results;
    }
    case 'refused':
      return { index: outcome.index, failure: keptFailure(outcome.failure) };
    case 'rejected':
      return null;
    default:
      return unreachable(outcome);
  }
}

/** What a retry is answered with; for a forgotten outcome that it can't be answered any more. */
export function outcomeOf(memory: Kept, seq: Seq): Outcome {
  if (memory === null) return FORGOTTEN;
  if ('failure' in memory) return { kind: 'refused', seq, index: memory.index, failure: memory.failure };
  return { kind: 'done', seq, results: memory };
}

/** What the results of a batch weigh in memory, in bytes, near enough to hold a limit by. A single result counts for nothing. */
export function weightOfKept(memory: Kept): number {
  if (memory === null || 'failure' in memory || memory.length <= 1) return 0;
  let bytes = 0;
  for (const result of memory) bytes += ALONE.has(result) ? 8 : 56;
  return bytes;
}

function keptResult(result: OperationResult): OperationResult {
  switch (result.kind) {
    case 'set':
      return setResult(result.created);
    case 'deleted':
      return deletedResult(result.deleted);
    case 'incremented':
      return { kind: 'incremented', value: result.value };
    case 'expiry':
      return { kind: 'expiry', version: result.version };
    case 'got':
      return GOT;
    case 'checked':
      return CHECKED;
    case 'failed':
      return keptFailure(result);
    default:
      return unreachable(result);
  }
}

function keptFailure({ code, version }: OperationFailure): OperationFailure {
  return { kind: 'failed', code, version };
}
