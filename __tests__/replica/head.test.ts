import fc from 'fast-check';
import { requestId } from '../../src/base/ids.ts';
import type { Now } from '../../src/base/now.ts';
import type { Command } from '../../src/protocol/command.ts';
import { bornMsOf } from '../../src/protocol/request-id.ts';
import type { Effect, WriteReply } from '../../src/replica/events.ts';
import type { Replica } from '../../src/replica/replica.ts';
import { batch, entry, increment, remove, set, single } from '../support/builders.ts';
import {
  at,
  configuration,
  enter,
  incarnation,
  loneReplica,
  only,
  versionedTopology,
} from '../support/chain-builders.ts';

const ADD = single(increment('counter'));
const SELF = incarnation('n1');

/** A chain of one whose disk is instant, in its first epoch. */
class Alone {
  readonly replica: Replica;
  #tickets = 0;

  constructor(options: { storeBytes?: number; inFlightBytes?: number; timeMs?: number } = {}) {
    const { timeMs = 0, ...limits } = options;
    this.replica = loneReplica(SELF, { topology: versionedTopology(['n1'], { limits }) });
    enter(this.replica, configuration(1, [SELF], { timeMs }));
  }

  /** Takes a write without writing it out; the reply if there is one at once. */
  take(
    command: Command,
    { id = null, now = at(0) }: { id?: string | null; now?: Now } = {},
  ): WriteReply | null {
    const effects = this.replica.step(
      {
        kind: 'write',
        ticket: ++this.#tickets,
        requestId: id === null ? null : requestId(id),
        command,
        deadlineMs: now.monotonicMs + 5000,
      },
      now,
    );
    return only(effects, 'answer')[0]?.reply ?? null;
  }

  /** What was taken goes to the disk and is answered. */
  flush(now = at(0)): { effects: readonly Effect[]; replies: WriteReply[] } {
    const effects = this.replica.step({ kind: 'flush' }, now);
    const through = this.replica.received;
    const { generation } = only(effects, 'append').at(-1) ?? { generation: 0 };
    const after = this.replica.step({ kind: 'synced', through, generation }, now);
    return { effects, replies: only(after, 'answer').map(({ reply }) => reply) };
  }

  write(command: Command, options: { id?: string | null; now?: Now } = {}): WriteReply | undefined {
    return this.take(command, options) ?? this.flush(options.now).replies[0];
  }
}

test('entries follow each other in the order of the writes and carry the epoch and the log time (§2, §9)', () => {
  const alone = new Alone({ timeMs: 50_000 });
  alone.take(ADD, { id: 'a', now: at(0) });
  alone.take(ADD, { id: 'b', now: at(1000) });
  const [written] = only(alone.flush().effects, 'append');
  expect(written).toMatchObject({
    committed: 0,
    entries: [
      { epoch: 1, seq: 1, timeMs: 50_000, requestId: 'a' },
      { epoch: 1, seq: 2, timeMs: 51_000, requestId: 'b' },
    ],
  });
});

test('the next append records what is committed, so that recovery can apply up to it (§2)', () => {
  const alone = new Alone();
  alone.write(ADD);
  alone.take(ADD);
  expect(only(alone.flush().effects, 'append')).toMatchObject([{ committed: 1, entries: [{ seq: 2 }] }]);
});

test('a write without an id gets one that carries its birth in log time (§8)', () => {
  const reply = new Alone({ timeMs: 7000 }).write(ADD);
  expect(reply).toMatchObject({ kind: 'applied' });
  const id = reply?.kind === 'applied' ? reply.requestId : requestId('');
  expect(bornMsOf(id)).toBe(7000);
});

test('the times of entries never fall, even where the configuration is behind the log (§9)', () => {
  const replica = loneReplica(SELF, { committed: [entry(ADD, { timeMs: 90_000 })] });
  enter(replica, configuration(2, [SELF], { timeMs: 10 }));
  replica.step({ kind: 'write', ticket: 1, requestId: null, command: ADD, deadlineMs: 1 }, at(5));
  const [written] = only(replica.step({ kind: 'flush' }, at(5)), 'append');
  expect(written?.entries[0]?.timeMs).toBeGreaterThanOrEqual(90_000);
});

test('a command heavier than inFlightBytes is taken alone, and not beside another', () => {
  const heavy = single(set('k', 'x'.repeat(600)));
  const alone = new Alone({ inFlightBytes: 500 });
  expect(alone.take(heavy)).toBeNull();
  expect(alone.write(heavy)).toEqual({ kind: 'refused', code: 'OVERLOADED' });
  expect(alone.replica.received).toBe(1);
});

test('writes in flight count against storeBytes as if they were in the store', () => {
  const alone = new Alone({ storeBytes: 2000 });
  expect(alone.take(single(set('a', 'x'.repeat(1200))))).toBeNull();
  expect(alone.take(single(set('b', 'x'.repeat(1200))))).toEqual({ kind: 'refused', code: 'STORE_FULL' });
  expect(alone.take(single(remove('a')))).toBeNull();
});

const operations = fc.oneof(
  fc
    .record({ key: fc.string({ minLength: 1, maxLength: 20, unit: 'binary' }), bytes: fc.nat(60) })
    .map(({ key, bytes }) => set(key, 'x'.repeat(bytes))),
  fc.integer({ min: 0, max: 9 }).map((number) => increment(`counter ${number}`, 2 ** 52)),
);
const commands = fc.oneof(
  operations.map(single),
  fc.array(operations, { minLength: 1, maxLength: 6 }).map((all) => batch(all, { atomic: false })),
);

test('the store never holds more than storeBytes, whatever is in flight at once', () => {
  fc.assert(
    fc.property(fc.array(fc.array(commands, { maxLength: 3 }), { maxLength: 4 }), (turns) => {
      const alone = new Alone({ storeBytes: 500 });
      for (const turn of turns) {
        for (const command of turn) alone.take(command);
        alone.flush();
        expect(alone.replica.store.bytes).toBeLessThanOrEqual(500);
      }
    }),
    { numRuns: 50 },
  );
});

test('a batch of many small writes is refused when it would fill the store beyond storeBytes', () => {
  const alone = new Alone({ storeBytes: 600 });
  const many = batch(Array.from({ length: 10 }, (_, number) => set(String(number), '')));
  expect(alone.write(many)).toEqual({ kind: 'refused', code: 'STORE_FULL' });
});
