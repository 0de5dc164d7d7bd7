import { STATUS_CODES } from 'node:http';
import type { ErrorCode } from '../base/errors.ts';

/** What every code is told to a client as. */
const HTTP_STATUS: Readonly<Record<ErrorCode, number>> = {
  BAD_REQUEST: 400,
  BAD_KEY: 400,
  BAD_PARAMETER: 400,
  BAD_JSON: 400,
  BAD_TEXT: 400,
  CONFLICTING_CONDITIONS: 400,
  KEY_TOO_LONG: 414,
  VALUE_TOO_LARGE: 413,
  BATCH_TOO_LARGE: 413,
  TOPOLOGY_TOO_LARGE: 413,
  NO_SUCH_ROUTE: 404,
  METHOD_NOT_ALLOWED: 405,
  FORBIDDEN_ORIGIN: 403,
  KEY_NOT_FOUND: 404,
  PRECONDITION_FAILED: 412,
  TOPOLOGY_CONFLICT: 412,
  TOPOLOGY_REFUSED: 409,
  NOT_AN_INTEGER: 409,
  OUT_OF_RANGE: 409,
  REQUEST_ID_REUSED: 422,
  REQUEST_ID_EXPIRED: 409,
  GONE: 410,
  STORE_FULL: 507,
  READ_ONLY: 507,
  OVERLOADED: 503,
  NOT_READY: 503,
  RECOVERING: 503,
  BROKEN: 503,
  OUTCOME_UNKNOWN: 503,
  FORWARD_FAILED: 503,
  CORRUPT: 500,
  LOCKED: 500,
  DISK_FULL: 500,
  DISK_FAILED: 500,
  PORT_IN_USE: 500,
  BAD_TOPOLOGY: 500,
  UNSUPPORTED_FORMAT: 500,
  BAD_FRAME: 500,
  INTERNAL: 500,
};

/** What a 503 says in `Retry-After`, in seconds: the header knows no fractions. */
const RETRY_AFTER_SECONDS = '1';

/** Headers by name, each once. */
export type Headers = Readonly<Record<string, string>>;

/** Further members of a problem's body, such as `limit` or `index`. */
export type ProblemMembers = Readonly<Record<string, unknown>>;

/** A problem as RFC 9457 has it; `type` is stable, texts are for people. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly [member: string]: unknown;
}

/** A request that is answered with a problem. `detail` says what to do next. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: ErrorCode;
  readonly status: number;
  readonly members: ProblemMembers;
  readonly headers: Headers;

  /** `status` is that of the code unless given. */
  constructor(
    code: ErrorCode,
    detail: string,
    more: { status?: number; members?: ProblemMembers; headers?: Headers } = {},
  ) {
    super(detail);
    this.code = code;
    this.status = more.status ?? HTTP_STATUS[code];
    this.members = more.members ?? {};
    this.headers =
      this.status === 503 ? { 'Retry-After': RETRY_AFTER_SECONDS, ...more.headers } : (more.headers ?? {});
  }

  /** The same refusal with further headers. */
  withHeaders(headers: Headers): Refusal {
    const { code, message, status, members } = this;
    return new Refusal(code, message, { status, members, headers: { ...this.headers, ...headers } });
  }

  /** The body of the answer. */
  problem(): Problem {
    return {
      type: problemType(this.code),
      title: titleOf(this.code),
      status: this.status,
      detail: this.message,
      ...this.members,
    };
  }
}

/** The stable name of a code, such as `urn:catena:problem:store-full`. */
function problemType(code: ErrorCode): string {
  return `urn:catena:problem:${code.toLowerCase().replaceAll('_', '-')}`;
}

/** The code in words: `Store full`, `Bad JSON`. */
function titleOf(code: ErrorCode): string {
  const words = code.charAt(0) + code.slice(1).toLowerCase().replaceAll('_', ' ');
  return words.replace('json', 'JSON');
}

/** A problem as bytes, for a connection that holds no request that could be answered otherwise. It ends there. */
export function rawProblem(refusal: Refusal, identity: Headers): string {
  const body = JSON.stringify(refusal.problem());
  const headers: Headers = {
    ...identity,
    ...refusal.headers,
    'Content-Type': 'application/problem+json',
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\n${lines.join('')}\r\n${body}`;
}
