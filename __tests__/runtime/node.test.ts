import { NO_EPOCH } from '../../src/base/ids.ts';
import { settle, until } from '../support/coordinator-world.ts';
import { expectNothingLeft, failOn, later, logSync, ReplicaWorld, write } from '../support/replica-world.ts';

let world: ReplicaWorld;
beforeEach(() => {
  world = new ReplicaWorld();
});
afterEach(() => world.end());

/** A node that starts over by itself, and is the whole chain. */
async function alone() {
  await world.coordinator.start();
  const node = world.whole('n1');
  await node.driver.start();
  await settle();
  await world.form([node]);
  write(node, 'k', 'v');
  await settle();
  return node;
}

/** The same, stopped, its log damaged in the midst. */
async function damaged() {
  const node = await alone();
  for (const key of ['a', 'b', 'c']) {
    write(node, key, 'v');
    await settle();
  }
  await node.driver.stop();
  const [log = ''] = node.disk.paths().filter((path) => path.startsWith('log/'));
  node.disk.flip(log, 200);
  return log;
}

const boot = (node: { incarnation: { boot: number } }) => node.incarnation.boot;

describe('a disk that is full', () => {
  test('is tried every 5 s, and the node comes back as another start when it takes data, with all it held', async () => {
    const node = await alone();
    node.disk.capacityBytes = 0;
    const lost = write(node, 'lost', 'v');
    await settle();
    expect(node.status).toMatchObject({ phase: 'sick', readOnly: true });
    expect(node.driver.health().reason).toContain('starts anew by itself');
    expect(node.driver.routeNow('read', NO_EPOCH, ['k'])).toEqual({ kind: 'here' });
    await world.clock.advance(20_000);
    expect(lost.reply).toMatchObject({ kind: 'unknown' });
    expect(boot(node)).toBe(1);
    expect(node.logger.lines.filter((line) => line.startsWith('error'))).toHaveLength(2);
    node.disk.capacityBytes = Number.POSITIVE_INFINITY;
    await world.clock.advance(5100);
    expect(boot(node)).toBe(2);
    expect(world.coordinator.last('n1')).toMatchObject({ phase: 'running', problem: null });
    expect(node.driver.health()).toEqual({ well: true, reason: null });
    await world.form([node], 2);
    const again = write(node, 'again', 'v');
    await world.goUntil(() => again.reply !== null, 'the answer');
    expect(again.reply).toMatchObject({ kind: 'applied' });
    expect(node.driver.get('k')?.value.bytes).toBe('v');
    node.disk.capacityBytes = 0;
    write(node, 'once more', 'v');
    await settle();
    expect(node.status).toMatchObject({ phase: 'sick' });
    node.disk.capacityBytes = Number.POSITIVE_INFINITY;
    await world.clock.advance(5100);
    expect(boot(node)).toBe(3);
  });

  test('a request that waits while the node starts over is sent away, and the coordinator hears that it stops', async () => {
    const node = await alone();
    node.disk.capacityBytes = 0;
    write(node, 'lost', 'v');
    await settle();
    node.disk.capacityBytes = Number.POSITIVE_INFINITY;
    const reports = world.coordinator.reports.length;
    await world.clock.advance(5100);
    const phases = world.coordinator.reports
      .slice(reports)
      .map(({ incarnation, phase }) => `${incarnation.boot} ${phase}`);
    expect(phases).toContain('1 stopping');
    expect(phases.indexOf('1 stopping')).toBeLessThan(phases.findIndex((phase) => phase.startsWith('2 ')));
  });

  test('at the start is said, and tried again until it takes data', async () => {
    await world.coordinator.start();
    const node = world.whole('n1');
    node.disk.capacityBytes = 0;
    await node.driver.start();
    expect(node.status).toMatchObject({ phase: 'broken', role: 'spare' });
    expect(node.driver.health()).toEqual({ well: false, reason: expect.stringContaining('full') });
    expect(node.driver.readiness().well).toBe(false);
    expect(await node.driver.route('read', NO_EPOCH, null)).toMatchObject({ code: 'BROKEN' });
    expect(await node.driver.write({ kind: 'tick' }, null)).toEqual({ kind: 'refused', code: 'BROKEN' });
    await world.clock.advance(20_000);
    expect(node.logger.lines.filter((line) => line.includes('tries again'))).toHaveLength(1);
    node.disk.capacityBytes = Number.POSITIVE_INFINITY;
    await world.clock.advance(5100);
    expect(node.driver.health()).toEqual({ well: true, reason: null });
    await world.form([node]);
  });

  test.each(['sick', 'waiting to start'])('a stop while it is %s leaves nothing behind', async (how) => {
    const node = how === 'sick' ? await alone() : world.whole('n1');
    node.disk.capacityBytes = 0;
    if (how === 'sick') write(node, 'lost', 'v');
    else await node.driver.start();
    await settle();
    await world.clock.advance(100);
    await node.driver.stop();
    await expectNothingLeft(world, node.disk);
  });

  test('a stop while the disk is tried waits for the end of that, and nothing starts behind it', async () => {
    const node = await alone();
    node.disk.capacityBytes = 0;
    write(node, 'lost', 'v');
    await settle();
    node.disk.capacityBytes = Number.POSITIVE_INFINITY;
    const gate = world.hold(node.disk, ({ path }) => path.startsWith('probe'));
    await world.clock.advance(5000);
    await until(() => gate.held.length > 0, 'the try');
    const stopping = later(node.driver.stop().then(() => true));
    await settle();
    expect(stopping.value).toBeNull();
    gate.release();
    await settle();
    expect(stopping.value).toBe(true);
    expect(boot(node)).toBe(1);
    await expectNothingLeft(world, node.disk);
  });

  test('a stop in the midst of starting over ends the new start too', async () => {
    const node = await alone();
    node.disk.capacityBytes = 0;
    write(node, 'lost', 'v');
    await settle();
    node.disk.capacityBytes = Number.POSITIVE_INFINITY;
    const gate = world.hold(node.disk, ({ kind, path }) => kind === 'list' && path === 'snapshots');
    await world.clock.advance(5000);
    await until(() => gate.held.length > 0, 'the new start');
    const stopping = node.driver.stop();
    gate.release();
    await stopping;
    await settle();
    await expectNothingLeft(world, node.disk);
  });
});

