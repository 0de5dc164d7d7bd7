import { epoch, seq, storeId } from '../../src/base/ids.ts';
import type { Entry } from '../../src/protocol/entry.ts';
import { type LinkMessage, SNAPSHOT_WINDOW_PARTS } from '../../src/protocol/messages.ts';
import type { Effect } from '../../src/replica/events.ts';
import type { Replica } from '../../src/replica/replica.ts';
import { Store } from '../../src/replica/store.ts';
import { append, at, configuration, enter, hello, loneReplica, only } from '../support/chain-builders.ts';
import {
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
  ticks,
} from '../support/lone-replica.ts';

const TOLD = { ...configuration(2, [N1, N2]), joiner: N3 };
const HEADER = { epoch: epoch(1), seq: seq(7), timeMs: 0, keys: 0, requests: 0 };

/** n3, the joiner, with a reconciled session on link 1. */
function joiner(log: { committed?: readonly Entry[]; pending?: readonly Entry[] } = {}): Replica {
  const replica = loneReplica(N3, log);
  enter(replica, TOLD);
  message(replica, 1, hello(TOLD, N2, { received: 9 }));
  message(replica, 1, resume((log.committed?.length ?? 0) + (log.pending?.length ?? 0)));
  return replica;
}

const start = (fields: { from?: number; of?: string; at?: number } = {}): LinkMessage => ({
  kind: 'snapshot-start',
  of: fields.of === undefined ? N2.storeId : storeId(fields.of),
  header: { ...HEADER, seq: seq(fields.at ?? 7) },
  from: fields.from ?? 0,
  bytes: 100,
});
const part = (place: number): LinkMessage => ({
  kind: 'snapshot-part',
  place,
  rows: 1,
  payload: new Uint8Array(1),
});
const end = (parts: number): LinkMessage => ({ kind: 'snapshot-end', parts });

const stored = (replica: Replica, place: number, link = 1) =>
  replica.step({ kind: 'part-stored', link, place }, at(0));

/** The disk has put it in force. */
function installed(replica: Replica, link = 1): readonly Effect[] {
  const store = new Store();
  store.restore(HEADER);
  store.restored();
  return replica.step({ kind: 'installed', link, header: HEADER, store }, at(0));
}

/** In the middle: two parts came, the first of them is stored. */
function receiving(log: Parameters<typeof joiner>[0] = {}): Replica {
  const replica = joiner(log);
  message(replica, 1, start());
  message(replica, 1, part(0));
  message(replica, 1, part(1));
  stored(replica, 0);
  return replica;
}

/** The disk is putting it in force. */
function installing(log: Parameters<typeof joiner>[0] = {}): Replica {
  const replica = receiving(log);
  stored(replica, 1);
  message(replica, 1, end(2));
  return replica;
}

const welcomes = (effects: readonly Effect[]) =>
  only(effects, 'send').flatMap(({ link, message: it }) => (it.kind === 'welcome' ? [{ link, it }] : []));

test('parts are stored as they come, and their sender is told when they are (§4)', () => {
  const replica = joiner();
  expect(message(replica, 1, start())).toEqual([
    { kind: 'begin-snapshot', link: 1, of: N2.storeId, header: HEADER, from: 0, bytes: 100 },
  ]);
  expect(message(replica, 1, part(0))).toMatchObject([{ kind: 'store-part', link: 1, part: { place: 0 } }]);
  expect(only(stored(replica, 0), 'send')).toEqual([
    { kind: 'send', link: 1, message: { kind: 'snapshot-stored', next: 1 } },
  ]);
  expect(replica.committed).toBe(0);
});

test.each([
  ['when the end comes behind', true],
  ['when the last part is stored after the end', false],
])('all of it stored, it is put in force: %s', (_, before) => {
  const replica = receiving();
  if (before) stored(replica, 1);
  const ended = message(replica, 1, end(2));
  const effects = before ? ended : stored(replica, 1);
  expect(only(effects, 'install-snapshot')).toEqual([{ kind: 'install-snapshot', link: 1, parts: 2 }]);
});

