import { epoch, seq } from '../../src/base/ids.ts';
import { LogIndex } from '../../src/storage/log-index.ts';
import { Runs } from '../../src/storage/runs.ts';

function runsOf(...runs: [number, number][]): Runs {
  const made = new Runs();
  let at = 0;
  for (const [ofEpoch, lastSeq] of runs) while (at < lastSeq) made.add(epoch(ofEpoch), seq(++at));
  return made;
}

const epochs = (runs: Runs, last: number) =>
  Array.from({ length: last }, (_, place) => runs.epochAt(seq(place + 1)));

test('the epoch of each entry that is held is known, and of no other', () => {
  const runs = runsOf([1, 3], [4, 5]);
  expect(epochs(runs, 6)).toEqual([1, 1, 1, 4, 4, null]);
  runs.forget(seq(3));
  expect(epochs(runs, 6)).toEqual([null, null, 1, 4, 4, null]);
  expect(runs.lastEpoch).toBe(4);
});

test('a truncation cuts the run that it falls into, and one beyond the end changes nothing', () => {
  const runs = runsOf([1, 3], [4, 5], [6, 9]);
  runs.truncate(seq(12));
  expect(runs.list().at(-1)).toEqual({ epoch: 6, lastSeq: 9 });
  runs.truncate(seq(5));
  expect(epochs(runs, 6)).toEqual([1, 1, 1, 4, 4, null]);
  runs.truncate(seq(2));
  expect(runs.list()).toEqual([{ epoch: 1, lastSeq: 2 }]);
  runs.truncate(seq(0));
  expect(runs.list()).toEqual([]);
  runs.add(epoch(7), seq(1));
  expect(epochs(runs, 2)).toEqual([7, null]);
});

test('once all is forgotten nothing is known, until the log goes on', () => {
  const runs = runsOf([1, 3]);
  runs.forget(seq(4));
  expect(epochs(runs, 5)).toEqual([null, null, null, null, null]);
  expect(runs.lastEpoch).toBe(0);
  runs.add(epoch(5), seq(4));
  expect(epochs(runs, 5)).toEqual([null, null, null, 5, null]);
});

test('an epoch that goes back is a programming error', () => {
  const runs = runsOf([4, 3]);
  expect(() => runs.add(epoch(3), seq(4))).toThrow('I1');
});

test('the index of a log whose segments are all forgotten is empty and goes on behind its last entry', () => {
  const index = new LogIndex();
  const record = (segment: number, first: number, last: number) => ({
    segment,
    offset: first * 100,
    end: last * 100 + 100,
    first: seq(first),
    last: seq(last),
  });
  index.add(record(1, 1, 4));
  index.add(record(2, 5, 6));
  index.forget(1);
  expect([index.base, index.last]).toEqual([4, 6]);
  index.forget(2);
  expect([index.base, index.last]).toEqual([6, 6]);
  expect(index.find(seq(6))).toBeUndefined();
  index.add(record(3, 7, 7));
  expect(index.find(seq(7))).toMatchObject({ segment: 3 });
  expect(() => index.startAfter(seq(9))).toThrow('holds entries');
});
