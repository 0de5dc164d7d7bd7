import fc from 'fast-check';
import { CatenaError } from '../../src/base/errors.ts';
import { encodeMessage, MessageDecoder } from '../../src/codec/message-codec.ts';
import type { Message } from '../../src/protocol/messages.ts';
import { anyMessage } from '../codec/arbitraries.ts';
import { connected, Heard, NetworkWorld, WINDOW_BYTES } from './network-harness.ts';

describe('a connection', () => {
  test('carries bytes in order, both ways, and each takes a moment', async () => {
    const { world, near, far } = await connected();
    const sentMs = world.scheduler.nowMs;
    near.send('one ', 'two ');
    near.send('three');
    far.send('back');
    expect(far.text).toBe('');
    await world.rest();
    expect([far.text, near.text]).toEqual(['one two three', 'back']);
    expect(far.lastMs - sentMs).toBeGreaterThanOrEqual(0.05);
  });

  test('takes one event for all that is sent in one turn, and none while it is idle', async () => {
    const { world, near, far } = await connected();
    await world.rest();
    for (let i = 0; i < 50; i++) near.send('x');
    expect(await world.rest()).toBe(1);
    expect(far.pieces).toHaveLength(1);
    expect(await world.rest()).toBe(0);
  });

  test('does not keep order with another one', async () => {
    const { world, accepted, near, far } = await connected();
    const other = await world.connect('a', 'b', accepted);
    const overtook = new Set<boolean>();
    for (let i = 0; i < 50; i++) {
      near.send('x');
      other.near.send('x');
      await world.rest();
      overtook.add(other.far.lastMs < far.lastMs);
    }
    expect(overtook).toEqual(new Set([true, false]));
  });

  test('hands on what was sent without changing it, and its receiver may keep it', async () => {
    const { world, near, far } = await connected();
    const chunks = [Buffer.alloc(10, 1), Buffer.alloc(200_000, 2)];
    near.connection.send(chunks);
    await world.rest();
    expect(Buffer.concat(far.pieces).equals(Buffer.concat(chunks))).toBe(true);
    expect(chunks).toEqual([Buffer.alloc(10, 1), Buffer.alloc(200_000, 2)]);
  });

  test('carries messages of every kind, split and joined as it may', async () => {
    const split = { pieces: 0, messages: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(anyMessage, { maxLength: 8 }), fc.nat(), async (messages, seed) => {
        const { world, near, far } = await connected(seed);
        for (const [i, message] of messages.entries()) {
          near.connection.send(encodeMessage(message));
          if (i % 3 > 0) await world.pass(0.1 * (i % 3));
        }
        await world.rest();
        const decoder = new MessageDecoder();
        expect(far.pieces.flatMap((piece) => decoder.push(piece)).map(bare)).toEqual(messages.map(bare));
        split.pieces += far.pieces.length;
        split.messages += messages.length;
      }),
      { numRuns: 50 },
    );
    expect(split.pieces).not.toBe(split.messages);
  });

  test('now and then delivers in two pieces what was sent in one', async () => {
    const { world, near, far } = await connected();
    for (let i = 0; i < 500; i++) {
      near.send('0123456789');
      await world.rest();
    }
    expect(far.pieces.length).toBeGreaterThan(500);
    expect(far.pieces.length).toBeLessThan(600);
    expect(far.text).toBe('0123456789'.repeat(500));
  });

  test('gives what came before anybody listened to the one who does', async () => {
    const world = new NetworkWorld();
    const late: (() => Heard)[] = [];
    await world.transport('b').accept({ hosts: [], port: 7 }, (connection) => {
      late.push(() => new Heard(connection, world));
    });
    const { outcome } = world.dial('a', 'b');
    await world.until(() => outcome.heard !== null);
    outcome.heard?.send('early');
    outcome.heard?.connection.close();
    await world.rest();
    const heard = late.map((listen) => listen());
    await world.rest();
    expect(heard.map((it) => [it.text, it.closed])).toEqual([['early', ['the other end closed it']]]);
  });
});