test('in force, it is the store, the log goes on behind it, and its sender is told (§4)', () => {
  const replica = installing({ committed: [made(1)], pending: [made(2)] });
  const generation = replica.generation;
  expect(sent(installed(replica))).toEqual([[1, 'snapshot-installed']]);
  expect(replica).toMatchObject({ received: 7, durable: 7, committed: 7 });
  expect(replica.store.seq).toBe(7);
  expect(replica.generation).toBeGreaterThan(generation);
  const [written] = only(flushedAfter(replica, append([made(8)])), 'append');
  expect(written).toMatchObject({ entries: [{ seq: 8 }], generation: replica.generation });
  expect(sent(message(replica, 1, append([made(10)])))).toEqual([]);
  expect(replica.sessions.upstream).toBe('none');
});

function flushedAfter(replica: Replica, what: LinkMessage): readonly Effect[] {
  message(replica, 1, what);
  return flush(replica);
}

test('a sync that was begun before it was put in force counts for nothing (§3)', () => {
  const replica = joiner();
  message(replica, 1, append([made(1), made(2)]));
  flush(replica);
  message(replica, 1, start());
  message(replica, 1, end(0));
  installed(replica);
  message(replica, 1, append([made(8), made(9)]));
  flush(replica);
  synced(replica, 9, 0);
  expect(replica.durable).toBe(7);
  synced(replica, 9, replica.generation);
  expect(replica.durable).toBe(9);
});

test('entries that were taken in the same turn go to the disk before it is put in force', () => {
  const replica = joiner();
  message(replica, 1, append([made(1), made(2)]));
  message(replica, 1, start());
  expect(message(replica, 1, end(0))).toMatchObject([
    { kind: 'append', entries: [{ seq: 1 }, { seq: 2 }] },
    { kind: 'install-snapshot', parts: 0 },
  ]);
  expect(only(flush(replica), 'append')).toEqual([]);
});

test.each<[string, (replica: Replica) => readonly Effect[]]>([
  ['a second beginning', (replica) => message(replica, 1, start())],
  ['a part left out', (replica) => message(replica, 1, part(3))],
  ['a part again', (replica) => message(replica, 1, part(1))],
  ['an end too early', (replica) => message(replica, 1, end(3))],
  ['an end too late', (replica) => message(replica, 1, end(1))],
  ['a second end', (replica) => [message(replica, 1, end(2)), message(replica, 1, end(2))].flat()],
  ['a part behind the end', (replica) => [message(replica, 1, end(2)), message(replica, 1, part(2))].flat()],
  ['an entry', (replica) => message(replica, 1, append([made(1)]))],
])('%s ends the session, and what is held stays', (_, act) => {
  const replica = receiving();
  expect(hungUp(act(replica))).toEqual([1]);
  expect(replica).toMatchObject({ broken: null, received: 0, sessions: { upstream: 'none' } });
  stored(replica, 1);
  const [{ it } = {}] = welcomes(message(replica, 2, hello(TOLD, N2)));
  expect(it?.partial).toEqual({ of: N2.storeId, seq: 7, next: 2 });
});

test.each<[string, LinkMessage]>([
  ['a part', part(0)],
  ['an end', end(0)],
  ['a beginning in the middle', start({ from: 3 })],
  ['a snapshot of what is held', start({ at: 2 })],
])('%s of no snapshot ends the session', (_, wrong) => {
  const replica = joiner({ committed: [made(1)], pending: [made(2)] });
  expect(hungUp(message(replica, 1, wrong))).toEqual([1]);
  expect(replica.broken).toBeNull();
});

test('a snapshot before Resume ends the session', () => {
  for (const early of [start(), part(0), end(0)]) {
    const replica = loneReplica(N3);
    enter(replica, TOLD);
    message(replica, 1, hello(TOLD, N2));
    expect(hungUp(message(replica, 1, early))).toEqual([1]);
  }
});

test('a sender that does not wait until its parts are stored is out of session: memory is bounded', () => {
  const replica = joiner();
  message(replica, 1, start());
  for (let place = 0; place < SNAPSHOT_WINDOW_PARTS; place++) {
    expect(hungUp(message(replica, 1, part(place)))).toEqual([]);
  }
  expect(hungUp(message(replica, 1, part(SNAPSHOT_WINDOW_PARTS)))).toEqual([1]);
});

