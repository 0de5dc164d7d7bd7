import { epoch, NO_EPOCH, NO_SEQ, seq } from '../../src/base/ids.ts';
import { PROTOCOL_VERSION } from '../../src/protocol/messages.ts';
import type { Replica } from '../../src/replica/replica.ts';
import type { Route } from '../../src/runtime/node-service.ts';
import { RouteWaiters, routeOf, whatIsMissing } from '../../src/runtime/routing.ts';
import { at, configuration, incarnation, loneReplica, versionedTopology } from '../support/chain-builders.ts';
import { settle } from '../support/coordinator-world.ts';

const [N1, N2, N3] = [incarnation('n1'), incarnation('n2'), incarnation('n3')];
const CHAIN = configuration(2, [N1, N2, N3]);

/** A replica that has taken up a configuration, and acts in it if it is `saved`. */
function named(self: typeof N1, { chain = CHAIN, saved = true } = {}): Replica {
  const replica = loneReplica(self);
  replica.step({ kind: 'told', configuration: chain, topology: null }, at(0));
  if (saved) replica.step({ kind: 'saved', save: 1 }, at(0));
  return replica;
}

test('a write is taken at the head, and sent there from everywhere else', () => {
  expect(routeOf(named(N1), 'write', NO_EPOCH)).toEqual({ kind: 'here' });
  for (const self of [N2, N3, incarnation('n4')]) {
    expect(routeOf(named(self), 'write', NO_EPOCH)).toEqual({ kind: 'elsewhere', node: 'n1', epoch: 2 });
  }
});

test('a read is sent to the tail, which waits until its predecessor has said its half of the floor', () => {
  expect(routeOf(named(N1), 'read', NO_EPOCH)).toEqual({ kind: 'elsewhere', node: 'n3', epoch: 2 });
  const tail = named(N3);
  expect(routeOf(tail, 'read', NO_EPOCH)).toBeNull();
  expect(whatIsMissing(tail, 'read', NO_EPOCH)).toContain('predecessor');
  greet(tail, 0);
  expect(routeOf(tail, 'read', NO_EPOCH)).toEqual({ kind: 'here' });
});

test('a tail whose predecessor holds more than it knows to be committed shows nothing yet, and names both', () => {
  const tail = named(N3);
  greet(tail, 7);
  expect(routeOf(tail, 'read', NO_EPOCH)).toBeNull();
  expect(whatIsMissing(tail, 'read', NO_EPOCH)).toMatch(/7 .*0 is known to be committed/);
});

test('nobody is sent anywhere by a node that is behind the epoch that they were sent with', () => {
  const node = named(N2);
  expect(routeOf(node, 'write', epoch(2))).toMatchObject({ kind: 'elsewhere' });
  expect(routeOf(node, 'write', epoch(3))).toBeNull();
  expect(whatIsMissing(node, 'write', epoch(3))).toMatch(/epoch 2 .*epoch 3/);
});

test('without a configuration there is nowhere to go, and the coordinator is asked for', () => {
  const spare = loneReplica(N1);
  expect(routeOf(spare, 'write', NO_EPOCH)).toBeNull();
  expect(whatIsMissing(spare, 'write', NO_EPOCH)).toContain('coordinator');
});

test('a head whose configuration is not on disk yet takes nothing, and sends nobody to itself', () => {
  const head = named(N1, { saved: false });
  expect(routeOf(head, 'write', NO_EPOCH)).toBeNull();
  expect(routeOf(head, 'read', NO_EPOCH)).toMatchObject({ kind: 'elsewhere', node: 'n3' });
});

test('a node that has restarted does not send a caller to its earlier self', () => {
  const restarted = named(incarnation('n1', 2));
  expect(routeOf(restarted, 'write', NO_EPOCH)).toBeNull();
  expect(whatIsMissing(restarted, 'write', NO_EPOCH)).toContain('name it in the chain');
});

test('a broken node sends everybody away, and says why', () => {
  const replica = named(N1);
  replica.step({ kind: 'failed', reason: 'the disk is gone' }, at(0));
  expect(routeOf(replica, 'write', NO_EPOCH)).toEqual({
    kind: 'unavailable',
    code: 'BROKEN',
    reason: 'the disk is gone',
  });
});

describe('requests that wait', () => {
  test.each([
    ['read', 1000],
    ['write', 5000],
  ] as const)('a %s waits %d ms and not longer', async (intent, limitMs) => {
    const { waiters, routes, wait } = waiting();
    const replica = loneReplica(N1);
    wait(intent, 100);
    waiters.look(replica, 100 + limitMs - 1);
    await settle();
    expect(routes).toEqual([]);
    waiters.look(replica, 100 + limitMs);
    await settle();
    expect(routes).toEqual([
      { kind: 'unavailable', code: 'NOT_READY', reason: expect.stringContaining('coordinator') },
    ]);
    expect(waiters.count).toBe(0);
  });

  test('are let go as soon as it can be said where to go, the others go on waiting', async () => {
    const { waiters, routes, wait } = waiting();
    wait('write', 0);
    wait('write', 0, 9);
    waiters.look(named(N2), 1);
    await settle();
    expect(routes).toEqual([{ kind: 'elsewhere', node: 'n1', epoch: 2 }]);
    expect(waiters.count).toBe(1);
  });

  test('one that is too late and can be answered is answered', async () => {
    const { waiters, routes, wait } = waiting();
    wait('write', 0);
    waiters.look(named(N1), 99_999);
    await settle();
    expect(routes).toEqual([{ kind: 'here' }]);
  });

  test('during recovery they are told so', async () => {
    const { waiters, routes, wait } = waiting();
    wait('read', 0);
    waiters.look(null, 1000);
    await settle();
    expect(routes).toEqual([{ kind: 'unavailable', code: 'RECOVERING', reason: expect.any(String) }]);
  });

  test('are all sent away when the node stops', async () => {
    const { waiters, routes, wait } = waiting();
    wait('read', 0);
    wait('write', 0);
    waiters.endAll('this node is stopping');
    await settle();
    expect(routes.map(({ kind }) => kind)).toEqual(['unavailable', 'unavailable']);
    expect(waiters.count).toBe(0);
  });
});

function waiting() {
  const waiters = new RouteWaiters();
  const routes: Route[] = [];
  const wait = (intent: 'read' | 'write', nowMs: number, minEpoch = 0) => {
    waiters.wait(intent, epoch(minEpoch), nowMs).then(
      (route) => routes.push(route),
      () => undefined,
    );
  };
  return { waiters, routes, wait };
}

/** The predecessor opens its session. */
function greet(tail: Replica, received: number): void {
  tail.step(
    {
      kind: 'message',
      link: 1,
      message: {
        kind: 'hello',
        protocolVersion: PROTOCOL_VERSION,
        configuration: CHAIN,
        topology: versionedTopology(['n1', 'n2', 'n3']),
        sender: N2,
        received: seq(received),
        fenceMs: 0,
      },
    },
    at(0),
  );
  expect(tail.committed).toBe(NO_SEQ);
}
