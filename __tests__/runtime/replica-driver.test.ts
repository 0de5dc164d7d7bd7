import { epoch, NO_EPOCH, nodeId } from '../../src/base/ids.ts';
import { CoordinatorDriver } from '../../src/runtime/coordinator-driver.ts';
import { topologyFile } from '../support/coordinator-story.ts';
import { keepingLogger, settle, until } from '../support/coordinator-world.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import {
  failOn,
  heldPort,
  later,
  logSync,
  oneAlone,
  ReplicaWorld,
  threeInAChain,
  write,
} from '../support/replica-world.ts';

const MIB = 1024 * 1024;

let world: ReplicaWorld;
beforeEach(() => {
  world = new ReplicaWorld();
});
afterEach(() => world.end());

describe('a chain of three', () => {
  test('forms under the real coordinator and serves: writes at the head, reads at the tail', async () => {
    const coordinator = new CoordinatorDriver(
      { node: nodeId('c1'), ...topologyFile(), peer: { hosts: ['127.0.0.1'], port: 5460 } },
      {
        clock: world.clock,
        disk: new MemoryDisk(),
        transport: world.network.of('c1'),
        logger: keepingLogger(),
      },
    );
    await coordinator.start();
    const nodes = [await world.started('n1'), await world.started('n2'), await world.started('n3')];
    await world.goUntil(() => nodes.every(({ status }) => status.ready === true), 'a chain');
    const [head, middle, tail] = nodes.map(({ driver }) => driver);
    expect(nodes.map(({ driver }) => driver.role())).toEqual(['head', 'middle', 'tail']);
    expect(middle?.routeNow('write', NO_EPOCH, null)).toMatchObject({
      kind: 'elsewhere',
      node: 'n1',
      epoch: 1,
    });
    expect(middle?.routeNow('read', NO_EPOCH, null)).toMatchObject({
      kind: 'elsewhere',
      node: 'n3',
      epoch: 1,
    });
    expect(head?.routeNow('write', NO_EPOCH, null)).toEqual({ kind: 'here' });
    expect(tail?.routeNow('read', NO_EPOCH, null)).toEqual({ kind: 'here' });
    await coordinator.stop();
  });

  test.each(['n1', 'n2', 'n3'])('answers a write only when the disk of %s is synced too', async (slow) => {
    const [head, middle, tail] = await threeInAChain(world);
    const late = [head, middle, tail].find(({ name }) => name === slow) ?? head;
    const gate = world.hold(late.disk, logSync);
    const writing = write(head, 'k', 'v');
    await until(() => gate.held.length > 0, 'the sync');
    await settle();
    expect(writing.reply).toBeNull();
    expect(tail.driver.get('k')).toBeUndefined();
    gate.release();
    await settle();
    expect(writing.reply).toMatchObject({ kind: 'applied', replayed: false, outcome: { kind: 'done' } });
    for (const node of [head, middle, tail]) expect(node.driver.get('k')?.value.bytes).toBe('v');
  });

  test('gives a retried id the outcome of the first time', async () => {
    const [head] = await threeInAChain(world);
    const first = write(head, 'k', 'v', 'mine');
    await settle();
    const again = write(head, 'k', 'v', 'mine');
    await settle();
    expect(again.reply).toMatchObject({ kind: 'applied', replayed: true, requestId: 'mine' });
    expect(again.reply).toMatchObject({ outcome: (first.reply as { outcome?: unknown } | null)?.outcome });
  });

  test('a write that does not commit is unknown after 5 s and not before, under the id it was given', async () => {
    const [head, middle] = await threeInAChain(world);
    const gate = world.hold(middle.disk, logSync);
    const writing = write(head, 'k', 'v');
    await world.clock.advance(4980);
    expect(writing.reply).toBeNull();
    await world.clock.advance(40);
    expect(writing.reply).toEqual({ kind: 'unknown', requestId: expect.stringMatching(/^catena-/) });
    gate.release();
    await settle();
    expect(head.driver.get('k')?.value.bytes).toBe('v');
  });

  test('goes on after a connection in it was cut, in the same epoch and with nothing lost', async () => {
    const [head, , tail] = await threeInAChain(world);
    world.network.between('n2', 'n3')[0]?.cut();
    await settle();
    const writing = write(head, 'k', 'v');
    await settle();
    expect(writing.reply).toBeNull();
    await world.goUntil(() => writing.reply !== null, 'the answer');
    expect(writing.reply).toMatchObject({ kind: 'applied' });
    expect(tail.driver.epoch()).toBe(1);
  });

  test('a stalled connection is given up, and what it delivers later changes nothing', async () => {
    const [head, , tail] = await threeInAChain(world);
    const [old] = world.network.between('n2', 'n3');
    old?.stall();
    const writing = write(head, 'k', 'v');
    await world.clock.advance(1000);
    expect(writing.reply).toMatchObject({ kind: 'applied' });
    write(head, 'k', 'later');
    await settle();
    old?.flow();
    await world.clock.advance(100);
    expect(tail.driver.get('k')?.value.bytes).toBe('later');
    expect(tail.status.received).toBe(2);
    expect(world.network.between('n2', 'n3')).toHaveLength(1);
  });

  test('holds entries back on a congested link and goes on when it has drained', async () => {
    const [head, middle, tail] = await threeInAChain(world);
    const [wire] = world.network.between('n2', 'n3');
    wire?.stall();
    const big = 'x'.repeat(3 * MIB);
    const writes = [1, 2, 3, 4, 5, 6].map((n) => write(head, `k${n}`, big));
    await settle();
    const queued = wire?.dialledEnd.bufferedBytes ?? 0;
    write(head, 'k7', big);
    await settle();
    expect(middle.status.received).toBe(7);
    expect(queued).toBeGreaterThan(8 * MIB);
    expect(wire?.dialledEnd.bufferedBytes).toBe(queued);
    wire?.flow();
    await settle();
    expect(tail.status.committed).toBe(7);
    for (const { reply } of writes) expect(reply).toMatchObject({ kind: 'applied' });
  });

  test('serves on without the coordinator, which finds it again', async () => {
    const [head] = await threeInAChain(world);
    for (const wire of world.network.wires.filter(({ to }) => to === 'c1')) wire.cut();
    world.network.cutOff.add('c1');
    await world.clock.advance(3000);
    expect(head.status.coordinator).toEqual({ connected: false });
    const writing = write(head, 'k', 'v');
    await settle();
    expect(writing.reply).toMatchObject({ kind: 'applied' });
    world.network.cutOff.delete('c1');
    const heard = world.coordinator.reports.length;
    await world.clock.advance(1500);
    expect(head.status.coordinator).toEqual({ connected: true });
    expect(world.coordinator.reports.slice(heard).map(({ incarnation }) => incarnation.node)).toContain('n1');
  });

  test('a replaced head sends the clients that wait to the new one, with their ids', async () => {
    const [head, middle, tail] = await threeInAChain(world);
    world.hold(middle.disk, logSync);
    const writing = write(head, 'k', 'v', 'mine');
    await settle();
    world.choose([tail, middle, head], 2);
    await world.goUntil(() => writing.reply !== null, 'the answer');
    expect(writing.reply).toEqual({ kind: 'moved', to: 'n3', epoch: 2, requestId: 'mine' });
  });
});

