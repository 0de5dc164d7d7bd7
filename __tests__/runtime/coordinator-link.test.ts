import type { HeartbeatAnswer, NodeReport } from '../../src/protocol/messages.ts';
import { CoordinatorLink } from '../../src/runtime/coordinator-link.ts';
import { logDialFailures } from '../../src/runtime/dial-log.ts';
import { configuration, incarnation } from '../support/chain-builders.ts';
import { StoryNode } from '../support/coordinator-story.ts';
import { keepingLogger, ManualClock, settle } from '../support/coordinator-world.ts';
import { MemoryNetwork } from '../support/memory-transport.ts';
import { ScriptedCoordinator } from '../support/replica-world.ts';

const C1 = { hosts: ['127.0.0.1'], port: 5460 };

class World {
  readonly clock = new ManualClock();
  readonly network = new MemoryNetwork(this.clock);
  readonly coordinator = new ScriptedCoordinator(this.network);
  readonly logger = keepingLogger();
  readonly answers: HeartbeatAnswer[] = [];
  says: Partial<NodeReport> = {};
  addresses = ['localhost:5460'];
  readonly link = new CoordinatorLink(
    {
      addresses: () => this.addresses,
      heartbeatMs: () => 50,
      report: () => ({ ...new StoryNode('n1').report(), ...this.says }),
      answered: (answer) => this.answers.push(answer),
    },
    { transport: this.network.of('n1'), clock: this.clock, logger: this.logger },
  );

  get beats(): number {
    return this.coordinator.reports.length;
  }
}

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.link.stop());

test('reports at once and every heartbeatMs, and hands the answers back', async () => {
  await world.coordinator.start();
  world.coordinator.configuration = configuration(3, [incarnation('n1')]);
  world.link.start();
  await settle();
  expect(world.beats).toBe(1);
  expect(world.link.connected).toBe(true);
  await world.clock.advance(200);
  expect(world.beats).toBe(5);
  expect(world.answers).toHaveLength(5);
  expect(world.answers[0]).toMatchObject({ epoch: 3, configuration: { epoch: 3 } });
});

test('a report made at once takes the place of the next one due', async () => {
  await world.coordinator.start();
  world.link.start();
  await world.clock.advance(40);
  world.link.beatNow();
  await world.clock.advance(49);
  expect(world.beats).toBe(2);
  expect(world.clock.timers).toBe(1);
});

test('without a connection there is nothing to report on', () => {
  world.link.start();
  world.link.beatNow();
  expect(world.link.connected).toBe(false);
});

