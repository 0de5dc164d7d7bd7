import { setImmediate as nextTurn } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { NO_EPOCH } from '../../src/base/ids.ts';
import { settle, until } from '../support/coordinator-world.ts';
import type { DiskOperation, MemoryDisk } from '../support/memory-disk.ts';
import {
  expectNothingLeft,
  failOn,
  later,
  logSync,
  metaWrite,
  oneAlone,
  ReplicaWorld,
  threeInAChain,
  write,
} from '../support/replica-world.ts';

const MIB = 1024 * 1024;
const LOW_LIMITS = { valueBytes: 2 * MIB, batchBytes: 4 * MIB, inFlightBytes: 8 * MIB };

let world: ReplicaWorld;
beforeEach(() => {
  world = new ReplicaWorld();
});
afterEach(() => world.end());

describe('a disk that fails', () => {
  test('makes the node sick: it says so everywhere, takes no writes, and keeps its links and its reads', async () => {
    const [head, middle, tail] = await threeInAChain(world);
    write(head, 'before', 'v');
    await settle();
    failOn(tail.disk, logSync);
    const stuck = write(head, 'k', 'v');
    await settle();
    expect(tail.driver.health()).toEqual({ well: false, reason: expect.stringContaining('log/') });
    expect(tail.driver.readiness()).toMatchObject({ well: true });
    expect(tail.status).toMatchObject({ phase: 'sick', readOnly: true, problem: expect.any(String) });
    expect(world.coordinator.last('n3')).toMatchObject({ phase: 'sick', ready: true });
    await world.clock.advance(1000);
    expect(world.network.between('n1', 'n2')).toHaveLength(1);
    expect(world.network.between('n2', 'n3')).toHaveLength(1);
    expect(tail.driver.routeNow('read', NO_EPOCH, null)).toEqual({ kind: 'here' });
    expect(tail.driver.get('before')?.value.bytes).toBe('v');
    expect(stuck.reply).toBeNull();
    expect(tail.driver.get('k')).toBeUndefined();
    expect(middle.status).toMatchObject({ phase: 'running' });
  });

  test.each([
    ['whose sync fails', (disk: MemoryDisk) => failOn(disk, logSync)],
    ['that is full', (disk: MemoryDisk) => fill(disk)],
  ])(
    'one %s: at the head, writes under way are unknown with their ids after 5 s, further ones refused after 1 s if no other head comes',
    async (_, spoil) => {
      const [head] = await threeInAChain(world);
      spoil(head.disk);
      const given = write(head, 'a', 'v', 'mine');
      const made = write(head, 'b', 'v');
      await settle();
      const after = write(head, 'c', 'v');
      await settle();
      expect(after.reply).toEqual({ kind: 'refused', code: 'READ_ONLY' });
      const route = head.driver.route('write', NO_EPOCH, null);
      await world.clock.advance(1020);
      expect(await route).toMatchObject({ kind: 'unavailable', code: 'READ_ONLY' });
      await world.clock.advance(4000);
      expect(given.reply).toEqual({ kind: 'unknown', requestId: 'mine' });
      expect(made.reply).toEqual({ kind: 'unknown', requestId: expect.stringMatching(/^catena-/) });
    },
  );

  test('is said once in the log, however many writes it refuses', async () => {
    const node = await oneAlone(world);
    failOn(node.disk, ({ kind }) => kind === 'sync' || kind === 'write');
    write(node, 'a', 'v');
    await settle();
    world.choose([node], 2);
    await world.clock.advance(1000);
    expect(node.logger.lines.filter((line) => line.startsWith('error'))).toHaveLength(1);
  });

  test('a configuration that can not be saved makes the node sick, which never acts in it', async () => {
    await world.coordinator.start();
    const node = await world.started('n1');
    failOn(node.disk, metaWrite);
    world.choose([node], 1);
    await world.clock.advance(200);
    expect(node.driver.health()).toEqual({ well: false, reason: expect.stringContaining('meta') });
    const route = later(node.driver.route('write', NO_EPOCH, null));
    await world.clock.advance(5020);
    expect(route.value).toMatchObject({ code: 'NOT_READY', reason: expect.stringContaining('meta') });
    expect(world.coordinator.last('n1')).toMatchObject({ phase: 'sick', ready: false });
  });

  test('a write that the disk does not finish is reported with its age, which falls to 0 when it is done', async () => {
    const node = await oneAlone(world);
    const gate = world.hold(node.disk, logSync);
    write(node, 'k', 'v');
    await world.clock.advance(700);
    const { stalledMs = 0 } = world.coordinator.last('n1') ?? {};
    expect(stalledMs).toBeGreaterThanOrEqual(600);
    expect(stalledMs).toBeLessThanOrEqual(700);
    gate.release();
    await world.clock.advance(100);
    expect(world.coordinator.last('n1')?.stalledMs).toBe(0);
  });

  test('so is a configuration that the disk does not finish saving', async () => {
    const node = await oneAlone(world);
    const gate = world.hold(node.disk, metaWrite);
    world.choose([node], 2);
    await world.clock.advance(700);
    expect(world.coordinator.last('n1')?.stalledMs).toBeGreaterThanOrEqual(500);
    gate.release();
    await world.clock.advance(100);
    expect(world.coordinator.last('n1')).toMatchObject({ stalledMs: 0, configuration: { epoch: 2 } });
  });
});

