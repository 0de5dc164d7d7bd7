import { epoch, seq } from '../../src/base/ids.ts';
import type { Now } from '../../src/base/now.ts';
import type { Entry } from '../../src/protocol/entry.ts';
import type { LinkMessage } from '../../src/protocol/messages.ts';
import type { Effect } from '../../src/replica/events.ts';
import type { Replica } from '../../src/replica/replica.ts';
import { entry, increment, single } from './builders.ts';
import {
  at,
  configuration,
  enter,
  hello,
  incarnation,
  loneReplica,
  only,
  versionedTopology,
} from './chain-builders.ts';

const ADD = single(increment('counter'));
export const N1 = incarnation('n1');
export const N2 = incarnation('n2');
export const N3 = incarnation('n3');
/** The chain n1, n2, n3 in its first epoch. */
export const FIRST = configuration(1, [N1, N2, N3]);

/** An entry of the epoch at this seq. */
export const made = (number: number, inEpoch = 1): Entry => entry(ADD, { seq: number, epoch: inEpoch });

/** A message comes by a link. */
export function message(
  replica: Replica,
  link: number,
  what: LinkMessage,
  now: Now = at(0),
): readonly Effect[] {
  return replica.step({ kind: 'message', link, message: what }, now);
}

export const resume = (after: number): LinkMessage => ({ kind: 'resume', after: seq(after) });
export const ack = (committed: number): LinkMessage => ({ kind: 'ack', committed: seq(committed) });
/** What is committed in these stories is of epoch 1. */
export const welcome = (committed: number, ...runs: readonly (readonly [number, number])[]): LinkMessage => ({
  kind: 'welcome',
  committed: seq(committed),
  committedEpoch: epoch(committed === 0 ? 0 : 1),
  runs: runs.map(([by, last]) => ({ epoch: epoch(by), lastSeq: seq(last) })),
  partial: null,
});

/** What the effects send, by link. */
export const sent = (effects: readonly Effect[]): [number, LinkMessage['kind']][] =>
  only(effects, 'send').map(({ link, message: { kind } }) => [link, kind]);
/** The links that the effects close, `null` for a dial given up. */
export const hungUp = (effects: readonly Effect[]): (number | null)[] =>
  only(effects, 'hang-up').map(({ link }) => link);

/** n3, the tail, with a reconciled session on link 1 and a lease. */
export function tail(received = 0): Replica {
  const replica = loneReplica(N3);
  enter(replica, FIRST);
  message(replica, 1, hello(FIRST, N2, { received }));
  message(replica, 1, resume(0));
  message(replica, 1, { kind: 'grant', id: 1 });
  return replica;
}

/** n1, the head, with a session on link 1 that streams to n2. */
export function head(): Replica {
  const replica = loneReplica(N1, { topology: versionedTopology(['n1', 'n2', 'n3']) });
  enter(replica, FIRST);
  replica.step({ kind: 'connected', link: 1, to: N2 }, at(0));
  message(replica, 1, welcome(0));
  return replica;
}

export function write(replica: Replica, ticket: number): void {
  replica.step({ kind: 'write', ticket, requestId: null, command: ADD, deadlineMs: 5000 }, at(0));
}

export function flush(replica: Replica, now: Now = at(0)): readonly Effect[] {
  return replica.step({ kind: 'flush' }, now);
}

export function synced(replica: Replica, through: number, generation = 0): readonly Effect[] {
  return replica.step({ kind: 'synced', through: seq(through), generation }, at(0));
}

/** A tick every 10 ms, both ends included. */
export function ticks(replica: Replica, fromMs: number, throughMs: number): readonly Effect[] {
  const effects: Effect[] = [];
  for (let ms = fromMs; ms <= throughMs; ms += 10) effects.push(...replica.step({ kind: 'tick' }, at(ms)));
  return effects;
}
