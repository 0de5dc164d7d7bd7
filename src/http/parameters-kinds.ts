import { badParameter, type Query } from './query.ts';

/** A JSON Schema of the draft 2020-12, which is that of OpenAPI 3.1. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** What a request may say beside its body: declared once, for those who check it and for those who read of it. */
export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly description: string;
  readonly required?: boolean;
  /** What is taken; what it refuses is answered with a problem that names the parameter. */
  readonly schema: JsonSchema;
  readonly example: string | number | boolean;
}

/** A parameter of the query, and how it is read. */
export interface QueryParameter<Value> extends Parameter {
  readonly in: 'query';
  /** @throws Refusal BAD_PARAMETER when it is anything but what the schema says. */
  read(query: Query): Value;
}

/** A header that is one of few forms, given by a pattern. */
export interface HeaderParameter extends Parameter {
  readonly in: 'header';
  /**
   * The header without the space around it.
   *
   * @throws Refusal BAD_PARAMETER when the pattern doesn't know it.
   */
  check(header: string): string;
}

/** A range of whole numbers, both ends within. */
export interface WholeRange {
  readonly least: number;
  readonly most: number;
}

type Said<P extends Parameter> = Pick<P, 'name' | 'description' | 'example'>;

/** A whole number; `byDefault` when it isn't there. */
export function wholeParameter<Default extends number | null>({
  range,
  byDefault,
  ...said
}: Said<QueryParameter<number>> & {
  readonly range: WholeRange;
  readonly byDefault: Default;
}): QueryParameter<number | Default> {
  return {
    in: 'query',
    ...said,
    schema: { ...wholeSchema(range), ...(byDefault === null ? {} : { default: byDefault }) },
    read: (query) => query.integer(said.name, range) ?? byDefault,
  };
}

/** `true` or `false`; not given means `false`. */
export function flagParameter(said: Said<QueryParameter<boolean>>): QueryParameter<boolean> {
  return {
    in: 'query',
    ...said,
    schema: { type: 'boolean', default: false },
    read: (query) => query.flag(said.name),
  };
}

/** Text, `undefined` when it isn't there; who reads it asks for what else the schema says. */
export function textParameter(
  said: Omit<QueryParameter<string | undefined>, 'in' | 'read'>,
): QueryParameter<string | undefined> {
  return { in: 'query', ...said, read: (query) => query.text(said.name) };
}

/** A header that matches `pattern`; `expected` says in words what that is. */
export function patternHeader({
  pattern,
  expected,
  ...said
}: Said<HeaderParameter> & { readonly pattern: string; readonly expected: string }): HeaderParameter {
  const known = new RegExp(pattern);
  return {
    in: 'header',
    ...said,
    schema: { type: 'string', pattern },
    check: (header) => {
      const text = header.trim();
      if (known.test(text)) return text;
      throw badParameter(said.name, expected);
    },
  };
}

/** The schema of the whole numbers in a range. */
export function wholeSchema({ least, most }: WholeRange): JsonSchema {
  return { type: 'integer', minimum: least, maximum: most };
}
