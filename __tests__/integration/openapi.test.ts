import { readFileSync } from 'node:fs';
import { Cluster, type TopologyText, until } from '../support/cluster.ts';
import {
  ApiDocument,
  type ApiOperation,
  type RawDocument,
  type Schema,
} from '../support/openapi-document.ts';
import { type Exchanged, type Got, type Sent, send, undocumented } from '../support/openapi-exchange.ts';
import { provoking } from '../support/openapi-provoking.ts';
import { exampleRequests, type Instead, requestWith, textsFor } from '../support/openapi-requests.ts';

const TEXT = readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8');
const document = new ApiDocument(JSON.parse(TEXT) as RawDocument);
/** Small, so that they are soon passed. */
const LIMITS = { keyBytes: 64, valueBytes: 5000, batchBytes: 8000, storeBytes: 100_000 };
/** Later than any: a node waits for it in vain. */
const NEVER = String(Number.MAX_SAFE_INTEGER);

/**
 * What a chain that is well can't be made to answer in a moment. Other tests have the slow request (408) and the change that is no
 * longer held (410); the rest are troubles of a process, its disk or the coordinator.
 */
const EXCUSED = [408, 500];
/** The same of single operations. */
const UNPROVOKED: Readonly<Record<string, readonly number[]>> = {
  watchKeys: [410],
  deleteValue: [507],
  expireValue: [507],
  getHealth: [503],
  headGetHealth: [503],
  getReadiness: [503],
  headGetReadiness: [503],
  putTopology: [503],
  force: [503],
};

const CHAIN = ['n1', 'n2', 'n3'];
/** A node that is in no chain: even a watch is redirected by it. */
const SPARE = 'n4';

/** Types of problems that say the same. */
const TROUBLES = [
  'internal',
  'recovering',
  'broken',
  'overloaded',
  'forward-failed',
  'outcome-unknown',
  'read-only',
];

let cluster: Cluster;
let topology: TopologyText;
/** Everything that was asked and answered in the walk. */
const walked: Exchanged[] = [];

beforeAll(async () => {
  cluster = await Cluster.make([...CHAIN, SPARE], (text) => {
    text.replicas = CHAIN.length;
    text.limits = LIMITS;
  });
  cluster.startAll();
  await cluster.ready();
  await cluster.whole(3);
  topology = (await cluster.view()).topology;
  for (const operation of document.operations()) {
    // The document's examples speak of it, and one of them deletes it.
    await send(cluster.url('n1'), { method: 'PUT', target: '/set/greeting', body: 'hello' });
    await walk(operation);
  }
  await Promise.all(document.operations().map(waitInVain));
  await fillTheStore();
}, 120_000);
afterAll(() => cluster.remove());

test('the document has the routes that are served, and no others', async () => {
  for (const [server, has] of [
    ['n1', ({ onNodes }: ApiOperation) => onNodes],
    ['c1', ({ onCoordinator }: ApiOperation) => onCoordinator],
  ] as const) {
    const { body } = await send(cluster.url(server), { method: 'GET', target: '/' });
    const { routes } = JSON.parse(body) as { routes: readonly string[] };
    const served = routes.flatMap((route) => {
      const cut = route.lastIndexOf(' ');
      return route
        .slice(0, cut)
        .split(', ')
        .map((method) => `${method} ${route.slice(cut + 1).replace('KEY', '{key}')}`);
    });
    const documented = document
      .operations()
      .filter(has)
      .map(({ method, path }) => `${method} ${path}`);
    expect([...served, 'GET /', 'HEAD /'].sort()).toEqual(documented.sort());
  }
});

test('every process serves the document', async () => {
  for (const name of [...cluster.nodes, cluster.coordinator]) {
    const { body } = await send(cluster.url(name), { method: 'GET', target: '/openapi.json' });
    expect(JSON.parse(body)).toEqual(document.raw);
  }
});

test('every answer is documented: its status, its headers, its content type and its body', () => {
  expect(walked.length).toBeGreaterThan(300);
  const problems = walked.filter(({ got }) => got.status >= 400 && got.body !== '');
  expect(new Set(problems.map(({ got }) => JSON.parse(got.body).type)).size).toBeGreaterThan(15);
  expect(walked.flatMap((exchanged) => undocumented(document, exchanged))).toEqual([]);
});

