import { epoch, nodeId, seq } from '../../src/base/ids.ts';
import type { Configuration } from '../../src/protocol/configuration.ts';
import type { Replica } from '../../src/replica/replica.ts';
import { Store } from '../../src/replica/store.ts';
import { type NodeParts, reportOf } from '../../src/runtime/node-parts.ts';
import { gaugesOf, healthOf, readinessOf, statusOf } from '../../src/runtime/node-status.ts';
import {
  at,
  configuration,
  enter,
  hello,
  incarnation,
  loneReplica,
  versionedTopology,
} from '../support/chain-builders.ts';

const SELF = incarnation('n2');
const STOPPING = { phase: 'stopping', reason: 'this node is stopping' } as const;
const CHAIN = configuration(4, [incarnation('n1'), SELF, incarnation('n3')]);

function parts(replica: Replica | null, more: Partial<NodeParts> = {}): NodeParts {
  return {
    node: nodeId('n2'),
    self: SELF,
    replica,
    store: replica?.store ?? new Store(),
    storage: null,
    topology: versionedTopology(['n1', 'n2', 'n3']),
    coordinatorConnected: true,
    waitingRequests: 0,
    reads: { clean: 0, dirty: 0 },
    watching: { watchers: 0, cut: 0 },
    transfer: null,
    stalledMs: 0,
    trouble: null,
    wellness: { sick: null, lately: null },
    ended: null,
    now: at(0),
    ...more,
  };
}

function named(chain = CHAIN): Replica {
  const replica = loneReplica(SELF);
  replica.step({ kind: 'told', configuration: chain, topology: null }, at(0));
  replica.step({ kind: 'saved', save: 1 }, at(0));
  return replica;
}

test('before the boot count is raised nobody is named', () => {
  const said = statusOf(parts(null, { self: null }));
  expect(said).toMatchObject({ phase: 'recovering', incarnation: null, predecessor: null, successor: null });
  expect(said).toMatchObject({ role: 'spare', epoch: 0, received: 0, durable: 0, committed: 0, lag: 0 });
});

test('while it recovers the process is well but not ready, with the reason', () => {
  const recovering = parts(null);
  expect(healthOf(recovering)).toEqual({ well: true, reason: null });
  expect(readinessOf(recovering)).toEqual({ well: false, reason: 'this node is still reading its log' });
  expect(statusOf(recovering).waiting).toEqual({
    reads: 'this node is still reading its log',
    writes: 'this node is still reading its log',
  });
});

test('a member names its neighbours, and is ready to redirect', () => {
  const said = statusOf(parts(named()));
  expect(said).toMatchObject({
    phase: 'running',
    role: 'middle',
    epoch: 4,
    predecessor: 'n1',
    successor: 'n3',
  });
  expect(said.waiting).toEqual({ reads: null, writes: null });
  expect(readinessOf(parts(named()))).toEqual({ well: true, reason: null });
});

test('a spare with a configuration is ready: it redirects', () => {
  const spare = parts(named(configuration(4, [incarnation('n1')])));
  expect(statusOf(spare)).toMatchObject({ role: 'spare', predecessor: null, successor: null, ready: false });
  expect(readinessOf(spare)).toEqual({ well: true, reason: null });
});

test('without a configuration it is well, and waits for the coordinator', () => {
  const waiting = parts(loneReplica(SELF));
  expect(healthOf(waiting).well).toBe(true);
  expect(readinessOf(waiting)).toEqual({ well: false, reason: expect.stringContaining('coordinator') });
});

test('a tail that serves no reads yet is not ready, though it redirects writes', () => {
  const tail = parts(named(configuration(4, [incarnation('n1'), SELF])));
  expect(statusOf(tail).waiting).toEqual({ reads: expect.stringContaining('predecessor'), writes: null });
  expect(readinessOf(tail).well).toBe(false);
});

test('a broken node is neither well nor ready, and says why', () => {
  const replica = named();
  replica.step({ kind: 'failed', reason: 'the disk is full' }, at(0));
  const broken = parts(replica);
  expect(healthOf(broken)).toEqual({ well: false, reason: 'the disk is full' });
  expect(readinessOf(broken)).toEqual({ well: false, reason: 'the disk is full' });
  expect(statusOf(broken)).toMatchObject({ phase: 'broken', problem: 'the disk is full', ready: false });
});

test.each([
  ['recovering', () => null],
  ['running', () => named()],
])('a node that stops while %s is neither well nor ready', (_, make) => {
  const stopping = parts(make(), { ended: STOPPING });
  expect(healthOf(stopping)).toEqual({ well: false, reason: 'this node is stopping' });
  expect(readinessOf(stopping)).toEqual({ well: false, reason: 'this node is stopping' });
  expect(statusOf(stopping)).toMatchObject({ phase: 'stopping' });
});

test('every gauge is a number in every phase, under the same names', () => {
  const broken = named();
  broken.step({ kind: 'failed', reason: 'gone' }, at(0));
  const all = [null, loneReplica(SELF), named(), broken].map((replica) => gaugesOf(parts(replica)));
  for (const gauges of all) {
    expect(Object.keys(gauges)).toEqual(Object.keys(all[0] ?? {}));
    expect(Object.values(gauges).every(Number.isFinite)).toBe(true);
  }
});

test('status is JSON through and through', () => {
  for (const replica of [null, named()]) {
    const said = statusOf(parts(replica));
    expect(JSON.parse(JSON.stringify(said))).toEqual(said);
  }
});

