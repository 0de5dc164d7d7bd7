import { seq } from '../../src/base/ids.ts';
import { encodeMessage } from '../../src/codec/message-codec.ts';
import type { Connection, ConnectionListener, Transport } from '../../src/ports/transport.ts';
import { type Message, PROTOCOL_VERSION } from '../../src/protocol/messages.ts';
import type { ReplicaEvent } from '../../src/replica/events.ts';
import { Links } from '../../src/runtime/links.ts';
import { incarnation } from '../support/chain-builders.ts';
import { StoryNode } from '../support/coordinator-story.ts';
import { keepingLogger, settle } from '../support/coordinator-world.ts';

const MIB = 1024 * 1024;
const ACK: Message = { kind: 'ack', committed: seq(1) };

/** A connection moved by hand: it can deliver what it should not any more. */
class Hand implements Connection {
  readonly remote: string;
  bufferedBytes = 0;
  closes = 0;
  listener: ConnectionListener | null = null;

  constructor(remote = 'somebody') {
    this.remote = remote;
  }

  send(chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) this.bufferedBytes += chunk.length;
  }

  close(): void {
    this.closes += 1;
  }

  listen(listener: ConnectionListener): void {
    this.listener = listener;
  }

  bring(...messages: Message[]): void {
    this.listener?.data(Buffer.concat(messages.flatMap(encodeMessage)));
  }
}

/** Links with a transport whose dials end when the test says. */
function linksByHand(onEvent: (event: ReplicaEvent, links: Links) => void = () => {}) {
  const events: ReplicaEvent[] = [];
  const dials: { address: string; signal: AbortSignal; connect: (connection: Connection) => void }[] = [];
  const logger = keepingLogger();
  const transport: Transport = {
    accept: () => Promise.reject(new Error('not here')),
    knock: () => Promise.reject(new Error('not here')),
    dial: (address, { signal }) =>
      new Promise((resolve) => {
        dials.push({ address, signal, connect: resolve });
      }),
  };
  const links: Links = new Links(
    {
      addressOf: ({ node }) => (node === 'n9' ? null : `${node}:1`),
      happened: (event) => {
        events.push(event);
        onEvent(event, links);
      },
    },
    { transport, logger },
  );
  const accept = (hand = new Hand()) => {
    links.accepted(hand);
    return hand;
  };
  return { links, events, dials, logger, accept, kinds: () => events.map(({ kind }) => kind) };
}

