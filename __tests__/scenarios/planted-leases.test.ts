/** Stories of leases and fences that a fault planted in the replica turns into a stale read: ChainChecks reads everywhere, after every step. */
import { type PlantedFault, plant } from '../../src/base/planted.ts';
import { increment, single } from '../support/builders.ts';
import { Chain } from '../support/chain.ts';

const ADD = single(increment('counter'));
const NAMES = ['n1', 'n2', 'n3'];

const STORIES: readonly (readonly [string, PlantedFault, () => void])[] = [
  [
    'whoever skips the epoch that began with a fence waits for it all the same (§7)',
    'fence-only-in-its-epoch',
    fenceOfASkippedEpoch,
  ],
  [
    'a lease counts from when its probe was sent, however late the grant comes (§7)',
    'lease-from-grant',
    lateGrant,
  ],
  [
    'with reads at any replica nobody takes a lease from a probe that its tail does not confirm (§7)',
    'lease-without-confirm',
    lateProbe,
  ],
];

afterEach(() => plant(null));

test.each(STORIES)('%s', (_title, _fault, story) => {
  expect(story).not.toThrow();
});

test.each(STORIES)('else a dropped node shows an old value: %s, but for %s', (_title, fault, story) => {
  plant(fault);
  expect(story).toThrow(/^a read at n\d shows 0, but 1 was told/);
});

function fenceOfASkippedEpoch(): void {
  const chain = Chain.serving(NAMES);
  cutOff(chain, ['n3'], ['n1', 'n2']);
  chain.choose(['n1', 'n2'], { fenced: true });
  for (const name of ['n1', 'n2']) chain.lanes.discard(`tell ${name}`);
  chain.choose(['n1', 'n2']);
  writeWhileServing(chain, ['n3']);
}

function lateGrant(): void {
  const chain = Chain.serving(NAMES);
  chain.lanes.hold('n2>n3');
  chain.run(40);
  cutOff(chain, ['n3'], ['n1', 'n2']);
  chain.choose(['n1', 'n2'], { fenced: true });
  chain.run(100);
  chain.lanes.release('n2>n3');
  writeWhileServing(chain, ['n3']);
}

function lateProbe(): void {
  const chain = Chain.serving(NAMES);
  chain.choose(NAMES, { reads: 'any' });
  chain.until('every member serves', () => chain.nodes.every((node) => node.servesReads));
  chain.lanes.hold('n3>n2');
  chain.run(40);
  cutOff(chain, ['n1', 'n2'], ['n3']);
  chain.choose(['n3'], { fenced: true });
  chain.run(100);
  chain.lanes.release('n3>n2');
  writeWhileServing(chain, ['n1', 'n2']);
}

/** The ones and the others hear nothing of each other, and the ones not of the coordinator either. */
function cutOff(chain: Chain, ones: readonly string[], others: readonly string[]): void {
  for (const one of ones) {
    for (const other of others) chain.partition(one, other);
    chain.lanes.hold(`tell ${one}`);
  }
}

/** The new chain commits a write once nobody of the old one serves reads any more. */
function writeWhileServing(chain: Chain, dropped: readonly string[]): void {
  chain.settle();
  const write = chain.head.write(ADD);
  chain.settle();
  expect(dropped.map((name) => chain.node(name).servesReads)).toEqual(dropped.map(() => true));
  expect(write.reply).toBeNull();
  chain.until('the write is committed', () => write.reply !== null);
  expect(write.reply).toMatchObject({ kind: 'applied' });
  expect(dropped.map((name) => chain.node(name).servesReads)).toEqual(dropped.map(() => false));
}