describe('backpressure', () => {
  test('counts what does not fit on the way while it stalls, and tells when all has left', async () => {
    const { world, near, far } = await connected();
    world.network.stall('a', 'b');
    near.send('x'.repeat(60_000));
    expect(near.connection.bufferedBytes).toBe(0);
    near.send('y'.repeat(100_000));
    await world.pass(1000);
    expect(near.connection.bufferedBytes).toBe(160_000 - WINDOW_BYTES);
    expect(near.drains).toBe(0);
    world.network.flow('a', 'b');
    await world.rest();
    expect([near.drains, near.connection.bufferedBytes]).toEqual([1, 0]);
    expect(far.text).toBe('x'.repeat(60_000) + 'y'.repeat(100_000));
  });

  test('comes from a receiver that is paused as well', async () => {
    const { world, near, far } = await connected();
    world.process('b').pause();
    near.send('x'.repeat(200_000));
    await world.pass(100);
    expect(near.connection.bufferedBytes).toBe(200_000 - WINDOW_BYTES);
    world.process('b').goOn();
    await world.rest();
    expect([near.connection.bufferedBytes, far.text.length]).toEqual([0, 200_000]);
  });

  test('comes from acknowledgements that are cut off, though the bytes arrive', async () => {
    const { world, near, far } = await connected();
    world.network.stall('b', 'a');
    near.send('x'.repeat(200_000));
    await world.pass(100);
    expect(far.text).toHaveLength(WINDOW_BYTES);
    expect(near.connection.bufferedBytes).toBe(200_000 - WINDOW_BYTES);
    world.network.flow('b', 'a');
    await world.rest();
    expect(far.text).toHaveLength(200_000);
  });

  test('is not told of when only a little was kept', async () => {
    const { world, near } = await connected();
    near.send('x'.repeat(70_000));
    expect(near.connection.bufferedBytes).toBeGreaterThan(0);
    await world.rest();
    expect([near.connection.bufferedBytes, near.drains]).toEqual([0, 0]);
  });
});

describe('an end that closes', () => {
  test('lets arrive what has left, and the other end hears of it once; it hears nothing itself', async () => {
    const { world, near, far } = await connected();
    near.send('last words');
    far.send('too late');
    near.connection.close();
    near.send('dropped');
    near.connection.close();
    await world.rest();
    expect([far.text, far.closed]).toEqual(['last words', ['the other end closed it']]);
    expect([near.text, near.closed]).toEqual(['', []]);
  });

  test('drops what it had kept', async () => {
    const { world, near, far } = await connected();
    world.network.stall('a', 'b');
    near.send('x'.repeat(100_000));
    near.connection.close();
    expect(near.connection.bufferedBytes).toBe(0);
    world.network.flow('a', 'b');
    await world.rest();
    expect([far.text.length, far.closed.length]).toEqual([WINDOW_BYTES, 1]);
  });

  test('resets it when something lies unread', async () => {
    const { world, accepted, near, far } = await connected();
    const other = await world.connect('a', 'b', accepted);
    world.process('b').pause();
    near.send('read');
    await world.pass(10);
    other.near.send('unread');
    await world.pass(10);
    // Its timers come first when it goes on: this one hangs up before anything is read.
    world.process('b').clock.after(0, () => other.far.connection.close());
    await world.pass(10);
    world.process('b').goOn();
    await world.rest();
    expect(other.near.closed).toEqual(['the other end broke the connection (ECONNRESET)']);
    expect([far.text, other.far.text]).toEqual(['read', '']);
  });

  test('is heard of late when its direction stalls', async () => {
    const { world, near, far } = await connected();
    world.network.stall('a', 'b');
    near.connection.close();
    await world.pass(5000);
    far.send('to nobody');
    expect(far.closed).toEqual([]);
    world.network.flow('a', 'b');
    await world.rest();
    expect(far.closed).toHaveLength(1);
  });
});