test('garbage on a link closes it alone', () => {
  const { accept, events } = linksByHand();
  const bad = accept();
  const good = accept();
  bad.listener?.data(Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'));
  good.bring(ACK);
  expect([bad.closes, good.closes]).toEqual([1, 0]);
  expect(events).toEqual([
    { kind: 'disconnected', link: 1 },
    { kind: 'message', link: 2, message: ACK },
  ]);
});

test('a heartbeat is none of a neighbour’s messages: its link is closed', () => {
  const { accept, kinds } = linksByHand();
  const hand = accept();
  hand.bring({
    kind: 'heartbeat',
    protocolVersion: PROTOCOL_VERSION,
    report: { ...new StoryNode('n1').report() },
  });
  expect(hand.closes).toBe(1);
  expect(kinds()).toEqual(['disconnected']);
});

test('of too many inbound links the oldest makes room, and those that were dialled don’t count', async () => {
  const { links, accept, dials, events } = linksByHand();
  links.dial(incarnation('n2'));
  const dialled = new Hand();
  dials[0]?.connect(dialled);
  await settle();
  const hands = Array.from({ length: 33 }, () => accept());
  expect(hands.map(({ closes }) => closes)).toEqual([1, ...Array.from({ length: 32 }, () => 0)]);
  expect(dialled.closes).toBe(0);
  expect(events.at(-1)).toEqual({ kind: 'disconnected', link: 2 });
});

test('a neighbour that has spoken keeps its link when others crowd in without a word', () => {
  const { accept } = linksByHand();
  const neighbour = accept();
  neighbour.bring(ACK);
  const silent = Array.from({ length: 40 }, () => accept());
  expect(neighbour.closes).toBe(0);
  expect(silent.map(({ closes }) => closes)).toEqual(silent.map((_, place) => (place < 9 ? 1 : 0)));
});

test('what a link delivers after it was hung up counts for nothing', () => {
  const { links, accept, events } = linksByHand();
  const hand = accept();
  links.hangUp(1, 'over');
  hand.bring(ACK);
  hand.listener?.drained();
  hand.listener?.closed('late');
  hand.listener?.data(Buffer.from('garbage that is longer than the header of a frame'));
  expect(events).toEqual([]);
  expect(hand.closes).toBe(1);
});

test('of several messages that came at once, those behind one that ended the session count for nothing', () => {
  const { accept, kinds } = linksByHand((event, links) => {
    if (event.kind === 'message') links.hangUp(event.link, 'out of place');
  });
  accept().bring(ACK, ACK, ACK);
  expect(kinds()).toEqual(['message']);
});

test('a link that the other end closes is told of once', () => {
  const { accept, kinds } = linksByHand();
  const hand = accept();
  hand.listener?.closed('gone');
  hand.listener?.closed('gone');
  expect(kinds()).toEqual(['disconnected']);
});

test('congestion is told once, and its end once', () => {
  const { links, accept, kinds } = linksByHand();
  const hand = accept();
  hand.listener?.drained();
  hand.bufferedBytes = 8 * MIB;
  links.send(1, { kind: 'ack', committed: seq(1) });
  links.send(1, { kind: 'ack', committed: seq(2) });
  hand.bufferedBytes = 0;
  hand.listener?.drained();
  hand.listener?.drained();
  expect(kinds()).toEqual(['congested', 'drained']);
});

test('sending on a link that is gone does nothing', () => {
  const { links, kinds } = linksByHand();
  links.send(7, { kind: 'ack', committed: seq(1) });
  links.hangUp(7, 'gone');
  expect(kinds()).toEqual([]);
});

test('a later dial takes the place of an earlier one, whose connection is closed if it comes after all', async () => {
  const { links, dials, events } = linksByHand();
  links.dial(incarnation('n2'));
  links.dial(incarnation('n3'));
  const early = new Hand();
  const wanted = new Hand();
  dials[0]?.connect(early);
  dials[1]?.connect(wanted);
  await settle();
  expect(dials.map(({ signal }) => signal.aborted)).toEqual([true, false]);
  expect([early.closes, wanted.closes]).toEqual([1, 0]);
  expect(events).toEqual([{ kind: 'connected', link: 1, to: incarnation('n3') }]);
});

test('a dial that was given up connects to nobody', async () => {
  const { links, dials, events } = linksByHand();
  links.dial(incarnation('n2'));
  links.hangUp(null, 'no longer wanted');
  const hand = new Hand();
  dials[0]?.connect(hand);
  await settle();
  expect(hand.closes).toBe(1);
  expect(events).toEqual([]);
});

test('a successor without an address is not dialled, the dial before it is given up, and the log says so', () => {
  const { links, dials, logger } = linksByHand();
  links.dial(incarnation('n2'));
  links.dial(incarnation('n9'));
  expect(dials.map(({ address, signal }) => [address, signal.aborted])).toEqual([['n2:1', true]]);
  expect(logger.lines.join()).toContain('no address of the successor');
});

test('closing all ends links and dials, and tells nothing', () => {
  const { links, accept, dials, events } = linksByHand();
  const hands = [accept(), accept()];
  links.dial(incarnation('n2'));
  links.closeAll();
  expect(hands.map(({ closes }) => closes)).toEqual([1, 1]);
  expect(dials[0]?.signal.aborted).toBe(true);
  expect(events).toEqual([]);
});
