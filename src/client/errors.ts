import type { ErrorCode } from '../base/errors.ts';
import type { BatchResult } from './caller.ts';
import type { Version } from './types.ts';

/** Codes that no server sends: what the client found out by itself. */
type ClientCode =
  /** The deadline has passed, and the call had no effect. */
  | 'UNAVAILABLE'
  /** The client was closed. */
  | 'CLOSED'
  /** A watch asked for changes that are no longer held. */
  | 'GONE'
  /** A batch took effect before: the values that it read are not remembered. */
  | 'REPLAYED'
  /** An answer that no catena gives: something else listens there. */
  | 'BAD_ANSWER';

/** What decides what a program does about an error. A newer server may send codes that are not listed. */
export type CatenaErrorCode = ErrorCode | ClientCode | (string & Record<never, never>);

/** A problem as the server sent it (RFC 9457). */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** Says what to do next; for people. */
  readonly detail: string;
  readonly [member: string]: unknown;
}

/** What an error may know beside its text. */
export interface ErrorParts {
  readonly problem?: Problem | undefined;
  readonly cause?: unknown;
}

/** Every error of this client but the reason of a signal. `code` decides what to do about it; `message` is for people and may change. */
export class CatenaError extends Error {
  override readonly name: string = 'CatenaError';
  readonly code: CatenaErrorCode;
  /** The status of the answer, if a server said it. */
  readonly status: number | undefined;
  /** What the server said. */
  readonly problem: Problem | undefined;
  /** The place in its batch of the operation that failed. */
  readonly index: number | undefined;

  constructor(code: CatenaErrorCode, message: string, { problem, cause }: ErrorParts = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.status = problem?.status;
    this.problem = problem;
    this.index = typeof problem?.index === 'number' ? problem.index : undefined;
  }
}

/** The deadline of a write passed, and it may have taken effect, or may yet. */
export class OutcomeUnknown extends CatenaError {
  override readonly name = 'OutcomeUnknown';
  /** The `Idempotency-Key` under which it was sent. */
  readonly requestId: string;

  constructor(message: string, { requestId, ...parts }: ErrorParts & { readonly requestId: string }) {
    super('OUTCOME_UNKNOWN', message, parts);
    this.requestId = requestId;
  }
}

/** The deadline passed without an answer, and the call certainly had no effect. */
export class Unavailable extends CatenaError {
  override readonly name = 'Unavailable';

  constructor(message: string, parts: ErrorParts = {}) {
    super('UNAVAILABLE', message, parts);
  }
}

/** The key does not have the version that was asked for, or is (not) there. Nothing was changed. */
export class PreconditionFailed extends CatenaError {
  override readonly name = 'PreconditionFailed';
  /** The one that the key has; 0: it is absent. */
  readonly version: Version;

  constructor(message: string, parts: ErrorParts = {}) {
    super('PRECONDITION_FAILED', message, parts);
    this.version = typeof parts.problem?.version === 'number' ? parts.problem.version : 0;
  }
}

/** An increment of something else. */
export class NotAnInteger extends CatenaError {
  override readonly name = 'NotAnInteger';

  constructor(message: string, parts: ErrorParts = {}) {
    super('NOT_AN_INTEGER', message, parts);
  }
}

/** The sum would leave ±(2⁵³−1). */
export class OutOfRange extends CatenaError {
  override readonly name = 'OutOfRange';

  constructor(message: string, parts: ErrorParts = {}) {
    super('OUT_OF_RANGE', message, parts);
  }
}

/** A watch asked for changes since a version that is no longer held: read what there is, and watch from now on. */
export class Gone extends CatenaError {
  override readonly name = 'Gone';

  constructor(message: string, parts: ErrorParts = {}) {
    super('GONE', message, parts);
  }
}

/** A batch took effect, once, at a try whose answer was lost: the values that its `get`s read are not remembered. */
export class Replayed extends CatenaError {
  override readonly name = 'Replayed';
  /** Those of the other operations are whole. */
  readonly results: readonly BatchResult[];

  constructor(
    message: string,
    { results, ...parts }: ErrorParts & { readonly results: readonly BatchResult[] },
  ) {
    super('REPLAYED', message, parts);
    this.results = results;
  }
}

/** A request that can't be carried out as it is: trying it again is no use. */
export class InvalidRequest extends CatenaError {
  override readonly name = 'InvalidRequest';
}

/** The store holds all it may, or the disk of the head takes no more data. The write had no effect. */
export class StoreFull extends CatenaError {
  override readonly name = 'StoreFull';
}
