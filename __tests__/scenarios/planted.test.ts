/**
 * Faults planted in the replica that the hand-driven chain finds when it is played at random: its checks (§10) are worth what they
 * catch. Those that take a driver, a disk or rarer luck are for the simulator.
 */
import { type PlantedFault, plant } from '../../src/base/planted.ts';
import { CHOICE_MAX, Chaos } from '../support/chain-chaos.ts';
import { seededRandom } from '../support/memory-disk.ts';

/** Most took a dozen seeds when this was written. */
const SEEDS_MAX = 300;

/** Each with what the chain is seen to do. */
const FOUND: readonly (readonly [PlantedFault, RegExp])[] = [
  ['commit-without-upstream', /^I3: .* is committed, /],
  ['head-answers-alone', /^I3: .* is committed, /],
  ['no-floor', /^I3|^a read at /],
  ['own-floor-only', /^I3|^a read at /],
  ['told-floor-only', /^I3|^a read at /],
  ['snapshot-without-requests', /^I4: /],
  ['expiry-by-own-clock', /^I4: /],
  ['window-by-own-clock', /^I4: /],
  ['last-ack-lost', / not: the /],
  ['dirty-read-not-asked', /^a read at /],
];

afterEach(() => plant(null));

test.each(FOUND)('%s is found, and nothing with the same seed without it', (fault, violation) => {
  plant(fault);
  const { seed, message } = firstViolation();
  expect(message).toMatch(violation);
  plant(null);
  expect(() => play(seed)).not.toThrow();
});

function firstViolation(): { seed: number; message: string } {
  for (let seed = 1; seed <= SEEDS_MAX; seed++) {
    try {
      play(seed);
    } catch (error) {
      return { seed, message: String(error instanceof Error ? error.message : error) };
    }
  }
  throw new Error(`not found with ${SEEDS_MAX} seeds`);
}

/** A chain, its troubles and its clients, as the seed decides. */
function play(seed: number): void {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const oneOf = (choices: readonly number[]): number => choices[below(choices.length)] ?? 0;
  const chaos = new Chaos({
    nodes: oneOf([3, 2, 3, 4]),
    congestedAbove: oneOf([Number.POSITIVE_INFINITY, 3, 1]),
    waitMs: oneOf([5000, 100]),
    calm: oneOf([1, 3, 8]),
  });
  chaos.play(Array.from({ length: 300 + below(700) }, () => below(CHOICE_MAX)));
  chaos.end();
}
