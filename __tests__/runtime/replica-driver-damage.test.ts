import { CatenaError } from '../../src/base/errors.ts';
import { epoch, NO_EPOCH } from '../../src/base/ids.ts';
import type { Configuration } from '../../src/protocol/configuration.ts';
import { settle } from '../support/coordinator-world.ts';
import type { DiskOperation } from '../support/memory-disk.ts';
import { failOn, oneAlone, ReplicaWorld, write } from '../support/replica-world.ts';

let world: ReplicaWorld;
beforeEach(() => {
  world = new ReplicaWorld();
});
afterEach(() => world.end());

function change(edit: Partial<Configuration>): void {
  const { configuration } = world.coordinator;
  if (configuration === null) throw new Error('there is none to change');
  world.coordinator.configuration = { ...configuration, epoch: epoch(configuration.epoch + 1), ...edit };
}

async function big(node: Parameters<typeof write>[0]) {
  for (let n = 0; n < 20; n++) {
    write(node, `big${n % 3}`, 'x'.repeat(8 * 1024 * 1024));
    await world.clock.advance(20);
  }
}

test('a joiner that was struck out for good lets go of what it had received', async () => {
  const node = await oneAlone(world);
  await big(node);
  const joiner = await world.started('n2');
  change({ joiner: joiner.incarnation });
  let writes = 0;
  const isLater = ({ kind, path }: DiskOperation) =>
    kind === 'write' && path.startsWith('snapshots/') && ++writes > 2;
  const gate = world.hold(joiner.disk, isLater);
  await world.goUntil(() => world.coordinator.last('n2')?.transfer != null, 'a transfer');
  change({ joiner: null });
  await world.clock.advance(100);
  gate.release();
  await world.clock.advance(61_000);
  const waits = joiner.logger.lines.filter((line) => line.includes('waits for more'));
  expect(waits).toHaveLength(1);
  expect(joiner.status).toMatchObject({ role: 'spare', transfer: null });
}, 30_000);

test('a lone member whose snapshot file is damaged serves on when a joiner asks for it', async () => {
  const node = await oneAlone(world);
  await big(node);
  const [file = ''] = node.disk.paths().filter((path) => path.startsWith('snapshots/'));
  node.disk.flip(file, 5000);
  const joiner = await world.started('n2');
  change({ joiner: joiner.incarnation });
  await world.clock.advance(3000);
  expect(node.driver.routeNow('read', NO_EPOCH, ['big1'])).toEqual({ kind: 'here' });
  const complaints = node.logger.lines.filter((line) => line.includes('is damaged at'));
  expect(complaints).toHaveLength(1);
  expect(complaints[0]).toContain(file);
  await world.goUntil(() => joiner.driver.status().keys === 3, 'the store at the joiner');
}, 30_000);

test('a lone member whose log is damaged behind its snapshot serves on, and a joiner gets a fresh snapshot', async () => {
  const node = await oneAlone(world);
  await big(node);
  const [, file = ''] = node.disk
    .paths()
    .filter((path) => path.startsWith('log/'))
    .reverse();
  // In the second entry of the two that are in it: the snapshot ends with the first.
  node.disk.flip(file, 9 * 1024 * 1024);
  const joiner = await world.started('n2');
  change({ joiner: joiner.incarnation });
  await world.goUntil(() => joiner.status.ready === true, 'the joiner to have caught up');
  expect(joiner.status.committed).toBe(node.status.committed);
  expect(node.status).toMatchObject({ phase: 'running', problem: null });
  const complaints = node.logger.lines.filter((line) => line.includes('is damaged at'));
  expect(complaints).toHaveLength(1);
  expect(complaints[0]).toContain(file);
  expect(node.disk.paths()).not.toContain(file);
}, 30_000);

test('a node whose log can not be closed after a full disk still starts anew', async () => {
  await world.coordinator.start();
  const node = world.whole('n1');
  await node.driver.start();
  await settle();
  await world.form([node]);
  write(node, 'k', 'v');
  await settle();
  node.disk.capacityBytes = 0;
  write(node, 'lost', 'v');
  await settle();
  node.disk.capacityBytes = Number.POSITIVE_INFINITY;
  let failures = 0;
  failOn(node.disk, ({ kind, path }) => kind === 'close' && path.startsWith('log/') && ++failures === 1);
  await world.clock.advance(5100);
  expect(failures).toBeGreaterThan(0);
  node.disk.hook = null;
  await world.clock.advance(60_000);
  expect(node.incarnation.boot).toBe(2);
}, 30_000);

test('a node whose stop fails starts anew all the same', async () => {
  await world.coordinator.start();
  const node = world.whole('n1');
  await node.driver.start();
  await settle();
  await world.form([node]);
  write(node, 'k', 'v');
  await settle();
  let closed = 0;
  node.disk.hook = ({ kind, path }) => {
    if (kind === 'write' && path.startsWith('meta')) throw new CatenaError('DISK_FULL', 'no space for meta');
    if (kind === 'close' && path.startsWith('log/') && ++closed === 1)
      throw new CatenaError('DISK_FAILED', `close ${path}: I/O error`);
  };
  change({});
  await world.goUntil(() => node.status.phase === 'sick', 'the full disk');
  await world.clock.advance(5100);
  expect(closed).toBeGreaterThan(0);
  node.disk.hook = null;
  await world.clock.advance(10_000);
  expect(node.incarnation.boot).toBe(2);
}, 30_000);
