import { storeId } from '../../src/base/ids.ts';
import type { Effect } from '../../src/replica/events.ts';
import {
  append,
  at,
  configuration,
  enter,
  hello,
  incarnation,
  loneReplica,
  only,
  versionedTopology,
} from '../support/chain-builders.ts';
import {
  FIRST,
  flush,
  hungUp,
  made,
  message,
  N1,
  N2,
  N3,
  resume,
  sent,
  synced,
  tail,
  ticks,
  welcome,
} from '../support/lone-replica.ts';

describe('the session from above (§4)', () => {
  test('a Hello of an epoch below is answered with Stale and opens nothing', () => {
    const replica = loneReplica(N2);
    const held = configuration(7, [N1, N2]);
    enter(replica, held);
    const effects = message(replica, 1, hello(FIRST, N1));
    expect(only(effects, 'send')).toMatchObject([
      { link: 1, message: { kind: 'stale', configuration: held } },
    ]);
    expect(replica.sessions.upstream).toBe('none');
  });

  test('a Hello of an epoch above is adopted, and answered when that is on disk', () => {
    const replica = loneReplica(N2);
    enter(replica, FIRST);
    const later = configuration(2, [N1, N2, N3]);
    const effects = message(replica, 5, hello(later, N1, { received: 4 }));
    expect(effects).toMatchObject([{ kind: 'save', configuration: later }]);
    expect(replica.active).toBe(false);
    expect(sent(replica.step({ kind: 'saved', save: 2 }, at(0)))).toEqual([[5, 'welcome']]);
    expect(replica.readFloor).toBe(4);
  });

  test('a Hello that waits for a save is stale when a later epoch comes meanwhile', () => {
    const replica = loneReplica(N2);
    message(replica, 5, hello(FIRST, N1));
    replica.step({ kind: 'told', configuration: configuration(2, [N1, N2]), topology: null }, at(0));
    expect(sent(replica.step({ kind: 'saved', save: 2 }, at(0)))).toEqual([[5, 'stale']]);
  });

  test('a Hello whose connection ends while it waits for a save is forgotten', () => {
    const replica = loneReplica(N2);
    message(replica, 5, hello(FIRST, N1));
    replica.step({ kind: 'disconnected', link: 5 }, at(0));
    expect(sent(replica.step({ kind: 'saved', save: 1 }, at(0)))).toEqual([]);
  });

  test.each([
    ['a stranger', incarnation('n9')],
    ['the successor', N3],
    ['another incarnation of the predecessor', incarnation('n1', 2)],
    ['itself', N2],
  ])('a Hello from %s is refused', (_, sender) => {
    const replica = loneReplica(N2);
    enter(replica, FIRST);
    const effects = message(replica, 1, hello(FIRST, sender));
    expect(sent(effects)).toEqual([]);
    expect(hungUp(effects)).toEqual([1]);
    expect(replica.readFloor).toBeNull();
  });

  test('a Hello of another protocol version is refused', () => {
    const replica = loneReplica(N2);
    enter(replica, FIRST);
    const effects = message(replica, 1, { ...hello(FIRST, N1), protocolVersion: 99 });
    expect(sent(effects)).toEqual([]);
    expect(hungUp(effects)).toEqual([1]);
  });

  test('a second Hello ends the session before it, and what still comes by that counts for nothing', () => {
    const replica = tail();
    const effects = message(replica, 2, hello(FIRST, N2));
    expect(hungUp(effects)).toEqual([1]);
    expect(sent(effects)).toEqual([[2, 'welcome']]);
    expect(message(replica, 1, append([made(1)], { upstreamDurable: 1 }))).toEqual([]);
    expect(message(replica, 1, resume(0))).toEqual([]);
    expect(replica).toMatchObject({ received: 0, sessions: { upstream: 'welcomed' } });
  });

  test('what was told of the disks above counts in its own session alone', () => {
    const replica = tail();
    message(replica, 1, append([made(1)], { upstreamDurable: 1 }));
    flush(replica);
    message(replica, 2, hello(FIRST, N2, { received: 1 }));
    message(replica, 2, resume(1));
    synced(replica, 1);
    expect(replica).toMatchObject({ durable: 1, committed: 0 });
    message(replica, 2, append([], { upstreamDurable: 1 }));
    expect(replica.committed).toBe(1);
  });

  test.each([
    ['leaves a gap', made(3)],
    ['repeats what is there', made(1)],
    ['is of an epoch above the one held', made(2, 2)],
  ])('an entry that %s ends the session, and nothing of it is taken', (_, wrong) => {
    const replica = tail();
    message(replica, 1, append([made(1)]));
    const effects = message(replica, 1, append([wrong], { upstreamDurable: 9 }));
    expect(hungUp(effects)).toEqual([1]);
    expect(replica).toMatchObject({ received: 1, sessions: { upstream: 'none' } });
  });

  test('entries before Resume end the session', () => {
    const replica = loneReplica(N3);
    enter(replica, FIRST);
    message(replica, 1, hello(FIRST, N2));
    expect(hungUp(message(replica, 1, append([made(1)])))).toEqual([1]);
    expect(replica.received).toBe(0);
  });

  test.each([
    ['beyond the log', 6],
    ['below committed', 1],
  ])('a Resume that is %s ends the session and drops nothing (I2)', (_, after) => {
    const replica = loneReplica(N3, { committed: [made(1), made(2)], pending: [made(3)] });
    enter(replica, FIRST);
    message(replica, 1, hello(FIRST, N2, { received: 3 }));
    const effects = message(replica, 1, resume(after));
    expect(hungUp(effects)).toEqual([1]);
    expect(only(effects, 'truncate')).toEqual([]);
    expect(replica.received).toBe(3);
  });

  test('Welcome tells what is committed and the runs above it', () => {
    const replica = loneReplica(N3, { committed: [made(1)], pending: [made(2), made(3, 2), made(4, 2)] });
    const told = configuration(3, [N1, N2, N3]);
    enter(replica, told);
    const [reply] = only(message(replica, 1, hello(told, N2)), 'send');
    expect(reply?.message).toMatchObject(welcome(1, [1, 2], [2, 4]));
  });

  test('entries that are dropped before they were written are written and dropped, in this order', () => {
    const replica = tail();
    message(replica, 1, append([made(1), made(2)]));
    message(replica, 2, hello(FIRST, N2, { received: 1 }));
    const effects = message(replica, 2, resume(1));
    expect(effects.filter(({ kind }) => kind === 'append' || kind === 'truncate')).toMatchObject([
      { kind: 'append', generation: 0, entries: [{ seq: 1 }, { seq: 2 }] },
      { kind: 'truncate', generation: 1, after: 1 },
    ]);
  });

  test('a sync reported for what was dropped since counts for nothing (§3)', () => {
    const replica = tail();
    message(replica, 1, append([made(1), made(2)], { upstreamDurable: 2 }));
    flush(replica);
    const told = configuration(2, [N1, N2, N3]);
    enter(replica, told);
    message(replica, 2, hello(told, N2, { received: 1 }));
    message(replica, 2, resume(1));
    message(replica, 2, append([made(2, 2)], { upstreamDurable: 2 }));
    synced(replica, 2, 0);
    expect(replica).toMatchObject({ received: 2, durable: 0, committed: 0 });
    synced(replica, 2, 1);
    expect(replica).toMatchObject({ durable: 2, committed: 2 });
  });
});

