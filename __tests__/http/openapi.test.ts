import { readFileSync } from 'node:fs';
import { createCoordinatorServer } from '../../src/http/coordinator-server.ts';
import { openApiDocument } from '../../src/http/openapi.ts';
import { Refusal } from '../../src/http/problem.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { topologyJsonSchema } from '../../src/topology/schema.ts';
import { FakeCoordinatorService } from '../support/fake-coordinator-service.ts';
import { ApiDocument, type RawDocument, type Schema } from '../support/openapi-document.ts';
import { afterwards, call, FakeLogger, startNode } from './harness.ts';

const FILE = JSON.parse(readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8')) as RawDocument;
const document = new ApiDocument(FILE);

test('openapi.json is what the code says (node scripts/write-openapi.ts writes it)', () => {
  expect(FILE).toEqual(JSON.parse(JSON.stringify(openApiDocument())));
});

test('a node and a coordinator serve it, and say so in their lists', async () => {
  const service = new FakeCoordinatorService();
  const server = createCoordinatorServer({ service, logger: new FakeLogger(), clock: systemClock });
  await server.listen({ hosts: ['127.0.0.1'], port: 0 });
  afterwards(() => server.close(0));
  for (const url of [(await startNode()).url, `http://127.0.0.1:${server.port()}`]) {
    const { status, headers, body } = await call(`${url}/openapi.json`);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/json');
    expect(body).toEqual(FILE);
    const head = await call(`${url}/openapi.json`, { method: 'HEAD' });
    expect(head).toMatchObject({ status: 200, text: '' });
    expect((await call(url)).body).toMatchObject({
      routes: expect.arrayContaining(['GET, HEAD /openapi.json']),
    });
  }
});

describe('it is OpenAPI 3.1', () => {
  test('with all that it has to have', () => {
    expect(FILE).toMatchObject({
      openapi: expect.stringMatching(/^3\.1\.\d+$/),
      info: { title: expect.any(String), version: expect.any(String) },
    });
    for (const { responses } of document.operations()) {
      expect(Object.keys(responses).length).toBeGreaterThan(0);
      for (const status of Object.keys(responses)) expect(status).toMatch(/^[1-5]\d\d$/);
    }
    for (const group of Object.values(FILE.components)) {
      for (const name of Object.keys(group)) expect(name).toMatch(/^[a-zA-Z0-9._-]+$/);
    }
  });

  test('in which every reference leads somewhere, and everything that can be referred to is', () => {
    const references = new Set<string>();
    visit(FILE, (node) => {
      if (typeof node.$ref === 'string') references.add(node.$ref);
    });
    expect([...references].filter((reference) => document.at(reference) === undefined)).toEqual([]);
    const components = Object.entries(FILE.components).flatMap(([group, named]) =>
      Object.keys(named).map((name) => `#/components/${group}/${name}`),
    );
    expect(components.filter((component) => !references.has(component))).toEqual([]);
  });

  test('in which every schema is one, and every example is what its schema says', () => {
    const wrong: string[] = [];
    for (const { at, schema, example } of schemas()) {
      if (!document.isSchema(schema)) wrong.push(`${at}: not a schema`);
      if (example === undefined) document.faults(schema, null);
      else wrong.push(...document.faults(schema, example).map((fault) => `${at}: example: ${fault}`));
    }
    expect(wrong).toEqual([]);
  });

  test('in which every operation has a name of its own, and declares the parameters of its path', () => {
    const ids = document.operations().map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, parameters } of document.operations()) {
      const declared = parameters.filter((parameter) => parameter.in === 'path');
      expect(declared.map(({ name }) => `{${name}}`)).toEqual(path.match(/\{\w+\}/g) ?? []);
      expect(declared.every(({ required }) => required === true)).toBe(true);
      const names = parameters.map((parameter) => `${parameter.in} ${parameter.name}`);
      expect(new Set(names).size).toBe(names.length);
      // OpenAPI has these ignored: content types are told by the bodies.
      expect(names.filter((name) => /^header (accept|content-type|authorization)$/i.test(name))).toEqual([]);
    }
  });
});

test('a topology is described as the file that it may stand in', () => {
  const { description: _file, $schema, ...schema } = topologyJsonSchema();
  expect(FILE.components.schemas?.Topology).toMatchObject(schema);
});

test('problems are named as they are answered, and a status says all that it may stand for', () => {
  const types = FILE.components.schemas?.Problem as { properties: { type: { enum: readonly string[] } } };
  expect(types.properties.type.enum).toContain(new Refusal('STORE_FULL', '').problem().type);
  for (const operation of document.operations()) {
    for (const status of Object.keys(operation.responses).map(Number)) {
      const problem = document.answer(operation, status)?.content?.['application/problem+json']?.schema as
        | { properties: { type: { enum: readonly string[] } } }
        | undefined;
      if (operation.method === 'HEAD' || status < 400) expect(problem).toBeUndefined();
      else
        expect(types.properties.type.enum).toEqual(
          expect.arrayContaining([...(problem?.properties.type.enum ?? ['none'])]),
        );
    }
  }
});

/** Every schema of the document that stands by itself, with the example beside it. */
function schemas(): { at: string; schema: Schema; example: unknown }[] {
  const found: { at: string; schema: Schema; example: unknown }[] = [];
  for (const [name, schema] of Object.entries(FILE.components.schemas ?? {})) {
    found.push({ at: name, schema, example: undefined });
  }
  for (const part of [FILE.paths, FILE.components.responses, FILE.components.headers]) {
    visit(part, (node, at) => {
      if (typeof node.schema === 'object' && node.schema !== null && !at.includes('/example')) {
        found.push({ at, schema: node.schema as Schema, example: node.example });
      }
    });
  }
  return found;
}

function visit(node: unknown, look: (node: Record<string, unknown>, at: string) => void, at = ''): void {
  if (typeof node !== 'object' || node === null) return;
  if (!Array.isArray(node)) look(node as Record<string, unknown>, at);
  for (const [name, child] of Object.entries(node)) visit(child, look, `${at}/${name}`);
}
