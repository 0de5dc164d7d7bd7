import type { ErrorCode } from '../base/errors.ts';
import { topologyJsonSchema } from '../topology/schema.ts';
import {
  byStatus,
  type CodeAt,
  describeCodes,
  namesOf,
  type ProblemsOfStatus,
  problemContent,
  problemSchema,
} from './openapi-problems.ts';
import { ANSWER_SCHEMAS } from './openapi-schemas.ts';
import { PATHS } from './operations.ts';
import type { AnswerHeader, AnswerSaid, Operation, ServerKind } from './operations-kinds.ts';
import { IDEMPOTENCY_KEY } from './parameters.ts';
import type { JsonSchema, Parameter } from './parameters-kinds.ts';

/** What is true of the whole interface. */
const DESCRIPTION = `Any node takes any request: what another one answers is redirected there with 307, or passed on with \`forward=true\`. Keys are served by nodes, edits of the topology by the coordinator.

Unknown parameters are ignored; a known one that comes twice is refused. Every path answers OPTIONS with \`Allow\`, and another method with 405 (\`method-not-allowed\`); a path that is not here is 404 (\`no-such-route\`). Errors are \`application/problem+json\`. A request with an \`Origin\` that is not one of the cluster's own, or of the topology's \`origins\`, is 403.`;

const SERVERS: Readonly<Record<ServerKind, JsonSchema>> = {
  node: server('A node: any will do.', '4466'),
  coordinator: server('The coordinator.', '4460'),
};

const TAGS = [
  { name: 'keys', description: 'Reading and writing, at any node.' },
  { name: 'cluster', description: 'What the cluster should be, and what it is.' },
  { name: 'process', description: 'How a node or a coordinator is.' },
];

const HEADERS_AT = '#/components/headers/';

/** What every request may be answered with. */
const EVERYWHERE: readonly (ErrorCode | CodeAt)[] = [
  'BAD_REQUEST',
  'FORBIDDEN_ORIGIN',
  { code: 'BAD_REQUEST', status: 408 },
  { code: 'BAD_REQUEST', status: 431 },
  'INTERNAL',
];
/** The refusals that a retry under the same id is given again. */
const REMEMBERED: readonly number[] = [404, 409, 412];

const TEXT = { type: 'string' };
/** The headers of answers. */
const HEADERS: Readonly<Record<AnswerHeader | 'Catena-Node' | 'Catena-Role' | 'Catena-Epoch', JsonSchema>> = {
  'Catena-Node': header('Who answered.', TEXT),
  'Catena-Role': header('What it is.', {
    enum: ['head', 'middle', 'tail', 'only', 'joiner', 'spare', 'coordinator'],
  }),
  'Catena-Epoch': header('The epoch that a node holds; a coordinator sends none.', {
    type: 'integer',
    minimum: 0,
  }),
  'Cache-Control': header('What changes is not to be kept.', { const: 'no-store' }),
  ETag: header('The version in quotes: what If-Match and If-None-Match take.', {
    type: 'string',
    pattern: '^"\\d+"$',
  }),
  'Expires-In': header(
    'What is left of the time of the value, in seconds; not there when it does not expire.',
    {
      type: 'number',
      minimum: 0,
    },
  ),
  'Idempotent-Replay': header('The write was done before, under the same id: this is what came of it then.', {
    const: 'true',
  }),
  Location: header('Where to send the request.', { type: 'string', format: 'uri' }),
  'Retry-After': header('After how many seconds to try again.', { type: 'integer', minimum: 0 }),
  Vary: header('The answer depends on this header of the request.', TEXT),
  'X-Accel-Buffering': header('A proxy is not to gather the stream.', { const: 'no' }),
  'X-Content-Type-Options': header('Browsers are not to guess another type.', { const: 'nosniff' }),
  'Content-Security-Policy': header('Keeps a browser from running what somebody stored.', TEXT),
};

