import { REQUEST_ID_BYTES_MAX } from '../protocol/request-id.ts';
import {
  flagParameter,
  type Parameter,
  patternHeader,
  type QueryParameter,
  textParameter,
  type WholeRange,
  wholeParameter,
} from './parameters-kinds.ts';
import { badParameter } from './query.ts';

/** The longest time to live, in seconds: ten years. */
const TTL_SECONDS_MAX = 315_360_000;
const PAGE_KEYS_DEFAULT = 100;
const PAGE_KEYS_MAX = 1000;

/** What an increment may add: integers that a double holds exactly. */
export const BY_RANGE: WholeRange = { least: Number.MIN_SAFE_INTEGER, most: Number.MAX_SAFE_INTEGER };
/** Versions as callers may name them; 0 stands for "absent" where that makes sense. */
export const VERSION_RANGE: WholeRange = { least: 0, most: Number.MAX_SAFE_INTEGER };

/** What a time to live has to be, in words. */
export const TTL_EXPECTED = `give seconds, above 0 and at most ${TTL_SECONDS_MAX} (ten years)`;
/** The same as a schema. */
export const TTL_SCHEMA = { type: 'number', exclusiveMinimum: 0, maximum: TTL_SECONDS_MAX } as const;

/** Seconds as ms, at least one; `null` when they are no time to live. */
export function ttlMsFrom(seconds: number): number | null {
  if (!(seconds > 0 && seconds <= TTL_SECONDS_MAX)) return null;
  return Math.max(1, Math.round(seconds * 1000));
}

/** The key in a path. `request.ts` reads it, from the path as it came. */
export const KEY: Parameter = {
  name: 'key',
  in: 'path',
  required: true,
  description:
    'The key: percent-encoded UTF-8, 1 to `limits.keyBytes` bytes (1024 unless the topology says else). Encode all but letters, digits ' +
    'and `-._~`, as `encodeURIComponent` does: a slash as `%2F`, a `%` as `%25`. A bare slash is a part of the key too, where your ' +
    'client leaves the path as it is. `+` stands for itself. A longer key is 414.',
  schema: { type: 'string', minLength: 1, 'x-catena-limit': 'limits.keyBytes' },
  example: 'greeting',
};