describe('strangers (§4)', () => {
  const said = (effects: readonly Effect[]) => only(effects, 'say').map(({ message: words }) => words);

  test('a Hello of another cluster, whose configuration does not name this store, is refused and not taken up', () => {
    const replica = loneReplica(N2);
    enter(replica, FIRST);
    const other = { ...N2, storeId: storeId('store of another n2') };
    const effects = message(replica, 1, hello(configuration(9, [N1, other, N3]), N1));
    expect(hungUp(effects)).toEqual([1]);
    expect(only(effects, 'save')).toEqual([]);
    expect(said(effects).join()).toContain('refused a session from above');
    expect(replica).toMatchObject({ active: true, configuration: FIRST });
  });

  test('a Hello of another cluster is not taken up by a node that has no place yet either', () => {
    const replica = loneReplica(N2);
    const effects = message(replica, 1, hello(configuration(9, [N1, N3]), N1));
    expect(hungUp(effects)).toEqual([1]);
    expect(replica.configuration).toBeNull();
  });

  test('another configuration of the epoch held is refused with words, and no assertion fails', () => {
    const replica = loneReplica(N2);
    enter(replica, FIRST);
    const effects = message(replica, 1, hello(configuration(1, [N1, N2]), N1));
    expect(hungUp(effects)).toEqual([1]);
    expect(said(effects).join()).toContain('another configuration 1: two clusters, or two registers?');
    expect(replica).toMatchObject({ broken: null, configuration: FIRST, sessions: { upstream: 'none' } });
  });

  test('another configuration of the epoch held, told by a coordinator, is told of and not taken up', () => {
    const replica = loneReplica(N2);
    enter(replica, FIRST);
    const told = configuration(1, [N2]);
    const effects = replica.step({ kind: 'told', configuration: told, topology: null }, at(0));
    expect(said(effects).join()).toContain('two clusters, or two registers?');
    expect(replica).toMatchObject({ broken: null, active: true, configuration: FIRST });
  });
});