test.each(['cut', 'garbage'])('a connection that ends by %s is dialled anew', async (how) => {
  if (how === 'cut') await world.coordinator.start();
  else {
    await world.network.of('c1').accept(C1, (connection) => {
      connection.listen({ data: () => {}, drained: () => {}, closed: () => {} });
    });
  }
  world.link.start();
  await settle();
  const [wire] = world.network.wires;
  if (how === 'cut') wire?.cut();
  else wire?.acceptedEnd.send([Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')]);
  await world.clock.advance(1000);
  expect(wire?.open).toBe(false);
  expect(world.link.connected).toBe(true);
  expect(world.network.wiresOf('n1')).toHaveLength(1);
  expect(world.logger.lines.filter((line) => line.includes('lost the connection'))).toHaveLength(1);
});

test('a coordinator that closes every connection is not dialled without a pause', async () => {
  await world.coordinator.start();
  world.coordinator.hostile = true;
  world.link.start();
  await settle();
  // The clock stands still: whatever comes after the first few was waited for by nothing.
  expect(world.network.dials.length).toBeLessThanOrEqual(2);
});

test('toward a coordinator that reads nothing, reports are left out rather than heaped up', async () => {
  await world.coordinator.start();
  world.says = { problem: 'x'.repeat(100_000) };
  world.link.start();
  await settle();
  const [wire] = world.network.wires;
  wire?.stall();
  await world.clock.advance(1500);
  expect(wire?.dialledEnd.bufferedBytes).toBeLessThan(262_144 + 2 * 101_000);
  wire?.flow();
  await world.clock.advance(100);
  expect(wire?.dialledEnd.bufferedBytes).toBe(0);
});

test.each([
  ['answers nothing any more', () => silence()],
  ['is behind a connection that stalls', () => world.network.wires[0]?.stall()],
])('a coordinator that %s is looked for anew', async (_, spoil) => {
  await world.coordinator.start();
  world.link.start();
  await settle();
  spoil();
  await world.clock.advance(5000);
  expect(world.network.wires.length).toBeGreaterThan(1);
  world.coordinator.silent = false;
  const answers = world.answers.length;
  await world.clock.advance(4000);
  expect(world.answers.length).toBeGreaterThan(answers);
  expect(world.link.connected).toBe(true);
});

test.each(['dialling', 'connected'])(
  'stopped while %s, it leaves no timer and no connection',
  async (when) => {
    if (when === 'connected') await world.coordinator.start();
    world.link.start();
    await world.clock.advance(30);
    world.link.stop();
    await settle();
    expect(world.clock.timers).toBe(0);
    expect(world.network.wiresOf('n1')).toEqual([]);
    expect(world.link.connected).toBe(false);
  },
);

test('stopped in the turn in which the dial succeeds, it closes the connection', async () => {
  await world.network.of('c1').accept(C1, (connection) => {
    connection.listen({ data: () => {}, drained: () => {}, closed: () => {} });
    queueMicrotask(() => world.link.stop());
  });
  world.link.start();
  await settle();
  expect(world.network.wires).toHaveLength(1);
  expect(world.network.wiresOf('n1')).toEqual([]);
  expect(world.clock.timers).toBe(0);
});

describe('a coordinator that may be at several addresses', () => {
  test('is looked for at the likeliest first, and at the next when nobody is there', async () => {
    await world.coordinator.start();
    world.addresses = ['localhost:5999', 'localhost:5460'];
    world.link.start();
    await world.clock.advance(1900);
    expect(world.network.dials.every((dial) => dial === 'n1>5999')).toBe(true);
    await world.clock.advance(200);
    expect(world.link.connected).toBe(true);
    expect(world.logger.lines.filter((line) => line.startsWith('warn')).length).toBeLessThanOrEqual(1);
  });

  test('is looked for at an address that is learned while it is dialled', async () => {
    await world.coordinator.start();
    world.addresses = ['localhost:5999'];
    world.link.start();
    await world.clock.advance(1000);
    world.addresses = ['localhost:5460'];
    await world.clock.advance(1100);
    expect(world.link.connected).toBe(true);
  });

  test('is looked for at the next when somebody at the first never answers', async () => {
    await world.network.of('stranger').accept({ hosts: ['127.0.0.1'], port: 5999 }, (connection) => {
      connection.listen({ data: () => connection.close(), drained: () => {}, closed: () => {} });
    });
    await world.coordinator.start();
    world.addresses = ['localhost:5999', 'localhost:5460'];
    world.link.start();
    await settle();
    await world.clock.advance(100);
    expect(world.network.wiresOf('c1')).toHaveLength(1);
    expect(world.answers.length).toBeGreaterThan(0);
  });

  test('and can not be reached is said once in a while, as one', async () => {
    world.addresses = ['localhost:5999', 'localhost:5460'];
    world.link.start();
    await world.clock.advance(8000);
    const warnings = world.logger.lines.filter((line) => line.startsWith('warn'));
    expect(warnings).toEqual([expect.stringContaining('localhost:5999 or localhost:5460')]);
  });
});

describe('leaving', () => {
  test('reports once more at once, and nothing after that; the connection stays', async () => {
    await world.coordinator.start();
    world.link.start();
    await world.clock.advance(30);
    world.says = { phase: 'stopping' };
    const beats = world.beats;
    world.link.leave();
    await settle();
    expect(world.coordinator.last('n1')?.phase).toBe('stopping');
    world.link.beatNow();
    await world.clock.advance(1000);
    expect(world.beats).toBe(beats + 1);
    expect(world.link.connected).toBe(true);
    expect(world.clock.timers).toBe(0);
  });

  test('a connection that is lost behind it is not made anew, nor said to be lost', async () => {
    await world.coordinator.start();
    world.link.start();
    await world.clock.advance(30);
    world.link.leave();
    world.network.wires[0]?.cut();
    await world.clock.advance(1000);
    expect(world.network.wires).toHaveLength(1);
    expect(world.logger.lines.join()).not.toContain('lost the connection');
    expect(world.clock.timers).toBe(0);
  });

  test('while it is dialled gives that up', async () => {
    world.link.start();
    await world.clock.advance(30);
    world.link.leave();
    await world.clock.advance(100);
    expect(world.clock.timers).toBe(0);
  });
});

describe('the log of dials', () => {
  function tries(count: number) {
    const logger = keepingLogger();
    const log = logDialFailures(logger, 'n2');
    for (let n = 0; n < count; n++) log.failed('refused');
    return {
      log,
      lines: logger.lines,
      warnings: () => logger.lines.filter((line) => line.startsWith('warn')),
    };
  }

  test('says nothing of a neighbour that starts a moment later', () => {
    const { log, lines } = tries(9);
    log.succeeded();
    expect(lines.filter((line) => !line.startsWith('debug'))).toEqual([]);
  });

  test('says once that it can’t reach a neighbour, with the reason, then seldom', () => {
    expect(tries(10).warnings()).toEqual([expect.stringContaining('refused')]);
    expect(tries(49).warnings()).toHaveLength(1);
    expect(tries(200).warnings()).toHaveLength(5);
  });

  test('says that a neighbour was reached if it had said that it was not', () => {
    const { log, lines } = tries(10);
    log.succeeded();
    expect(lines.at(-1)).toMatch(/^info reached n2/);
  });
});

function silence(): void {
  world.coordinator.silent = true;
}
