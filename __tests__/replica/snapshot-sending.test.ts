import { epoch, seq } from '../../src/base/ids.ts';
import { SNAPSHOT_WINDOW_PARTS } from '../../src/protocol/messages.ts';
import type { Effect, ReplicaEvent } from '../../src/replica/events.ts';
import type { Replica } from '../../src/replica/replica.ts';
import { at, configuration, enter, loneReplica, only } from '../support/chain-builders.ts';
import {
  ack,
  flush,
  hungUp,
  made,
  message,
  N1,
  N2,
  sent,
  synced,
  ticks,
  welcome,
  write,
} from '../support/lone-replica.ts';

const HEADER = { epoch: epoch(1), seq: seq(3), timeMs: 0, keys: 1, requests: 0 };
const LATER = { ...configuration(3, [N1]), joiner: N2 };

/** n1, alone with five entries committed, in session with the joiner n2, which is empty; its log on disk begins later. */
function opening(partial: { next: number } | null = null): Replica {
  const replica = loneReplica(N1, { committed: [1, 2, 3, 4, 5].map((number) => made(number)) });
  enter(replica, { ...configuration(2, [N1]), joiner: N2 });
  replica.step({ kind: 'connected', link: 1, to: N2 }, at(0));
  message(replica, 1, {
    ...welcome(0),
    ...{ partial: partial && { of: N1.storeId, seq: seq(3), ...partial } },
  });
  flush(replica);
  replica.step({ kind: 'read', link: 1, entries: null }, at(0));
  return replica;
}

const opened = (replica: Replica, { from = 0, header = HEADER } = {}) =>
  replica.step({ kind: 'snapshot-opened', link: 1, header, from, bytes: 100 }, at(0));

const read = (replica: Replica, place: number, link = 1) =>
  replica.step(
    { kind: 'part-read', link, place, part: { place, rows: 1, payload: new Uint8Array(1) } },
    at(0),
  );

const end = (replica: Replica, place: number) =>
  replica.step({ kind: 'part-read', link: 1, place, part: null }, at(0));

const stored = (replica: Replica, next: number) => message(replica, 1, { kind: 'snapshot-stored', next });
const installed = (replica: Replica, number: number) =>
  message(replica, 1, { kind: 'snapshot-installed', seq: seq(number) });

const asked = (effects: readonly Effect[]) => only(effects, 'read-part').map(({ place }) => place);
const closed = (effects: readonly Effect[]) => only(effects, 'close-snapshot').map(({ link }) => link);

/** The same, in the middle of sending. */
function sending(): Replica {
  const replica = opening();
  opened(replica);
  read(replica, 0);
  return replica;
}

test('a snapshot is opened, then read and sent part by part (§4)', () => {
  const replica = opening();
  const start = opened(replica);
  expect(only(start, 'send')[0]?.message).toEqual({
    kind: 'snapshot-start',
    of: N1.storeId,
    header: HEADER,
    from: 0,
    bytes: 100,
  });
  expect(asked(start)).toEqual([0]);
  const first = read(replica, 0);
  expect(only(first, 'send')[0]?.message).toMatchObject({ kind: 'snapshot-part', place: 0, rows: 1 });
  expect(asked(first)).toEqual([1]);
  expect(only(end(replica, 1), 'send')[0]?.message).toEqual({ kind: 'snapshot-end', parts: 1 });
});

test('what the receiver holds of it is asked for, and not sent again', () => {
  const replica = opening({ next: 2 });
  const start = opened(replica, { from: 2 });
  expect(only(start, 'send')[0]?.message).toMatchObject({ kind: 'snapshot-start', from: 2 });
  expect(asked(start)).toEqual([2]);
  expect(asked(read(replica, 2))).toEqual([3]);
});

