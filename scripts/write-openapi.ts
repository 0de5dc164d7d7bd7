/** Writes `openapi.json` from the declarations in the code; `npm run fix` then lays it out. */
import { writeFileSync } from 'node:fs';
import { openApiText } from '../src/http/openapi.ts';

writeFileSync(new URL('../openapi.json', import.meta.url), openApiText());