describe('a chain whose head can not reach its tail', () => {
  /** Both know the configuration; the session between them can't open. */
  async function apart() {
    await world.coordinator.start();
    const [head, tail] = [await world.started('n1'), await world.started('n2')];
    world.network.cutOff.add('n2');
    world.choose([head, tail]);
    await world.goUntil(() => head.status.epoch === 1 && tail.status.epoch === 1, 'the epoch');
    await world.clock.advance(20);
    return { head, tail };
  }

  test('lets a read wait 1 s and a write 5 s, and says what each waited for', async () => {
    const { tail } = await apart();
    const read = later(tail.driver.route('read', NO_EPOCH, null));
    const ahead = later(tail.driver.route('write', epoch(9), null));
    await world.clock.advance(980);
    expect(read.value).toBeNull();
    await world.clock.advance(20);
    expect(read.value).toMatchObject({ code: 'NOT_READY', reason: expect.stringContaining('predecessor') });
    await world.clock.advance(3980);
    expect(ahead.value).toBeNull();
    await world.clock.advance(20);
    expect(ahead.value).toMatchObject({
      code: 'NOT_READY',
      reason: expect.stringMatching(/epoch 1 .*epoch 9/),
    });
  });

  test('serves the read that waits as soon as the session opens', async () => {
    const { tail } = await apart();
    const read = later(tail.driver.route('read', NO_EPOCH, null));
    world.network.cutOff.clear();
    await world.clock.advance(400);
    expect(read.value).toEqual({ kind: 'here' });
  });

  test('reports the neighbour, and fills no log with it', async () => {
    const { head } = await apart();
    await world.clock.advance(1000);
    expect(world.coordinator.last('n1')?.unreachable).toEqual(['n2']);
    await world.clock.advance(4000);
    const warnings = head.logger.lines.filter((line) => line.startsWith('warn') && line.includes('n2'));
    expect(warnings).toHaveLength(1);
  });
});