describe('a disk that failed', () => {
  test('is never trusted again by itself, and what to do is said', async () => {
    const node = await alone();
    failOn(node.disk, logSync);
    write(node, 'lost', 'v');
    await settle();
    node.disk.hook = null;
    await world.clock.advance(30_000);
    expect(boot(node)).toBe(1);
    expect(node.status).toMatchObject({ phase: 'sick' });
    expect(node.driver.health().reason).toMatch(/replace the disk, or empty the data directory/);
  });

  test('at the start ends it, as does a directory in use', async () => {
    const node = world.whole('n1');
    failOn(node.disk, ({ kind }) => kind === 'sync');
    await expect(node.driver.start()).rejects.toMatchObject({ code: 'DISK_FAILED' });
    node.disk.hook = null;
    const lock = await node.disk.lock('LOCK');
    await expect(world.whole('n1').driver.start()).rejects.toMatchObject({ code: 'LOCKED' });
    await lock?.release();
    expect(world.clock.timers).toBe(0);
  });
});

describe('a damaged log', () => {
  test('keeps the node up: it says so everywhere, serves nothing, and moves nothing while it is a member', async () => {
    const log = await damaged();
    const node = world.whole('n1');
    const before = node.disk.bytesOf(log);
    await node.driver.start();
    await world.clock.advance(30_000);
    expect(node.status).toMatchObject({ phase: 'broken', role: 'spare' });
    expect(node.driver.health()).toEqual({ well: false, reason: expect.stringContaining(log) });
    expect(node.driver.routeNow('read', NO_EPOCH, null)).toMatchObject({ code: 'BROKEN' });
    expect(world.coordinator.last('n1')).toMatchObject({
      phase: 'broken',
      incarnation: { storeId: 'store of n1', boot: 2 },
      empty: false,
      ready: false,
    });
    expect(node.disk.bytesOf(log)).toEqual(before);
    await node.driver.stop();
    await expectNothingLeft(world, node.disk);
  });

  test('is moved aside when the chain does without it, and the node joins again empty', async () => {
    const log = await damaged();
    const node = world.whole('n1');
    const before = node.disk.bytesOf(log);
    await node.driver.start();
    const other = world.node('n2');
    await other.driver.start();
    await settle();
    world.choose([other], 2);
    await world.goUntil(() => node.status.phase === 'running', 'the new start');
    expect(node.status).toMatchObject({ keys: 0, received: 0 });
    expect(node.incarnation).toMatchObject({ storeId: 'store of n1+', boot: 1 });
    const kept = node.disk.paths().filter((path) => path.startsWith('damaged-'));
    expect(kept.map((path) => path.slice(path.indexOf('/') + 1))).toEqual(
      expect.arrayContaining([log, 'meta']),
    );
    expect(node.disk.bytesOf(kept.find((path) => path.endsWith(log)) ?? '')).toEqual(before);
    expect(node.logger.lines.join()).toMatch(/moved the damaged files to \/data\/n1\/damaged-1970/);
    await world.goUntil(() => node.driver.epoch() === 2, 'the epoch');
    expect(node.driver.readiness()).toEqual({ well: true, reason: null });
  });

  test('stays where it is while the store is the joiner', async () => {
    await damaged();
    const node = world.whole('n1');
    await node.driver.start();
    const other = world.node('n2');
    await other.driver.start();
    await settle();
    world.choose([other], 2);
    const chosen = world.coordinator.configuration;
    if (chosen) world.coordinator.configuration = { ...chosen, joiner: { ...node.incarnation, boot: 1 } };
    await world.clock.advance(1000);
    expect(node.status).toMatchObject({ phase: 'broken' });
    expect(node.disk.paths().some((path) => path.startsWith('damaged-'))).toBe(false);
  });

  test('is not moved a second time, and what to do is said once', async () => {
    const log = await damaged();
    const node = world.whole('n1');
    await node.disk.makeDirectory('damaged-before');
    node.disk.put('damaged-before/meta', Buffer.from('kept'));
    await node.driver.start();
    const other = world.node('n2');
    await other.driver.start();
    await settle();
    world.choose([other], 2);
    await world.clock.advance(30_000);
    expect(node.status).toMatchObject({ phase: 'broken' });
    expect(node.driver.health().reason).toMatch(
      /damaged-before.* remove that directory, and start this node again/,
    );
    expect(node.disk.paths()).toContain(log);
    expect(node.logger.lines.filter((line) => line.includes('remove that directory'))).toHaveLength(1);
  });

  test('that is found only when its neighbour knows of more is moved aside too', async () => {
    await world.coordinator.start();
    const [head, tail] = [world.whole('n1'), world.node('n2')];
    await head.driver.start();
    await tail.driver.start();
    await settle();
    await world.form([head, tail]);
    write(head, 'first', 'v');
    await settle();
    const log = head.disk.paths().find((path) => path.startsWith('log/')) ?? '';
    const early = head.disk.bytesOf(log);
    write(head, 'second', 'v');
    await settle();
    await head.driver.stop();
    // What the disk said it had, it has lost without a trace.
    head.disk.put(log, early);
    const again = world.whole('n1');
    await again.driver.start();
    await settle();
    world.choose([again, tail], 2);
    await world.goUntil(() => again.status.phase === 'broken', 'that it is found');
    expect(again.driver.health().reason).toMatch(/moves its files into a directory "damaged-"/);
    expect(again.logger.lines.filter((line) => line.startsWith('error'))).toHaveLength(1);
    expect(world.coordinator.last('n1')).toMatchObject({ phase: 'broken' });
    world.choose([tail], 3);
    await world.goUntil(() => again.status.phase === 'running', 'the new start');
    expect(again.incarnation).toMatchObject({ storeId: 'store of n1+' });
    expect(tail.driver.get('second')?.value.bytes).toBe('v');
  });

  test('when nobody can say whose it is, the process ends with the error', async () => {
    const node = await alone();
    await node.driver.stop();
    node.disk.flip('meta', 140);
    await expect(world.whole('n1').driver.start()).rejects.toMatchObject({ code: 'CORRUPT' });
    expect(world.clock.timers).toBe(0);
  });

  test('files that can not be moved are tried again, and end where they should', async () => {
    const log = await damaged();
    const node = world.whole('n1');
    await node.driver.start();
    const other = world.node('n2');
    await other.driver.start();
    await settle();
    failOn(node.disk, ({ kind, path }) => kind === 'rename' && path === log);
    world.choose([other], 2);
    await world.clock.advance(12_000);
    expect(node.driver.health().well).toBe(false);
    node.disk.hook = null;
    await world.clock.advance(6000);
    expect(node.status).toMatchObject({ phase: 'running', keys: 0 });
    expect(
      node.disk.paths().filter((path) => path.endsWith(log) && path.startsWith('damaged-')),
    ).toHaveLength(1);
  });
});
