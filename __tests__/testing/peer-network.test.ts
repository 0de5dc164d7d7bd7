import { jest } from '@jest/globals';
import { systemClock } from '../../src/platform/clock.ts';
import type { Connection } from '../../src/ports/transport.ts';
import { Life } from '../../src/testing/life.ts';
import { PeerNetwork } from '../../src/testing/peer-network.ts';
import { PeerTransport } from '../../src/testing/peer-transport.ts';
import { freePorts } from '../support/free-ports.ts';

jest.setTimeout(30_000);

/** One end of a connection, and what it was told. */
class End {
  readonly connection: Connection;
  received = '';
  closed: string | null = null;

  constructor(connection: Connection) {
    this.connection = connection;
    connection.listen({
      data: (bytes) => {
        this.received += Buffer.from(bytes).toString();
      },
      drained: () => {},
      closed: (reason) => {
        this.closed = reason;
      },
    });
  }

  say(text: string): void {
    this.connection.send([Buffer.from(text)]);
  }
}

let lives: Life[] = [];
afterEach(async () => {
  await Promise.all(lives.map((life) => life.end()));
  lives = [];
});

/** `a` dials `b`, over a network of their own. */
async function twoProcesses() {
  const [port = 0] = await freePorts(1);
  const network = new PeerNetwork(new Map([[port, 'b']]));
  const [a, b] = [new Life(systemClock), new Life(systemClock)];
  lives.push(a, b);
  const accepted: End[] = [];
  await new PeerTransport('b', { life: b, network }).accept({ hosts: ['127.0.0.1'], port }, (connection) =>
    accepted.push(new End(connection)),
  );
  const transport = new PeerTransport('a', { life: a, network });
  const address = `127.0.0.1:${port}`;
  const dial = async (signal = new AbortController().signal): Promise<End> =>
    new End(await transport.dial(address, { signal, retryMsMax: 20, failed: () => {} }));
  const connect = async () => {
    const here = await dial();
    here.say('hello');
    await until(() => accepted.at(-1)?.received === 'hello');
    return { here, there: accepted.at(-1) as End };
  };
  return { network, a, b, transport, address, dial, connect, accepted };
}

test('what is sent into a cut arrives at neither end, and nobody is told before it is healed', async () => {
  const { network, connect } = await twoProcesses();
  const one = await connect();
  const other = await connect();
  network.cut('a', 'b');
  one.here.say('lost');
  other.there.say('lost');
  await elapsed();
  expect([one.there.received, one.there.closed, one.here.closed]).toEqual(['hello', null, null]);
  expect([other.here.received, other.here.closed]).toEqual(['', null]);
  expect(one.here.connection.bufferedBytes).toBe(4);
  network.heal();
  await until(() => one.there.closed !== null && other.there.closed !== null);
  expect([one.here.closed, other.here.closed]).toEqual(
    Array(2).fill('what was sent on it while its cable was cut is lost'),
  );
  one.here.say('late');
  await elapsed();
  expect([one.there.received, one.here.connection.bufferedBytes]).toEqual(['hello', 0]);
});

test('a connection on which nothing was sent outlasts a cut', async () => {
  const { network, connect } = await twoProcesses();
  const { here, there } = await connect();
  network.cut('b', 'a');
  network.heal();
  here.say(', and again');
  there.say('fine');
  await until(() => there.received === 'hello, and again' && here.received === 'fine');
});

test.each(['here', 'there'] as const)(
  'that one end (%s) closes shows at the other when the cut is healed',
  async (side) => {
    const { network, connect } = await twoProcesses();
    const ends = await connect();
    const other = side === 'here' ? ends.there : ends.here;
    network.cut('a', 'b');
    ends[side].connection.close();
    await elapsed();
    expect(other.closed).toBeNull();
    network.heal();
    await until(() => other.closed !== null);
    expect(ends[side].closed).toBeNull();
  },
);

test.each(['a', 'b'] as const)(
  'the death of %s ends its connections, but in a cut not before that is healed',
  async (who) => {
    const { network, connect, ...lives } = await twoProcesses();
    const { here, there } = await connect();
    const [dead, survivor] = who === 'a' ? [here, there] : [there, here];
    network.cut('a', 'b');
    await lives[who].end();
    await elapsed();
    expect([dead.closed, survivor.closed]).toEqual([null, null]);
    network.heal();
    await until(() => survivor.closed !== null);
    expect(dead.closed).toBeNull();
  },
);

test('a dial into a cut waits until it is healed, or is given up', async () => {
  const { network, dial, accepted } = await twoProcesses();
  network.cut('a', 'b');
  const dialled = dial();
  const givenUp = new AbortController();
  const other = expect(dial(givenUp.signal)).rejects.toThrow('enough');
  givenUp.abort(new Error('enough'));
  await other;
  expect(accepted).toEqual([]);
  network.heal();
  (await dialled).say('hello');
  await until(() => accepted[0]?.received === 'hello');
  expect(accepted).toHaveLength(1);
});

test('a knock tells nothing through a cut, and who is dead without one', async () => {
  const { network, transport, address, b } = await twoProcesses();
  const knock = () => transport.knock(address, { withinMs: 500 });
  expect(await knock()).toBe('open');
  network.cut('a', 'b');
  expect(await knock()).toBe('unknown');
  await b.end();
  expect(await knock()).toBe('unknown');
  network.heal();
  expect(await knock()).toBe('refused');
});

test('the timers of the dead are gone', async () => {
  const life = new Life(systemClock);
  const before = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const called: string[] = [];
  life.clock.after(1, () => called.push('after'));
  life.clock.defer(() => called.push('defer'));
  await life.end();
  expect(process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout')).toHaveLength(before);
  life.clock.after(1, () => called.push('after its end'));
  await elapsed();
  expect(called).toEqual([]);
});

/** Bytes that could arrive would have: a connection of its own has gone there and back. */
async function elapsed(): Promise<void> {
  const { connect } = await twoProcesses();
  const { here, there } = await connect();
  there.say('welcome');
  await until(() => here.received === 'welcome');
}

async function until(condition: () => boolean): Promise<void> {
  const endMs = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`waited in vain: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
