import type { ErrorCode } from '../base/errors.ts';
import { ref } from './openapi-schemas.ts';
import {
  type AnswerSaid,
  type Contents,
  headOf,
  json,
  type Operation,
  REDIRECT,
} from './operations-kinds.ts';
import {
  AFTER,
  BY,
  EPOCH,
  FORWARD,
  IDEMPOTENCY_KEY,
  IF_MATCH,
  IF_NONE_MATCH_READ,
  IF_NONE_MATCH_WRITE,
  KEY,
  LAST_EVENT_ID,
  LIMIT,
  PREFIX,
  REQUEST_ID,
  SINCE,
  TTL,
  VALUES,
} from './parameters.ts';
import type { Parameter } from './parameters-kinds.ts';

const NODE = { tag: 'keys', on: ['node'] } as const;
/** What every request that goes to the right node of the chain may say. */
const SENT_ON: readonly Parameter[] = [FORWARD, EPOCH];
const WRITE: readonly Parameter[] = [IDEMPOTENCY_KEY, REQUEST_ID, ...SENT_ON];
const BAD_KEY: readonly ErrorCode[] = ['BAD_KEY', 'KEY_TOO_LONG'];
const READ_PROBLEMS: readonly ErrorCode[] = [
  'BAD_PARAMETER',
  'NOT_READY',
  'RECOVERING',
  'BROKEN',
  'OVERLOADED',
  'FORWARD_FAILED',
];
const WRITE_PROBLEMS: readonly ErrorCode[] = [
  ...READ_PROBLEMS,
  'OUTCOME_UNKNOWN',
  'REQUEST_ID_REUSED',
  'REQUEST_ID_EXPIRED',
  'STORE_FULL',
  'READ_ONLY',
];
const CONDITION_PROBLEMS: readonly ErrorCode[] = ['CONFLICTING_CONDITIONS', 'PRECONDITION_FAILED'];
const WRITTEN = { always: ['ETag'], sometimes: ['Idempotent-Replay'] } as const;

const BYTES = { schema: {}, example: 'hello' };
const STORED: Contents = {
  'application/json': {
    schema: { description: 'A text that was stored, as a JSON string; or JSON that was stored, as it came.' },
    example: 'hello',
  },
  'text/plain': {
    schema: {
      type: 'string',
      description: 'A text that was stored, if `Accept` ranks text/plain above application/json.',
    },
    example: 'hello',
  },
  '*/*': {
    schema: { description: 'Bytes that were stored, under the type that they came with.' },
    example: 'hello',
  },
};

/** `GET /get/{key}`. */
const getValue: Operation = {
  ...NODE,
  id: 'getValue',
  summary: 'Read a value',
  description:
    'Answered by the tail (with `"reads": "any"` by any member). Text comes back as a JSON string, or bare with `Accept: text/plain`; anything else as it was stored.',
  parameters: [KEY, IF_NONE_MATCH_READ, ...SENT_ON],
  answers: {
    200: {
      description: 'The value.',
      always: ['ETag', 'Vary', 'X-Content-Type-Options'],
      sometimes: ['Expires-In', 'Content-Security-Policy'],
      content: STORED,
    },
    304: { description: 'The caller has this version.', always: ['ETag', 'Vary'], sometimes: ['Expires-In'] },
    307: REDIRECT,
  },
  problems: [...BAD_KEY, ...READ_PROBLEMS, 'KEY_NOT_FOUND'],
};

const written = (description: string): AnswerSaid => ({
  description,
  ...WRITTEN,
  content: json('Written', { key: 'greeting', version: 7 }),
});

