import fc from 'fast-check';
import { AssertionError } from '../../src/base/assert.ts';
import { epoch, NO_SEQ, requestId, type Seq, seq } from '../../src/base/ids.ts';
import { type Entry, weightOf } from '../../src/protocol/entry.ts';
import { Log } from '../../src/replica/log.ts';
import { entry, increment, single } from '../support/builders.ts';

const ADD = single(increment('counter'));

const made = (at: number, inEpoch = 1, timeMs = 0): Entry => entry(ADD, { seq: at, epoch: inEpoch, timeMs });

function logOf(...entries: readonly Entry[]): Log {
  const log = new Log({ committed: NO_SEQ, committedTimeMs: 0, pending: [], runs: [] });
  for (const one of entries) log.append(one);
  return log;
}

const marks = ({ committed, durable, received }: Log): number[] => [committed, durable, received];

test('each watermark moves when its own thing happens (§2)', () => {
  const log = logOf(made(1), made(2), made(3));
  expect(marks(log)).toEqual([0, 0, 3]);
  log.synced(seq(2), 0);
  expect(marks(log)).toEqual([0, 2, 3]);
  expect(log.commitNext().seq).toBe(1);
  expect(marks(log)).toEqual([1, 2, 3]);
});

test('nothing is committed beyond what is durable, nothing durable beyond what is received (I2)', () => {
  const log = logOf(made(1));
  expect(() => log.commitNext()).toThrow(AssertionError);
  expect(() => log.synced(seq(2), 0)).toThrow(AssertionError);
  log.synced(seq(1), 0);
  log.commitNext();
  expect(() => log.commitNext()).toThrow(AssertionError);
  expect(() => log.truncate(seq(0))).toThrow(AssertionError);
});

test.each([
  ['leaves a gap', made(4, 2, 10)],
  ['repeats a seq', made(2, 2, 10)],
  ['is of an earlier epoch', made(3, 1, 10)],
  ['is of an earlier time', made(3, 2, 9)],
])('an entry that %s does not follow (I1)', (_, next) => {
  const log = logOf(made(1), made(2, 2, 10));
  expect(log.follows(next)).toBe(false);
  expect(() => log.append(next)).toThrow(AssertionError);
  expect(log.follows(made(3, 2, 10))).toBe(true);
  expect(log.follows(made(3, 5, 11))).toBe(true);
});

test('a sync that was begun before a truncation counts for nothing (§3)', () => {
  const log = logOf(made(1), made(2), made(3));
  log.synced(seq(1), 0);
  log.truncate(seq(2));
  log.append(made(3, 2));
  log.synced(seq(3), 0);
  expect(marks(log)).toEqual([0, 1, 3]);
  log.synced(seq(3), log.generation);
  expect(marks(log)).toEqual([0, 3, 3]);
});

test('a truncation takes the durable watermark, the weight, the time and the runs back with it (§4)', () => {
  const log = logOf(made(1, 1, 5), made(2, 1, 6), made(3, 3, 9));
  log.synced(seq(3), 0);
  log.truncate(seq(1));
  expect(marks(log)).toEqual([0, 1, 1]);
  expect(log.pendingBytes).toBe(weightOf(ADD));
  expect(log.lastTimeMs).toBe(5);
  expect(log.lastEpoch).toBe(1);
  expect(log.runsAbove(NO_SEQ)).toEqual([{ epoch: 1, lastSeq: 1 }]);
  log.synced(seq(1), log.generation);
  log.commitNext();
  log.append(made(2, 2, 7));
  log.truncate(seq(1));
  expect(log.lastTimeMs).toBe(5);
  expect(log.pendingBytes).toBe(0);
});

test('runs tell which epoch made which stretch (§4)', () => {
  const log = logOf(made(1), made(2), made(3, 4), made(4, 4), made(5, 6));
  expect(log.runsAbove(seq(1))).toEqual([
    { epoch: 1, lastSeq: 2 },
    { epoch: 4, lastSeq: 4 },
    { epoch: 6, lastSeq: 5 },
  ]);
  expect(log.runsAbove(seq(4))).toEqual([{ epoch: 6, lastSeq: 5 }]);
  expect([1, 2, 3, 4, 5, 6].map((at) => log.epochAt(seq(at)))).toEqual([1, 1, 4, 4, 6, null]);
  expect([1, 2, 4, 6].map((number) => log.lastOfEpoch(epoch(number)))).toEqual([2, null, 4, 5]);
});

test('entriesAfter gives as much as it may, and at least one', () => {
  const log = logOf(made(1), made(2), made(3));
  const seqs = (after: number, bytesMax: number): Seq[] =>
    log.entriesAfter(seq(after), bytesMax).map((one) => one.seq);
  expect(seqs(0, 1e6)).toEqual([1, 2, 3]);
  expect(seqs(1, 1e6)).toEqual([2, 3]);
  expect(seqs(0, 1)).toEqual([1]);
  expect(seqs(0, 2 * weightOf(ADD))).toEqual([1, 2]);
  expect(seqs(3, 1e6)).toEqual([]);
});

test('hasPending knows the ids above committed alone', () => {
  const log = logOf({ ...made(1), requestId: requestId('a') }, { ...made(2), requestId: requestId('b') });
  log.synced(seq(2), 0);
  log.commitNext();
  expect(['a', 'b', 'c'].map((id) => log.hasPending(requestId(id)))).toEqual([false, true, false]);
});

