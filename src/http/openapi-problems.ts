import type { ErrorCode } from '../base/errors.ts';
import type { JsonSchema } from './parameters-kinds.ts';
import { Refusal } from './problem.ts';

/** When a caller meets a code; `null` for one that nobody is told over HTTP. */
const WHEN: Readonly<Record<ErrorCode, string | null>> = {
  BAD_REQUEST: 'not a request that is understood',
  BAD_KEY: 'the key is empty, or not UTF-8',
  BAD_PARAMETER:
    '`parameter` names the parameter or header, or `pointer` the place in the body, that is wrong',
  BAD_JSON: 'the body is not JSON',
  BAD_TEXT: 'the text is not UTF-8',
  CONFLICTING_CONDITIONS: 'If-Match and If-None-Match exclude each other',
  KEY_TOO_LONG: 'the key is longer than `limit` bytes',
  VALUE_TOO_LARGE: 'the value is larger than `limit` bytes',
  BATCH_TOO_LARGE: 'the batch is larger than `limit` bytes',
  TOPOLOGY_TOO_LARGE: 'the topology is larger than `limit` bytes',
  NO_SUCH_ROUTE: 'there is nothing at this path; `paths` are what there is',
  GONE: 'the changes after `since` are no longer held, those after `oldest` are: read what you need, then watch from there',
  METHOD_NOT_ALLOWED: 'this method is not for this path; the header Allow has those that are',
  FORBIDDEN_ORIGIN: 'a web page of this origin may not call the cluster',
  KEY_NOT_FOUND: 'there is no such key',
  PRECONDITION_FAILED: 'the condition does not hold; the key has `version` (0: absent)',
  TOPOLOGY_CONFLICT: 'the topology was edited since: it has `version`',
  TOPOLOGY_REFUSED: 'the running cluster can not take it',
  NOT_AN_INTEGER: 'the value is not an integer',
  OUT_OF_RANGE: 'the sum would leave ±(2^53-1)',
  REQUEST_ID_REUSED: 'the id was given to another request',
  REQUEST_ID_EXPIRED: 'the id, which a node made, is too old to say whether the write took effect',
  STORE_FULL: 'the store holds all it may; the write had no effect',
  READ_ONLY: 'the disk of the head takes no more data; the write had no effect',
  OVERLOADED: 'more is under way than is taken at once; the request had no effect',
  NOT_READY: 'the chain is changing; the request had no effect',
  RECOVERING: 'the node reads its log; the request had no effect',
  BROKEN: 'the node is broken; the request had no effect',
  OUTCOME_UNKNOWN:
    'the write may have taken effect: send it again under `requestId`, and it takes effect once',
  FORWARD_FAILED: 'the request could not be sent on to `node`; it had no effect',
  CORRUPT: null,
  LOCKED: null,
  DISK_FULL: null,
  DISK_FAILED: null,
  PORT_IN_USE: null,
  BAD_TOPOLOGY: 'the topology is wrong; `problems` say what and where',
  UNSUPPORTED_FORMAT: null,
  BAD_FRAME: null,
  INTERNAL: 'an error of the process; its log says more',
};

/** A code where it has another status than elsewhere. */
export interface CodeAt {
  readonly code: ErrorCode;
  readonly status: number;
}

/** The problems that a status stands for, of those that an operation may be answered with. */
export interface ProblemsOfStatus {
  readonly status: number;
  readonly codes: readonly ErrorCode[];
}

/** The codes by their statuses, the lowest first. */
export function byStatus(codes: readonly (ErrorCode | CodeAt)[]): readonly ProblemsOfStatus[] {
  const found = new Map<number, ErrorCode[]>();
  for (const item of codes) {
    const { code, status } = typeof item === 'string' ? { code: item, status: statusOf(item) } : item;
    const same = found.get(status) ?? [];
    if (!same.includes(code)) found.set(status, [...same, code]);
  }
  return [...found].sort(([a], [b]) => a - b).map(([status, same]) => ({ status, codes: same }));
}

/** What a status says, in words. */
export function describeCodes(codes: readonly ErrorCode[]): string {
  return codes.map((code) => `\`${nameOf(code)}\`: ${WHEN[code]}.`).join(' ');
}

/** The codes as the ends of their `type`s. */
export function namesOf(codes: readonly ErrorCode[]): readonly string[] {
  return codes.map(nameOf);
}

/** A problem of one of these codes under this status, as a schema and an example. */
export function problemContent({ status, codes }: ProblemsOfStatus): {
  readonly schema: JsonSchema;
  readonly example: unknown;
} {
  const [code = 'INTERNAL'] = codes;
  const { type, title } = new Refusal(code, '').problem();
  return {
    schema: {
      $ref: '#/components/schemas/Problem',
      properties: { type: { enum: codes.map(typeOf) }, status: { const: status } },
    },
    example: { type, title, status, detail: `${WHEN[code]}` },
  };
}

/** A problem as a schema, with the `type`s that there are. */
export function problemSchema(): JsonSchema {
  const told = (Object.keys(WHEN) as ErrorCode[]).filter((code) => WHEN[code] !== null);
  const text = { type: 'string' };
  const whole = { type: 'integer', minimum: 0 };
  return {
    type: 'object',
    description: `A problem as RFC 9457 has it. \`type\` is stable and decides; the texts are for people and may change. ${describeCodes(told)}`,
    required: ['type', 'title', 'status', 'detail'],
    additionalProperties: false,
    properties: {
      type: { type: 'string', enum: told.map(typeOf) },
      title: { ...text, description: 'The type in words.' },
      status: whole,
      detail: { ...text, description: 'What is wrong, where, and what to do next.' },
      parameter: { ...text, description: 'The parameter or header that is wrong.' },
      pointer: { ...text, description: 'Where in the body it is wrong (RFC 6901).' },
      problems: { type: 'array', items: problemInText(), description: 'All that is wrong with a topology.' },
      limit: { ...whole, description: 'The limit that was passed, in bytes.' },
      key: text,
      version: { ...whole, description: 'The version that is there; 0: the key is absent.' },
      index: { ...whole, description: 'Which operation of the batch failed, from 0.' },
      requestId: { type: ['string', 'null'], description: 'The id of the write.' },
      node: { ...text, description: 'The node that the request could not be sent on to.' },
      paths: { type: 'array', items: text },
      since: { ...whole, description: 'The version that a watch asked for.' },
      oldest: { ...whole, description: 'The least version that a watch can begin behind.' },
      committed: { ...whole, description: 'How far the node is.' },
    },
  };
}

function problemInText(): JsonSchema {
  return {
    type: 'object',
    required: ['line', 'column', 'pointer', 'message'],
    additionalProperties: false,
    properties: {
      line: { type: 'integer' },
      column: { type: 'integer' },
      pointer: { type: 'string' },
      message: { type: 'string' },
    },
  };
}

function nameOf(code: ErrorCode): string {
  return typeOf(code).replace(/^.*:/, '');
}

function typeOf(code: ErrorCode): string {
  return new Refusal(code, '').problem().type;
}

function statusOf(code: ErrorCode): number {
  return new Refusal(code, '').status;
}