describe('durability memory', () => {
  beforeEach(() => {
    world = new ReplicaWorld({ durability: 'memory' });
  });

  test('answers before the sync, and syncs within 100 ms', async () => {
    const [head, middle, tail] = await threeInAChain(world);
    write(head, 'first', 'makes the segment');
    await world.clock.advance(200);
    const syncs = [head, middle, tail].map(({ disk }) => world.hold(disk, logSync));
    const writing = write(head, 'k', 'v');
    await settle();
    expect(writing.reply).toMatchObject({ kind: 'applied' });
    expect(syncs.map(({ held }) => held.length)).toEqual([0, 0, 0]);
    await world.clock.advance(100);
    expect(syncs.map(({ held }) => held.length)).toEqual([1, 1, 1]);
    for (const { release } of syncs) release();
  });

  test('a disk that fails behind the answer breaks the node', async () => {
    const [head] = await threeInAChain(world);
    write(head, 'first', 'makes the segment');
    await world.clock.advance(200);
    failOn(head.disk, logSync);
    const writing = write(head, 'k', 'v');
    await world.clock.advance(200);
    expect(writing.reply).toMatchObject({ kind: 'applied' });
    expect(head.driver.health()).toMatchObject({ well: false });
  });

  test('when the disk falls behind by more than may be in flight, writes wait for it', async () => {
    world = new ReplicaWorld({ durability: 'memory', limits: LOW_LIMITS });
    const node = await oneAlone(world);
    const gate = world.hold(node.disk, logSync);
    const replies = Array.from({ length: 8 }, (_, n) => write(node, `k${n}`, 'x'.repeat(MIB)));
    for (const _ of replies) await settle();
    const more = write(node, 'more', 'x'.repeat(MIB));
    await settle();
    const answered = [...replies, more].filter(({ reply }) => reply?.kind === 'applied').length;
    expect(answered).toBeLessThan(9);
    gate.release();
    await world.clock.advance(300);
    expect(node.status.durable).toBe(node.status.received);
  });

  test('a stop syncs what was acknowledged and leaves no timer', async () => {
    const node = await oneAlone(world);
    write(node, 'k', 'v');
    await settle();
    await node.driver.stop();
    await expectNothingLeft(world, node.disk);
  });

  test('status says what the node does, though the coordinator wants it otherwise', async () => {
    const node = await oneAlone(world);
    world.coordinator.topology = {
      version: 2,
      topology: { ...world.topology, durability: 'sync' },
      departing: {},
    };
    await world.goUntil(() => node.driver.topology().version === 2, 'the topology');
    await settle();
    const gate = world.hold(node.disk, logSync);
    const writing = write(node, 'k', 'v');
    await settle();
    const answeredUnsynced = writing.reply !== null;
    gate.release();
    expect(node.status.durability).toBe(answeredUnsynced ? 'memory' : 'sync');
  });
});

describe('a snapshot', () => {
  // Each makes a log of 70 MB, which a busy machine takes its time for.
  jest.setTimeout(30_000);
  /** The log grows until one is due. */
  async function grow(node: Awaited<ReturnType<typeof oneAlone>>): Promise<void> {
    for (let n = 0; n < 9; n++) {
      write(node, `big${n}`, 'x'.repeat(8 * MIB));
      await settle();
    }
  }
  const snapshotWrite = ({ kind, path }: DiskOperation) => kind === 'write' && path.startsWith('snapshots/');

  test('is taken when due while writes go on, and a restart recovers from it and the log behind it', async () => {
    const node = await oneAlone(world);
    await grow(node);
    const gate = world.hold(node.disk, snapshotWrite);
    await world.clock.advance(20);
    expect(gate.held.length).toBeGreaterThan(0);
    const during = write(node, 'during', 'v');
    await settle();
    expect(during.reply).toMatchObject({ kind: 'applied' });
    gate.release();
    await until(() => (node.status.storage as { snapshotSeq: number }).snapshotSeq === 9, 'the snapshot');
    await node.driver.stop();
    const again = world.node('n1');
    await again.driver.start();
    expect(again.status).toMatchObject({ committed: 10, keys: 10, storage: { snapshotSeq: 9 } });
    expect(again.driver.get('during')?.value.bytes).toBe('v');
  });

  test('that is under way does not hold up a stop for longer than its present write', async () => {
    const node = await oneAlone(world);
    await grow(node);
    const gate = world.hold(node.disk, snapshotWrite);
    await world.clock.advance(20);
    const stopping = later(node.driver.stop().then(() => true));
    await nextTurn();
    gate.release();
    await until(() => stopping.value === true, 'the stop');
    await expectNothingLeft(world, node.disk);
    expect(node.disk.paths().filter((path) => path.startsWith('snapshots/'))).toEqual([]);
  });

  test('that fails leaves the node whole', async () => {
    const node = await oneAlone(world);
    await grow(node);
    failOn(node.disk, snapshotWrite);
    await world.clock.advance(20);
    await settle();
    expect(node.logger.lines.join('\n')).toContain('a snapshot failed');
    const writing = write(node, 'k', 'v');
    await settle();
    expect(writing.reply).toMatchObject({ kind: 'applied' });
    expect(node.driver.health()).toEqual({ well: true, reason: null });
  });
});

function fill(disk: MemoryDisk): void {
  disk.capacityBytes = 0;
}