/** In ms, from seconds with or without a fraction; `null` when it isn't given. */
export const TTL: QueryParameter<number | null> = {
  name: 'ttl',
  in: 'query',
  description:
    'Time to live in seconds, fractions allowed, at most ten years. The value is removed when it is over.',
  schema: TTL_SCHEMA,
  example: 3600,
  read: (query) => {
    const text = query.text('ttl');
    if (text === undefined) return null;
    const ttlMs = ttlMsFrom(/^(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : Number.NaN);
    if (ttlMs === null) throw badParameter('ttl', TTL_EXPECTED);
    return ttlMs;
  },
};

/** What is added. */
export const BY = wholeParameter({
  name: 'by',
  range: BY_RANGE,
  byDefault: 1,
  description: 'What is added, below 0 to subtract.',
  example: 5,
});

/** As it is in the query: `keys.ts` holds it to the limit. */
export const PREFIX = textParameter({
  name: 'prefix',
  description: 'Only keys that begin with this; all unless given. At most `limits.keyBytes` bytes.',
  schema: { type: 'string', 'x-catena-limit': 'limits.keyBytes' },
  example: 'gree',
});

/** As it is in the query: `keys.ts` holds it to the limit. */
export const AFTER = textParameter({
  name: 'after',
  description: 'Only keys behind this one: the `next` of the page before. At most `limits.keyBytes` bytes.',
  schema: { type: 'string', 'x-catena-limit': 'limits.keyBytes' },
  example: 'a',
});

/** How many keys a page has at most. */
export const LIMIT = wholeParameter({
  name: 'limit',
  range: { least: 1, most: PAGE_KEYS_MAX },
  byDefault: PAGE_KEYS_DEFAULT,
  description: 'How many keys a page has at most.',
  example: 10,
});

/** Whether a page has the values too. */
export const VALUES = flagParameter({
  name: 'values',
  description:
    'Whether the page has the values too. It then ends after 4 MiB of JSON, even if it has fewer keys than `limit`.',
  example: true,
});

/** Whether the node passes the request on itself. */
export const FORWARD = flagParameter({
  name: 'forward',
  description:
    'Whether the node passes the request on itself and hands back the answer, instead of a 307: for callers that follow no redirects, ' +
    'and for web pages, whose browser loses the origin over one.',
  example: true,
});

/** The epoch that a redirect came with. */
export const EPOCH = wholeParameter({
  name: 'epoch',
  range: VERSION_RANGE,
  byDefault: 0,
  description:
    'An epoch that the node has to have learned before it answers or redirects. A `Location` has it while the chain changes; there is no need to set it.',
  example: 1,
});

const REQUEST_ID_SCHEMA = {
  type: 'string',
  minLength: 1,
  'x-catena-bytes-max': REQUEST_ID_BYTES_MAX,
} as const;

/** `request.ts` reads it, with `IDEMPOTENCY_KEY`. */
export const REQUEST_ID = textParameter({
  name: 'request-id',
  description: `The same as the header Idempotency-Key, for callers that can't set one: 1 to ${REQUEST_ID_BYTES_MAX} bytes.`,
  schema: REQUEST_ID_SCHEMA,
  example: '6f1c2d1e-1',
});

/** `request.ts` reads it, with `REQUEST_ID`. */
export const IDEMPOTENCY_KEY: Parameter = {
  name: 'Idempotency-Key',
  in: 'header',
  description:
    `Makes a retry safe: a write under an id that was seen within the last ten minutes is not done again, but answered with the first outcome. 1 to ${REQUEST_ID_BYTES_MAX} ` +
    'bytes of UTF-8; take a new one, such as a UUID, for every write.',
  schema: REQUEST_ID_SCHEMA,
  example: '6f1c2d1e-2',
};

/** A condition on a write. */
export const IF_MATCH = patternHeader({
  name: 'If-Match',
  pattern: '^(?:\\*|"\\d{1,16}")$',
  expected: 'give one version in quotes, as an ETag has it, or *',
  description:
    'Only if the key has this version, as the `ETag` had it, or with `*` if it is there at all; else 412. Excludes If-None-Match.',
  example: '*',
});

/** A condition on an edit of the topology. */
export const IF_MATCH_TOPOLOGY: Parameter = {
  ...IF_MATCH,
  description:
    'Only if the topology has this version still, as the `ETag` of `GET /topology` had it; else 412.',
};

/** A condition on a write. */
export const IF_NONE_MATCH_WRITE = patternHeader({
  name: 'If-None-Match',
  pattern: '^\\*$',
  expected: 'a write takes * alone, for a key that must not exist',
  description: 'Only if the key is absent; else 412. Excludes If-Match.',
  example: '*',
});

/** A read's: any text is taken, and what is no version matches none. */
export const IF_NONE_MATCH_READ: Parameter = {
  name: 'If-None-Match',
  in: 'header',
  description:
    'Versions that the caller has, as `ETag`s, in a list, or `*`: one of them is answered with 304 and no body.',
  schema: { type: 'string' },
  example: '"1", "2"',
};

/** The version behind which a watch begins; `null`: with what is committed from now on. */
export const SINCE = wholeParameter({
  name: 'since',
  range: VERSION_RANGE,
  byDefault: null,
  description:
    'Begin with the first change behind this version; with what is committed from now on unless given.',
  example: 0,
});

/** What a browser sends by itself when it resumes a stream. */
export const LAST_EVENT_ID: Parameter = {
  name: 'Last-Event-ID',
  in: 'header',
  description:
    'The last `id` of the stream that is resumed: goes before `since`. Browsers send it by themselves.',
  schema: { type: 'string', pattern: '^\\d{1,16}$' },
  example: '0',
};

/** Whether an edit only says what it would do. */
export const DRY_RUN = flagParameter({
  name: 'dry-run',
  description:
    'Only says what would be done: `version` is the one that the edit would get, and nothing is changed.',
  example: true,
});

/** The node that a forced configuration is made of. */
export const SURVIVOR = textParameter({
  name: 'survivor',
  required: true,
  description: 'The node that is to be the whole chain, whatever the others hold.',
  schema: { type: 'string', minLength: 1 },
  example: 'n1',
});

/** What has to be said to force a configuration. */
export const CONFIRMATION = 'data-may-be-lost';

/** Says that the operator knows what forcing does. */
export const CONFIRM = textParameter({
  name: 'confirm',
  required: true,
  description: 'Says that every acknowledged write that the survivor does not hold may be lost.',
  schema: { type: 'string', const: CONFIRMATION },
  example: CONFIRMATION,
});