describe('what a node waits for is said in words', () => {
  const LAST = incarnation('n3');

  /** n3, the tail, in session with its predecessor. */
  function tail(chain: Configuration, fenceMs = 0): Replica {
    const replica = loneReplica(LAST);
    enter(replica, chain);
    const greeting = { ...hello(chain, SELF), fenceMs };
    replica.step({ kind: 'message', link: 1, message: greeting }, at(0));
    replica.step({ kind: 'message', link: 1, message: { kind: 'resume', after: seq(0) } }, at(0));
    return replica;
  }

  const waiting = (replica: Replica, nowMs = 0) =>
    statusOf(parts(replica, { self: replica.self, now: at(nowMs) }));

  test('the lease', () => {
    const replica = tail(CHAIN);
    expect(waiting(replica)).toMatchObject({
      lease: { needed: true, held: false, leaseMs: 200, leftMs: 0, waits: expect.any(String) },
      waiting: { reads: expect.stringContaining('lease'), writes: null },
    });
    replica.step({ kind: 'message', link: 1, message: { kind: 'grant', id: 1 } }, at(50));
    expect(waiting(replica, 50)).toMatchObject({
      lease: { needed: true, held: true, leftMs: 150, waits: null },
      waiting: { reads: null, writes: null },
    });
    expect(waiting(replica, 200)).toMatchObject({ lease: { held: false } });
  });

  test('the fence, with the time left', () => {
    const head = loneReplica(incarnation('n1'));
    enter(head, { ...configuration(4, [incarnation('n1')]), fence: epoch(4) });
    const said = waiting(head, 90);
    expect(said).toMatchObject({ fence: { epoch: 4, waitMs: 130 }, waiting: { reads: null } });
    expect(said.waiting).toMatchObject({ writes: expect.stringMatching(/fence: leases .* another 130 ms/) });
    expect(readinessOf(parts(head, { now: at(90) })).well).toBe(true);
    expect(waiting(head, 221)).toMatchObject({ fence: { waitMs: 0 }, waiting: { writes: null } });
  });

  test('a seal, during which a write still is answered here', () => {
    const head = loneReplica(incarnation('n1'));
    enter(head, { ...configuration(4, [incarnation('n1')]), sealed: true });
    expect(waiting(head, 1000).waiting).toMatchObject({ writes: expect.stringContaining('seal') });
  });

  test('that it was asked to serve no more reads', () => {
    const replica = tail(CHAIN);
    replica.step({ kind: 'stop-serving', epoch: epoch(4) }, at(0));
    expect(waiting(replica)).toMatchObject({ stopped: true });
    expect(waiting(replica).waiting).toMatchObject({
      reads: expect.stringContaining('asked to serve no more'),
    });
  });
});

test('a sick node says why, and is ready: it answers, if only with a refusal', () => {
  const head = loneReplica(incarnation('n1'));
  enter(head, configuration(4, [incarnation('n1')]));
  head.step({ kind: 'disk-failed', reason: 'the disk is full' }, at(1000));
  const sick = parts(head, { now: at(1000), trouble: { code: 'DISK_FULL', reason: 'the disk is full' } });
  expect(statusOf(sick)).toMatchObject({ phase: 'sick', problem: 'the disk is full', readOnly: true });
  expect(healthOf(sick)).toEqual({ well: false, reason: 'the disk is full' });
  expect(readinessOf(sick)).toEqual({ well: true, reason: null });
  expect(gaugesOf(sick)).toMatchObject({ sick: 1 });
  expect(reportOf(sick, head.self)).toMatchObject({ phase: 'sick', problem: 'the disk is full' });
});

test('a fault of the clock that did no harm is shown by a node that is well', () => {
  const held = parts(named(), { wellness: { sick: null, lately: 'it was held up' } });
  expect(healthOf(held)).toEqual({ well: true, reason: 'it was held up' });
  expect(statusOf(held)).toMatchObject({ phase: 'running', problem: null, lately: 'it was held up' });
});

test('faults of the clock again and again are a sickness', () => {
  const sick = parts(named(), { wellness: { sick: 'again', lately: 'it was held up' } });
  expect(healthOf(sick)).toEqual({ well: false, reason: 'again' });
  expect(reportOf(sick, SELF)).toMatchObject({ phase: 'sick', problem: 'again' });
});

test('a node that could not start is broken with the reason, and one whose log is damaged too', () => {
  const ended = parts(null, { ended: { phase: 'broken', reason: 'no space' } });
  const damaged = parts(null, { trouble: { code: 'CORRUPT', reason: 'no sense' } });
  for (const [broken, reason] of [
    [ended, 'no space'],
    [damaged, 'no sense'],
  ] as const) {
    expect(statusOf(broken)).toMatchObject({ phase: 'broken', problem: reason });
    expect(healthOf(broken)).toEqual({ well: false, reason });
    expect(readinessOf(broken)).toEqual({ well: false, reason });
    expect(reportOf(broken, SELF)).toMatchObject({
      phase: 'broken',
      problem: reason,
      empty: false,
      ready: false,
    });
  }
});

test('the state transfer is shown with its rate, and reported without', () => {
  const progress = { bytes: 5, bytesTotal: 10, keys: 1, keysTotal: 2 };
  const joining = parts(named(), { transfer: { ...progress, bytesPerSecond: 7, secondsLeft: 1 } });
  expect(statusOf(joining).transfer).toMatchObject({ bytes: 5, bytesPerSecond: 7, secondsLeft: 1 });
  expect(reportOf(joining, SELF).transfer).toEqual(progress);
});