/** `PUT /set/{key}`. */
const setValue: Operation = {
  ...NODE,
  id: 'setValue',
  summary: 'Store a value',
  description:
    'Answered by the head when every member of the chain has it. What is stored are the bytes of the body and their content type. The expiry of the value that was there goes with it.',
  parameters: [KEY, TTL, IF_MATCH, IF_NONE_MATCH_WRITE, ...WRITE],
  body: {
    description:
      'The value, at most `limits.valueBytes` bytes; none is the empty text. Content encodings are refused.',
    required: false,
    content: {
      'text/plain': { schema: { type: 'string', description: 'Text in UTF-8.' }, example: 'hello' },
      'application/json': {
        schema: { description: 'JSON in UTF-8, kept as it came.' },
        example: { hello: ['world'] },
      },
      'application/octet-stream': BYTES,
      '*/*': BYTES,
    },
  },
  answers: { 200: written('Replaced.'), 201: written('New.'), 307: REDIRECT },
  problems: [...BAD_KEY, ...WRITE_PROBLEMS, ...CONDITION_PROBLEMS, 'BAD_JSON', 'BAD_TEXT', 'VALUE_TOO_LARGE'],
};

const deleteValue: Operation = {
  ...NODE,
  id: 'deleteValue',
  summary: 'Remove a key',
  parameters: [KEY, IF_MATCH, IF_NONE_MATCH_WRITE, ...WRITE],
  answers: {
    200: {
      description: 'It is gone, whether or not it was there.',
      sometimes: ['Idempotent-Replay'],
      content: json('Deleted', { key: 'greeting', deleted: true }),
    },
    307: REDIRECT,
  },
  problems: [...BAD_KEY, ...WRITE_PROBLEMS, ...CONDITION_PROBLEMS],
};

const incrementValue: Operation = {
  ...NODE,
  id: 'incrementValue',
  summary: 'Add to an integer',
  description:
    'An absent key counts as 0; content type and expiry stay. Send an Idempotency-Key, so that a retry does not add twice.',
  parameters: [{ ...KEY, example: 'visits' }, BY, ...WRITE],
  answers: {
    200: {
      description: 'The sum.',
      ...WRITTEN,
      content: json('Incremented', { key: 'visits', value: 5, version: 8 }),
    },
    307: REDIRECT,
  },
  problems: [...BAD_KEY, ...WRITE_PROBLEMS, 'NOT_AN_INTEGER', 'OUT_OF_RANGE'],
};

const expireValue: Operation = {
  ...NODE,
  id: 'expireValue',
  summary: 'Set or lift the expiry',
  description: 'Without `ttl` the key stays for ever. Its version stays too.',
  parameters: [KEY, TTL, ...WRITE],
  answers: { 200: written('Done; `version` is that of the value, as before.'), 307: REDIRECT },
  problems: [...BAD_KEY, ...WRITE_PROBLEMS, 'KEY_NOT_FOUND'],
};

const listKeys: Operation = {
  ...NODE,
  id: 'listKeys',
  summary: 'List keys, a page at a time',
  description: 'In the order of their UTF-8 bytes. Pass `next` as `after` until it is `null`.',
  parameters: [PREFIX, AFTER, LIMIT, VALUES, ...SENT_ON],
  answers: {
    200: {
      description: 'A page.',
      content: json('KeyPage', { keys: [{ key: 'greeting', version: 7 }], next: null }),
    },
    307: REDIRECT,
  },
  problems: READ_PROBLEMS,
};

const ITEM = {
  key: 'greeting',
  value: 'hello',
  encoding: 'utf8',
  contentType: 'text/plain',
  version: 7,
};

const exportKeys: Operation = {
  ...NODE,
  id: 'exportKeys',
  summary: 'Everything of one instant',
  description:
    'JSON lines, one for each key, in the order of their UTF-8 bytes. A reader that takes nothing for a minute, or less than 16 KiB a second, is cut off: the answer then ends before its last chunk.',
  parameters: [PREFIX, ...SENT_ON],
  answers: {
    200: {
      description: 'The lines.',
      content: {
        'application/x-ndjson': { schema: ref('Item'), example: ITEM },
      },
    },
    307: REDIRECT,
  },
  problems: READ_PROBLEMS,
};

