import { epoch, NO_EPOCH } from '../../src/base/ids.ts';
import { settle, until } from '../support/coordinator-world.ts';
import type { DiskOperation, MemoryDisk } from '../support/memory-disk.ts';
import {
  expectNothingLeft,
  failOn,
  heldPort,
  later,
  logSync,
  metaWrite,
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

describe('stop', () => {
  test('before the start: a start that comes behind it takes nothing', async () => {
    const node = world.node('n1');
    await node.driver.stop();
    await node.driver.start().catch(() => undefined);
    await settle();
    await expectNothingLeft(world, node.disk);
  });

  test.each([
    ['opening', ({ kind }: DiskOperation) => kind === 'lock'],
    ['raising the boot count', metaWrite],
    ['reading its log', ({ kind, path }: DiskOperation) => kind === 'list' && path === 'log'],
  ])(
    'while %s frees the directory, the port and the coordinator once that is through',
    async (_, matches) => {
      await world.coordinator.start();
      const before = world.network.wires.length;
      const node = world.node('n1');
      const gate = world.hold(node.disk, matches);
      const starting = node.driver.start().catch(() => undefined);
      await until(() => gate.held.length > 0, 'the operation');
      const route = later(node.driver.route('read', NO_EPOCH, null));
      const stopping = later(node.driver.stop().then(() => true));
      await settle();
      expect(route.value).toMatchObject({ kind: 'unavailable' });
      // Whoever takes the directory next must not meet a process that still writes in it.
      expect(await isLocked(node.disk, gate)).toBe(true);
      gate.release();
      await starting;
      await settle();
      expect(stopping.value).toBe(true);
      expect(world.network.wires.length - before).toBeLessThanOrEqual(1);
      await expectNothingLeft(world, node.disk);
    },
  );

  test('while a port is being bound lets go of it', async () => {
    await world.coordinator.start();
    const open = heldPort(world);
    const node = world.node('n1');
    const starting = node.driver.start().catch(() => undefined);
    await until(() => node.incarnation !== null, 'the incarnation');
    await settle();
    const stopping = node.driver.stop();
    open();
    await Promise.all([starting, stopping]);
    await settle();
    await expectNothingLeft(world, node.disk);
  });

  test.each([
    ['save', metaWrite],
    ['sync', logSync],
  ])('while a %s is under way ends when that does, and frees everything', async (what, matches) => {
    const node = await oneAlone(world);
    const gate = world.hold(node.disk, matches);
    const writing = write(node, 'k', 'v', 'mine');
    if (what === 'save') {
      await settle();
      world.choose([node], 2);
      await world.clock.advance(60);
    }
    await until(() => gate.held.length > 0, what);
    const stopping = later(node.driver.stop().then(() => true));
    await settle();
    expect(stopping.value).toBeNull();
    expect(writing.reply).toMatchObject({ kind: what === 'save' ? 'applied' : 'unknown', requestId: 'mine' });
    gate.release();
    await settle();
    expect(stopping.value).toBe(true);
    await expectNothingLeft(world, node.disk);
  });

  test('answers everybody who waits, and keeps what was written', async () => {
    const [head, middle, tail] = await threeInAChain(world);
    const gate = world.hold(middle.disk, logSync);
    const writing = write(head, 'k', 'v', 'mine');
    const route = later(head.driver.route('read', epoch(9), null));
    await settle();
    await head.driver.stop();
    expect(writing.reply).toEqual({ kind: 'unknown', requestId: 'mine' });
    expect(route.value).toMatchObject({
      kind: 'unavailable',
      code: 'NOT_READY',
      reason: 'this node is stopping',
    });
    expect(await head.driver.route('read', NO_EPOCH, null)).toMatchObject({ kind: 'unavailable' });
    expect(await head.driver.write({ kind: 'tick' }, null)).toEqual({ kind: 'refused', code: 'NOT_READY' });
    expect(head.driver.readiness()).toEqual({ well: false, reason: 'this node is stopping' });
    expect(head.status).toMatchObject({ phase: 'stopping' });
    expect(world.network.wiresOf('n1')).toEqual([]);
    gate.release();
    await Promise.all([middle.driver.stop(), tail.driver.stop()]);
    const again = world.node('n1');
    await again.driver.start();
    expect(again.status.received).toBe(1);
  });

  test('in order leaves nothing to be committed anew by the next start', async () => {
    const node = await oneAlone(world);
    write(node, 'k', 'v');
    await settle();
    await node.driver.stop();
    const again = world.node('n1');
    await again.driver.start();
    expect(again.status).toMatchObject({ received: 1, committed: 1, keys: 1 });
  });

  test('of a sick node ends too, and frees everything', async () => {
    const node = await oneAlone(world);
    failOn(node.disk, logSync);
    write(node, 'k', 'v');
    await settle();
    expect(node.driver.health().well).toBe(false);
    await node.driver.stop();
    await expectNothingLeft(world, node.disk);
  });

  test('asked for twice at once is over for both only when the directory is free', async () => {
    const node = await oneAlone(world);
    const gate = world.hold(node.disk, logSync);
    write(node, 'k', 'v');
    await until(() => gate.held.length > 0, 'the sync');
    const stops = [1, 2].map(() => later(node.driver.stop().then(() => true)));
    await settle();
    expect(stops.map(({ value }) => value)).toEqual([null, null]);
    gate.release();
    await settle();
    expect(stops.map(({ value }) => value)).toEqual([true, true]);
    await expectNothingLeft(world, node.disk);
  });

  test('a directory that is in use fails the start and leaves nothing behind', async () => {
    const first = await world.started('n1');
    await first.driver.stop();
    const lock = await first.disk.lock('LOCK');
    const second = world.node('n1');
    await expect(second.driver.start()).rejects.toMatchObject({ code: 'LOCKED' });
    expect(world.clock.timers).toBe(0);
    await lock?.release();
  });

  test('a port that is in use fails the start and leaves nothing behind', async () => {
    await world.coordinator.start();
    const node = world.node('n1');
    world.network.taken.add(5466);
    await expect(node.driver.start()).rejects.toMatchObject({ code: 'PORT_IN_USE' });
    await settle();
    await expectNothingLeft(world, node.disk);
  });
});

/** Whether another process would be refused the directory, or is ahead of this one in asking for it. */
async function isLocked(disk: MemoryDisk, gate: { readonly held: readonly string[] }): Promise<boolean> {
  if (gate.held.some((operation) => operation.startsWith('lock'))) return true;
  const lock = await disk.lock('LOCK');
  await lock?.release();
  return lock === null;
}