test('what the receiver holds is said when the snapshot is opened', () => {
  const replica = loneReplica(N1, { committed: [made(1), made(2)] });
  enter(replica, { ...configuration(2, [N1]), joiner: N2 });
  replica.step({ kind: 'connected', link: 1, to: N2 }, at(0));
  const partial = { of: N1.storeId, seq: seq(1), next: 7 };
  message(replica, 1, { ...welcome(0), ...{ partial } });
  flush(replica);
  const effects = replica.step({ kind: 'read', link: 1, entries: null }, at(0));
  expect(effects).toEqual([{ kind: 'open-snapshot', link: 1, wanted: partial }]);
});

test('a window of parts is on its way unstored, never more', () => {
  const replica = opening();
  opened(replica);
  const places: number[] = [];
  for (let place = 0; place < SNAPSHOT_WINDOW_PARTS; place++) places.push(...asked(read(replica, place)));
  expect(places.length).toBe(SNAPSHOT_WINDOW_PARTS - 1);
  expect(asked(stored(replica, 1))).toEqual([SNAPSHOT_WINDOW_PARTS]);
  expect(asked(stored(replica, 2))).toEqual([]);
});

test('no part is read for a congested link until it has drained', () => {
  const replica = opening();
  opened(replica);
  replica.step({ kind: 'congested', link: 1 }, at(0));
  expect(asked(read(replica, 0))).toEqual([]);
  expect(asked(replica.step({ kind: 'drained', link: 1 }, at(0)))).toEqual([1]);
});

test('no entry is sent meanwhile and no turn asked for, but the link is kept alive (§4)', () => {
  const replica = sending();
  write(replica, 1);
  expect(sent(flush(replica))).toEqual([]);
  expect(replica.wantsFlush).toBe(false);
  synced(replica, 6);
  expect(replica).toMatchObject({ committed: 6, wantsFlush: false });
  const appends = only(ticks(replica, 0, 100), 'send').map(({ message: it }) => it);
  expect(appends).toMatchObject([
    { kind: 'append', entries: [], committed: 6 },
    { kind: 'append', entries: [], committed: 6 },
  ]);
});

test('the receiver is not silent while it stores parts', () => {
  const replica = sending();
  for (let ms = 0; ms < 3000; ms += 100) {
    expect(hungUp(ticks(replica, ms, ms + 90))).toEqual([]);
    replica.step({ kind: 'message', link: 1, message: { kind: 'snapshot-stored', next: 0 } }, at(ms + 90));
  }
});

test('once it is installed the log follows, from the disk and then from memory, and only then is the snapshot closed', () => {
  const replica = sending();
  end(replica, 1);
  stored(replica, 1);
  expect(closed(installed(replica, 3))).toEqual([]);
  expect(only(flush(replica), 'read')).toMatchObject([{ link: 1, after: 3 }]);
  const entries = replica.step({ kind: 'read', link: 1, entries: [made(4)] }, at(0));
  expect(sent(entries)).toEqual([[1, 'append']]);
  expect(closed(entries)).toEqual([]);
  message(replica, 1, ack(4));
  flush(replica);
  expect(closed(replica.step({ kind: 'read', link: 1, entries: [made(5)] }, at(0)))).toEqual([1]);
  write(replica, 1);
  expect(sent(flush(replica))).toEqual([[1, 'append']]);
});

test('a joiner gets old entries a lot at a time, and rests after each for as long as it took to apply', () => {
  const replica = sending();
  end(replica, 1);
  stored(replica, 1);
  installed(replica, 3);
  flush(replica);
  replica.step({ kind: 'read', link: 1, entries: [made(4)] }, at(0));
  expect(only(flush(replica), 'read')).toEqual([]);
  const applied = message(replica, 1, ack(4), at(50));
  expect(only(applied, 'wake')).toEqual([{ kind: 'wake', atMs: 100 }]);
  replica.step({ kind: 'tick' }, at(90));
  expect(only(flush(replica, at(90)), 'read')).toEqual([]);
  replica.step({ kind: 'tick' }, at(100));
  expect(only(flush(replica, at(100)), 'read')).toMatchObject([{ link: 1, after: 4 }]);
});

test('a snapshot with nothing behind it is closed at once', () => {
  const replica = opening();
  opened(replica, { header: { ...HEADER, seq: seq(5) } });
  end(replica, 0);
  expect(closed(installed(replica, 5))).toEqual([1]);
});

