import type { Seq } from '../../src/base/ids.ts';
import type { Effect } from '../../src/replica/events.ts';
import {
  at,
  configuration,
  enter,
  hello,
  loneReplica,
  only,
  versionedTopology,
} from '../support/chain-builders.ts';
import {
  ack,
  FIRST,
  flush,
  head,
  hungUp,
  made,
  message,
  N1,
  N2,
  N3,
  resume,
  sent,
  synced,
  welcome,
  write,
} from '../support/lone-replica.ts';

describe('the session downward (§4)', () => {
  test('entries go to the disk before they go down, and both at the end of the turn (§3)', () => {
    const replica = head();
    write(replica, 1);
    write(replica, 2);
    expect(replica.wantsFlush).toBe(true);
    const effects = flush(replica);
    expect(effects).toMatchObject([
      { kind: 'append', entries: [{ seq: 1 }, { seq: 2 }] },
      {
        kind: 'send',
        link: 1,
        message: { kind: 'append', entries: [{ seq: 1 }, { seq: 2 }], upstreamDurable: 0 },
      },
    ]);
    expect(replica.wantsFlush).toBe(false);
  });

  test('a connection that is no longer wanted is closed', () => {
    const replica = head();
    expect(hungUp(replica.step({ kind: 'connected', link: 8, to: N2 }, at(0)))).toEqual([8]);
    const other = loneReplica(N1);
    enter(other, FIRST);
    expect(hungUp(other.step({ kind: 'connected', link: 8, to: N3 }, at(0)))).toEqual([8]);
  });

  test('a middle dials its successor when its own session is reconciled, not before', () => {
    const replica = loneReplica(N2);
    expect(only(enter(replica, FIRST), 'dial')).toEqual([]);
    expect(only(message(replica, 1, hello(FIRST, N1)), 'dial')).toEqual([]);
    expect(only(replica.step({ kind: 'tick' }, at(20)), 'dial')).toEqual([]);
    expect(only(message(replica, 1, resume(0)), 'dial')).toEqual([{ kind: 'dial', to: N3 }]);
  });

  test('Welcome, Ack and Stale of another link count for nothing', () => {
    const replica = head();
    write(replica, 1);
    flush(replica);
    synced(replica, 1);
    message(replica, 9, ack(1));
    message(replica, 9, welcome(1));
    expect(replica.committed).toBe(0);
    message(replica, 1, ack(1));
    expect(replica.committed).toBe(1);
  });

  test('the committed of a Welcome counts as an Ack', () => {
    const replica = loneReplica(N1, { pending: [made(1), made(2)] });
    const told = configuration(2, [N1, N2]);
    enter(replica, told);
    replica.step({ kind: 'connected', link: 1, to: N2 }, at(0));
    const effects = message(replica, 1, welcome(2));
    expect(only(effects, 'send')).toMatchObject([{ message: { kind: 'resume', after: 2 } }]);
    expect(replica.committed).toBe(2);
  });

  test.each([
    ['the same log', welcome(1, [1, 3], [4, 5]), 5],
    ['more of the last epoch', welcome(1, [1, 3], [4, 9]), 5],
    ['less', welcome(1, [1, 2]), 2],
    ['entries of an epoch in between', welcome(1, [1, 3], [2, 9]), 3],
    ['more of an earlier epoch', welcome(1, [1, 7]), 3],
    ['nothing above committed', welcome(2), 2],
    ['nothing in common above committed', welcome(3, [3, 8]), 3],
  ])('a successor with %s resumes after the last entry that both share', (_, theirs, after) => {
    const replica = loneReplica(N1, { pending: [made(1), made(2), made(3), made(4, 4), made(5, 4)] });
    const told = configuration(6, [N1, N2]);
    enter(replica, told);
    replica.step({ kind: 'connected', link: 1, to: N2 }, at(0));
    const effects = message(replica, 1, theirs);
    expect(only(effects, 'send')[0]?.message).toEqual(resume(after));
  });

  test('a successor that knows more to be committed than this log holds makes it stop as corrupt, for good', () => {
    const replica = head();
    write(replica, 1);
    replica.step({ kind: 'disconnected', link: 1 }, at(0));
    replica.step({ kind: 'tick' }, at(100));
    replica.step({ kind: 'connected', link: 2, to: N2 }, at(100));
    const effects = message(replica, 2, welcome(5));
    expect(only(effects, 'fail')).toMatchObject([{ code: 'CORRUPT' }]);
    expect(only(effects, 'answer')).toMatchObject([{ ticket: 1, reply: { kind: 'unknown' } }]);
    expect(only(effects, 'send')).toEqual([]);
    expect(hungUp(effects)).toEqual([2]);
    const told = configuration(2, [N1, N2]);
    expect(replica.step({ kind: 'told', configuration: told, topology: null }, at(0))).toEqual([]);
    expect(replica).toMatchObject({ active: false, takesWrites: false, ready: false });
  });

  test('what a successor lacks of what is committed is read from the disk, in order and while writes wait', () => {
    const replica = loneReplica(N1, { committed: [made(1), made(2), made(3)] });
    enter(replica, configuration(2, [N1, N2]));
    replica.step({ kind: 'connected', link: 1, to: N2 }, at(0));
    message(replica, 1, welcome(1));
    write(replica, 1);
    const effects = flush(replica);
    expect(only(effects, 'read')).toMatchObject([{ link: 1, after: 1 }]);
    expect(sent(effects)).toEqual([]);
    const append = (through: readonly Effect[]): Seq[][] =>
      only(through, 'send').map(({ message: it }) =>
        it.kind === 'append' ? it.entries.map((one) => one.seq) : [],
      );
    // The disk may know more than is committed: that comes from memory.
    const read = replica.step({ kind: 'read', link: 1, entries: [made(2), made(3), made(4, 2)] }, at(0));
    expect(append(read)).toEqual([[2, 3]]);
    expect(append(flush(replica))).toEqual([[4]]);
  });

  test('a log that no longer reaches back far enough ends the session', () => {
    const replica = loneReplica(N1, { committed: [made(1), made(2), made(3)] });
    enter(replica, configuration(2, [N1, N2]));
    replica.step({ kind: 'connected', link: 1, to: N2 }, at(0));
    message(replica, 1, welcome(1));
    flush(replica);
    expect(hungUp(replica.step({ kind: 'read', link: 1, entries: null }, at(0)))).toEqual([1]);
  });

  test('entries read for a session that is over go nowhere', () => {
    const replica = loneReplica(N1, { committed: [made(1), made(2)] });
    enter(replica, configuration(2, [N1, N2]));
    replica.step({ kind: 'connected', link: 1, to: N2 }, at(0));
    message(replica, 1, welcome(1));
    flush(replica);
    replica.step({ kind: 'disconnected', link: 1 }, at(0));
    expect(replica.step({ kind: 'read', link: 1, entries: [made(2)] }, at(0))).toEqual([]);
  });

  test('a Stale makes its receiver adopt, and ends the session', () => {
    const replica = loneReplica(N1);
    enter(replica, FIRST);
    replica.step({ kind: 'connected', link: 1, to: N2 }, at(0));
    const later = configuration(4, [N2, N1]);
    const topology = versionedTopology(['n1', 'n2'], { version: 3 });
    const effects = message(replica, 1, { kind: 'stale', configuration: later, topology });
    expect(hungUp(effects)).toEqual([1]);
    expect(only(effects, 'save')).toMatchObject([{ configuration: later, topology }]);
  });
});
