import type { Now } from '../../src/base/now.ts';
import { Fence } from '../../src/replica/fence.ts';
import { Lease } from '../../src/replica/lease.ts';

const at = (monotonicMs: number, wallMs = monotonicMs): Now => ({ monotonicMs, wallMs });

test('a lease counts from when its probe was sent, not from when the grant came (§7)', () => {
  const lease = new Lease();
  const id = lease.probe(at(1000));
  expect(lease.leftMs(at(1100), 200)).toBe(0);
  lease.grant(id);
  expect(lease.leftMs(at(1100), 200)).toBe(100);
  expect(lease.leftMs(at(1200), 200)).toBe(0);
});

test('above the tail it counts from when the probe first came by (§7)', () => {
  const lease = new Lease();
  lease.note(7, at(1000));
  lease.note(7, at(1150));
  lease.grant(7);
  expect(lease.leftMs(at(1150), 200)).toBe(50);
});

test('either clock ends it: a suspended machine stops the monotonic one, a jump moves the wall one (§7)', () => {
  const lease = new Lease();
  lease.grant(lease.probe(at(1000, 5000)));
  expect(lease.leftMs(at(1010, 5010), 200)).toBe(190);
  expect(lease.leftMs(at(1010, 5200), 200)).toBe(0);
  expect(lease.leftMs(at(1200, 5010), 200)).toBe(0);
  expect(lease.leftMs(at(1010, 4000), 200)).toBe(0);
});

test('a grant for what was never asked, or in an epoch that is over, gives nothing', () => {
  const lease = new Lease();
  const id = lease.probe(at(1000));
  lease.grant(id + 1);
  expect(lease.leftMs(at(1000), 200)).toBe(0);
  lease.end();
  lease.grant(id);
  expect(lease.leftMs(at(1000), 200)).toBe(0);
  expect(lease.probe(at(1000))).not.toBe(id);
});

test('a grant that comes late never shortens the lease, and one that is too old is forgotten', () => {
  const lease = new Lease();
  const first = lease.probe(at(1000));
  lease.grant(lease.probe(at(1100)));
  lease.grant(first);
  expect(lease.leftMs(at(1100), 200)).toBe(200);
  const old = lease.probe(at(1200));
  for (let ms = 1201; ms < 1300; ms++) lease.probe(at(ms));
  lease.grant(old);
  expect(lease.leftMs(at(1100), 200)).toBe(200);
});

test('a fence outlasts every lease by the slowest clock, is never shortened, and the later wait counts (§7)', () => {
  const fence = new Fence();
  expect(fence.leftMs(0)).toBe(0);
  fence.raise(1000, 200);
  expect(fence.leftMs(1000)).toBeCloseTo(220);
  fence.raise(1010, 10);
  fence.extend(1010, 5);
  expect(fence.leftMs(1000)).toBeCloseTo(220);
  fence.extend(1100, 300);
  expect(fence.leftMs(1399)).toBeCloseTo(1);
  expect(fence.leftMs(1400)).toBe(0);
});

test('a store that never held a configuration has nothing to wait for at its start (§7)', () => {
  const fence = new Fence();
  fence.raise(1000, 0);
  expect(fence.leftMs(1000)).toBe(0);
});
