/**
 * Every way in which catena says no. The code decides what a caller does; texts are for people and may change.
 * `http` maps the codes that a client can meet to statuses, `cli` prints the others.
 */
export type ErrorCode =
  // the caller's request
  | 'BAD_REQUEST'
  | 'BAD_KEY'
  | 'BAD_PARAMETER'
  | 'BAD_JSON'
  | 'BAD_TEXT'
  | 'CONFLICTING_CONDITIONS'
  | 'KEY_TOO_LONG'
  | 'VALUE_TOO_LARGE'
  | 'BATCH_TOO_LARGE'
  | 'TOPOLOGY_TOO_LARGE'
  | 'NO_SUCH_ROUTE'
  | 'METHOD_NOT_ALLOWED'
  | 'FORBIDDEN_ORIGIN'
  // what applying the request gave
  | 'KEY_NOT_FOUND'
  | 'PRECONDITION_FAILED'
  | 'TOPOLOGY_CONFLICT'
  | 'TOPOLOGY_REFUSED'
  | 'NOT_AN_INTEGER'
  | 'OUT_OF_RANGE'
  | 'REQUEST_ID_REUSED'
  | 'REQUEST_ID_EXPIRED'
  | 'GONE'
  // what the cluster can't do now
  | 'STORE_FULL'
  | 'READ_ONLY'
  | 'OVERLOADED'
  | 'NOT_READY'
  | 'RECOVERING'
  | 'BROKEN'
  | 'OUTCOME_UNKNOWN'
  | 'FORWARD_FAILED'
  // what stops a node or a coordinator
  | 'CORRUPT'
  | 'LOCKED'
  | 'DISK_FULL'
  | 'DISK_FAILED'
  | 'PORT_IN_USE'
  | 'BAD_TOPOLOGY'
  | 'UNSUPPORTED_FORMAT'
  // what ends a connection
  | 'BAD_FRAME'
  | 'INTERNAL';

/** An error of the world (never of our own code: those are assertions). `message` says what, where and what to do. */
export class CatenaError extends Error {
  override readonly name = 'CatenaError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
