import { epoch, NO_EPOCH } from '../../src/base/ids.ts';
import type { Configuration } from '../../src/protocol/configuration.ts';
import { settle, until } from '../support/coordinator-world.ts';
import type { DiskOperation } from '../support/memory-disk.ts';
import {
  expectNothingLeft,
  later,
  logSync,
  oneAlone,
  ReplicaWorld,
  threeInAChain,
  write,
} from '../support/replica-world.ts';

let world: ReplicaWorld;
beforeEach(() => {
  world = new ReplicaWorld();
});
afterEach(() => world.end());

/** The configuration in force, changed, in a later epoch. */
function change(edit: Partial<Configuration>): void {
  const { configuration } = world.coordinator;
  if (configuration === null) throw new Error('there is none to change');
  world.coordinator.configuration = { ...configuration, epoch: epoch(configuration.epoch + 1), ...edit };
}

describe('with reads at any replica', () => {
  async function anyThree() {
    const nodes = await threeInAChain(world);
    change({ reads: 'any' });
    await world.goUntil(
      () => nodes.every(({ driver }) => driver.readiness().well && driver.epoch() === 2),
      'leases',
    );
    return nodes;
  }

  test('every member serves a key that nobody writes, without asking', async () => {
    const nodes = await anyThree();
    write(nodes[0], 'k', 'v');
    await world.clock.advance(100);
    for (const { driver, status } of nodes) {
      expect(driver.routeNow('read', NO_EPOCH, ['k'])).toEqual({ kind: 'here' });
      expect(driver.get('k')?.value.bytes).toBe('v');
      expect(status).toMatchObject({ lease: { needed: true, held: true }, waiting: { reads: null } });
      expect(driver.status().reads).toEqual({ clean: 1, dirty: 0 });
      expect(driver.gauges()).toMatchObject({ reads_clean_total: 1, reads_dirty_total: 0 });
    }
  });

  test('a key with a write under way is shown as the tail has it, old or new', async () => {
    const [head, middle, tail] = await anyThree();
    write(head, 'k', 'old');
    await settle();
    const gate = world.hold(tail.disk, logSync);
    write(head, 'k', 'new');
    await settle();
    expect(middle.driver.routeNow('read', NO_EPOCH, ['k'])).toBeNull();
    expect(middle.driver.routeNow('read', NO_EPOCH, ['other'])).toEqual({ kind: 'here' });
    expect(middle.driver.routeNow('read', NO_EPOCH, null)).toBeNull();
    expect(tail.driver.routeNow('read', NO_EPOCH, ['k'])).toEqual({ kind: 'here' });
    expect(await middle.driver.route('read', NO_EPOCH, ['k'])).toEqual({ kind: 'here' });
    expect(middle.driver.get('k')?.value.bytes).toBe('old');
    expect(middle.driver.status().reads).toEqual({ clean: 1, dirty: 1 });
    gate.release();
    await settle();
    expect(await head.driver.route('read', NO_EPOCH, ['k'])).toEqual({ kind: 'here' });
    expect(head.driver.get('k')?.value.bytes).toBe('new');
  });

  test('what the tail has committed is shown by a member that its ack has not reached', async () => {
    const [head, middle, tail] = await anyThree();
    const [wire] = world.network.between('n1', 'n2');
    write(head, 'k', 'v');
    await until(() => tail.status.committed === 1 || middle.status.committed === 1, 'the commit');
    const read = later(head.driver.route('read', NO_EPOCH, ['k']));
    await settle();
    expect(wire?.open).toBe(true);
    expect(read.value).toEqual({ kind: 'here' });
    expect(head.driver.get('k')?.value.bytes).toBe('v');
  });

  test('a member without a lease serves nothing, and is told why it waited', async () => {
    const [, middle] = await anyThree();
    for (const wire of world.network.wiresOf('n2').filter(({ to }) => to !== 'c1')) wire.stall();
    world.network.cutOff.add('n2');
    await world.clock.advance(220);
    expect(middle.status).toMatchObject({ lease: { held: false } });
    const read = later(middle.driver.route('read', NO_EPOCH, ['k']));
    await world.clock.advance(1020);
    expect(read.value).toMatchObject({ code: 'NOT_READY', reason: expect.stringContaining('lease') });
  });

  test('a read that waits for the tail goes on in the epoch that follows', async () => {
    const [head, middle, tail] = await anyThree();
    write(head, 'k', 'old');
    await settle();
    const gate = world.hold(tail.disk, logSync);
    write(head, 'k', 'new');
    await settle();
    const [wire] = world.network.between('n2', 'n3');
    wire?.stall();
    const read = later(middle.driver.route('read', NO_EPOCH, ['k']));
    await world.clock.advance(100);
    expect(read.value).toBeNull();
    change({});
    await world.goUntil(() => middle.driver.epoch() === 3, 'the epoch');
    gate.release();
    await world.goUntil(() => read.value !== null, 'an answer');
    expect(read.value).toEqual({ kind: 'here' });
  });
});

