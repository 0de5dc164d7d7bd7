import { readFileSync } from 'node:fs';
import { topologyJsonSchema } from '../../src/topology/schema.ts';

const file = new URL('../../topology/topology.schema.json', import.meta.url);

test('topology.schema.json is what the code says (node scripts/write-schema.ts writes it)', () => {
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(topologyJsonSchema());
});

test('every property is described, and none beside them is allowed', () => {
  const undescribed: string[] = [];
  const visit = (schema: unknown, at: string): void => {
    if (typeof schema !== 'object' || schema === null) return;
    const { properties, additionalProperties } = schema as Record<string, unknown>;
    if (properties !== undefined && additionalProperties !== false) undescribed.push(`${at} is open`);
    visit(additionalProperties, `${at}/*`);
    for (const [name, property] of Object.entries(
      (properties ?? {}) as Record<string, { description?: string }>,
    )) {
      if (!property.description) undescribed.push(`${at}/${name}`);
      visit(property, `${at}/${name}`);
    }
  };
  visit(topologyJsonSchema(), '');
  expect(undescribed).toEqual([]);
});

test('only what has no default is required', () => {
  expect(topologyJsonSchema()).toMatchObject({
    required: ['name', 'replicas', 'chain', 'nodes', 'coordinators'],
  });
});
