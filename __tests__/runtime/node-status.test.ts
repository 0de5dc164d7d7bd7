import { nodeId } from '../../src/base/ids.ts';
import type { Replica } from '../../src/replica/replica.ts';
import { Store } from '../../src/replica/store.ts';
import { gaugesOf, healthOf, type NodeParts, readinessOf, statusOf } from '../../src/runtime/node-status.ts';
import { at, configuration, incarnation, loneReplica, versionedTopology } from '../support/chain-builders.ts';

const SELF = incarnation('n2');
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
    stopped: false,
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
  const stopping = parts(make(), { stopped: true });
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
