import { CatenaError } from '../../src/base/errors.ts';
import { nodeId } from '../../src/base/ids.ts';
import { decodeRegister, EMPTY_REGISTER, encodeRegister } from '../../src/coordinator/register.ts';
import { type HeartbeatAnswer, PROTOCOL_VERSION } from '../../src/protocol/messages.ts';
import { CONNECTIONS_MAX } from '../../src/runtime/coordinator-connections.ts';
import { CoordinatorDriver } from '../../src/runtime/coordinator-driver.ts';
import { StoryNode, topologyFile } from '../support/coordinator-story.ts';
import {
  keepingLogger,
  ManualClock,
  MemoryDisk,
  MemoryTransport,
  type PeerEnd,
  settle,
  until,
} from '../support/coordinator-world.ts';

const REGISTER = 'register.json';

/** A driver over a disk, with nodes that beat by hand. */
class World {
  readonly disk: MemoryDisk;
  readonly clock = new ManualClock();
  readonly transport = new MemoryTransport();
  readonly logger = keepingLogger();
  readonly driver: CoordinatorDriver;
  readonly nodes = ['n1', 'n2', 'n3'].map((name) => new StoryNode(name));
  readonly ends = new Map<StoryNode, PeerEnd>();

  constructor(disk = new MemoryDisk(), file = topologyFile()) {
    this.disk = disk;
    this.driver = new CoordinatorDriver(
      { node: nodeId('c1'), ...file, peer: { hosts: ['127.0.0.1'], port: 5460 } },
      this,
    );
  }

  /** Every node beats on its connection, and the coordinator ticks. */
  async go(turns = 2): Promise<void> {
    for (let turn = 0; turn < turns; turn++) {
      for (const node of this.nodes) this.beat(node);
      await this.clock.advance(50);
    }
  }

  beat(node: StoryNode): PeerEnd {
    const end = this.ends.get(node) ?? this.transport.connect(node.name);
    this.ends.set(node, end);
    end.send({ kind: 'heartbeat', protocolVersion: PROTOCOL_VERSION, report: node.report() });
    return end;
  }

  onDisk() {
    const bytes = this.disk.lasting(REGISTER);
    return bytes === undefined ? null : decodeRegister(bytes, REGISTER);
  }
}

const started: World[] = [];
async function start(world = new World()): Promise<World> {
  started.push(world);
  for (const node of world.nodes) node.boot = 1;
  await world.driver.start();
  await settle();
  return world;
}
afterEach(async () => {
  for (const world of started.splice(0)) await world.driver.stop();
});

function answers(end: PeerEnd): HeartbeatAnswer[] {
  return end.received.flatMap((message) => (message.kind === 'heartbeat-answer' ? [message] : []));
}

async function codeOf(promise: Promise<unknown>): Promise<CatenaError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof CatenaError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

test('nodes that are heard become a chain, and every one is told, when the register is on disk', async () => {
  const world = await start();
  await world.go();
  expect(world.driver.configuration()).toMatchObject({ epoch: 1 });
  expect(world.onDisk()?.configuration?.epoch).toBe(1);
  for (const end of world.ends.values()) {
    expect(answers(end).find(({ configuration }) => configuration !== null)).toMatchObject({
      epoch: 1,
      configuration: { epoch: 1 },
      topology: { version: 1 },
    });
  }
  expect(world.driver.history()).toHaveLength(1);
  expect(world.driver.topology().version).toBe(1);
});

test('a register is written aside, synced, renamed, and its directory synced', async () => {
  const world = await start();
  await until(() => world.onDisk() !== null, 'the first save');
  const at = (what: string) => world.disk.done.findIndex((step) => step.startsWith(what));
  const order = [at('write'), at('sync register'), at('rename'), at('sync directory')];
  expect(order).toEqual([...order].sort((a, b) => a - b));
  expect(order.includes(-1)).toBe(false);
});

test('a coordinator that starts again goes on from its disk', async () => {
  const first = await start();
  await first.go();
  await first.driver.stop();
  const second = await start(new World(first.disk));
  expect(second.driver.configuration()).toMatchObject({ epoch: 1 });
  expect(second.driver.history()).toHaveLength(1);
});

test('what lies on the disk is made to last before it is told', async () => {
  const world = new World();
  world.disk.put(REGISTER, encodeRegister(EMPTY_REGISTER));
  await start(world);
  const [opened, synced, directory] = world.disk.done;
  expect([opened, synced, directory]).toEqual(['open register.json', 'sync register.json', 'sync directory']);
});