describe('a node that is asked to serve no more reads', () => {
  test('does so at once, says so to the coordinator, and sends nobody to itself', async () => {
    const [, , tail] = await threeInAChain(world);
    const read = later(tail.driver.route('read', epoch(9), null));
    world.coordinator.stops.add('n3');
    // One heartbeat is due in this time: it is asked by the answer, and does not wait for the next to say so.
    await world.clock.advance(50);
    expect(world.coordinator.last('n3')?.stopped).toBe(true);
    expect(tail.driver.routeNow('read', NO_EPOCH, null)).toBeNull();
    expect(tail.status).toMatchObject({ stopped: true });
    expect(read.value).toBeNull();
    world.coordinator.stops.clear();
    change({});
    await world.goUntil(
      () => tail.driver.routeNow('read', NO_EPOCH, null)?.kind === 'here',
      'the next epoch',
    );
    expect(world.coordinator.last('n3')).toMatchObject({ stopped: false });
  });
});

describe('a stop', () => {
  test('tells the coordinator when nothing is served any more, before the disk has ended', async () => {
    const node = await oneAlone(world);
    const gate = world.hold(node.disk, logSync);
    write(node, 'k', 'v');
    await until(() => gate.held.length > 0, 'the sync');
    const stopping = node.driver.stop();
    await settle();
    expect(world.coordinator.last('n1')).toMatchObject({ phase: 'stopping', ready: false });
    const reports = world.coordinator.reports.length;
    await world.clock.advance(500);
    expect(world.coordinator.reports.length).toBe(reports);
    gate.release();
    await stopping;
    await expectNothingLeft(world, node.disk);
  });

  test('that was told of is final: what the coordinator answers to it changes nothing', async () => {
    const node = await oneAlone(world);
    const gate = world.hold(node.disk, logSync);
    write(node, 'k', 'v');
    await until(() => gate.held.length > 0, 'the sync');
    change({});
    const stopping = node.driver.stop();
    await settle();
    expect(node.driver.routeNow('write', NO_EPOCH, null)).toMatchObject({ kind: 'unavailable' });
    expect(node.driver.epoch()).toBe(1);
    gate.release();
    await stopping;
  });

  test('during recovery is told too, and no replica begins behind it', async () => {
    const before = await oneAlone(world);
    await before.driver.stop();
    const node = world.node('n1');
    const gate = world.hold(node.disk, ({ kind, path }) => kind === 'list' && path === 'snapshots');
    const starting = node.driver.start().catch(() => undefined);
    await until(() => world.coordinator.last('n1')?.incarnation.boot === 2, 'a heartbeat');
    const stopping = node.driver.stop();
    await settle();
    expect(world.coordinator.last('n1')).toMatchObject({ phase: 'stopping' });
    gate.release();
    await Promise.all([starting, stopping]);
    expect(node.status).toMatchObject({ sessions: null, phase: 'stopping' });
    await expectNothingLeft(world, node.disk);
  });
});

describe('a joiner', () => {
  test('is filled from the tail while it serves on, and its transfer is shown and reported', async () => {
    const node = await oneAlone(world);
    // So much that the beginning of the log is gone: only a snapshot can fill a joiner.
    for (let n = 0; n < 20; n++) {
      write(node, `big${n % 3}`, 'x'.repeat(8 * 1024 * 1024));
      await world.clock.advance(20);
    }
    const joiner = await world.started('n2');
    change({ joiner: joiner.incarnation });
    let writes = 0;
    const isLater = ({ kind, path }: DiskOperation) =>
      kind === 'write' && path.startsWith('snapshots/') && ++writes > 2;
    const gate = world.hold(joiner.disk, isLater);
    await world.goUntil(() => world.coordinator.last('n2')?.transfer != null, 'a transfer');
    expect(joiner.status.transfer).toMatchObject({
      keysTotal: expect.any(Number),
      bytesPerSecond: expect.any(Number),
    });
    expect(world.coordinator.last('n2')).toMatchObject({ ready: false });
    const during = write(node, 'during', 'v');
    await settle();
    expect(during.reply).toMatchObject({ kind: 'applied' });
    gate.release();
    await world.goUntil(() => world.coordinator.last('n2')?.ready === true, 'that it caught up');
    expect(joiner.status).toMatchObject({ role: 'joiner', keys: 4, transfer: null, stalledMs: 0 });
    expect(joiner.driver.get('during')?.value.bytes).toBe('v');
    expect(joiner.driver.routeNow('read', NO_EPOCH, ['k'])).toMatchObject({ kind: 'elsewhere', node: 'n1' });
    expect(joiner.driver.readiness()).toEqual({ well: true, reason: null });
    // It moves 200 MB, which a busy machine takes its time for.
  }, 30_000);
});

