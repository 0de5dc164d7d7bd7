/** Every planted fault is found by the simulator. PROTOCOL.md §11, and more in storage, drivers and coordinator. */
import { PLANTED_FAULTS, type PlantedFault } from '../../src/base/planted.ts';
import { findPlanted, SEEDS_MAX } from './planted-search.ts';
import planted from './planted-seeds.json' with { type: 'json' };

/** So far it is looked from there, for a change of the simulator or the code moves what a seed does. */
const SEEDS = 60;

/** By fault: the first seed, counted from 1, that found it when the table was made: so many seeds it took. */
const FIRST_SEEDS: Readonly<Record<string, number>> = planted;
const faults = Object.keys(PLANTED_FAULTS) as PlantedFault[];

test('every planted fault stands in the table, found within the seeds that it may take', () => {
  expect(Object.keys(FIRST_SEEDS).sort()).toEqual([...faults].sort());
  expect(Math.max(...Object.values(FIRST_SEEDS))).toBeLessThanOrEqual(SEEDS_MAX);
});

test.each(faults.map((fault) => [fault, FIRST_SEEDS[fault] ?? 1] as const))(
  '%s is found: it took %d seeds from the first, and the seed passes without it',
  async (fault, seed) => {
    const found = await findPlanted(fault, { from: seed, seeds: SEEDS });
    if (found === null) throw new Error(`look anew: node __tests__/simulator/planted-table.ts ${fault}`);
    expect(found.failure.invariant).toMatch(/^(I[1-6]|crash)$/);
  },
  300_000,
);
