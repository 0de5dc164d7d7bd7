/**
 * How many seeds it takes to find each planted fault, from seed 1 on: `node __tests__/simulator/planted-table.ts [FAULT ...]`.
 * What was found goes into planted-seeds.json, where the test begins to look.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { PLANTED_FAULTS, type PlantedFault } from '../../src/base/planted.ts';
import { findPlanted, SEEDS_MAX } from './planted-search.ts';

const FILE = new URL('./planted-seeds.json', import.meta.url);

const asked = process.argv.slice(2);
const faults = Object.keys(PLANTED_FAULTS) as PlantedFault[];
for (const fault of faults.filter((name) => asked.length === 0 || asked.includes(name))) {
  const found = await findPlanted(fault, { from: 1, seeds: SEEDS_MAX });
  console.log(
    `| \`${fault}\` | ${found?.seed ?? `not in ${SEEDS_MAX}`} | ${found?.failure.invariant ?? ''} |`,
  );
  if (found) remember(fault, found.seed);
}

function remember(fault: PlantedFault, seed: number): void {
  const seeds = JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, number>;
  const all = { ...seeds, [fault]: seed };
  const sorted = Object.fromEntries(faults.flatMap((name) => (name in all ? [[name, all[name]]] : [])));
  writeFileSync(FILE, `${JSON.stringify(sorted, null, 2)}\n`);
}
