import { seq } from '../../src/base/ids.ts';
import type { CommittedAnswer, LinkMessage } from '../../src/protocol/messages.ts';
import type { Effect } from '../../src/replica/events.ts';
import type { Replica } from '../../src/replica/replica.ts';
import {
  at,
  configuration,
  enter,
  hello,
  loneReplica,
  only,
  versionedTopology,
} from '../support/chain-builders.ts';
import { FIRST, head, hungUp, message, N1, N2, N3, resume, sent, tail } from '../support/lone-replica.ts';

const ANY = { ...FIRST, reads: 'any' } as const;

/** n2, in session with n1 on link 1 and with n3 on link 2, where every member serves reads. */
function middle(): Replica {
  const replica = loneReplica(N2);
  enter(replica, ANY);
  message(replica, 1, hello(ANY, N1));
  message(replica, 1, resume(0));
  replica.step({ kind: 'connected', link: 2, to: N3 }, at(0));
  message(replica, 2, {
    kind: 'welcome',
    committed: seq(0),
    committedEpoch: ANY.fence,
    runs: [],
    partial: null,
  });
  return replica;
}

const answer = (id: number): CommittedAnswer => ({ kind: 'committed-answer', id, committed: seq(0) });
const settled = (effects: readonly Effect[]) => only(effects, 'settled').map(({ ticket }) => ticket);

test('each message of a lease is passed on between the links of this session', () => {
  const replica = middle();
  expect(sent(message(replica, 2, { kind: 'probe', id: 1 }))).toEqual([[1, 'probe']]);
  expect(sent(message(replica, 1, { kind: 'grant', id: 1 }))).toEqual([[2, 'grant']]);
  expect(sent(message(replica, 2, { kind: 'confirm', id: 1 }))).toEqual([[1, 'confirm']]);
  expect(replica.lease(at(0))).toEqual({ needed: true, leftMs: 200 });
});

test.each<[string, LinkMessage]>([
  ['Probe', { kind: 'probe', id: 1 }],
  ['Grant', { kind: 'grant', id: 1 }],
  ['Confirm', { kind: 'confirm', id: 1 }],
  ['question', { kind: 'committed-query', id: 1 }],
  ['answer', answer(1)],
  ['snapshot taken', { kind: 'snapshot-stored', next: 1 }],
  ['part of a snapshot', { kind: 'snapshot-part', place: 0, rows: 1, payload: new Uint8Array(1) }],
])('a %s that comes by a link of the past counts for nothing, and ends no session (§7)', (_, late) => {
  const replica = middle();
  message(replica, 2, { kind: 'probe', id: 1 });
  expect(message(replica, 9, late)).toEqual([]);
  expect(replica.lease(at(0)).leftMs).toBe(0);
  expect(replica.sessions).toEqual({ upstream: 'reconciled', downstream: 'streaming' });
});

test('a Grant that comes from below, or a Probe from above, gives no lease (§7)', () => {
  const replica = middle();
  message(replica, 2, { kind: 'probe', id: 1 });
  expect(message(replica, 2, { kind: 'grant', id: 1 })).toEqual([]);
  expect(message(replica, 1, { kind: 'confirm', id: 1 })).toEqual([]);
  expect(message(replica, 1, { kind: 'probe', id: 2 })).toEqual([]);
  expect(replica.lease(at(0)).leftMs).toBe(0);
});

test('a Grant of a probe that was never sent gives no lease (§7)', () => {
  const replica = tail();
  const before = replica.lease(at(100));
  message(replica, 1, { kind: 'grant', id: 77 }, at(100));
  expect(replica.lease(at(100))).toEqual(before);
});

test('a question from below is none: who asks is above (§7)', () => {
  expect(message(middle(), 2, { kind: 'committed-query', id: 1 })).toEqual([]);
});

test('a question is answered by the tail, and passed on by who is not, once (§7)', () => {
  expect(only(message(tail(), 1, { kind: 'committed-query', id: 5 }), 'send')).toMatchObject([
    { link: 1, message: { kind: 'committed-answer', id: 5, committed: 0 } },
  ]);
  const replica = middle();
  expect(sent(message(replica, 1, { kind: 'committed-query', id: 5 }))).toEqual([[2, 'committed-query']]);
  expect(only(message(replica, 2, answer(1)), 'send')).toMatchObject([
    { link: 1, message: { kind: 'committed-answer', id: 5 } },
  ]);
  expect(message(replica, 2, answer(1))).toEqual([]);
});

