import { epoch, type Seq } from '../../src/base/ids.ts';
import type { LinkMessage } from '../../src/protocol/messages.ts';
import type { Effect } from '../../src/replica/events.ts';
import type { Replica } from '../../src/replica/replica.ts';
import { set, single } from '../support/builders.ts';
import {
  append,
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
  ticks,
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

  test('a successor with less of a stretch that this log remembers only the end of resumes after what it has', () => {
    // Recovery knows of which epoch entry 3 is; one head made all up to it that the successor has of that epoch.
    const replica = loneReplica(N1, { committed: [made(1), made(2), made(3)] });
    enter(replica, configuration(6, [N1, N2]));
    replica.step({ kind: 'connected', link: 1, to: N2 }, at(0));
    expect(only(message(replica, 1, welcome(1, [1, 2])), 'send')[0]?.message).toEqual(resume(2));
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

  test('a log on disk that no longer reaches back far enough asks for a snapshot, and the session goes on', () => {
    const replica = loneReplica(N1, { committed: [made(1), made(2), made(3)] });
    enter(replica, configuration(2, [N1, N2]));
    replica.step({ kind: 'connected', link: 1, to: N2 }, at(0));
    message(replica, 1, welcome(1));
    flush(replica);
    expect(replica.step({ kind: 'read', link: 1, entries: null }, at(0))).toEqual([
      { kind: 'open-snapshot', link: 1, wanted: null },
    ]);
    expect(replica.sessions.downstream).toBe('streaming');
  });

  test('a disk that gives no committed entry, nor says that it can not, ends the session', () => {
    const replica = loneReplica(N1, { committed: [made(1), made(2), made(3)] });
    enter(replica, configuration(2, [N1, N2]));
    replica.step({ kind: 'connected', link: 1, to: N2 }, at(0));
    message(replica, 1, welcome(1));
    flush(replica);
    expect(hungUp(replica.step({ kind: 'read', link: 1, entries: [] }, at(0)))).toEqual([1]);
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

describe('a successor that is silent (§4)', () => {
  test('is given up after suspectAfterMs, before its Welcome too', () => {
    const replica = head();
    expect(hungUp(ticks(replica, 0, 500))).toEqual([]);
    expect(hungUp(ticks(replica, 510, 510))).toEqual([1]);
    const greeted = loneReplica(N1);
    enter(greeted, FIRST);
    greeted.step({ kind: 'connected', link: 1, to: N2 }, at(0));
    expect(hungUp(ticks(greeted, 0, 510))).toEqual([1]);
  });

  test('is not silent while the bytes of a large message arrive, its Welcome too', () => {
    const greeted = loneReplica(N1);
    enter(greeted, FIRST);
    greeted.step({ kind: 'connected', link: 1, to: N2 }, at(0));
    for (const replica of [head(), greeted]) {
      for (let ms = 0; ms <= 3000; ms += 100) {
        replica.step({ kind: 'heard', link: 1 }, at(ms));
        expect(hungUp(ticks(replica, ms, ms + 90))).toEqual([]);
      }
      expect(hungUp(ticks(replica, 3100, 3600))).toEqual([1]);
    }
  });

  test('is not given up on the late tick after a pause of this process, but on the next if it stays silent', () => {
    const replica = head();
    ticks(replica, 0, 100);
    expect(hungUp(replica.step({ kind: 'tick' }, at(10_000)))).toEqual([]);
    expect(hungUp(replica.step({ kind: 'tick' }, at(10_010)))).toEqual([1]);
    const heard = head();
    ticks(heard, 0, 100);
    expect(hungUp(heard.step({ kind: 'tick' }, at(10_000)))).toEqual([]);
    message(heard, 1, ack(0), at(10_001));
    expect(hungUp(heard.step({ kind: 'tick' }, at(10_010)))).toEqual([]);
  });

  test('hears from an idle link often enough though a fifth of the lease is longer than suspectAfterMs', () => {
    const timing = { leaseMs: 10_000, suspectAfterMs: 500 };
    const replica = loneReplica(N1, { topology: versionedTopology(['n1', 'n2', 'n3'], { timing }) });
    enter(replica, { ...FIRST, leaseMs: timing.leaseMs });
    replica.step({ kind: 'connected', link: 1, to: N2 }, at(0));
    message(replica, 1, welcome(0));
    const appends: number[] = [];
    for (let ms = 0; ms <= 500; ms += 10) {
      replica.step({ kind: 'heard', link: 1 }, at(ms));
      if (sent(replica.step({ kind: 'tick' }, at(ms))).length > 0) appends.push(ms);
    }
    expect(appends).toEqual([100, 200, 300, 400, 500]);
  });
});

test('a write heavier than inFlightBytes is taken when nothing is in flight, and only then', () => {
  const limits = { inFlightBytes: 100 };
  const replica = loneReplica(N1, { topology: versionedTopology(['n1'], { limits }) });
  enter(replica, configuration(1, [N1]));
  const heavy = single(set('key', 'x'.repeat(1000)));
  const give = (ticket: number) =>
    only(
      replica.step({ kind: 'write', ticket, requestId: null, command: heavy, deadlineMs: 5000 }, at(0)),
      'answer',
    );
  expect(give(1)).toEqual([]);
  expect(give(2)).toMatchObject([{ ticket: 2, reply: { kind: 'refused', code: 'OVERLOADED' } }]);
  flush(replica);
  expect(only(synced(replica, 1), 'answer')).toMatchObject([{ ticket: 1, reply: { kind: 'applied' } }]);
  expect(give(3)).toEqual([]);
});

describe('the joiner (§5)', () => {
  const told = { ...configuration(2, [N1]), joiner: N2 };

  /** n1, alone, with entries 1 to 3 committed and one that its disk does not hold yet, in session with the joiner n2. */
  function withJoiner(theirs = welcome(0)): Replica {
    const replica = loneReplica(N1, { committed: [made(1), made(2), made(3)] });
    enter(replica, told);
    write(replica, 1);
    flush(replica);
    replica.step({ kind: 'connected', link: 1, to: N2 }, at(0));
    message(replica, 1, theirs);
    return replica;
  }

  test('is dialled by the tail, and entries flow on whether it answers or not', () => {
    const replica = loneReplica(N1);
    expect(only(enter(replica, told), 'dial')).toEqual([{ kind: 'dial', to: N2 }]);
    expect(replica).toMatchObject({ role: 'only', flowsOn: true, ready: true });
  });

  test('is dialled by a tail that holds all that was committed before, not earlier', () => {
    const replica = loneReplica(N3);
    const three = { ...configuration(2, [N2, N3]), joiner: N1 };
    enter(replica, three);
    message(replica, 1, hello(three, N2, { received: 1 }));
    expect(only(message(replica, 1, resume(0)), 'dial')).toEqual([]);
    message(replica, 1, append([made(1, 2)], { upstreamDurable: 1 }));
    flush(replica);
    expect(only(replica.step({ kind: 'tick' }, at(20)), 'dial')).toEqual([]);
    synced(replica, 1);
    expect(only(replica.step({ kind: 'tick' }, at(40)), 'dial')).toEqual([{ kind: 'dial', to: N1 }]);
  });

  test('commits nothing by what it says, in an Ack or a Welcome, though the disk of the tail holds it', () => {
    const replica = loneReplica(N3);
    const three = { ...configuration(2, [N2, N3]), joiner: N1 };
    enter(replica, three);
    message(replica, 1, hello(three, N2));
    message(replica, 1, resume(0));
    replica.step({ kind: 'connected', link: 2, to: N1 }, at(0));
    message(replica, 2, welcome(0));
    message(replica, 1, append([made(1, 2)], { upstreamDurable: 0 }));
    flush(replica);
    synced(replica, 1);
    message(replica, 2, ack(1));
    expect(replica).toMatchObject({ durable: 1, committed: 0, sessions: { downstream: 'streaming' } });
    replica.step({ kind: 'disconnected', link: 2 }, at(0));
    replica.step({ kind: 'tick' }, at(100));
    replica.step({ kind: 'connected', link: 3, to: N1 }, at(100));
    message(replica, 3, { ...welcome(1), ...{ committedEpoch: epoch(2) } });
    expect(replica).toMatchObject({ committed: 0, sessions: { downstream: 'streaming' } });
    message(replica, 1, append([], { upstreamDurable: 1 }));
    expect(replica.committed).toBe(1);
  });

  test('that claims what it was not sent is out of session, and its predecessor sound', () => {
    const replica = withJoiner();
    expect(hungUp(message(replica, 1, ack(1)))).toEqual([1]);
    expect(replica).toMatchObject({ committed: 3, broken: null });
  });

  test.each([
    ['knows more to be committed than there is', { ...welcome(9), committedEpoch: epoch(1) }, 4],
    ['knows another entry to be committed', { ...welcome(3), committedEpoch: epoch(7) }, 2],
  ])('that %s is resumed below that, so that it stops itself', (_, theirs, after) => {
    const replica = loneReplica(N1, { committed: [made(1), made(2), made(3)] });
    enter(replica, told);
    write(replica, 1);
    replica.step({ kind: 'connected', link: 1, to: N2 }, at(0));
    const [reply] = only(message(replica, 1, theirs as LinkMessage), 'send');
    expect(reply?.message).toEqual(resume(after));
    expect(replica.broken).toBeNull();
  });

  test('is told what is committed even when nothing else has changed', () => {
    const replica = withJoiner(welcome(3));
    const appends = (effects: readonly Effect[]) =>
      only(effects, 'send').flatMap(({ message: it }) => (it.kind === 'append' ? [it] : []));
    expect(appends(flush(replica))).toMatchObject([{ entries: [{ seq: 4 }], committed: 3 }]);
    synced(replica, 4);
    expect(appends(flush(replica))).toMatchObject([{ entries: [], committed: 4 }]);
    expect(replica.wantsFlush).toBe(false);
  });

  test('gets no grant of a lease, and asks for none', () => {
    const replica = withJoiner();
    expect(sent(message(replica, 1, { kind: 'probe', id: 1 }))).toEqual([]);
  });

  test('that is out of reach is reported', () => {
    const replica = withJoiner();
    replica.step({ kind: 'disconnected', link: 1 }, at(0));
    expect(replica.unreachable(at(500))).toEqual([]);
    expect(replica.unreachable(at(501))).toEqual([N2]);
  });
});