test('a snapshot that ends below what is committed here makes this replica stop as corrupt (§4)', () => {
  const replica = joiner({ committed: [made(1), made(2), made(3)] });
  expect(only(message(replica, 1, start({ at: 2 })), 'fail')).toMatchObject([{ code: 'CORRUPT' }]);
});

test('a joiner that is asked to drop what it has committed stops as corrupt; a member ends the session (§4)', () => {
  const replica = loneReplica(N3, { committed: [made(1), made(2)] });
  enter(replica, TOLD);
  message(replica, 1, hello(TOLD, N2));
  expect(only(message(replica, 1, resume(1)), 'fail')).toMatchObject([{ code: 'CORRUPT' }]);
  const member = loneReplica(N3, { committed: [made(1), made(2)] });
  const told = configuration(2, [N1, N2, N3]);
  enter(member, told);
  message(member, 1, hello(told, N2));
  const effects = message(member, 1, resume(1));
  expect(only(effects, 'fail')).toEqual([]);
  expect(hungUp(effects)).toEqual([1]);
});

describe('an interrupted transfer (§4)', () => {
  test('goes on behind what was stored, also after the session', () => {
    const replica = receiving();
    replica.step({ kind: 'disconnected', link: 1 }, at(0));
    expect(sent(stored(replica, 1))).toEqual([]);
    const [{ it } = {}] = welcomes(message(replica, 2, hello(TOLD, N2)));
    expect(it?.partial).toEqual({ of: N2.storeId, seq: 7, next: 2 });
    message(replica, 2, resume(0));
    expect(message(replica, 2, start({ from: 2 }))).toMatchObject([
      { kind: 'begin-snapshot', link: 2, from: 2 },
    ]);
    expect(message(replica, 2, part(2))).toMatchObject([{ kind: 'store-part', link: 2 }]);
  });

  test('is gone on with in a later epoch, too', () => {
    const replica = receiving();
    const later = { ...TOLD, epoch: epoch(5) };
    enter(replica, later);
    stored(replica, 1);
    const [{ it } = {}] = welcomes(message(replica, 2, hello(later, N2)));
    expect(it?.partial?.next).toBe(2);
  });

  test('is not told of before the disk has stored what it was handed: the Hello waits', () => {
    const replica = receiving();
    expect(welcomes(message(replica, 2, hello(TOLD, N2)))).toEqual([]);
    expect(replica.sessions.upstream).toBe('none');
    expect(welcomes(stored(replica, 1))).toMatchObject([{ link: 2, it: { partial: { next: 2 } } }]);
  });

  test.each([
    ['of another store', start({ of: 'another', from: 2 })],
    ['of another seq', start({ at: 8, from: 2 })],
    ['from another part', start({ from: 1 })],
  ])('is not gone on with by one %s', (_, other) => {
    const replica = receiving();
    replica.step({ kind: 'disconnected', link: 1 }, at(0));
    stored(replica, 1);
    message(replica, 2, hello(TOLD, N2));
    message(replica, 2, resume(0));
    expect(hungUp(message(replica, 2, other))).toEqual([2]);
  });

  test('makes room for one that is begun anew', () => {
    const replica = receiving();
    replica.step({ kind: 'disconnected', link: 1 }, at(0));
    stored(replica, 1);
    message(replica, 2, hello(TOLD, N2));
    message(replica, 2, resume(0));
    expect(message(replica, 2, start({ at: 8 }))).toMatchObject([{ kind: 'begin-snapshot', from: 0 }]);
    expect(stored(replica, 0, 1)).toEqual([]);
    expect(message(replica, 2, part(0))).toMatchObject([{ kind: 'store-part' }]);
  });

  test('is forgotten once the log has come as far by itself', () => {
    const replica = receiving();
    replica.step({ kind: 'disconnected', link: 1 }, at(0));
    stored(replica, 1);
    message(replica, 2, hello(TOLD, N2));
    message(replica, 2, resume(0));
    const entries = [1, 2, 3, 4, 5, 6, 7].map((number) => made(number));
    expect(only(message(replica, 2, append(entries.slice(0, 6))), 'drop-snapshot')).toEqual([]);
    expect(only(message(replica, 2, append(entries.slice(6))), 'drop-snapshot')).toHaveLength(1);
    const [{ it } = {}] = welcomes(message(replica, 3, hello(TOLD, N2)));
    expect(it?.partial).toBeNull();
  });

  test('is forgotten when nobody goes on with it for a minute, be there a session or none', () => {
    for (const more of [[], [hello(TOLD, N2), resume(0)]]) {
      const replica = receiving();
      replica.step({ kind: 'disconnected', link: 1 }, at(0));
      // What was handed to the disk comes first, however long it takes.
      expect(only(ticks(replica, 0, 70_000), 'drop-snapshot')).toEqual([]);
      stored(replica, 1);
      for (const it of more) message(replica, 2, it, at(70_000));
      expect(only(ticks(replica, 70_100, 130_000), 'drop-snapshot')).toEqual([]);
      expect(only(ticks(replica, 130_100, 140_000), 'drop-snapshot')).toHaveLength(1);
      const [{ it } = {}] = welcomes(message(replica, 3, hello(TOLD, N2), at(140_000)));
      expect(it?.partial).toBeNull();
    }
  });

  test('is kept while a transfer is under way, and for a minute anew behind each', () => {
    const replica = receiving();
    replica.step({ kind: 'disconnected', link: 1 }, at(0));
    stored(replica, 1);
    expect(only(ticks(replica, 0, 50_000), 'drop-snapshot')).toEqual([]);
    message(replica, 2, hello(TOLD, N2), at(50_000));
    message(replica, 2, resume(0), at(50_000));
    message(replica, 2, start({ from: 2 }), at(50_000));
    expect(only(ticks(replica, 50_100, 50_200), 'drop-snapshot')).toEqual([]);
    replica.step({ kind: 'disconnected', link: 2 }, at(50_200));
    expect(only(ticks(replica, 50_300, 110_000), 'drop-snapshot')).toEqual([]);
    expect(only(ticks(replica, 110_100, 111_000), 'drop-snapshot')).toHaveLength(1);
  });

  test('that makes no sense is forgotten, and its session ends', () => {
    const replica = receiving();
    const effects = replica.step({ kind: 'bad-snapshot', link: 1, reason: 'the test' }, at(0));
    expect(hungUp(effects)).toEqual([1]);
    expect(only(effects, 'drop-snapshot')).toHaveLength(1);
    expect(stored(replica, 1)).toEqual([]);
    expect(welcomes(message(replica, 2, hello(TOLD, N2)))[0]?.it.partial).toBeNull();
  });

  test('that made no sense long ago ends no other session', () => {
    const replica = receiving();
    replica.step({ kind: 'disconnected', link: 1 }, at(0));
    stored(replica, 1);
    message(replica, 2, hello(TOLD, N2));
    message(replica, 2, resume(0));
    const bad = replica.step({ kind: 'bad-snapshot', link: 1, reason: 'the test' }, at(0));
    expect(hungUp(bad)).toEqual([]);
    expect(replica.sessions.upstream).toBe('reconciled');
    expect(replica.step({ kind: 'bad-snapshot', link: 1, reason: 'again' }, at(0)).length).toBeLessThan(2);
  });
});