test('an answer to another question than the one asked settles nothing (§7)', () => {
  const replica = middle();
  replica.step({ kind: 'ask', ticket: 7 }, at(0));
  expect(settled(message(replica, 2, answer(99)))).toEqual([]);
  expect(settled(message(replica, 1, answer(1)))).toEqual([]);
  expect(settled(message(replica, 2, answer(1)))).toEqual([7]);
  expect(settled(message(replica, 2, answer(1)))).toEqual([]);
});

test('an answer whose asker above is gone settles what was asked here, and goes nowhere else (§7)', () => {
  const replica = middle();
  message(replica, 1, { kind: 'committed-query', id: 5 });
  replica.step({ kind: 'ask', ticket: 7 }, at(0));
  replica.step({ kind: 'disconnected', link: 1 }, at(0));
  const effects = message(replica, 2, answer(1));
  expect(sent(effects)).toEqual([[2, 'committed-query']]);
  expect(settled(message(replica, 2, answer(2)))).toEqual([7]);
});

test('a Stale by a link of the past ends no session, though what it says is taken up when it is newer (§4)', () => {
  const replica = head();
  const topology = versionedTopology(['n1', 'n2', 'n3']);
  expect(message(replica, 9, { kind: 'stale', configuration: FIRST, topology })).toEqual([]);
  expect(replica.sessions.downstream).toBe('streaming');
  const later = configuration(4, [N1, N2]);
  const effects = message(replica, 9, { kind: 'stale', configuration: later, topology });
  expect(only(effects, 'save')).toMatchObject([{ configuration: later }]);
  expect(hungUp(effects)).toEqual([1]);
});

test('a successor that is being dialled is dialled at its new address when the topology gives it one (§2)', () => {
  const replica = loneReplica(N1);
  expect(only(enter(replica, FIRST), 'dial')).toEqual([{ kind: 'dial', to: N2 }]);
  const topology = versionedTopology(['n1', 'n2', 'n3'], { version: 2 });
  const tell = () => only(replica.step({ kind: 'told', configuration: FIRST, topology }, at(0)), 'dial');
  expect(tell()).toEqual([{ kind: 'dial', to: N2 }]);
  expect(tell()).toEqual([]);
  replica.step({ kind: 'connected', link: 1, to: N2 }, at(0));
  const newer = versionedTopology(['n1', 'n2', 'n3'], { version: 3 });
  const effects = replica.step({ kind: 'told', configuration: FIRST, topology: newer }, at(0));
  expect(only(effects, 'dial')).toEqual([]);
});

test('of two Hellos that wait for a save the later one is answered, and the earlier hung up on', () => {
  const replica = loneReplica(N2);
  message(replica, 5, hello(FIRST, N1));
  expect(hungUp(message(replica, 6, hello(FIRST, N1)))).toEqual([5]);
  expect(hungUp(message(replica, 6, hello(FIRST, N1)))).toEqual([]);
  expect(sent(replica.step({ kind: 'saved', save: 1 }, at(0)))).toEqual([[6, 'welcome']]);
});

test('a Hello that waits for a save is hung up on when this replica breaks meanwhile', () => {
  const replica = loneReplica(N2);
  expect(hungUp(message(replica, 5, hello(FIRST, N1)))).toEqual([]);
  expect(hungUp(replica.step({ kind: 'failed', reason: 'the test' }, at(0)))).toEqual([5]);
  expect(sent(replica.step({ kind: 'saved', save: 1 }, at(0)))).toEqual([]);
});

test('a member whose disk takes nothing refuses the Hello of an epoch that it could not save', () => {
  const replica = loneReplica(N2);
  enter(replica, FIRST);
  replica.step({ kind: 'disk-failed', reason: 'it is full' }, at(0));
  const effects = message(replica, 5, hello(configuration(2, [N1, N2]), N1));
  expect(hungUp(effects)).toEqual([5]);
  expect(only(effects, 'save')).toEqual([]);
  expect(
    only(effects, 'say')
      .map(({ message: words }) => words)
      .join(),
  ).toContain('the disk here takes nothing');
  expect(replica.configuration).toEqual(FIRST);
});

test('entries flow on where the session with the next member is reconciled, or where nobody is next', () => {
  const unconnected = loneReplica(N1);
  enter(unconnected, FIRST);
  expect([unconnected, head(), tail(), middle(), loneReplica(N2)].map((replica) => replica.flowsOn)).toEqual([
    false,
    true,
    true,
    true,
    true,
  ]);
});

test('a disk that fails again is told of once', () => {
  const replica = tail();
  expect(replica.step({ kind: 'disk-failed', reason: 'it is full' }, at(0))).toMatchObject([{ kind: 'say' }]);
  expect(replica.step({ kind: 'disk-failed', reason: 'again' }, at(0))).toEqual([]);
  expect(replica.readOnly).toBe('it is full');
});
