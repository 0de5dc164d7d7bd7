import { unreachable } from '../base/assert.ts';
import { NO_SEQ, type Seq } from '../base/ids.ts';
import {
  type Command,
  type Condition,
  type DeleteOperation,
  type ExpireOperation,
  type IncrementOperation,
  type Operation,
  type OperationFailure,
  type OperationResult,
  type Outcome,
  type SetOperation,
  TICK_KEYS_MAX,
} from '../protocol/command.ts';
import { type Held, type Keyspace, recordOf } from './keyspace.ts';
import { CHECKED, deletedResult, setResult } from './outcomes.ts';

/** Of the entry that is applied: the version that its writes get, and the log time (ms) that lifetimes count from. */
export interface Moment {
  readonly seq: Seq;
  readonly timeMs: number;
}

/** Carries a command out: a deterministic function of the keys, the command and the moment. */
export function applyCommand(keys: Keyspace, command: Command, at: Moment): Outcome {
  switch (command.kind) {
    case 'single':
      return applyTogether(keys, [command.operation], at);
    case 'batch':
      return command.atomic
        ? applyAtomically(keys, command.operations, at)
        : applyEach(keys, command.operations, at);
    case 'tick':
      keys.removeDue(at.timeMs, TICK_KEYS_MAX);
      return { kind: 'done', seq: at.seq, results: [] };
    default:
      return unreachable(command);
  }
}

/** All or none: each operation sees those before it, and the first that fails takes them all back. */
export function applyAtomically(keys: Keyspace, operations: readonly Operation[], at: Moment): Outcome {
  keys.begin();
  const outcome = applyTogether(keys, operations, at);
  if (outcome.kind === 'refused') keys.undo();
  else keys.keep();
  return outcome;
}

/** Each operation stands alone: a failed one leaves its failure in its place. */
export function applyEach(keys: Keyspace, operations: readonly Operation[], at: Moment): Outcome {
  const results = operations.map((operation) => applyOperation(keys, operation, at));
  return { kind: 'done', seq: at.seq, results };
}

/** Stops at the first failure; what was done before it stays, for the caller to take back. */
function applyTogether(keys: Keyspace, operations: readonly Operation[], at: Moment): Outcome {
  const results: OperationResult[] = [];
  for (const operation of operations) {
    const result = applyOperation(keys, operation, at);
    if (result.kind === 'failed') {
      return { kind: 'refused', seq: at.seq, index: results.length, failure: result };
    }
    results.push(result);
  }
  return { kind: 'done', seq: at.seq, results };
}

/** An operation that fails changes nothing. */
function applyOperation(keys: Keyspace, operation: Operation, at: Moment): OperationResult {
  const present = keys.get(operation.key);
  switch (operation.op) {
    case 'set':
      return set(keys, operation, present, at);
    case 'delete':
      return remove(keys, operation, present);
    case 'increment':
      return increment(keys, operation, present, at);
    case 'expire':
      return expire(keys, operation, present, at);
    case 'get':
      return { kind: 'got', record: present === undefined ? null : recordOf(present) };
    case 'check':
      return operation.version === versionOf(present) ? CHECKED : failed('PRECONDITION_FAILED', present);
    default:
      return unreachable(operation);
  }
}

function set(
  keys: Keyspace,
  { key, value, ttlMs, condition }: SetOperation,
  present: Held | undefined,
  at: Moment,
): OperationResult {
  if (!holds(condition, present)) return failed('PRECONDITION_FAILED', present);
  keys.change(key, present, keys.hold(value, at.seq, expiryOf(ttlMs, at)));
  return setResult(present === undefined);
}

/** `If-Match` fails on an absent key; only a delete without condition, or one that wants it absent, is content with that. */
function remove(
  keys: Keyspace,
  { key, condition }: DeleteOperation,
  present: Held | undefined,
): OperationResult {
  if (!holds(condition, present)) return failed('PRECONDITION_FAILED', present);
  if (present !== undefined) keys.change(key, present, undefined);
  return deletedResult(present !== undefined);
}

function increment(
  keys: Keyspace,
  { key, by }: IncrementOperation,
  present: Held | undefined,
  at: Moment,
): OperationResult {
  const before = present === undefined ? 0 : integerOf(present.bytes);
  if (before === null) return failed('NOT_AN_INTEGER', present);
  const exact = before + by;
  if (!Number.isSafeInteger(exact)) return failed('OUT_OF_RANGE', present);
  const sum = exact === 0 ? 0 : exact; // never -0
  const value = { bytes: String(sum), contentType: present?.contentType ?? '' };
  keys.change(key, present, keys.hold(value, at.seq, present?.expiresAtMs ?? null));
  return { kind: 'incremented', value: sum };
}

function expire(
  keys: Keyspace,
  { key, ttlMs }: ExpireOperation,
  present: Held | undefined,
  at: Moment,
): OperationResult {
  if (present === undefined) return failed('KEY_NOT_FOUND', present);
  keys.replace(key, present, keys.hold(present, present.version, expiryOf(ttlMs, at)));
  return { kind: 'expiry', version: present.version };
}

/**
 * The integer that a value is, within ±(2^53-1), else `null`. It is JSON's grammar whatever the content type: no `+`, no
 * blanks, no leading zeros, which an increment would lose ("007" is a name rather than a number).
 */
function integerOf(bytes: string): number | null {
  if (bytes.length > 17 || !/^-?(?:0|[1-9]\d*)$/.test(bytes)) return null;
  const integer = Number(bytes);
  return Number.isSafeInteger(integer) ? integer : null;
}

function holds(condition: Condition | null, present: Held | undefined): boolean {
  if (condition === null) return true;
  switch (condition.kind) {
    case 'version':
      return condition.version === versionOf(present);
    case 'exists':
      return present !== undefined;
    case 'absent':
      return present === undefined;
    default:
      return unreachable(condition);
  }
}

function expiryOf(ttlMs: number | null, at: Moment): number | null {
  return ttlMs === null ? null : at.timeMs + ttlMs;
}

function versionOf(present: Held | undefined): Seq {
  return present?.version ?? NO_SEQ;
}

function failed(code: OperationFailure['code'], present: Held | undefined): OperationFailure {
  return { kind: 'failed', code, version: versionOf(present) };
}
