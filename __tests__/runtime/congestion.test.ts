import { nodeId, storeId } from '../../src/base/ids.ts';
import type { Incarnation } from '../../src/protocol/configuration.ts';
import { ReplicaDriver } from '../../src/runtime/replica-driver.ts';
import { keepingLogger, settle } from '../support/coordinator-world.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { ReplicaWorld, write } from '../support/replica-world.ts';

let world: ReplicaWorld;
beforeEach(() => {
  world = new ReplicaWorld();
});
afterEach(() => world.end());

/** A head with this bound for its link, before a tail with the usual one, and what was told of the link's queue. */
async function chainWith(more: { linkQueuedBytesMax?: number }) {
  const told: string[] = [];
  const disk = new MemoryDisk('/data/n1');
  const logger = keepingLogger();
  const { topology, clock } = world;
  const port = Number(topology.nodes[nodeId('n1')]?.peer.split(':')[1]);
  const driver = new ReplicaDriver(
    { node: nodeId('n1'), topology, peer: { hosts: ['127.0.0.1'], port }, ...more },
    {
      clock,
      disk,
      logger,
      transport: world.network.of('n1'),
      newStoreId: () => storeId('store of n1'),
      witness: ({ event: { kind } }) => {
        if (kind === 'congested' || kind === 'drained') told.push(kind);
      },
    },
  );
  await world.coordinator.start();
  await driver.start();
  await settle();
  const tail = await world.started('n2');
  const head = {
    name: nodeId('n1'),
    driver,
    disk,
    logger,
    get status() {
      return driver.status();
    },
    get incarnation() {
      return driver.status().incarnation as Incarnation;
    },
  };
  await world.form([head, tail]);
  return { head, told, stop: () => driver.stop() };
}

test('a bound that is too low for a connection to say that it has drained is refused', async () => {
  await expect(chainWith({ linkQueuedBytesMax: 1000 })).rejects.toThrow('may never drain');
});

test.each([
  ['more than a bound that was given', { linkQueuedBytesMax: 20_000 }, ['congested', 'drained']],
  ['less than the usual bound', {}, []],
])('a link that stalls with %s is congested, or not, until it flows again', async (_what, more, wanted) => {
  const { head, told, stop } = await chainWith(more);
  const [link] = world.network.between('n1', 'n2');
  link?.stall();
  const writing = write(head, 'k', 'v'.repeat(50_000));
  await settle();
  link?.flow();
  await world.goUntil(() => writing.reply !== null, 'the answer');
  expect(writing.reply).toMatchObject({ kind: 'applied' });
  expect(told).toEqual(wanted);
  await stop();
});