describe('a dial', () => {
  test('goes on until somebody listens, twice as long each time, and says why each try failed', async () => {
    const world = new NetworkWorld();
    const { failed, outcome } = world.dial('a', 'b');
    await world.pass(700);
    await world.accept('b');
    await world.until(() => outcome.heard !== null);
    expect(new Set(failed.map(({ reason }) => reason))).toEqual(
      new Set(['the connection was refused: nothing listens there (ECONNREFUSED)']),
    );
    const waits = failed.slice(1).map(({ atMs }, i) => atMs - (failed[i]?.atMs ?? 0));
    for (const [i, wait] of waits.entries()) {
      const expected = Math.min(20 * 2 ** i, 200);
      expect(wait).toBeGreaterThan(expected);
      expect(wait).toBeLessThan(expected + 20);
    }
    expect(waits.length).toBeGreaterThan(4);
  });

  test('waits by the clock of its process', async () => {
    const world = new NetworkWorld();
    const { failed } = world.dial('a', 'b');
    await world.until(() => failed.length === 1);
    world.process('a').pause();
    await world.pass(1000);
    expect(failed).toHaveLength(1);
    world.process('a').goOn();
    await world.until(() => failed.length === 2);
    expect(world.scheduler.nowMs).toBeLessThan(1050);
  });

  test('that is given up rejects at once with the reason, and does nothing more', async () => {
    for (const atMs of [0, 10, 100]) {
      const world = new NetworkWorld();
      const dialling = new AbortController();
      const { failed, outcome } = world.dial('a', 'b', dialling.signal);
      await world.pass(atMs);
      const before = failed.length;
      dialling.abort('enough');
      await world.until(() => outcome.error === 'enough');
      const accepted = await world.accept('b');
      await world.rest();
      expect([failed.length, accepted.length]).toEqual([before, 0]);
    }
  });

  test('that was given up before it began rejects', async () => {
    const world = new NetworkWorld();
    const { outcome } = world.dial('a', 'b', AbortSignal.abort('never mind'));
    await world.until(() => outcome.error === 'never mind');
    expect(world.scheduler.nowMs).toBe(0);
  });

  test('given up as it connects leaves no connection behind', async () => {
    const world = new NetworkWorld();
    const accepted = await world.accept('b');
    const dialling = new AbortController();
    const { outcome } = world.dial('a', 'b', dialling.signal);
    await world.until(() => accepted.length === 1);
    dialling.abort('enough');
    await world.rest();
    expect(outcome).toEqual({ heard: null, error: 'enough' });
    expect(accepted[0]?.closed).toHaveLength(1);
  });

  test('across a cut, in either direction, gets no answer for 2 s; once it is mended, it connects', async () => {
    for (const [from, to] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const world = new NetworkWorld();
      const accepted = await world.accept('b');
      world.network.cut(from, to);
      const { failed, outcome } = world.dial('a', 'b');
      await world.pass(5000);
      expect(failed.map(({ reason }) => reason)).toEqual(Array(2).fill('no answer within 2000 ms'));
      expect(failed[0]?.atMs).toBeCloseTo(2000);
      world.network.mend(from, to);
      await world.until(() => outcome.heard !== null);
      expect(accepted).toHaveLength(1);
    }
  });

  test('connects in the try that was under way when a short cut is mended', async () => {
    const world = new NetworkWorld();
    await world.accept('b');
    world.network.cut('b', 'a');
    const { failed, outcome } = world.dial('a', 'b');
    await world.pass(500);
    world.network.mend('b', 'a');
    await world.until(() => outcome.heard !== null);
    expect(failed).toEqual([]);
  });

  test('whose answer comes when its process is paused hears of it when that goes on', async () => {
    const world = new NetworkWorld();
    const accepted = await world.accept('b');
    const { outcome } = world.dial('a', 'b');
    world.process('a').pause();
    await world.pass(100);
    expect([accepted.length, outcome.heard]).toEqual([1, null]);
    world.process('a').goOn();
    await world.rest();
    expect(outcome.heard?.closed).toEqual([]);
  });

  test('whose process is paused for longer than a try hangs up what comes of it, and tries again', async () => {
    const world = new NetworkWorld();
    const accepted = await world.accept('b');
    const { failed, outcome } = world.dial('a', 'b');
    world.process('a').pause();
    await world.pass(3000);
    world.process('a').goOn();
    await world.rest();
    expect(failed.map(({ reason }) => reason)).toEqual(['no answer within 2000 ms']);
    expect(accepted.map(({ closed }) => closed.length)).toEqual([1, 0]);
    expect(outcome.heard?.closed).toEqual([]);
  });

  test('refuses an address that is none', async () => {
    const { world } = await connected();
    const options = { signal: new AbortController().signal, retryMsMax: 1, failed: () => {} };
    for (const address of ['', 'b', ':7', 'b:', 'b:x', 'b:70000']) {
      await expect(world.transport('a').dial(address, options)).rejects.toBeInstanceOf(CatenaError);
    }
  });
});

