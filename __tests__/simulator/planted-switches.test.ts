/** The switches of planted faults: that nothing is planted by itself, and that each stands somewhere and says what it breaks. */
import { isPlanted, PLANTED_FAULTS, type PlantedFault, plant } from '../../src/base/planted.ts';
import { sourceFiles } from '../support/source-files.ts';

const NAMES = Object.keys(PLANTED_FAULTS) as PlantedFault[];

afterEach(() => plant(null));

test('without a test that plants it there is no fault', () => {
  expect(NAMES.filter(isPlanted)).toEqual([]);
});

test('the fault that was planted last is there alone, until it is taken out', () => {
  plant('no-lease');
  plant('no-fence');
  expect(NAMES.filter(isPlanted)).toEqual(['no-fence']);
  plant(null);
  expect(NAMES.filter(isPlanted)).toEqual([]);
});

test('every fault has its switch in the rooms that the simulator runs', () => {
  const rooms = /^src\/(replica|coordinator|storage|runtime)\//;
  const code = sourceFiles('src').filter(({ path }) => rooms.test(path));
  const switches = new Set(
    code.flatMap(({ text }) => [...text.matchAll(/isPlanted\(\s*'([a-z-]+)'/g)].map(([, name]) => name)),
  );
  expect(NAMES.filter((name) => !switches.has(name))).toEqual([]);
});

test('every fault says which sentence of PROTOCOL.md it breaks', () => {
  const silent = Object.entries(PLANTED_FAULTS).filter(
    ([, words]) => !/^[A-Z].+\. §\d[.\d]*: .+\.$/s.test(words),
  );
  expect(silent).toEqual([]);
});
