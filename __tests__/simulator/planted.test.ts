/** Every planted fault is found by the simulator. PROTOCOL.md §11, and more in storage, drivers and coordinator. */
import { PLANTED_FAULTS, type PlantedFault } from '../../src/base/planted.ts';
import { findPlanted, SEEDS_MAX } from './planted-search.ts';
import planted from './planted-seeds.json' with { type: 'json' };

/** By fault: the first seed, counted from 1, that finds it: so many seeds it takes. */
const FIRST_SEEDS: Readonly<Record<string, number>> = planted;
const faults = Object.keys(PLANTED_FAULTS) as PlantedFault[];

/** Where it was found when the seeds were written down; a changed simulator has to look anew, from the beginning. */
async function find(fault: PlantedFault) {
  const from = FIRST_SEEDS[fault] ?? 1;
  return (
    (await findPlanted(fault, { from, seeds: 1 })) ??
    (await findPlanted(fault, { from: 1, seeds: SEEDS_MAX }))
  );
}

test.each(faults.map((fault) => [fault, FIRST_SEEDS[fault]] as const))(
  '%s is found (first by seed %d), and that seed passes without it',
  async (fault) => {
    const found = await find(fault);
    expect(found).not.toBeNull();
    expect(found?.failure.invariant).toMatch(/^(I[1-6]|crash)$/);
  },
  1_800_000,
);