test('a fence ends when it does, not at the next tick', async () => {
  const node = await oneAlone(world);
  // Not a multiple of the time between two ticks.
  change({ fence: epoch(2), leaseMs: 207 });
  await world.goUntil(() => node.driver.routeNow('write', epoch(2), null)?.kind === 'here', 'the epoch');
  const fence = node.status.fence as { waitMs: number };
  const writing = write(node, 'k', 'v');
  await settle();
  expect(node.status.waiting).toMatchObject({ writes: expect.stringContaining('a fence') });
  await world.clock.advance(fence.waitMs - 1);
  expect(writing.reply).toBeNull();
  await world.clock.advance(1.5);
  expect(writing.reply).toMatchObject({ kind: 'applied' });
});

test('a neighbour that the topology no longer has is found where it was, while it is on its way out', async () => {
  const [head, , tail] = await threeInAChain(world);
  const { n3, ...nodes } = world.topology.nodes as Record<string, { urls: string[]; peer: string }>;
  if (!n3) throw new Error('n3 is in the topology');
  world.coordinator.topology = {
    version: 2,
    topology: { ...world.topology, nodes, chain: world.topology.chain.slice(0, 2) },
    departing: { [tail.name]: n3 },
  };
  await world.goUntil(() => head.driver.topology().version === 2, 'the topology');
  world.network.between('n2', 'n3')[0]?.cut();
  await settle();
  const writing = write(head, 'k', 'v');
  await world.goUntil(() => writing.reply !== null, 'the answer');
  expect(writing.reply).toMatchObject({ kind: 'applied' });
});

test('a coordinator that moved is found where the topology says', async () => {
  const node = await oneAlone(world);
  const address = { urls: ['http://localhost:4460'], peer: 'localhost:5999' };
  world.coordinator.topology = {
    version: 2,
    topology: { ...world.topology, coordinators: { c1: address } as typeof world.topology.coordinators },
    departing: {},
  };
  await world.goUntil(() => node.driver.topology().version === 2, 'the topology');
  await world.coordinator.start(5999);
  await world.coordinator.end();
  for (const wire of world.network.wiresOf('c1')) wire.cut();
  await world.clock.advance(3000);
  expect(node.status.coordinator).toEqual({ connected: true });
});

describe('a process that does not keep time', () => {
  test('says each fault, shows it, and is sick after three until it is calm', async () => {
    const node = await oneAlone(world);
    for (let n = 0; n < 3; n++) {
      expect(node.status.phase).toBe('running');
      world.clock.jump(300);
      await world.clock.advance(40);
      expect(node.status.lately).toMatch(/held up/);
    }
    expect(node.driver.health()).toEqual({ well: false, reason: expect.stringContaining('again and again') });
    expect(world.coordinator.last('n1')).toMatchObject({ phase: 'sick', problem: expect.any(String) });
    expect(node.logger.lines.filter((line) => line.includes('event loop was held up'))).toHaveLength(3);
    expect(node.driver.routeNow('write', NO_EPOCH, null)).toEqual({ kind: 'here' });
    await world.clock.advance(31_000);
    expect(world.coordinator.last('n1')).toMatchObject({ phase: 'running', problem: null });
  });

  test('has no faults while it recovers', async () => {
    await world.coordinator.start();
    const node = world.node('n1');
    const gate = world.hold(node.disk, ({ kind, path }) => kind === 'list' && path === 'snapshots');
    const starting = node.driver.start();
    await settle();
    world.clock.jump(5000);
    await world.clock.advance(40);
    gate.release();
    await starting;
    await world.form([node]);
    expect(node.status.lately).toBeNull();
  });
});
