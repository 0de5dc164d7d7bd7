import { batchOperationSchema, batchSchema } from './parameters-batch.ts';
import { type JsonSchema, wholeSchema } from './parameters-kinds.ts';

/** A schema of the document, by its name there. */
export function ref(name: SchemaName): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

const COUNT: JsonSchema = wholeSchema({ least: 0, most: Number.MAX_SAFE_INTEGER });
const TEXT: JsonSchema = { type: 'string' };
const FLAG: JsonSchema = { type: 'boolean' };
const TEXTS: JsonSchema = { type: 'array', items: TEXT };
const TEXT_OR_NULL: JsonSchema = { type: ['string', 'null'] };
const KEY: JsonSchema = { type: 'string', minLength: 1 };
const VERSION: JsonSchema = {
  ...COUNT,
  description: 'The number of the entry in the log that wrote the value: higher is later.',
};

const STORED = {
  value: { type: 'string', description: 'The bytes, as `encoding` says.' },
  encoding: {
    type: 'string',
    enum: ['utf8', 'base64'],
    description: '`utf8` if the bytes are UTF-8, else `base64`.',
  },
  contentType: { type: 'string', description: 'As it came; empty for text that came without one.' },
  version: VERSION,
  expiresIn: {
    type: 'number',
    minimum: 0,
    description: 'What is left of its time, in seconds; not there when it does not expire.',
  },
};

const INCARNATION = closed('A start of a node on a data directory.', {
  node: TEXT,
  storeId: TEXT,
  boot: COUNT,
});

