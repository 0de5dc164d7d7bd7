import { seq } from '../../src/base/ids.ts';
import { Unsynced } from '../../src/runtime/unsynced.ts';

/** Three appends of 10 bytes each, through 2, 4 and 6, at 100, 200 and 300 ms. */
function three(): Unsynced {
  const unsynced = new Unsynced();
  for (const n of [1, 2, 3]) {
    unsynced.appended({ generation: 0, through: seq(2 * n), bytes: 10, sinceMs: 100 * n });
  }
  return unsynced;
}

test('counts from the oldest that is not on the disk', () => {
  const unsynced = three();
  expect([unsynced.bytes, unsynced.sinceMs]).toEqual([30, 100]);
  unsynced.synced(seq(3), 0);
  expect([unsynced.bytes, unsynced.sinceMs]).toEqual([20, 200]);
  unsynced.synced(seq(6), 0);
  expect([unsynced.bytes, unsynced.sinceMs]).toEqual([0, null]);
});

test('what a truncation drops weighs nothing, and has been waited for all the same', () => {
  const unsynced = three();
  unsynced.synced(seq(2), 0);
  unsynced.truncated(seq(3), 1, 900);
  expect([unsynced.bytes, unsynced.sinceMs]).toEqual([0, 200]);
  unsynced.appended({ generation: 1, through: seq(5), bytes: 10, sinceMs: 950 });
  // Of before the truncation: it says nothing of what came behind it.
  unsynced.synced(seq(6), 0);
  expect(unsynced.sinceMs).toBe(200);
  unsynced.synced(seq(3), 1);
  expect([unsynced.bytes, unsynced.sinceMs]).toEqual([10, 950]);
});

test('what stands before a truncation is on the disk when the truncation is', () => {
  const unsynced = three();
  unsynced.truncated(seq(5), 1, 900);
  expect([unsynced.bytes, unsynced.sinceMs]).toEqual([20, 100]);
  unsynced.synced(seq(5), 1);
  expect([unsynced.bytes, unsynced.sinceMs]).toEqual([0, null]);
});

test('a truncation of nothing that is under way is waited for from then on', () => {
  const unsynced = new Unsynced();
  unsynced.truncated(seq(3), 1, 900);
  expect(unsynced.sinceMs).toBe(900);
  unsynced.synced(seq(3), 1);
  expect(unsynced.sinceMs).toBeNull();
});

test('a log that begins anew has nothing under way', () => {
  const unsynced = three();
  unsynced.clear();
  expect([unsynced.bytes, unsynced.sinceMs]).toEqual([0, null]);
});