describe('it does not start', () => {
  test('on a directory that another process holds', async () => {
    const world = await start();
    const other = new World(world.disk);
    const error = await codeOf(other.driver.start());
    expect(error.code).toBe('LOCKED');
    expect(error.message).toContain('/data/c1 is in use');
  });

  test('with a damaged register, and names it and what to do; the directory is free again', async () => {
    const world = new World();
    world.disk.put(REGISTER, encodeRegister(EMPTY_REGISTER).subarray(0, 50));
    const error = await codeOf(world.driver.start());
    expect(error.code).toBe('CORRUPT');
    expect(error.message).toContain('/data/c1/register.json is damaged');
    expect(world.disk.locked).toBe(false);
    expect(world.transport.listening).toBe(false);
  });

  test('on a port that is in use; the directory is free again', async () => {
    const world = new World();
    world.transport.portInUse = true;
    expect((await codeOf(world.driver.start())).code).toBe('PORT_IN_USE');
    expect(world.disk.locked).toBe(false);
    expect(world.clock.timers).toBe(0);
  });
});

describe('when the disk is full', () => {
  test('nothing is told, the health says why, and it is tried again until it works', async () => {
    const world = await start();
    await until(() => world.onDisk() !== null, 'the first save');
    world.disk.failing = 'DISK_FULL';
    await world.go(10);
    expect(world.driver.configuration()).toBeNull();
    expect([...world.ends.values()].flatMap(answers).every(({ epoch }) => epoch === 0)).toBe(true);
    expect(world.driver.health()).toEqual({
      well: false,
      reason: expect.stringContaining('no space is left'),
    });
    expect(world.driver.readiness().well).toBe(false);
    expect(world.driver.gauges()).toMatchObject({ register_save_failing: 1 });
    expect(world.logger.lines.filter((line) => line.startsWith('error'))).toHaveLength(1);

    world.disk.failing = null;
    await world.go(20);
    expect(world.driver.health()).toEqual({ well: true, reason: null });
    expect(world.driver.configuration()).toMatchObject({ epoch: 1 });
    expect(world.onDisk()?.configuration?.epoch).toBe(1);
  });

  test('it still stops at once, and lets the directory go', async () => {
    const world = await start();
    world.disk.failing = 'DISK_FAILED';
    await world.go();
    await world.driver.stop();
    expect(world.disk.locked).toBe(false);
    expect(world.clock.timers).toBe(0);
  });
});

describe('connections', () => {
  test('that send what is no message are closed', async () => {
    const world = await start();
    const end = world.transport.connect();
    end.sendBytes(Buffer.from('GET / HTTP/1.1\r\nHost: c1\r\n\r\n'));
    expect(end.closed).toBe(true);
    expect(world.driver.gauges()).toMatchObject({ peer_connections: 0 });
  });

  test('that send what a coordinator does not take are closed', async () => {
    const world = await start();
    const end = world.transport.connect();
    end.send({
      kind: 'heartbeat-answer',
      epoch: 0 as HeartbeatAnswer['epoch'],
      configuration: null,
      topology: null,
      stop: false,
    });
    expect(end.closed).toBe(true);
  });

  test('that speak another version of the protocol are closed, and the log says so', async () => {
    const world = await start();
    const [node] = world.nodes;
    if (node === undefined) throw new Error('no node');
    const end = world.transport.connect();
    end.send({ kind: 'heartbeat', protocolVersion: PROTOCOL_VERSION + 1, report: node.report() });
    expect(end.closed).toBe(true);
    expect(world.logger.lines.at(-1)).toContain(`protocol ${PROTOCOL_VERSION + 1}`);
  });

  test('that read no answers are closed', async () => {
    const world = await start();
    const [node] = world.nodes;
    if (node === undefined) throw new Error('no node');
    const end = world.beat(node);
    end.queuedBytes = 2 ** 30;
    world.beat(node);
    expect(end.closed).toBe(true);
    await world.clock.advance(50);
    expect(world.driver.gauges()).toMatchObject({ nodes_heard: 0, peer_connections: 0 });
  });

  test('that bring nothing are closed after a while, others stay', async () => {
    const world = await start();
    const idle = world.transport.connect();
    await world.go(100);
    expect(idle.closed).toBe(true);
    expect([...world.ends.values()].some(({ closed }) => closed)).toBe(false);
  });

  test('beyond the most are refused, and taken again when there is room', async () => {
    const world = await start();
    const ends = Array.from({ length: CONNECTIONS_MAX }, () => world.transport.connect());
    expect(ends.some(({ closed }) => closed)).toBe(false);
    expect(world.transport.connect().closed).toBe(true);
    ends[0]?.hangUp();
    expect(world.transport.connect().closed).toBe(false);
  });

  test('of a node take the place of its earlier one', async () => {
    const world = await start();
    const [node] = world.nodes;
    if (node === undefined) throw new Error('no node');
    const old = world.beat(node);
    world.ends.delete(node);
    const end = world.beat(node);
    expect(old.closed).toBe(true);
    expect(end.closed).toBe(false);
    expect(world.driver.gauges()).toMatchObject({ peer_connections: 1, nodes_heard: 1 });
  });

  test('may bring several heartbeats at once, or one in pieces', async () => {
    const world = await start();
    const [node] = world.nodes;
    if (node === undefined) throw new Error('no node');
    const end = world.beat(node);
    const heartbeat = {
      kind: 'heartbeat',
      protocolVersion: PROTOCOL_VERSION,
      report: node.report(),
    } as const;
    end.send(heartbeat, heartbeat, heartbeat);
    expect(answers(end)).toHaveLength(4);
  });
});