describe('while it is put in force', () => {
  test('a Hello waits, and is answered for the new log', () => {
    const replica = installing();
    expect(welcomes(message(replica, 2, hello(TOLD, N2)))).toEqual([]);
    const effects = installed(replica);
    expect(welcomes(effects)).toMatchObject([
      { link: 2, it: { committed: 7, committedEpoch: 1, runs: [], partial: null } },
    ]);
    expect(sent(effects).map(([, kind]) => kind)).toEqual(['welcome']);
  });

  test('no epoch begins, and the one that was told begins with the new log', () => {
    for (const told of [configuration(3, [N3]), { ...TOLD, epoch: epoch(3) }, configuration(3, [N1])]) {
      const replica = installing();
      enter(replica, told);
      expect(replica).toMatchObject({ active: false, takesWrites: false });
      installed(replica);
      expect(replica).toMatchObject({ active: true, committed: 7, configuration: told });
    }
  });

  test('no epoch begins either when in the end it could not be put in force, until that is known', () => {
    const replica = installing({ committed: [made(1)] });
    enter(replica, { ...TOLD, epoch: epoch(3) });
    const effects = replica.step({ kind: 'bad-snapshot', link: 1, reason: 'the test' }, at(0));
    expect(only(effects, 'drop-snapshot')).toHaveLength(1);
    expect(replica).toMatchObject({ active: true, committed: 1 });
  });

  test('no epoch begins for a complaint about what came by another link long ago', () => {
    const replica = installing({ committed: [made(1)] });
    enter(replica, { ...TOLD, epoch: epoch(3) });
    const effects = replica.step({ kind: 'bad-snapshot', link: 7, reason: 'the test' }, at(0));
    expect(only(effects, 'drop-snapshot')).toEqual([]);
    expect(replica).toMatchObject({ active: false, committed: 1 });
    installed(replica);
    expect(replica).toMatchObject({ active: true, committed: 7 });
  });

  test('both sides keep the link alive however long it takes, and it is not ready (§4)', () => {
    const replica = installing();
    for (let ms = 0; ms < 3000; ms += 100) {
      message(replica, 1, append([], { committed: 9 }), at(ms));
      const effects = ticks(replica, ms, ms + 90);
      expect(hungUp(effects)).toEqual([]);
      expect(sent(effects)).toContainEqual([1, 'ack']);
      expect(replica.ready).toBe(false);
    }
  });

  test('a replica that breaks takes it all the same, as the disk has', () => {
    const replica = installing();
    replica.step({ kind: 'failed', reason: 'the test' }, at(0));
    expect(sent(installed(replica))).toEqual([]);
    expect(replica).toMatchObject({ broken: 'the test', committed: 7 });
  });

  test('a disk that fails breaks the replica: what it holds is not known any more', () => {
    for (const replica of [receiving(), installing()]) {
      const effects = replica.step({ kind: 'disk-failed', reason: 'the test' }, at(0));
      expect(only(effects, 'fail')).toMatchObject([{ code: 'BROKEN' }]);
    }
  });
});