const watchKeys: Operation = {
  ...NODE,
  id: 'watchKeys',
  summary: 'Committed changes as they come',
  description:
    'Answered by any member of the chain. Server-sent events `set`, `delete` and `expire` (its time was up), in the order of their versions; the last one of a version carries it as `id`, so that a stream that is ' +
    'resumed with Last-Event-ID misses nothing and repeats nothing. The stream ends when the node leaves the chain: resume at another. A reader that is too slow is told so by an event `error`, whose data is a Problem, and cut off.',
  parameters: [PREFIX, SINCE, LAST_EVENT_ID, ...SENT_ON],
  answers: {
    200: {
      description: 'The stream. The data of its events is JSON: a Change, or a Problem.',
      always: ['Cache-Control', 'X-Accel-Buffering'],
      content: {
        'text/event-stream': {
          schema: {
            type: 'string',
            contentMediaType: 'text/event-stream',
            'x-catena-events': {
              set: ref('Change'),
              delete: ref('Change'),
              expire: ref('Change'),
              error: ref('Problem'),
            },
          },
          example:
            'event: set\nid: 7\ndata: {"key":"greeting","version":7,"value":"hello","encoding":"utf8","contentType":"text/plain"}\n\n',
        },
      },
    },
    307: REDIRECT,
  },
  problems: [...READ_PROBLEMS, 'GONE'],
};

const batch: Operation = {
  ...NODE,
  id: 'batch',
  summary: 'Several operations at one instant',
  description:
    'All or none, unless `"atomic": false`. A batch without writes is a read at the tail. A value that a batch reads can be sent back in a batch as it is.',
  parameters: WRITE,
  body: {
    description: 'At most `limits.batchBytes` bytes of JSON; the content type is not looked at.',
    required: true,
    content: json('Batch', {
      operations: [
        { op: 'check', key: 'greeting.lock', version: 0 },
        { op: 'set', key: 'greeting', value: 'hello', ttl: 3600 },
        { op: 'set', key: 'profile', value: { name: 'Ada' } },
        { op: 'increment', key: 'visits', by: 2 },
        { op: 'get', key: 'greeting' },
        { op: 'expire', key: 'greeting' },
        { op: 'delete', key: 'greeting.old' },
      ],
    }),
  },
  answers: {
    200: {
      description: 'What each operation gave.',
      sometimes: ['Idempotent-Replay'],
      content: json('BatchResults', {
        results: [
          { key: 'greeting.lock', checked: true },
          { key: 'greeting', version: 9, created: true },
          { key: 'profile', version: 9, created: false },
          { key: 'visits', value: 7, version: 9 },
          { ...ITEM, contentType: '', version: 9, expiresIn: 3600 },
          { key: 'greeting', version: 9 },
          { key: 'greeting.old', deleted: false },
        ],
      }),
    },
    307: REDIRECT,
  },
  problems: [
    ...BAD_KEY,
    ...WRITE_PROBLEMS,
    'BAD_JSON',
    'BAD_TEXT',
    'BATCH_TOO_LARGE',
    'VALUE_TOO_LARGE',
    { code: 'PRECONDITION_FAILED', status: 412 },
    { code: 'KEY_NOT_FOUND', status: 412 },
    { code: 'NOT_AN_INTEGER', status: 412 },
    { code: 'OUT_OF_RANGE', status: 412 },
  ],
};

/** What a node can be asked about keys. */
export const KEY_PATHS = {
  '/get/{key}': { GET: getValue, HEAD: headOf(getValue) },
  '/set/{key}': {
    PUT: setValue,
    POST: { ...setValue, id: 'setValueByPost', summary: 'Store a value, as PUT does' },
  },
  '/delete/{key}': { DELETE: deleteValue },
  '/increment/{key}': { POST: incrementValue },
  '/expire/{key}': { POST: expireValue },
  '/keys': { GET: listKeys, HEAD: headOf(listKeys) },
  '/export': { GET: exportKeys },
  '/watch': { GET: watchKeys },
  '/batch': { POST: batch },
} as const;