describe('strangers', () => {
  test.each([
    ['one that speaks something else', 1, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['many that say nothing', 60, ''],
  ])('%s at the peer port disturb nobody', async (_, count, says) => {
    const [head, , tail] = await threeInAChain(world);
    const sessions = world.network.between('n1', 'n2');
    for (let n = 0; n < count; n++) {
      const { signal } = new AbortController();
      const options = { signal, retryMsMax: 100, failed: () => {} };
      const stranger = await world.network.of('stranger').dial('localhost:5467', options);
      stranger.listen({ data: () => {}, drained: () => {}, closed: () => {} });
      stranger.send([Buffer.from(says)]);
    }
    await settle();
    expect(world.network.between('n1', 'n2')).toEqual(sessions);
    expect(world.network.wiresOf('stranger').length).toBeLessThanOrEqual(32);
    const writing = write(head, 'k', 'v');
    await settle();
    expect(writing.reply).toMatchObject({ kind: 'applied' });
    expect(tail.driver.get('k')?.value.bytes).toBe('v');
  });
});

describe('while it recovers', () => {
  test('it reports recovering under the incarnation of this start, before its log is read', async () => {
    const before = await oneAlone(world);
    await before.driver.stop();
    await settle();
    world.coordinator.reports.length = 0;
    const node = world.node('n1');
    const gate = world.hold(node.disk, ({ kind, path }) => kind === 'list' && path === 'snapshots');
    const starting = node.driver.start();
    await until(() => world.coordinator.reports.length > 0, 'a heartbeat');
    expect(world.coordinator.last('n1')).toMatchObject({
      phase: 'recovering',
      empty: false,
      configuration: null,
      incarnation: { node: 'n1', storeId: 'store of n1', boot: 2 },
    });
    gate.release();
    await starting;
  });

  test('it takes no write, a read is told after 1 s why, and both status and readiness say so', async () => {
    await world.coordinator.start();
    const node = world.node('n1');
    const gate = world.hold(node.disk, ({ path }) => path === 'snapshots');
    const starting = node.driver.start();
    await settle();
    expect(await node.driver.write({ kind: 'tick' }, null)).toEqual({ kind: 'refused', code: 'NOT_READY' });
    const route = later(node.driver.route('read', NO_EPOCH, null));
    await world.clock.advance(980);
    expect(route.value).toBeNull();
    await world.clock.advance(20);
    expect(route.value).toMatchObject({ kind: 'unavailable', code: 'RECOVERING' });
    expect(node.status).toMatchObject({ phase: 'recovering', role: 'spare', storage: null, sessions: null });
    expect(node.driver.readiness()).toEqual({ well: false, reason: 'this node is still reading its log' });
    expect(node.driver.health()).toEqual({ well: true, reason: null });
    expect(node.driver.gauges()).toMatchObject({ epoch: 0, ready: 0, waiting_requests: 0 });
    gate.release();
    await starting;
  });

  test('what the coordinator tells it then is told again, and a request that waited is served', async () => {
    const before = await oneAlone(world);
    write(before, 'k', 'v');
    await settle();
    await before.driver.stop();
    const node = world.node('n1');
    const gate = world.hold(node.disk, ({ kind, path }) => kind === 'list' && path === 'snapshots');
    const starting = node.driver.start();
    await settle();
    world.choose([node], 2);
    await world.clock.advance(200);
    const route = later(node.driver.route('read', NO_EPOCH, null));
    gate.release();
    await starting;
    await world.goUntil(() => node.driver.epoch() === 2, 'the epoch');
    await settle();
    expect(route.value).toEqual({ kind: 'here' });
    expect(node.driver.get('k')?.value.bytes).toBe('v');
  });

  test('a sync that ends before the port is bound still answers its write', async () => {
    await world.coordinator.start();
    const open = heldPort(world);
    const node = world.node('n1');
    const starting = node.driver.start();
    await until(() => node.incarnation !== null, 'the incarnation');
    world.choose([node], 1);
    await world.goUntil(() => node.driver.routeNow('write', NO_EPOCH, null)?.kind === 'here', 'the head');
    const writing = write(node, 'k', 'v');
    await settle();
    open();
    await starting;
    await world.clock.advance(6000);
    expect(writing.reply).toMatchObject({ kind: 'applied' });
  });

  test('a disk that fails before the port is bound makes the node sick all the same', async () => {
    await world.coordinator.start();
    const open = heldPort(world);
    const node = world.node('n1');
    const starting = node.driver.start();
    await until(() => node.incarnation !== null, 'the incarnation');
    world.choose([node], 1);
    await world.goUntil(() => node.driver.routeNow('write', NO_EPOCH, null)?.kind === 'here', 'the head');
    failOn(node.disk, logSync);
    const writing = write(node, 'k', 'v', 'mine');
    await settle();
    open();
    await starting;
    await world.clock.advance(5020);
    expect(node.driver.health()).toEqual({ well: false, reason: expect.stringContaining('log/') });
    expect(writing.reply).toEqual({ kind: 'unknown', requestId: 'mine' });
  });
});
