import fc from 'fast-check';
import { CHOICE_MAX, Chaos, type ChaosSetup } from '../support/chain-chaos.ts';

const setups: fc.Arbitrary<ChaosSetup> = fc.record({
  nodes: fc.constantFrom(3, 2, 1, 4),
  congestedAbove: fc.constantFrom(Number.POSITIVE_INFINITY, 3, 1),
  waitMs: fc.constantFrom(5000, 100),
  calm: fc.constantFrom(1, 3, 8),
});
const schedules = fc.array(fc.nat(CHOICE_MAX), { minLength: 50, maxLength: 1000, size: 'max' });

// A failure prints the seed, the path and the shrunk schedule: `fc.assert(..., { seed, path, endOnFailure: true })` repeats it.
test('whatever breaks, §10 holds: nothing told is lost, each id counts once, and in the end all are equal', () => {
  fc.assert(
    fc.property(setups, schedules, (setup, schedule) => {
      const chaos = new Chaos(setup);
      chaos.play(schedule);
      chaos.end();
    }),
    { numRuns: 300 },
  );
});
