import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';

/** JSON that says what other JSON is. */
export type Schema = Readonly<Record<string, unknown>>;

/** A parameter as the document has it. */
export interface ApiParameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly schema: Schema;
  readonly example: unknown;
}

/** Bodies by their content types. */
export type ApiContents = Readonly<Record<string, { readonly schema: Schema; readonly example: unknown }>>;

/** An answer as the document has it, its references followed. */
export interface ApiAnswer {
  readonly description: string;
  readonly headers: Readonly<Record<string, { readonly required?: boolean; readonly schema: Schema }>>;
  readonly content?: ApiContents;
}

interface Described {
  readonly operationId: string;
  readonly servers: readonly { readonly description: string }[];
  readonly parameters: readonly ApiParameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: ApiContents };
  readonly responses: Readonly<Record<string, unknown>>;
}

/** A method of a path of the document. */
export interface ApiOperation extends Described {
  readonly path: string;
  readonly method: string;
  readonly onNodes: boolean;
  readonly onCoordinator: boolean;
}

/** A document as JSON, to be changed by tests. */
export interface RawDocument {
  openapi: string;
  paths: Record<string, Record<string, Record<string, unknown>>>;
  components: Record<string, Record<string, Record<string, unknown>>>;
}

/** An OpenAPI document, asked what it says; JSON is checked against its schemas. */
export class ApiDocument {
  readonly raw: RawDocument;
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });
  readonly #compiled = new Map<Schema, ValidateFunction>();

  constructor(raw: RawDocument) {
    this.raw = raw;
    for (const [name, holds] of Object.entries(FORMATS)) this.#ajv.addFormat(name, holds);
    this.#ajv.addSchema(raw, 'document');
  }

  operations(): readonly ApiOperation[] {
    return Object.entries(this.raw.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, said]) => {
        const described = said as unknown as Described;
        const servers = described.servers.map(({ description }) => description).join();
        return {
          ...described,
          path,
          method: method.toUpperCase(),
          onNodes: /node/.test(servers),
          onCoordinator: /coordinator/.test(servers),
        };
      }),
    );
  }

  operation(id: string): ApiOperation {
    const found = this.operations().find(({ operationId }) => operationId === id);
    if (found === undefined) throw new Error(`the document has no operation ${id}`);
    return found;
  }

  /** `undefined` when the operation isn't answered so. */
  answer({ responses }: ApiOperation, status: number): ApiAnswer | undefined {
    const said = responses[status];
    if (said === undefined) return undefined;
    const answer = this.follow(said) as ApiAnswer;
    const headers = Object.entries(answer.headers).map(([name, header]) => [name, this.follow(header)]);
    return { ...answer, headers: Object.fromEntries(headers) };
  }

  /** What a reference leads to; the thing itself when it is none. */
  follow(thing: unknown): unknown {
    const { $ref } = thing as { $ref?: unknown };
    if (typeof $ref !== 'string') return thing;
    const found = this.at($ref);
    if (found === undefined) throw new Error(`${$ref} leads nowhere`);
    return this.follow(found);
  }

  /** What is at a reference within the document, if there is anything. */
  at(reference: string): unknown {
    const steps = reference.split('/').slice(1);
    return steps.reduce<unknown>(
      (thing, step) =>
        (thing as Record<string, unknown> | undefined)?.[step.replaceAll('~1', '/').replaceAll('~0', '~')],
      this.raw,
    );
  }

  /** What is wrong with `value`, as far as this schema knows. */
  faults(schema: Schema, value: unknown): readonly string[] {
    const validate = this.#compiled.get(schema) ?? this.#ajv.compile(inDocument(schema));
    this.#compiled.set(schema, validate);
    if (validate(value)) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }: ErrorObject) =>
        `${instancePath || 'the value'} ${message} ${JSON.stringify(params)}`,
    );
  }

  /** Whether a schema is one. Compiling it, which `faults` does, follows its references too. */
  isSchema(schema: Schema): boolean {
    return this.#ajv.validateSchema(schema) === true;
  }
}

const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  uri: (text) => URL.canParse(text),
  'date-time': (text) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text),
};

/** The same schema, whose references within the document can be followed from outside. */
function inDocument(schema: Schema): Schema {
  return JSON.parse(JSON.stringify(schema), (key, value: unknown) =>
    key === '$ref' && typeof value === 'string' ? value.replace(/^#/, 'document#') : value,
  ) as Schema;
}