test('it says what it waits for and what it sees of each node', async () => {
  const world = await start();
  const [node] = world.nodes;
  if (node === undefined) throw new Error('no node');
  world.beat(node);
  await world.clock.advance(50);
  expect(world.driver.status()).toMatchObject({
    node: 'c1',
    epoch: 0,
    waitingFor: ['the first start needs all nodes of the chain: n2 is not heard, n3 is not heard'],
    problem: null,
    nodes: {
      n1: { heard: true, heardAgoMs: 50, boot: 1, phase: 'running' },
      n2: { heard: false },
      n3: { heard: false },
    },
  });
  expect(world.driver.readiness()).toEqual({ well: true, reason: null });
});

test('an edited file is taken, a bad one is refused in words', async () => {
  const world = await start();
  await world.go();
  const edited = topologyFile({ limits: { keyBytes: 2048 } });
  world.driver.takeFile(edited.topology, edited.digest);
  await world.go();
  expect(world.driver.topology()).toMatchObject({ version: 2, topology: { limits: { keyBytes: 2048 } } });
  world.driver.refuseFile('t.json:1:1: expected a value');
  expect(world.driver.problem()).toBe('t.json:1:1: expected a value');
  expect(world.driver.topology().version).toBe(2);
});

test('what is heard is decided on at once, and not at the next beat of the clock', async () => {
  const world = await start();
  await until(() => world.onDisk() !== null, 'the first save');
  for (const node of world.nodes) world.beat(node);
  await until(() => world.driver.configuration() !== null, 'the first configuration');
  expect(world.clock.now().monotonicMs).toBe(0);
});

describe('at a member that has lost its connection', () => {
  async function withoutN2() {
    const world = await start();
    world.transport.holdKnocks = true;
    await world.go();
    const [, node] = world.nodes;
    if (node === undefined) throw new Error('no node');
    world.ends.get(node)?.hangUp();
    world.ends.delete(node);
    return { world, node, knocks: world.transport.knocks };
  }

  test('it knocks at once, and again 25 ms after each answer, one knock at a time', async () => {
    const { world, knocks } = await withoutN2();
    expect(knocks.map(({ address }) => address)).toEqual(['localhost:5467']);
    await world.clock.advance(100);
    expect(knocks).toHaveLength(1);
    for (const knocked of [2, 3]) {
      knocks.at(-1)?.answer('unknown');
      await settle();
      await world.clock.advance(24);
      expect(knocks).toHaveLength(knocked - 1);
      await world.clock.advance(1);
      expect(knocks).toHaveLength(knocked);
    }
  });

  test('it knocks less often where somebody listens', async () => {
    const { world, knocks } = await withoutN2();
    const sinceMs = world.clock.now().monotonicMs;
    while (world.clock.now().monotonicMs < sinceMs + 2000) {
      knocks.at(-1)?.answer('open');
      await world.clock.advance(25);
    }
    expect(knocks.length).toBeLessThan(15);
    expect(knocks.length).toBeGreaterThan(8);
  });

  test('it knocks no more when the member is back, and what an old knock finds counts for nothing', async () => {
    const { world, node, knocks } = await withoutN2();
    world.beat(node);
    knocks.at(-1)?.answer('refused');
    await world.go(10);
    expect(knocks).toHaveLength(1);
    expect(world.driver.configuration()?.members).toHaveLength(3);
  });

  test('it knocks no more when it stops', async () => {
    const { world, knocks } = await withoutN2();
    await world.driver.stop();
    knocks.at(-1)?.answer('unknown');
    await settle();
    expect(world.clock.timers).toBe(0);
    expect(knocks).toHaveLength(1);
  });
});