describe('a port', () => {
  test('is one process’s at a time, until that stops listening or dies', async () => {
    const world = new NetworkWorld();
    const port = { hosts: ['::'], port: 7 };
    const first = await world.transport('b').accept(port, () => {});
    await expect(world.transport('b').accept(port, () => {})).rejects.toMatchObject({ code: 'PORT_IN_USE' });
    await world.transport('a').accept(port, () => {});
    await first.close();
    await world.transport('b').accept(port, () => {});
    world.kill('b');
    world.boot('b');
    await world.transport('b').accept(port, () => {});
  });

  test('that is listened on no more refuses, and what stands goes on', async () => {
    const world = new NetworkWorld();
    const accepted: Heard[] = [];
    const listening = await world.transport('b').accept({ hosts: ['::'], port: 7 }, (connection) => {
      accepted.push(new Heard(connection, world));
    });
    const { near, far } = await world.connect('a', 'b', accepted);
    await listening.close();
    near.send('still here');
    expect((await world.knock('a', 'b', 1000)).found).toBe('refused');
    await world.rest();
    expect(far.text).toBe('still here');
  });

  test('of a paused process accepts; the process hears of it, and of what was said, when it goes on', async () => {
    const world = new NetworkWorld();
    const accepted = await world.accept('b');
    world.process('b').pause();
    const { outcome } = world.dial('a', 'b');
    await world.until(() => outcome.heard !== null);
    outcome.heard?.send('hello');
    await world.pass(100);
    expect(accepted).toEqual([]);
    world.process('b').goOn();
    await world.rest();
    expect(accepted.map(({ text }) => text)).toEqual(['hello']);
  });
});

test('a paused process that stopped listening turns away who had connected meanwhile', async () => {
  const world = new NetworkWorld();
  const accepted: unknown[] = [];
  const listening = await world.transport('b').accept({ hosts: [], port: 7 }, (it) => accepted.push(it));
  world.process('b').pause();
  world.process('b').clock.after(0, () => void listening.close());
  const { outcome } = world.dial('a', 'b');
  await world.pass(100);
  expect(outcome.heard?.closed).toEqual([]);
  world.process('b').goOn();
  await world.rest();
  expect([accepted, outcome.heard?.closed]).toEqual([[], ['the other end closed it']]);
});

describe('a knock', () => {
  test('finds who listens, and hangs up', async () => {
    const world = new NetworkWorld();
    const accepted = await world.accept('b');
    expect((await world.knock('a', 'b', 1000)).found).toBe('open');
    await world.rest();
    expect(accepted.map(({ closed }) => closed)).toEqual([['the other end closed it']]);
  });

  test('is refused at once where a machine lives and nobody listens', async () => {
    const world = new NetworkWorld();
    const { found, tookMs } = await world.knock('a', 'b', 1000);
    expect(found).toBe('refused');
    expect(tookMs).toBeLessThan(20);
  });

  test('tells nothing across a cut in either direction, and of a machine without power', async () => {
    for (const silence of [
      (world: NetworkWorld) => world.network.cut('a', 'b'),
      (world: NetworkWorld) => world.network.cut('b', 'a'),
      (world: NetworkWorld) => world.powerCut('b'),
    ]) {
      const world = new NetworkWorld();
      await world.accept('b');
      silence(world);
      const { found, tookMs } = await world.knock('a', 'b', 500);
      expect([found, Math.round(tookMs)]).toEqual(['unknown', 500]);
    }
  });

  test('is open for a process that is paused, and refused for one that was killed', async () => {
    const world = new NetworkWorld();
    await world.accept('b');
    world.process('b').pause();
    expect((await world.knock('a', 'b', 1000)).found).toBe('open');
    world.kill('b');
    expect((await world.knock('a', 'b', 1000)).found).toBe('refused');
  });
});

/** As it was before its entries were encoded. */
function bare(message: Message): Message {
  if (message.kind !== 'append') return message;
  return { ...message, entries: message.entries.map((entry) => ({ ...entry, encoded: null })) };
}