test('every status that is documented is answered, but for those of a process in trouble', () => {
  const unseen = document.operations().flatMap((operation) => {
    const { operationId, responses, method } = operation;
    const seen = answersOf(operation).map(({ status }) => status);
    const excused = [...EXCUSED, ...(UNPROVOKED[operationId] ?? []), ...(method === 'HEAD' ? [431] : [])];
    return Object.keys(responses)
      .map(Number)
      .filter((status) => !seen.includes(status) && !excused.includes(status))
      .map((status) => `${operationId} ${status}`);
  });
  expect(unseen).toEqual(['force 200']);
});

test('every type of problem that a status may stand for is answered, but for those of a process in trouble', () => {
  const unseen = document
    .operations()
    .filter(({ method }) => method !== 'HEAD')
    .flatMap((operation) => {
      const seen = answersOf(operation).map(typeOf);
      return Object.keys(operation.responses)
        .map(Number)
        .filter((status) => !(UNPROVOKED[operation.operationId] ?? []).includes(status))
        .flatMap((status) => problemTypes(operation, status))
        .filter((type) => !seen.includes(type) && !TROUBLES.includes(type.replace(/^.*:/, '')))
        .map((type) => `${operation.operationId} ${type}`);
    });
  expect(unseen).toEqual([]);
});

test('a parameter that its schema refuses is refused by name, and one that it takes is taken', async () => {
  const asked = document.operations().flatMap((operation) => operation.parameters);
  expect(asked.length).toBeGreaterThan(60);
  expect(await parameterFaults(document, document.operations())).toEqual([]);
}, 60_000);

test('a key that is none is refused as 400, one that is too long as 414', async () => {
  for (const operation of document.operations().filter(({ path }) => path.endsWith('{key}'))) {
    for (const [key, status] of [
      ['', 400],
      ['%ff', 400],
      ['x'.repeat(LIMITS.keyBytes), null],
      ['x'.repeat(LIMITS.keyBytes + 1), 414],
      ['%C3%BC'.repeat(LIMITS.keyBytes / 2 + 1), 414],
    ] as const) {
      const target = operation.path.replace('{key}', key);
      const got = await send(answering(operation), { method: operation.method, target });
      if (status === null) expect([200, 201, 404]).toContain(got.status);
      else expect([operation.operationId, key, got.status]).toEqual([operation.operationId, key, status]);
    }
  }
});

test('a parameter of the query that comes twice is refused by name', async () => {
  for (const operation of document.operations().filter(({ method }) => method !== 'HEAD')) {
    for (const parameter of operation.parameters.filter((it) => it.in === 'query')) {
      const text = String(parameter.example);
      const sent = requestWith(operation, { parameter, text, times: 2, instead: insteadFor(operation) });
      const got = await send(answering(operation), sent);
      expect([operation.operationId, got.status, parameterOf(got)]).toEqual([
        operation.operationId,
        400,
        parameter.name,
      ]);
    }
  }
});

test('a batch that its schema refuses is refused with the place of the fault, and one that it takes is taken', async () => {
  const batch = document.operation('batch');
  const values = [null, true, 0, -1, 1.5, 2 ** 53, 315_360_001, '', 'x', 'utf8', [], {}, undefined];
  const wrong: string[] = [];
  for (const { title, required, properties } of operationSchemas()) {
    const whole = {
      op: title,
      key: 'k',
      ...Object.fromEntries(required.flatMap((name) => EXAMPLES[name] ?? [])),
    };
    for (const name of [...Object.keys(properties), 'unknown']) {
      for (const value of values) {
        const body = { atomic: false, operations: [{ ...whole, [name]: value }] };
        const text = JSON.stringify(body);
        const taken = document.faults(batchSchema(), JSON.parse(text)).length === 0;
        const sent: Sent = { method: 'POST', target: '/batch', body: text };
        const got = await send(answering(batch), sent);
        wrong.push(...undocumented(document, { operation: 'batch', sent, got }));
        const pointer = got.status === 400 ? (JSON.parse(got.body) as { pointer?: string }).pointer : null;
        // Whether a text is a content type, the schema doesn't say.
        if (taken && (pointer === null || name === 'contentType')) continue;
        if (!taken && pointer === `/operations/0/${name}`) continue;
        wrong.push(`${taken ? 'taken' : 'refused'}: ${text} ${got.status} ${got.body}`);
      }
    }
  }
  expect(wrong).toEqual([]);
});

