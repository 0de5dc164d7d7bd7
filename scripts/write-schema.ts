/** Writes `topology/topology.schema.json` from the one schema in the code; `npm run fix` then lays it out. */
import { writeFileSync } from 'node:fs';
import { topologyJsonSchema } from '../src/topology/schema.ts';

const file = new URL('../topology/topology.schema.json', import.meta.url);
writeFileSync(file, `${JSON.stringify(topologyJsonSchema(), null, 2)}\n`);
