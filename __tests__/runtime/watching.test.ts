import { NO_EPOCH, seq } from '../../src/base/ids.ts';
import type { WatchListener } from '../../src/runtime/node-service.ts';
import { routeOf, whatIsMissing } from '../../src/runtime/routing.ts';
import { WATCHERS_MAX, Watching, whyNotWatched } from '../../src/runtime/watching.ts';
import {
  append,
  at,
  configuration,
  enter,
  hello,
  incarnation,
  loneReplica,
} from '../support/chain-builders.ts';
import { FIRST, made, message, N1, N2, N3, resume } from '../support/lone-replica.ts';

/** Remembers what it is told. */
class Listener implements WatchListener {
  heard = 0;
  reasons: string[] = [];
  changed(): void {
    this.heard += 1;
  }
  ended(reason: string): void {
    this.reasons.push(reason);
  }
}

const HERE = { kind: 'here' };

/** In the middle of the chain, with a reconciled session from above at 0 ms. */
function middle() {
  const replica = loneReplica(N2);
  enter(replica, FIRST);
  message(replica, 1, hello(FIRST, N1));
  message(replica, 1, resume(0));
  return replica;
}

function watched(replica = middle()) {
  const watching = new Watching();
  const listener = new Listener();
  const watch = watching.open(replica.store.changes, listener, () => false);
  return { replica, watching, listener, watch };
}

test('every member can be watched, and nobody else: they send those who watch to the tail', () => {
  for (const self of [N1, N2, N3]) {
    const replica = loneReplica(self);
    enter(replica, FIRST);
    expect(routeOf(replica, 'watch', NO_EPOCH, null, at(0))).toEqual(HERE);
  }
  const spare = loneReplica(incarnation('n4'));
  enter(spare, FIRST);
  expect(routeOf(spare, 'watch', NO_EPOCH, null, at(0))).toMatchObject({ kind: 'elsewhere', node: 'n3' });
  const joiner = loneReplica(incarnation('n4'));
  enter(joiner, { ...FIRST, joiner: joiner.self });
  expect(routeOf(joiner, 'watch', NO_EPOCH, null, at(0))).toMatchObject({ kind: 'elsewhere', node: 'n3' });
});

test('who watches is told when more is committed, once, and not when it is only received', () => {
  const tail = loneReplica(N2);
  const pair = configuration(1, [N1, N2]);
  enter(tail, pair);
  message(tail, 1, hello(pair, N1));
  message(tail, 1, resume(0));
  const { watching, listener, watch } = watched(tail);
  message(tail, 1, append([made(1)], { upstreamDurable: 1 }));
  watching.look(tail, at(1));
  expect([listener.heard, watch?.changes.committed]).toEqual([0, 0]);
  tail.step({ kind: 'synced', through: seq(1), generation: tail.generation }, at(1));
  watching.look(tail, at(2));
  watching.look(tail, at(3));
  expect([listener.heard, watch?.changes.committed]).toEqual([1, 1]);
});

test('who watches is sent away when the node leaves the chain, once', () => {
  const { replica, watching, listener } = watched();
  enter(replica, configuration(2, [N1, N3]));
  watching.look(replica, at(1));
  watching.look(replica, at(2));
  expect(listener.reasons).toEqual(['this node left the chain']);
  expect(watching.counts).toEqual({ watchers: 0, cut: 0 });
});

test('who watches stays when the chain changes and the node is still in it', () => {
  const { replica, watching, listener } = watched();
  enter(replica, configuration(2, [N2, N3]));
  watching.look(replica, at(1));
  expect(listener.reasons).toEqual([]);
});

test('who watches is sent away when the node breaks', () => {
  const { replica, watching, listener } = watched();
  replica.step({ kind: 'failed', reason: 'the disk is gone' }, at(1));
  watching.look(replica, at(1));
  expect(listener.reasons).toEqual(['the disk is gone']);
});

test('a node that has not reached a neighbour for ten seconds may be cut off: it sends everybody away, and takes nobody', () => {
  const { replica, watching, listener } = watched();
  replica.step({ kind: 'disconnected', link: 1 }, at(1000));
  watching.look(replica, at(9000));
  expect(listener.reasons).toEqual([]);
  expect(routeOf(replica, 'watch', NO_EPOCH, null, at(9000))).toEqual(HERE);
  watching.look(replica, at(11_500));
  expect(listener.reasons).toEqual([expect.stringMatching(/n[13].*cut off/)]);
  expect(routeOf(replica, 'watch', NO_EPOCH, null, at(11_500))).toBeNull();
  expect(whatIsMissing(replica, 'watch', NO_EPOCH, at(11_500))).toContain('cut off');
  expect(whyNotWatched(replica, at(11_500))).toContain('cut off');
});

test('who watched a store that a snapshot has replaced is sent away', () => {
  const { watching, listener } = watched();
  const other = middle();
  watching.look(other, at(1));
  expect(listener.reasons).toEqual(['what this node holds was replaced as a whole']);
});

test('a thousand may watch, and one more when one has left', () => {
  const { replica, watching, watch } = watched();
  const open = () => watching.open(replica.store.changes, new Listener(), () => false);
  expect(WATCHERS_MAX).toBe(1000);
  for (let more = 1; more < WATCHERS_MAX; more++) expect(open()).not.toBeNull();
  expect(open()).toBeNull();
  watch?.close('cut');
  watch?.close('cut');
  expect(watching.counts).toEqual({ watchers: 999, cut: 1 });
  expect(open()).not.toBeNull();
});