test('a body of a batch that its schema refuses is refused with the place of the fault', async () => {
  const operations = [{ op: 'get', key: 'greeting' }];
  for (const [body, pointer] of [
    [[], ''],
    [{}, '/operations'],
    [{ operations: [] }, '/operations'],
    [{ operations: {} }, '/operations'],
    [{ operations, atomic: 'no' }, '/atomic'],
    [{ operations, atomic: null }, '/atomic'],
    [{ operations, unknown: true }, '/unknown'],
    [{ operations: [...operations, 5] }, '/operations/1'],
    [{ operations: [{ ...operations[0], op: 'rename' }] }, '/operations/0/op'],
  ] as const) {
    expect(document.faults(batchSchema(), body)).not.toEqual([]);
    const got = await send(cluster.url('n3'), {
      method: 'POST',
      target: '/batch',
      body: JSON.stringify(body),
    });
    expect([got.status, JSON.parse(got.body)]).toEqual([400, expect.objectContaining({ pointer })]);
  }
});

describe('a wrong document is seen', () => {
  const faultsWith = (change: (raw: RawDocument) => void): readonly string[] => {
    const raw = JSON.parse(TEXT) as RawDocument;
    change(raw);
    const changed = new ApiDocument(raw);
    return walked.flatMap((exchanged) => undocumented(changed, exchanged));
  };
  const answers = (raw: RawDocument, path: string, method: string) =>
    raw.paths[path]?.[method]?.responses as Record<
      string,
      { headers: Record<string, unknown>; content: Record<string, unknown> }
    >;

  test('that lacks a status', () => {
    const faults = faultsWith((raw) => delete answers(raw, '/get/{key}', 'get')['304']);
    expect(faults).toContainEqual(expect.stringMatching(/^GET \/get\/\S+ 304 the status is not documented/));
  });

  test('with another schema', () => {
    const faults = faultsWith((raw) => {
      Object.assign(raw.components.schemas?.Written?.properties ?? {}, { version: { type: 'string' } });
    });
    expect(faults).toContainEqual(expect.stringMatching(/^PUT \/set\/\S+ 20[01] \/version must be string/));
  });

  test('that lacks a member', () => {
    const faults = faultsWith((raw) => {
      delete (raw.components.schemas?.History?.properties as Record<string, unknown> | undefined)
        ?.configurations;
    });
    expect(faults).toContainEqual(expect.stringMatching(/^GET \/history 200 .*must NOT have additional/));
  });

  test('that lacks a header, or has one that is not sent', () => {
    const lacking = faultsWith((raw) => delete answers(raw, '/set/{key}', 'put')['200']?.headers.ETag);
    expect(lacking).toContainEqual(expect.stringMatching(/the header etag is not documented/));
    const added = faultsWith((raw) => {
      Object.assign(answers(raw, '/keys', 'get')['200']?.headers ?? {}, {
        ETag: { required: true, schema: {} },
      });
    });
    expect(added).toContainEqual(expect.stringMatching(/^GET \/keys\S* 200 the header etag is missing/));
  });

  test('with another content type', () => {
    const faults = faultsWith((raw) => {
      const answer = answers(raw, '/export', 'get')['200'];
      if (answer !== undefined) answer.content = { 'text/csv': { schema: {} } };
    });
    expect(faults).toContainEqual(
      expect.stringMatching(/^GET \/export\S* 200 the content type application\/x-ndjson/),
    );
  });

  test('that takes what is refused, or refuses what is taken', async () => {
    const faultsOf = async (limit: Schema) => {
      const raw = JSON.parse(TEXT) as RawDocument;
      const changed = new ApiDocument(raw);
      const listKeys = changed.operation('listKeys');
      Object.assign(listKeys.parameters.find(({ name }) => name === 'limit')?.schema ?? {}, limit);
      return await parameterFaults(changed, [listKeys]);
    };
    expect(await faultsOf({})).toEqual([]);
    expect(await faultsOf({ maximum: 2000 })).toContainEqual(expect.stringMatching(/^taken: .*limit=2000/));
    expect(await faultsOf({ maximum: 500 })).toContainEqual(expect.stringMatching(/^refused: .*limit=501/));
  });

  test('with another type of problem', () => {
    const faults = faultsWith((raw) => {
      const changed = new ApiDocument(raw);
      const problem = changed.answer(changed.operation('getValue'), 404)?.content?.[
        'application/problem+json'
      ];
      const { type } = (problem?.schema.properties ?? {}) as Record<string, object>;
      Object.assign(type ?? {}, { enum: ['urn:other'] });
    });
    expect(faults).toContainEqual(expect.stringMatching(/^GET \/get\/\S+ 404 \/type must be equal/));
  });
});

