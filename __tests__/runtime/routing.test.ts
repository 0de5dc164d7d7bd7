import { epoch, NO_EPOCH, NO_SEQ, seq } from '../../src/base/ids.ts';
import { PROTOCOL_VERSION } from '../../src/protocol/messages.ts';
import type { Replica } from '../../src/replica/replica.ts';
import { routeOf, whatIsMissing } from '../../src/runtime/routing.ts';
import { at, configuration, incarnation, loneReplica, versionedTopology } from '../support/chain-builders.ts';

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
  expect(routeOf(named(N1), 'write', NO_EPOCH, null, at(0))).toEqual({ kind: 'here' });
  for (const self of [N2, N3, incarnation('n4')]) {
    expect(routeOf(named(self), 'write', NO_EPOCH, null, at(0))).toEqual({
      kind: 'elsewhere',
      node: 'n1',
      epoch: 2,
    });
  }
});

test('a read is sent to the tail, which waits until its predecessor has said its half of the floor', () => {
  expect(routeOf(named(N1), 'read', NO_EPOCH, null, at(0))).toEqual({
    kind: 'elsewhere',
    node: 'n3',
    epoch: 2,
  });
  const tail = named(N3);
  expect(routeOf(tail, 'read', NO_EPOCH, null, at(0))).toBeNull();
  expect(whatIsMissing(tail, 'read', NO_EPOCH, at(0))).toContain('predecessor');
  greet(tail, 0);
  expect(routeOf(tail, 'read', NO_EPOCH, null, at(0))).toEqual({ kind: 'here' });
});

test('a tail whose predecessor holds more than it knows to be committed shows nothing yet, and names both', () => {
  const tail = named(N3);
  greet(tail, 7);
  expect(routeOf(tail, 'read', NO_EPOCH, null, at(0))).toBeNull();
  expect(whatIsMissing(tail, 'read', NO_EPOCH, at(0))).toMatch(/7 .*0 is known to be committed/);
});

test('nobody is sent anywhere by a node that is behind the epoch that they were sent with', () => {
  const node = named(N2);
  expect(routeOf(node, 'write', epoch(2), null, at(0))).toMatchObject({ kind: 'elsewhere' });
  expect(routeOf(node, 'write', epoch(3), null, at(0))).toBeNull();
  expect(whatIsMissing(node, 'write', epoch(3), at(0))).toMatch(/epoch 2 .*epoch 3/);
});

test('without a configuration there is nowhere to go, and the coordinator is asked for', () => {
  const spare = loneReplica(N1);
  expect(routeOf(spare, 'write', NO_EPOCH, null, at(0))).toBeNull();
  expect(whatIsMissing(spare, 'write', NO_EPOCH, at(0))).toContain('coordinator');
});

test('a head whose configuration is not on disk yet takes nothing, and sends nobody to itself', () => {
  const head = named(N1, { saved: false });
  expect(routeOf(head, 'write', NO_EPOCH, null, at(0))).toBeNull();
  expect(routeOf(head, 'read', NO_EPOCH, null, at(0))).toMatchObject({ kind: 'elsewhere', node: 'n3' });
});

test('a node that has restarted does not send a caller to its earlier self', () => {
  const restarted = named(incarnation('n1', 2));
  expect(routeOf(restarted, 'write', NO_EPOCH, null, at(0))).toBeNull();
  expect(whatIsMissing(restarted, 'write', NO_EPOCH, at(0))).toContain('name it in the chain');
});

test('a broken node sends everybody away, and says why', () => {
  const replica = named(N1);
  replica.step({ kind: 'failed', reason: 'the disk is gone' }, at(0));
  expect(routeOf(replica, 'write', NO_EPOCH, null, at(0))).toEqual({
    kind: 'unavailable',
    code: 'BROKEN',
    reason: 'the disk is gone',
  });
});

describe('with reads at any replica', () => {
  const ANY = { ...CHAIN, reads: 'any' as const };

  test('a member keeps its reads, also while it can not serve them', () => {
    const middle = named(N2, { chain: ANY });
    expect(routeOf(middle, 'read', NO_EPOCH, ['k'], at(0))).toBeNull();
    expect(routeOf(named(N2, { chain: ANY, saved: false }), 'read', NO_EPOCH, ['k'], at(0))).toBeNull();
    expect(routeOf(middle, 'write', NO_EPOCH, null, at(0))).toMatchObject({ kind: 'elsewhere', node: 'n1' });
  });

  test('a spare and the joiner send them to the tail', () => {
    const joiner = incarnation('n4');
    for (const self of [joiner, incarnation('n5')]) {
      const replica = named(self, { chain: { ...ANY, joiner } });
      expect(routeOf(replica, 'read', NO_EPOCH, ['k'], at(0))).toMatchObject({
        kind: 'elsewhere',
        node: 'n3',
      });
    }
  });

  test('a member that was asked to serve no more sends them to the tail too', () => {
    const middle = named(N2, { chain: ANY });
    middle.step({ kind: 'stop-serving', epoch: epoch(2) }, at(0));
    expect(routeOf(middle, 'read', NO_EPOCH, ['k'], at(0))).toMatchObject({ kind: 'elsewhere', node: 'n3' });
  });
});

test('a tail whose lease has run out waits for the next one, and says so', () => {
  const tail = named(N3);
  greet(tail, 0);
  expect(routeOf(tail, 'read', NO_EPOCH, null, at(199))).toEqual({ kind: 'here' });
  expect(routeOf(tail, 'read', NO_EPOCH, null, at(200))).toBeNull();
  expect(whatIsMissing(tail, 'read', NO_EPOCH, at(200))).toContain('lease');
});

test('a configuration that the disk does not take is what is waited for', () => {
  const head = named(N1, { saved: false });
  head.step({ kind: 'disk-failed', reason: 'the disk is full' }, at(0));
  expect(routeOf(head, 'write', NO_EPOCH, null, at(0))).toBeNull();
  expect(whatIsMissing(head, 'write', NO_EPOCH, at(0))).toMatch(/epoch 2: the disk is full/);
});

test('a head that is sealed takes the write to hold it; at one that is read-only it waits for another head', () => {
  const head = named(N1, { chain: { ...CHAIN, sealed: true } });
  expect(routeOf(head, 'write', NO_EPOCH, null, at(0))).toEqual({ kind: 'here' });
  head.step({ kind: 'disk-failed', reason: 'the disk is full' }, at(0));
  expect(routeOf(head, 'write', NO_EPOCH, null, at(0))).toBeNull();
  expect(whatIsMissing(head, 'write', NO_EPOCH, at(0))).toBe('the disk is full');
});

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
        leaseMsMax: 0,
      },
    },
    at(0),
  );
  tail.step({ kind: 'message', link: 1, message: { kind: 'resume', after: NO_SEQ } }, at(0));
  tail.step({ kind: 'message', link: 1, message: { kind: 'grant', id: 1 } }, at(0));
  expect(tail.committed).toBe(NO_SEQ);
}