/** Shapes of bodies that more than one answer has, or that have a name of their own. */
const SCHEMAS = {
  Written: closed('What a write gave.', { key: KEY, version: VERSION }),
  Deleted: closed('What a delete gave.', {
    key: KEY,
    deleted: { ...FLAG, description: 'Whether the key was there.' },
  }),
  Incremented: closed('What an increment gave.', {
    key: KEY,
    value: wholeSchema({ least: Number.MIN_SAFE_INTEGER, most: Number.MAX_SAFE_INTEGER }),
    version: VERSION,
  }),
  Item: withOptional(
    ['expiresIn'],
    closed('A key with its value; `set` in a batch takes its value, encoding and contentType as they are.', {
      key: KEY,
      ...STORED,
    }),
  ),
  KeyPage: closed('A page of keys, in the order of their UTF-8 bytes.', {
    keys: {
      type: 'array',
      items: {
        anyOf: [
          closed('A key without its value.', { key: KEY, version: VERSION }),
          { $ref: '#/components/schemas/Item' },
        ],
      },
    },
    next: { ...TEXT_OR_NULL, description: 'What to pass as `after` for the next page; `null` on the last.' },
  }),
  Batch: batchSchema(),
  BatchOperation: batchOperationSchema(),
  BatchResults: closed('What each operation gave, in order.', {
    results: { type: 'array', items: { $ref: '#/components/schemas/BatchResult' } },
  }),
  BatchResult: {
    description: 'What an operation of a batch gave.',
    oneOf: [
      titled(
        'set',
        closed('A `set`.', {
          key: KEY,
          version: VERSION,
          created: { ...FLAG, description: 'Whether the key was absent.' },
        }),
      ),
      titled('get', { $ref: '#/components/schemas/Item' }),
      titled(
        'get of an absent key',
        closed('A `get` of an absent key.', { key: KEY, value: { type: 'null' }, version: { const: 0 } }),
      ),
      titled(
        'get, replayed',
        closed('A `get` in a replay: outcomes are remembered, values are not.', {
          key: KEY,
          replayed: { const: true },
        }),
      ),
      titled('delete', { $ref: '#/components/schemas/Deleted' }),
      titled('increment', { $ref: '#/components/schemas/Incremented' }),
      titled('expire', { $ref: '#/components/schemas/Written' }),
      titled('check', closed('A `check`.', { key: KEY, checked: { const: true } })),
      titled(
        'failed',
        closed('An operation that failed, with `"atomic": false`.', {
          key: KEY,
          error: closed('As a problem of a single request, with the version that is there (0: absent).', {
            type: TEXT,
            title: TEXT,
            status: COUNT,
            detail: TEXT,
            version: VERSION,
          }),
        }),
      ),
    ],
  },
  Change: withOptional(
    ['value', 'encoding', 'contentType'],
    closed(
      'The `data` of an event `set`, `delete` or `expire` of a watch; the value is in that of a `set`.',
      {
        key: KEY,
        version: VERSION,
        value: STORED.value,
        encoding: STORED.encoding,
        contentType: STORED.contentType,
      },
    ),
  ),
  Redirect: closed('Where the request is answered.', {
    location: { type: 'string', format: 'uri', description: 'The same as the header Location.' },
    node: TEXT,
    hint: TEXT,
  }),
  Configuration: closed('The chain of one epoch.', {
    epoch: COUNT,
    members: { type: 'array', minItems: 1, items: INCARNATION, description: 'Head first, tail last.' },
    joiner: {
      oneOf: [INCARNATION, { type: 'null' }],
      description: 'The replica behind the tail that receives but does not count yet.',
    },
    sealed: { ...FLAG, description: 'The head holds new writes back, for a reorder.' },
    fence: COUNT,
    leaseMs: COUNT,
    reads: { type: 'string', enum: ['tail', 'any'] },
    timeMs: { type: 'number' },
  }),
  TopologyPage: withOptional(
    ['plan'],
    closed('What the cluster should be, and the chain that it is.', {
      topology: { $ref: '#/components/schemas/Topology' },
      version: COUNT,
      configuration: { oneOf: [{ $ref: '#/components/schemas/Configuration' }, { type: 'null' }] },
      problem: { ...TEXT_OR_NULL, description: 'The edit that was refused last, until the next good one.' },
      plan: { ...TEXTS, description: 'Of a coordinator: the steps that are still to be taken, in words.' },
    }),
  ),
  TopologyEdit: closed('What became of an edit.', {
    version: COUNT,
    plan: { ...TEXTS, description: 'The steps that follow, in words.' },
    dryRun: FLAG,
  }),
  Forced: closed('The configuration that was forced.', { epoch: COUNT, survivor: TEXT }),
  History: closed('The configurations that were chosen, newest last, the latest thousand.', {
    configurations: {
      type: 'array',
      items: closed('When a configuration was chosen, why, and what changed.', {
        epoch: COUNT,
        time: { type: 'string', format: 'date-time' },
        reason: TEXT,
        change: TEXT,
        members: TEXTS,
      }),
    },
  }),
  NodeStatus: open('How a node is. More members may come; times are in ms.', {
    node: TEXT,
    role: { type: 'string', enum: ['head', 'middle', 'tail', 'only', 'joiner', 'spare'] },
    epoch: COUNT,
    phase: { type: 'string', enum: ['recovering', 'running', 'sick', 'broken', 'stopping'] },
    problem: TEXT_OR_NULL,
    lately: TEXT_OR_NULL,
    ready: FLAG,
    stopped: FLAG,
    readOnly: FLAG,
    received: COUNT,
    durable: COUNT,
    committed: COUNT,
    keys: COUNT,
    storeBytes: COUNT,
    lag: COUNT,
    durability: { type: 'string', enum: ['sync', 'memory'] },
    predecessor: TEXT_OR_NULL,
    successor: TEXT_OR_NULL,
    lease: open('What lets it answer reads.', {
      needed: FLAG,
      held: FLAG,
      leaseMs: { type: ['number', 'null'] },
      leftMs: { type: 'number' },
      waits: TEXT_OR_NULL,
    }),
    fence: open('For so long nothing is committed.', { epoch: COUNT, waitMs: { type: 'number' } }),
    waiting: open('What a request would wait for now, in words; `null` for nothing.', {
      reads: TEXT_OR_NULL,
      writes: TEXT_OR_NULL,
    }),
    stalledMs: { type: 'number' },
  }),
  CoordinatorStatus: open(
    'What a coordinator has chosen, what it waits for, and what it sees of each node.',
    {
      node: TEXT,
      role: { const: 'coordinator' },
      epoch: COUNT,
      members: TEXTS,
      topologyVersion: COUNT,
      problem: TEXT_OR_NULL,
      waitingFor: { type: 'array' },
      plan: TEXTS,
      nodes: {
        type: 'object',
        additionalProperties: open('What a node said last.', { heard: FLAG }),
      },
    },
  ),
  Health: closed('Well.', {
    well: { const: true },
    reason: { ...TEXT_OR_NULL, description: 'What did no harm lately; mostly `null`.' },
  }),
  Index: open('What this is, and what it can be asked.', {
    catena: TEXT,
    routes: { ...TEXTS, description: 'Methods and path of each route.' },
  }),
} as const satisfies Readonly<Record<string, JsonSchema>>;

/** What `ref` may name: those above, and what `openapi.ts` adds. */
export type SchemaName = keyof typeof SCHEMAS | 'Topology' | 'Problem';

/** All named schemas but those that `openapi.ts` adds. */
export const ANSWER_SCHEMAS: Readonly<Record<string, JsonSchema>> = SCHEMAS;

/** An object with exactly these members. */
function closed(description: string, properties: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return { ...open(description, properties), additionalProperties: false };
}

/** An object with these members, and perhaps more. */
function open(description: string, properties: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return { type: 'object', description, required: Object.keys(properties), properties };
}

function withOptional(names: readonly string[], schema: JsonSchema): JsonSchema {
  const required = (schema.required as readonly string[]).filter((name) => !names.includes(name));
  return { ...schema, required };
}

function titled(title: string, schema: JsonSchema): JsonSchema {
  return { title, ...schema };
}