test('of the last node that is left, force makes a chain, as it is said', async () => {
  const force = document.operation('force');
  const [sent] = exampleRequests(force);
  if (sent === undefined) throw new Error('there is an example of force');
  await Promise.all(['n2', 'n3', SPARE].map((name) => cluster.end(name, 'SIGKILL')));
  let got: Got | null = null;
  await until(async () => {
    got = await send(cluster.url('c1'), sent);
    expect(undocumented(document, { operation: 'force', sent, got })).toEqual([]);
    return got.status === 200;
  }, 'n1 to be forced');
}, 60_000);

/** Asks all that the document's examples have, of everybody who serves it, and then what has it answered otherwise. */
async function walk(operation: ApiOperation): Promise<void> {
  const { operationId, onNodes, onCoordinator } = operation;
  const bases = [...(onNodes ? cluster.nodes : []), ...(onCoordinator ? ['c1'] : [])].map((name) =>
    cluster.url(name),
  );
  const examples = exampleRequests(operation, insteadFor(operation));
  for (const base of bases) for (const sent of examples) await ask(operation, sent, base);
  const [plain] = examples;
  if (plain === undefined) throw new Error(`${operationId} has no example`);
  await ask(operation, { ...plain, headers: { ...plain.headers, Origin: 'http://evil.example' } });
  // What does not fit is answered before it is known that HEAD was asked, so with a body, which Node's client takes ill.
  if (operation.method !== 'HEAD') {
    await ask(operation, { ...plain, headers: { ...plain.headers, 'X-Long': 'x'.repeat(80_000) } });
  }
  await ask(operation, { ...plain, hostless: true });
  if (operation.path.endsWith('{key}')) {
    for (const key of ['', '%ff', 'x'.repeat(LIMITS.keyBytes + 1)]) {
      await ask(operation, { ...plain, target: operation.path.replace('{key}', key) });
    }
  }
  for (const more of provoking(operation, { topology, limits: LIMITS }))
    await ask(operation, { ...plain, ...more });
}

/** Where the server takes a text for a parameter that the document refuses, or the other way round, or does not name it. */
async function parameterFaults(of: ApiDocument, operations: readonly ApiOperation[]): Promise<string[]> {
  const asked = operations.flatMap((operation) =>
    operation.parameters
      .filter((parameter) => parameter.in !== 'path')
      .flatMap((parameter) =>
        textsFor(of, parameter, LIMITS).map(({ text, taken }) => ({ operation, parameter, text, taken })),
      ),
  );
  const faults = await Promise.all(
    asked.map(async ({ operation, parameter, text, taken }) => {
      const sent = requestWith(operation, { parameter, text, instead: insteadFor(operation) });
      const got = await send(answering(operation), sent);
      const unknown = undocumented(document, { operation: operation.operationId, sent, got });
      const refused = got.status === 400;
      const named = operation.method === 'HEAD' || (refused && parameterOf(got) === parameter.name);
      // What is yet to come is no version to watch from: that a schema can't know.
      const futile = taken && named && /^(since|last-event-id)$/i.test(parameter.name) && Number(text) > 1;
      const right = futile || (taken ? !refused : refused && named);
      const fault = `${taken ? 'taken' : 'refused'}: ${sent.target} ${JSON.stringify(sent.headers)} ${got.status} ${got.body}`;
      return right ? unknown : [fault, ...unknown];
    }),
  );
  return faults.flat();
}

