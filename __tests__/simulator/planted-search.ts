import { type PlantedFault, plant } from '../../src/base/planted.ts';
import { makePlan } from '../../src/simulator/chaos.ts';
import { type Failure, run } from '../../src/simulator/run.ts';

/** A fault that is not found within so many seeds means that the simulator is too tame. */
export const SEEDS_MAX = 20_000;

/** How a planted fault was found. */
export interface Found {
  readonly seed: number;
  readonly failure: Failure;
}

/** What comes of a seed with this fault in the code. */
async function failureWith(fault: PlantedFault, seed: number): Promise<Failure | null> {
  plant(fault);
  try {
    return (await run(makePlan(seed))).failure;
  } finally {
    plant(null);
  }
}

/** The first seed from `from` on that fails with the fault and passes without; `null` if none does. */
export async function findPlanted(
  fault: PlantedFault,
  { from, seeds }: { readonly from: number; readonly seeds: number },
): Promise<Found | null> {
  for (let seed = from; seed < from + seeds; seed++) {
    const failure = await failureWith(fault, seed);
    if (failure !== null && (await run(makePlan(seed))).failure === null) return { seed, failure };
  }
  return null;
}