describe('an edit', () => {
  const ANY = { ifVersion: null, dryRun: false };
  const edited = () => topologyFile({ limits: { keyBytes: 2048 } }).topology;

  test('is answered when it is on disk', async () => {
    const world = await start();
    await world.go();
    const reply = await world.driver.edit(edited(), ANY);
    expect(reply).toMatchObject({ kind: 'taken', version: 2 });
    expect(world.onDisk()?.topology?.version).toBe(2);
    expect(world.driver.topology()).toMatchObject({ version: 2, topology: { limits: { keyBytes: 2048 } } });
  });

  test('that only asks what would be done changes nothing', async () => {
    const world = await start();
    await world.go();
    expect(await world.driver.edit(edited(), { ifVersion: null, dryRun: true })).toMatchObject({
      kind: 'taken',
    });
    expect(world.driver.topology().version).toBe(1);
  });

  test('of another version than the present one is told so', async () => {
    const world = await start();
    await world.go();
    const reply = await world.driver.edit(edited(), { ifVersion: 7, dryRun: false });
    expect(reply).toEqual({ kind: 'conflict', version: 1 });
  });

  test('several at once are each answered with what became of them', async () => {
    const world = await start();
    await world.go();
    const replies = Promise.all(
      [512, 2048, 4096]
        .map((keyBytes) => topologyFile({ limits: { keyBytes } }).topology)
        .map((topology) => world.driver.edit(topology, { ifVersion: 1, dryRun: false })),
    );
    await world.go();
    expect((await replies).map(({ kind }) => kind)).toEqual(['taken', 'conflict', 'conflict']);
  });

  test('that can not be saved is said to be unknown in time, with the reason', async () => {
    const world = await start();
    await world.go();
    world.disk.failing = 'DISK_FULL';
    const error = codeOf(world.driver.edit(edited(), ANY));
    await world.go(101);
    expect(await error).toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      message: expect.stringContaining('no space is left'),
    });
  });

  test('beyond the most that may wait is refused, and the others are not kept from their answers by a stop', async () => {
    const world = await start();
    await world.go();
    world.disk.failing = 'DISK_FULL';
    const errors = Array.from({ length: 8 }, () => codeOf(world.driver.edit(edited(), ANY)));
    expect((await codeOf(world.driver.edit(edited(), ANY))).code).toBe('OVERLOADED');
    await world.driver.stop();
    const codes = (await Promise.all(errors)).map(({ code }) => code);
    expect(new Set(codes)).toEqual(new Set(['OUTCOME_UNKNOWN']));
    expect(world.clock.timers).toBe(0);
    expect((await codeOf(world.driver.edit(edited(), ANY))).code).toBe('NOT_READY');
  });

  test('before it has started is refused', async () => {
    expect((await codeOf(new World().driver.edit(edited(), ANY))).code).toBe('NOT_READY');
  });
});

test('a node that is not there can not be the survivor, and why is said in words', async () => {
  const world = await start();
  await world.go();
  const reply = await world.driver.force(nodeId('n9'));
  expect(reply).toEqual({ kind: 'refused', problem: expect.stringContaining('n9') });
});

test('a survivor that is heard becomes the whole chain when the others are gone', async () => {
  const world = await start();
  await world.go();
  const [n1, n2, n3] = world.nodes;
  for (const node of [n1, n3]) if (node) world.ends.get(node)?.hangUp();
  const forced = world.driver.force(nodeId('n2'));
  if (n2) world.beat(n2);
  await world.clock.advance(50);
  expect(await forced).toMatchObject({ kind: 'forced' });
  expect(world.driver.history().some(({ members }) => members.join() === 'n2')).toBe(true);
});

test('before it starts it shows its file, and is not ready', () => {
  const { driver } = new World();
  expect(driver.topology().version).toBe(0);
  expect(driver.configuration()).toBeNull();
  expect(driver.history()).toEqual([]);
  expect(driver.readiness().well).toBe(false);
  expect(driver.health().well).toBe(true);
});

test('stopped, it has let go of its port, its connections, its timers and its directory, when the save under way has ended', async () => {
  const world = await start();
  await world.go();
  const [node] = world.nodes;
  if (node === undefined) throw new Error('no node');
  node.boot = 2;
  world.ends.get(node)?.hangUp();
  world.ends.delete(node);
  const end = world.beat(node);
  let open = () => {};
  world.disk.gate = new Promise((resolve) => {
    open = resolve;
  });
  await world.clock.advance(50);
  const stopped = Promise.all([world.driver.stop(), world.driver.stop()]);
  await settle();
  expect(world.transport.listening).toBe(false);
  expect(end.closed).toBe(true);
  expect(world.clock.timers).toBe(0);
  expect(world.disk.locked).toBe(true);
  open();
  await stopped;
  expect(world.disk.locked).toBe(false);
  expect(world.onDisk()?.configuration).toMatchObject({ epoch: 2 });
});

test('a stop while it starts ends in order too', async () => {
  const world = new World();
  const starting = world.driver.start();
  await world.driver.stop();
  await starting;
  expect(world.disk.locked).toBe(false);
  expect(world.transport.listening).toBe(false);
  expect(world.clock.timers).toBe(0);
});