describe('what the joiner knows to be committed (§5)', () => {
  test('it applies what is on its disk and was told to be committed', () => {
    const replica = joiner();
    message(replica, 1, append([made(1), made(2), made(3)], { upstreamDurable: 3, committed: 1 }));
    flush(replica);
    expect(replica.committed).toBe(0);
    synced(replica, 2);
    expect(replica).toMatchObject({ durable: 2, committed: 1, ready: true });
    message(replica, 1, append([], { upstreamDurable: 3, committed: 3 }));
    expect(replica).toMatchObject({ committed: 2, ready: true });
    replica.step({ kind: 'tick' }, at(201));
    expect(replica.ready).toBe(false);
    synced(replica, 3);
    expect(replica).toMatchObject({ committed: 3, ready: true });
  });

  test('it is not ready before it was told anything, nor once the session is over', () => {
    const replica = joiner();
    expect(replica.ready).toBe(false);
    message(replica, 1, append([]));
    expect(replica.ready).toBe(true);
    replica.step({ kind: 'disconnected', link: 1 }, at(0));
    expect(replica.ready).toBe(false);
  });

  test('it is not ready while a snapshot comes, whatever it was told', () => {
    for (const replica of [receiving(), installing()]) {
      message(replica, 1, append([]));
      expect(replica.ready).toBe(false);
    }
  });

  test('what was told in an earlier session commits nothing of the next', () => {
    const replica = joiner();
    message(replica, 1, append([made(1), made(2)], { committed: 2 }));
    flush(replica);
    message(replica, 2, hello(TOLD, N2));
    synced(replica, 2);
    expect(replica.committed).toBe(0);
    message(replica, 2, resume(1));
    message(replica, 2, append([], { committed: 1 }));
    synced(replica, 1, replica.generation);
    expect(replica.committed).toBe(1);
  });

  test('a member commits nothing by what it is told from above', () => {
    const replica = loneReplica(N3);
    const told = configuration(2, [N1, N2, N3]);
    enter(replica, told);
    message(replica, 1, hello(told, N2));
    message(replica, 1, resume(0));
    message(replica, 1, append([made(1)], { upstreamDurable: 0, committed: 1 }));
    flush(replica);
    synced(replica, 1);
    expect(replica.committed).toBe(0);
  });
});
