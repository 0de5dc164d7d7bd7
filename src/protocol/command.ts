import type { ErrorCode } from '../base/errors.ts';
import type { Seq } from '../base/ids.ts';

/**
 * Bytes with the content type they came with. `bytes` holds one byte per character (latin1, U+0000..U+00FF): a
 * string costs a tenth of what a small typed array costs beside its bytes, and V8 moves and frees it for nothing.
 */
export interface Value {
  readonly bytes: string;
  /** As the client sent it; the empty string when it sent none. */
  readonly contentType: string;
}

/** What must hold of the key's present version for an operation to take effect; `version` 0 means absent. */
export type Condition =
  | { readonly kind: 'version'; readonly version: Seq }
  | { readonly kind: 'exists' }
  | { readonly kind: 'absent' };

/** Stores a value; one that was there loses its expiry with it. */
export interface SetOperation {
  readonly op: 'set';
  readonly key: string;
  readonly value: Value;
  /** Time to live in ms, or `null` for ever. */
  readonly ttlMs: number | null;
  readonly condition: Condition | null;
}
/** Removes a key; that it is absent is no failure unless a condition says so. */
export interface DeleteOperation {
  readonly op: 'delete';
  readonly key: string;
  readonly condition: Condition | null;
}
/** Adds `by` to an integer within ±(2^53-1), absent counting as 0; content type and expiry stay. */
export interface IncrementOperation {
  readonly op: 'increment';
  readonly key: string;
  readonly by: number;
}
/** Sets the expiry, or lifts it with `null`; the version stays. */
export interface ExpireOperation {
  readonly op: 'expire';
  readonly key: string;
  readonly ttlMs: number | null;
}
/** Reads within a batch. */
export interface GetOperation {
  readonly op: 'get';
  readonly key: string;
}
/** Fails the batch unless the key's version is this one; 0 means absent. */
export interface CheckOperation {
  readonly op: 'check';
  readonly key: string;
  readonly version: Seq;
}

/** One thing done to one key. */
export type Operation =
  | SetOperation
  | DeleteOperation
  | IncrementOperation
  | ExpireOperation
  | GetOperation
  | CheckOperation;

/**
 * What an entry asks of the store. A `batch` happens at one instant; `atomic` means all or none, else each operation
 * stands alone. A `tick` removes keys whose expiry is at or before the entry's time, a bounded number of them.
 */
export type Command =
  | { readonly kind: 'single'; readonly operation: Operation }
  | { readonly kind: 'batch'; readonly atomic: boolean; readonly operations: readonly Operation[] }
  | { readonly kind: 'tick' };

/** What the store holds under a key; immutable, replaced as a whole. */
export interface StoredRecord {
  readonly value: Value;
  /** The seq of the entry that wrote the value. */
  readonly version: Seq;
  /** In log time (ms), or `null` for never. */
  readonly expiresAtMs: number | null;
}

/** Why an operation had no effect. `version` is what the key had (0: absent). */
export interface OperationFailure {
  readonly kind: 'failed';
  readonly code: Extract<
    ErrorCode,
    'PRECONDITION_FAILED' | 'KEY_NOT_FOUND' | 'NOT_AN_INTEGER' | 'OUT_OF_RANGE'
  >;
  readonly version: Seq;
}

/** What applying one operation gave. The version of what was written is the outcome's `seq`. */
export type OperationResult =
  | { readonly kind: 'set'; readonly created: boolean }
  | { readonly kind: 'deleted'; readonly deleted: boolean }
  | { readonly kind: 'incremented'; readonly value: number }
  | { readonly kind: 'expiry'; readonly version: Seq }
  /** `record` is `null` when the key is absent, and `undefined` in a remembered outcome, which keeps no values. */
  | { readonly kind: 'got'; readonly record: StoredRecord | null | undefined }
  | { readonly kind: 'checked' }
  | OperationFailure;

/** What applying a command gave: the same on every replica, and what a retry is answered with. */
export type Outcome =
  /** One result per operation, in order. */
  | { readonly kind: 'done'; readonly seq: Seq; readonly results: readonly OperationResult[] }
  /** An atomic batch, or a single operation, that changed nothing: the operation at `index` failed. */
  | {
      readonly kind: 'refused';
      readonly seq: Seq;
      readonly index: number;
      readonly failure: OperationFailure;
    }
  /** The request id was used for another command, or came back after its outcome was forgotten. Nothing was changed now. */
  | { readonly kind: 'rejected'; readonly code: 'REQUEST_ID_REUSED' | 'REQUEST_ID_EXPIRED' };

/** Most keys that one tick removes, so that a million keys due at once hold nothing up for long. */
export const TICK_KEYS_MAX = 1000;
/** Most operations in a batch. */
export const BATCH_OPERATIONS_MAX = 1000;

/** The operations of a command, in order; a tick has none. */
export function operationsOf(command: Command): readonly Operation[] {
  switch (command.kind) {
    case 'single':
      return [command.operation];
    case 'batch':
      return command.operations;
    case 'tick':
      return [];
  }
}

/** Whether an operation can change the store. */
export function isWrite(operation: Operation): boolean {
  return operation.op !== 'get' && operation.op !== 'check';
}
