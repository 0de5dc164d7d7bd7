import { BATCH_OPERATIONS_MAX, type Operation } from '../protocol/command.ts';
import { BY_RANGE, TTL_EXPECTED, TTL_SCHEMA, ttlMsFrom, VERSION_RANGE } from './parameters.ts';
import { type JsonSchema, type WholeRange, wholeSchema } from './parameters-kinds.ts';

/** A member of an operation of a batch: declared once, for those who check it and for those who read of it. */
export interface Field<Value> {
  readonly name: string;
  readonly schema: JsonSchema;
  /** What it has to be, in words. */
  readonly expected: string;
  /** What it says; `undefined` when it is not what is expected. */
  admit(value: unknown): Value | undefined;
}

/** The key; whether its length will do is asked elsewhere. */
export const KEY_FIELD = stringField('key', {
  description: 'The key, 1 to `limits.keyBytes` bytes of UTF-8.',
  minLength: 1,
});

/** The bytes of a value, as text or JSON; `batch.ts` makes a value of it with the two that follow. */
const VALUE_SCHEMA: JsonSchema = {
  description:
    'The value. A string is text, or bytes with `"encoding": "base64"`; anything else is stored as JSON, in the very text that it has here. ' +
    'At most `limits.valueBytes` bytes.',
};
/** How a string stands for bytes. */
export const ENCODING_FIELD: Field<'utf8' | 'base64'> = {
  name: 'encoding',
  schema: {
    type: 'string',
    enum: ['utf8', 'base64'],
    default: 'utf8',
    description: 'How the string `value` stands for bytes.',
  },
  expected: 'give "utf8" or "base64"',
  admit: (value) => (value === 'utf8' || value === 'base64' ? value : undefined),
};
/** Whether the text is a content type is asked elsewhere. */
export const CONTENT_TYPE_FIELD = stringField('contentType', {
  description:
    'The content type that the value has. None for text unless given, `application/octet-stream` for base64, `application/json` for what is no string.',
});
/** The version that a key has to have. */
export const IF_VERSION_FIELD = wholeField('ifVersion', VERSION_RANGE, {
  description: 'Only if the key has this version; 0: only if it is absent.',
});
/** The version that a check asks for. */
export const VERSION_FIELD = wholeField('version', VERSION_RANGE, {
  description: 'The version that the key has to have; 0: it has to be absent.',
});
/** What is added. */
export const BY_FIELD = wholeField('by', BY_RANGE, { description: 'What is added.', default: 1 });
/** Seconds, read as ms; `null` is as good as none. */
export const TTL_FIELD: Field<number | null> = {
  name: 'ttl',
  schema: {
    ...TTL_SCHEMA,
    type: ['number', 'null'],
    description: 'Time to live in seconds; none or `null`: for ever.',
  },
  expected: TTL_EXPECTED,
  admit: (value) => {
    if (value === null) return null;
    return (typeof value === 'number' ? ttlMsFrom(value) : null) ?? undefined;
  },
};

/** What an operation does, and has beside `op` and `key`. */
interface OperationShape {
  readonly description: string;
  readonly required: readonly string[];
  readonly fields: Readonly<Record<string, JsonSchema>>;
}

/** Every operation of a batch. */
const OPERATION_SHAPES: Readonly<Record<Operation['op'], OperationShape>> = {
  set: {
    description: 'Stores a value; one that was there loses its expiry with it.',
    required: ['value'],
    fields: {
      value: VALUE_SCHEMA,
      ...byName(ENCODING_FIELD, CONTENT_TYPE_FIELD, TTL_FIELD, IF_VERSION_FIELD),
    },
  },
  get: { description: 'Reads.', required: [], fields: {} },
  delete: { description: 'Removes the key.', required: [], fields: byName(IF_VERSION_FIELD) },
  increment: {
    description: 'Adds to an integer; an absent key counts as 0.',
    required: [],
    fields: byName(BY_FIELD),
  },
  expire: {
    description: 'Sets the expiry, or lifts it without `ttl`.',
    required: [],
    fields: byName(TTL_FIELD),
  },
  check: {
    description: 'Fails unless the key has this version.',
    required: ['version'],
    fields: byName(VERSION_FIELD),
  },
};

/** The names of the operations. */
export const OPERATION_KINDS = Object.keys(OPERATION_SHAPES) as readonly Operation['op'][];

/** All that an operation may have, by its name. */
export function membersOf(op: Operation['op']): readonly string[] {
  return MEMBERS[op] ?? [];
}

const MEMBERS: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  OPERATION_KINDS.map((op) => [op, ['op', KEY_FIELD.name, ...Object.keys(OPERATION_SHAPES[op].fields)]]),
);

/** What the body of `POST /batch` may hold. */
export const BATCH_FIELDS = {
  operations: {
    expected: `give a list of 1 to ${BATCH_OPERATIONS_MAX} operations`,
    itemsMax: BATCH_OPERATIONS_MAX,
    schema: {
      type: 'array',
      minItems: 1,
      maxItems: BATCH_OPERATIONS_MAX,
      items: { $ref: '#/components/schemas/BatchOperation' },
    },
  },
  atomic: {
    expected: 'give true or false',
    schema: {
      type: 'boolean',
      default: true,
      description:
        'All or none. With `false` each operation stands alone: a failed one has an `error` in its result.',
    },
  },
} as const;

/** The body of `POST /batch` as a schema; its operations are `#/components/schemas/BatchOperation`. */
export function batchSchema(): JsonSchema {
  return {
    type: 'object',
    description: 'Operations that happen at one instant.',
    required: ['operations'],
    additionalProperties: false,
    properties: Object.fromEntries(Object.entries(BATCH_FIELDS).map(([name, { schema }]) => [name, schema])),
  };
}

/** One operation of a batch as a schema. */
export function batchOperationSchema(): JsonSchema {
  return {
    description: 'One thing done to one key. A member that is not listed is refused.',
    oneOf: Object.entries(OPERATION_SHAPES).map(([op, { description, required, fields }]) => ({
      type: 'object',
      title: op,
      description,
      required: ['op', KEY_FIELD.name, ...required],
      additionalProperties: false,
      properties: { op: { const: op }, ...byName(KEY_FIELD), ...fields },
    })),
  };
}

function wholeField(name: string, range: WholeRange, more: JsonSchema): Field<number> {
  return {
    name,
    schema: { ...wholeSchema(range), ...more },
    expected: `give a whole number from ${range.least} to ${range.most}`,
    admit: (value) =>
      typeof value === 'number' && Number.isSafeInteger(value) && value >= range.least && value <= range.most
        ? value + 0
        : undefined,
  };
}

function stringField(name: string, more: JsonSchema): Field<string> {
  return {
    name,
    schema: { type: 'string', ...more },
    expected: 'give a string',
    admit: (value) => (typeof value === 'string' ? value : undefined),
  };
}

function byName(
  ...fields: readonly Pick<Field<unknown>, 'name' | 'schema'>[]
): Readonly<Record<string, JsonSchema>> {
  return Object.fromEntries(fields.map(({ name, schema }) => [name, schema]));
}