/** Asks for what can't be answered before the node has learned an epoch that will not be, or that is none. */
async function waitInVain(operation: ApiOperation): Promise<void> {
  const [plain] = exampleRequests(operation, insteadFor(operation));
  if (plain === undefined || !operation.parameters.some(({ name }) => name === 'epoch')) return;
  await ask(operation, { ...plain, target: withQuery(plain.target, 'epoch=x') });
  await ask(operation, { ...plain, target: withQuery(plain.target, `epoch=${NEVER}`) });
}

async function ask(operation: ApiOperation, sent: Sent, base = answering(operation)): Promise<Got> {
  const got = await send(base, sent);
  walked.push({ operation: operation.operationId, sent, got });
  return got;
}

/** Writes until no more is taken, and then tries what would take more still. */
async function fillTheStore(): Promise<void> {
  const set = document.operation('setValue');
  const body = 'x'.repeat(LIMITS.valueBytes);
  let status = 0;
  for (let count = 0; status !== 507 && count < 100; count++) {
    ({ status } = await ask(set, { method: 'PUT', target: `/set/fill-${count}`, body }));
  }
  await ask(document.operation('setValueByPost'), { method: 'POST', target: '/set/more', body });
  const operations = [{ op: 'set', key: 'more', value: body }];
  await ask(document.operation('batch'), {
    method: 'POST',
    target: '/batch',
    body: JSON.stringify({ operations }),
  });
  // What is left is too little for a value, and enough for many integers.
  for (let count = 0; status !== 0 && count < 2000; count++) {
    const sent = { method: 'POST', target: `/increment/${'i'.repeat(50)}${count}` };
    if ((await ask(document.operation('incrementValue'), sent)).status === 507) break;
  }
  for (let count = 0; count < 20; count++) {
    await send(cluster.url('n1'), { method: 'DELETE', target: `/delete/fill-${count}` });
  }
}

/** The one that answers it, rather than redirect: the tail reads, the head writes. */
function answering({ method, onCoordinator, path }: ApiOperation): string {
  if (onCoordinator) return cluster.url('c1');
  const reads = method === 'GET' || method === 'HEAD';
  return cluster.url(reads && path !== '/watch' ? 'n3' : 'n1');
}

/** The document's topology is that of other machines, and its survivor is in no need of force. */
function insteadFor({ operationId }: ApiOperation): Instead {
  if (operationId === 'putTopology') return { body: JSON.stringify(topology) };
  return operationId === 'force' ? { survivor: 'n9' } : {};
}

function answersOf({ operationId }: ApiOperation): readonly Got[] {
  return walked.filter(({ operation }) => operation === operationId).map(({ got }) => got);
}

/** The types that the document has for this status. */
function problemTypes(operation: ApiOperation, status: number): readonly string[] {
  const problem = document.answer(operation, status)?.content?.['application/problem+json'];
  const { type } = (problem?.schema.properties ?? {}) as { type?: { enum: readonly string[] } };
  return type?.enum ?? [];
}

function typeOf({ status, body }: Got): string | undefined {
  return status < 400 || body === '' ? undefined : (JSON.parse(body) as { type: string }).type;
}

function parameterOf({ body }: Got): string | undefined {
  if (body === '') return undefined;
  return (JSON.parse(body) as { parameter?: string }).parameter;
}

function withQuery(target: string, query: string): string {
  return `${target}${target.includes('?') ? '&' : '?'}${query}`;
}

/** What the members of an operation may be, that have to be there. */
const EXAMPLES: Readonly<Record<string, readonly [string, unknown][]>> = {
  value: [['value', 'text']],
  version: [['version', 0]],
};

function batchSchema(): Schema {
  return document.operation('batch').requestBody?.content['application/json']?.schema ?? {};
}

function operationSchemas() {
  const schema = document.raw.components.schemas?.BatchOperation as {
    oneOf: readonly { title: string; required: readonly string[]; properties: Record<string, Schema> }[];
  };
  return schema.oneOf;
}