describe('a predecessor that is silent (§4)', () => {
  test('is given up after suspectAfterMs', () => {
    const replica = tail();
    expect(hungUp(ticks(replica, 0, 500))).toEqual([]);
    expect(hungUp(ticks(replica, 510, 510))).toEqual([1]);
  });

  test('is not silent while the bytes of a large message arrive', () => {
    const replica = tail();
    for (let ms = 0; ms <= 3000; ms += 100) {
      replica.step({ kind: 'heard', link: 1 }, at(ms));
      expect(hungUp(ticks(replica, ms, ms + 90))).toEqual([]);
    }
    expect(replica.sessions.upstream).toBe('reconciled');
    expect(hungUp(ticks(replica, 3100, 3600))).toEqual([1]);
  });

  test('is silent all the same when the bytes come by another link', () => {
    const replica = tail();
    replica.step({ kind: 'tick' }, at(0));
    for (let ms = 100; ms <= 500; ms += 100) {
      replica.step({ kind: 'heard', link: 7 }, at(ms));
      replica.step({ kind: 'tick' }, at(ms));
    }
    expect(hungUp(replica.step({ kind: 'tick' }, at(510)))).toEqual([1]);
  });

  test('is not given up on the late tick after a pause of this process, but on the next if it stays silent', () => {
    const replica = tail();
    ticks(replica, 0, 100);
    expect(hungUp(replica.step({ kind: 'tick' }, at(10_000)))).toEqual([]);
    expect(hungUp(replica.step({ kind: 'tick' }, at(10_010)))).toEqual([1]);
    const heard = tail();
    ticks(heard, 0, 100);
    expect(hungUp(heard.step({ kind: 'tick' }, at(10_000)))).toEqual([]);
    message(heard, 1, append([]), at(10_001));
    expect(hungUp(heard.step({ kind: 'tick' }, at(10_010)))).toEqual([]);
  });

  test('hears from an idle link often enough though a fifth of the lease is longer than suspectAfterMs', () => {
    const timing = { leaseMs: 10_000, suspectAfterMs: 500 };
    const replica = loneReplica(N3, { topology: versionedTopology(['n3'], { timing }) });
    const told = { ...FIRST, leaseMs: timing.leaseMs };
    enter(replica, told);
    message(replica, 1, hello(told, N2));
    message(replica, 1, resume(0));
    const acks: number[] = [];
    for (let ms = 0; ms <= 1000; ms += 10) {
      replica.step({ kind: 'heard', link: 1 }, at(ms));
      if (sent(replica.step({ kind: 'tick' }, at(ms))).length > 0) acks.push(ms);
    }
    expect(acks).toEqual([100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]);
  });
});