test('a recovered log counts as durable, and goes on where it ended', () => {
  const log = new Log({
    committed: seq(2),
    committedTimeMs: 7,
    pending: [made(3, 1, 8), made(4, 2, 9)],
    runs: [
      { epoch: epoch(1), lastSeq: seq(3) },
      { epoch: epoch(2), lastSeq: seq(4) },
    ],
  });
  expect(marks(log)).toEqual([2, 4, 4]);
  expect(log.runsAbove(seq(2))).toEqual([
    { epoch: 1, lastSeq: 3 },
    { epoch: 2, lastSeq: 4 },
  ]);
  expect(log.lastTimeMs).toBe(9);
  expect(log.commitNext().seq).toBe(3);
});

test('a log that is restarted behind a snapshot holds all up to its last entry, and nothing else (§4)', () => {
  const log = logOf(made(1, 1, 3), made(2, 1, 4));
  log.synced(seq(2), 0);
  log.commitNext();
  log.restart({ epoch: epoch(4), seq: seq(9), timeMs: 8 });
  expect(marks(log)).toEqual([9, 9, 9]);
  expect(log).toMatchObject({ generation: 1, pendingBytes: 0, lastTimeMs: 8, lastEpoch: 4 });
  expect(log.runsAbove(NO_SEQ)).toEqual([{ epoch: 4, lastSeq: 9 }]);
  expect([8, 9, 10].map((at) => log.epochAt(seq(at)))).toEqual([null, 4, null]);
  expect(log.entriesAfter(seq(9), 1e6)).toEqual([]);
  expect(log.follows(made(10, 4, 7))).toBe(false);
  log.append(made(10, 5, 8));
  expect(marks(log)).toEqual([9, 9, 10]);
  log.synced(seq(10), 0);
  expect(log.durable).toBe(9);
  log.synced(seq(10), 1);
  expect(log.commitNext().seq).toBe(10);
});

test('no snapshot takes the place of what is committed beyond it (I2)', () => {
  const log = logOf(made(1), made(2));
  log.synced(seq(2), 0);
  log.commitNext();
  log.commitNext();
  expect(() => log.restart({ epoch: epoch(1), seq: seq(1), timeMs: 0 })).toThrow(AssertionError);
});

test('of the first run that was recovered the end alone is known, unless its beginning is told', () => {
  const runs = [
    { epoch: epoch(3), lastSeq: seq(20) },
    { epoch: epoch(5), lastSeq: seq(30) },
  ];
  const found = { committed: seq(30), committedTimeMs: 0, pending: [], runs };
  const epochsOf = (log: Log) => [9, 10, 19, 20, 21, 30].map((at) => log.epochAt(seq(at)));
  expect(epochsOf(new Log(found))).toEqual([null, null, null, 3, 5, 5]);
  expect(epochsOf(new Log({ ...found, runsFrom: seq(10) }))).toEqual([null, 3, 3, 3, 5, 5]);
  expect(new Log({ ...found, runs: runs.slice(1) }).epochAt(seq(30))).toBe(5);
});

type Act = { readonly kind: 'append' | 'sync' | 'commit' | 'truncate'; readonly by: number };

test('whatever happens, the log is the one that a plain list would be, and forgets nothing above committed (I2)', () => {
  const acts: fc.Arbitrary<Act> = fc.record({
    kind: fc.constantFrom('append', 'sync', 'commit', 'truncate'),
    by: fc.nat(1500),
  });
  fc.assert(
    fc.property(fc.array(acts, { maxLength: 60 }), (all) => {
      const log = logOf();
      let list: Entry[] = [];
      let inEpoch = 1;
      for (const { kind, by } of all) {
        if (kind === 'append') {
          for (let count = 0; count < by; count++) {
            list.push(made(list.length + 1, inEpoch, list.length));
            log.append(list[list.length - 1] ?? made(0));
          }
        } else if (kind === 'sync') log.synced(seq(Math.min(list.length, log.durable + by)), log.generation);
        else if (kind === 'commit') {
          for (let count = 0; count < by && log.committed < log.durable; count++) {
            expect(log.commitNext()).toBe(list[log.committed - 1]);
          }
        } else {
          log.truncate(seq(Math.max(log.committed, list.length - by)));
          list = list.slice(0, log.received);
          inEpoch += 1;
        }
        expect(log.entriesAfter(log.committed, 1e9)).toEqual(list.slice(log.committed));
        expect(log.received).toBe(list.length);
        expect(log.pendingBytes).toBe((list.length - log.committed) * weightOf(ADD));
        expect(log.lastEpoch).toBe(list.at(-1)?.epoch ?? 0);
      }
    }),
    { numRuns: 50 },
  );
});

test('a log through which thousands of entries went holds those above `committed`, and only those', () => {
  const log = logOf();
  for (let at = 1; at <= 5000; at++) {
    log.append(made(at));
    log.synced(seq(at), 0);
    if (at > 10) expect(log.commitNext().seq).toBe(at - 10);
  }
  expect(marks(log)).toEqual([4990, 5000, 5000]);
  expect(log.entriesAfter(seq(4990), 1e9).map((one) => one.seq)).toEqual(
    Array.from({ length: 10 }, (_, place) => 4991 + place),
  );
  log.truncate(seq(4995));
  expect(log.pendingBytes).toBe(5 * weightOf(ADD));
});