test.each<[string, (replica: Replica) => readonly Effect[]]>([
  ['the connection ends', (replica) => replica.step({ kind: 'disconnected', link: 1 }, at(0))],
  [
    'another epoch begins',
    (replica) => replica.step({ kind: 'told', configuration: LATER, topology: null }, at(0)),
  ],
  ['the receiver is silent', (replica) => ticks(replica, 0, 600)],
  ['the replica breaks', (replica) => replica.step({ kind: 'failed', reason: 'the test' }, at(0))],
  ['the receiver talks nonsense', (replica) => stored(replica, 99)],
])('the snapshot is closed, once, when %s', (_, ends) => {
  for (const replica of [opening(), sending()]) {
    expect(closed(ends(replica))).toEqual([1]);
    expect(closed(ticks(replica, 610, 700))).toEqual([]);
  }
});

test.each<[string, (replica: Replica) => readonly Effect[]]>([
  ['stored what was not sent', (replica) => stored(replica, 2)],
  ['lost what it had stored', (replica) => [...stored(replica, 1), ...stored(replica, 0)]],
  ['installed before the end', (replica) => installed(replica, 3)],
  ['installed what it has not stored', (replica) => [...end(replica, 1), ...installed(replica, 3)]],
  [
    'installed another one',
    (replica) => [...end(replica, 1), ...stored(replica, 1), ...installed(replica, 4)],
  ],
  ['knows of commits that it was not sent', (replica) => message(replica, 1, ack(1))],
])('a receiver that says that it has %s is out of session', (_, act) => {
  const replica = sending();
  expect(hungUp(act(replica))).toEqual([1]);
  expect(replica).toMatchObject({ broken: null, sessions: { downstream: 'idle' } });
});

test.each<[string, (replica: Replica) => readonly Effect[]]>([
  ['snapshot-stored', (replica) => stored(replica, 0)],
  ['snapshot-installed', (replica) => installed(replica, 3)],
])('%s without a transfer ends the session', (_, act) => {
  const replica = loneReplica(N1);
  enter(replica, configuration(2, [N1, N2]));
  replica.step({ kind: 'connected', link: 1, to: N2 }, at(0));
  message(replica, 1, welcome(0));
  expect(hungUp(act(replica))).toEqual([1]);
});

test('a snapshot that ends before what the receiver holds is not sent', () => {
  const replica = loneReplica(N1, { committed: [1, 2, 3, 4, 5].map((number) => made(number)) });
  enter(replica, { ...configuration(2, [N1]), joiner: N2 });
  replica.step({ kind: 'connected', link: 1, to: N2 }, at(0));
  message(replica, 1, welcome(3));
  flush(replica);
  replica.step({ kind: 'read', link: 1, entries: null }, at(0));
  const effects = opened(replica);
  expect(sent(effects)).toEqual([]);
  expect(hungUp(effects)).toEqual([1]);
  expect(closed(effects)).toEqual([1]);
});

test('what was read or opened for a session that is over, or twice, or not asked for, goes nowhere', () => {
  const late: ReplicaEvent[] = [
    { kind: 'snapshot-opened', link: 1, header: HEADER, from: 0, bytes: 1 },
    { kind: 'part-read', link: 1, place: 1, part: { place: 1, rows: 1, payload: new Uint8Array(1) } },
    { kind: 'part-read', link: 1, place: 1, part: null },
  ];
  const replica = sending();
  replica.step({ kind: 'disconnected', link: 1 }, at(0));
  for (const event of late) expect(replica.step(event, at(0))).toEqual([]);
  const other = sending();
  for (const event of late) expect(other.step({ ...event, link: 9 } as ReplicaEvent, at(0))).toEqual([]);
  expect(sent(read(other, 7))).toEqual([]);
  expect(sent(opened(other))).toEqual([]);
  expect(sent(read(other, 1))).toEqual([[1, 'snapshot-part']]);
  expect(sent(read(other, 1))).toEqual([]);
});