/** The interface of nodes and coordinators as OpenAPI 3.1, made of the declarations that requests are checked by. */
export function openApiDocument(): JsonSchema {
  const shared = new SharedAnswers();
  const paths = Object.fromEntries(
    Object.entries(PATHS).map(([path, methods]) => [path, pathObject(methods, shared)]),
  );
  const responses = shared.components();
  return {
    openapi: '3.1.1',
    info: {
      title: 'catena',
      version: '1',
      summary: 'A key-value store replicated by chain replication',
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [SERVERS.node, SERVERS.coordinator],
    tags: TAGS,
    paths,
    components: {
      headers: headersOf([paths, responses]),
      responses,
      schemas: { ...ANSWER_SCHEMAS, Problem: problemSchema(), Topology: topologySchema() },
    },
  };
}

let made: string | null = null;

/** The document as it is served, made once. */
export function openApiText(): string {
  made ??= JSON.stringify(openApiDocument());
  return made;
}

function pathObject(methods: Readonly<Record<string, Operation>>, shared: SharedAnswers): JsonSchema {
  return Object.fromEntries(
    Object.entries(methods).map(([method, operation]) => [
      method.toLowerCase(),
      operationObject(operation, shared, { bodyless: method === 'HEAD' }),
    ]),
  );
}

function operationObject(
  operation: Operation,
  shared: SharedAnswers,
  { bodyless }: { bodyless: boolean },
): JsonSchema {
  const { id, summary, description, tag, on, parameters, body, answers } = operation;
  return {
    operationId: id,
    summary,
    ...(description === undefined ? {} : { description }),
    tags: [tag],
    servers: on.map((kind) => SERVERS[kind]),
    parameters: parameters.map(parameterObject),
    ...(body === undefined ? {} : { requestBody: body }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, answer]) => [status, answerObject(answer, on)]),
      ),
      ...Object.fromEntries(
        byStatus([...EVERYWHERE, ...operation.problems]).map((problems) => [
          problems.status,
          shared.problem(problems, {
            retried: parameters.includes(IDEMPOTENCY_KEY),
            ofNodes: !on.includes('coordinator'),
            bodyless,
          }),
        ]),
      ),
    },
  };
}

/** Answers that many operations have, each told once. */
class SharedAnswers {
  readonly #components = new Map<string, JsonSchema>();

  /** A reference to the answer that these problems are told by. `retried`: the operation takes the id of a retry. */
  problem(
    problems: ProblemsOfStatus,
    { retried, ofNodes, bodyless }: { retried: boolean; ofNodes: boolean; bodyless: boolean },
  ): JsonSchema {
    const { status, codes } = problems;
    const replayed = retried && REMEMBERED.includes(status);
    const kinds = [replayed && 'replayed', !ofNodes && 'any', bodyless && 'head'];
    const name = [status, ...namesOf(codes), ...kinds.filter((kind) => kind !== false)].join('.');
    const answer: AnswerSaid = {
      description: describeCodes(codes),
      always: status === 503 ? ['Retry-After'] : [],
      sometimes: [
        ...(status === 412 ? (['ETag'] as const) : []),
        ...(status === 404 && !retried ? (['Vary'] as const) : []),
        ...(replayed ? (['Idempotent-Replay'] as const) : []),
      ],
      ...(bodyless ? {} : { content: { 'application/problem+json': problemContent(problems) } }),
    };
    this.#components.set(name, answerObject(answer, ofNodes ? ['node'] : ['node', 'coordinator']));
    return { $ref: `#/components/responses/${name}` };
  }

  /** What the references lead to. */
  components(): JsonSchema {
    return Object.fromEntries([...this.#components].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

/** An absent `required` means false, and a parameter of a path has to have it. */
function parameterObject({ name, in: where, description, required, schema, example }: Parameter): JsonSchema {
  return { name, in: where, description, ...(required === true ? { required } : {}), schema, example };
}

function answerObject(
  { description, always = [], sometimes = [], content }: AnswerSaid,
  on: readonly ServerKind[],
): JsonSchema {
  const ofNodes = on.includes('coordinator') ? optional('Catena-Epoch') : 'Catena-Epoch';
  const names = ['Catena-Node', 'Catena-Role', ofNodes, ...always, ...sometimes.map(optional)];
  const headers = names.map((name) => [nameOf(name), { $ref: HEADERS_AT + name }]);
  return {
    description,
    headers: Object.fromEntries(headers),
    ...(content === undefined ? {} : { content }),
  };
}

/** The schema that the file is checked by. It is of an older draft, of which it uses nothing that has changed since. */
function topologySchema(): JsonSchema {
  const { $schema: _draft, description: _file, ...schema } = topologyJsonSchema();
  return { ...schema, description: 'What a cluster should be.' };
}

/** The headers that `parts` refer to, some of them twice, since a reference can't say whether one is always there. */
function headersOf(parts: readonly unknown[]): JsonSchema {
  const text = JSON.stringify(parts);
  const all = Object.entries(HEADERS).flatMap(([name, said]): [string, JsonSchema][] => [
    [name, { ...said, required: true }],
    [optional(name), said],
  ]);
  return Object.fromEntries(all.filter(([name]) => text.includes(`"${HEADERS_AT}${name}"`)));
}

function optional(name: string): string {
  return `${name}.optional`;
}

function nameOf(component: string): string {
  return component.replace(/\.optional$/, '');
}

function server(description: string, port: string): JsonSchema {
  return {
    url: 'http://{host}:{port}',
    description,
    variables: { host: { default: 'localhost' }, port: { default: port } },
  };
}

function header(description: string, schema: JsonSchema): JsonSchema {
  return { description, schema };
}
