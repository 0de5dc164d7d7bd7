import { increment, set, single } from '../support/builders.ts';
import { Chain } from '../support/chain.ts';
import { versionedTopology } from '../support/chain-builders.ts';

const ADD = single(increment('counter'));
const NAMES = ['n1', 'n2', 'n3'];

test('a sealed head holds writes back, gets quiet, and makes them when the seal is lifted (§6)', () => {
  const chain = Chain.serving(NAMES);
  chain.head.write(ADD);
  chain.choose(NAMES, { sealed: true });
  chain.settle();
  const write = chain.head.write(ADD);
  chain.until('the chain is quiet', () => chain.nodes.every(({ up }) => up.committed === 1));
  expect(chain.nodes.map(({ up }) => [up.received, up.durable, up.committed])).toEqual([
    [1, 1, 1],
    [1, 1, 1],
    [1, 1, 1],
  ]);
  expect(write.reply).toBeNull();
  chain.choose(NAMES);
  chain.settle();
  expect(write.reply).toMatchObject({ kind: 'applied', outcome: { seq: 2 } });
});

test('a head that is deposed redirects what it held back, and it counts once there (§6)', () => {
  const chain = Chain.serving(NAMES);
  chain.choose(NAMES, { sealed: true });
  chain.settle();
  const write = chain.head.write(ADD);
  chain.choose(['n2', 'n3', 'n1']);
  chain.until('it is answered', () => write.reply !== null);
  expect(write.reply).toMatchObject({ kind: 'moved', to: 'n2' });
  expect(chain.nodes.map(({ up }) => up.received)).toEqual([0, 0, 0]);
});

test('a sealed head makes no ticks (§6)', () => {
  const chain = Chain.serving(NAMES);
  chain.head.write(single(set('brief', 'x', { ttlMs: 100 })));
  chain.settle();
  chain.choose(NAMES, { sealed: true });
  chain.run(400);
  expect(chain.head.up.received).toBe(1);
  chain.choose(NAMES);
  chain.until('the key has expired', () => chain.head.up.store.get('brief') === undefined);
});

test('what is held back had no effect when its client gives up, or the head dies (§6)', () => {
  const chain = Chain.serving(NAMES);
  chain.choose(NAMES, { sealed: true });
  chain.settle();
  const write = chain.head.write(ADD, { waitMs: 100 });
  const later = chain.head.write(ADD);
  chain.until('it gives up', () => write.reply !== null);
  expect(write.reply).toEqual({ kind: 'refused', code: 'NOT_READY' });
  chain.head.happened({ kind: 'stopped', reason: 'it stops' });
  expect(later.reply).toEqual({ kind: 'refused', code: 'NOT_READY' });
});

test('no more is held back than may be in flight (§6)', () => {
  const limits = { keyBytes: 100, valueBytes: 1000, batchBytes: 1000, inFlightBytes: 1000 };
  const chain = Chain.serving(NAMES, { topology: versionedTopology(NAMES, { limits }) });
  chain.choose(NAMES, { sealed: true });
  chain.settle();
  const writes = Array.from({ length: 20 }, () => chain.head.write(ADD));
  chain.settle();
  const refused = writes.filter(({ reply }) => reply !== null);
  expect(refused.length).toBeGreaterThan(0);
  for (const { reply } of refused) expect(reply).toEqual({ kind: 'refused', code: 'OVERLOADED' });
  chain.choose(NAMES);
  chain.until('the others are made', () => writes.every(({ reply }) => reply !== null));
  expect(chain.head.up.committed).toBe(writes.length - refused.length);
});

describe('a replica whose disk takes nothing any more', () => {
  test('is read-only as the only one: it serves what it holds and refuses writes', () => {
    const chain = Chain.serving(['n1']);
    chain.head.write(ADD);
    chain.settle();
    chain.head.happened({ kind: 'disk-failed', reason: 'it is full' });
    const write = chain.head.write(ADD);
    chain.run(500);
    expect(write.reply).toEqual({ kind: 'refused', code: 'READ_ONLY' });
    expect(chain.head.servesReads).toBe(true);
    expect(chain.head.up).toMatchObject({ readOnly: 'it is full', broken: null });
    expect(chain.head.up.store.get('counter')?.value.bytes).toBe('1');
  });

  test('as the last one stays in its epoch, and serves on, when it is told of another that names it', () => {
    const chain = new Chain(['n1', 'n2']);
    for (const node of chain.nodes) node.start();
    chain.settle();
    chain.choose(['n1'], { fenced: true });
    chain.run(1000);
    chain.head.happened({ kind: 'disk-failed', reason: 'it is full' });
    chain.choose(['n1'], { joiner: 'n2' });
    chain.run(1000);
    expect(chain.head.servesReads).toBe(true);
    expect(chain.head.up.configuration?.epoch).toBe(chain.epoch - 1);
  });

  test('as a member it keeps its sessions and leases, takes no entry, and nothing is committed that it lacks', () => {
    const chain = Chain.serving(NAMES);
    chain.node('n2').happened({ kind: 'disk-failed', reason: 'it is full' });
    const write = chain.head.write(ADD, { waitMs: 60_000 });
    chain.run(1000);
    expect(write.reply).toBeNull();
    expect(chain.nodes.map(({ up }) => up.received)).toEqual([1, 0, 0]);
    expect(chain.tail.servesReads).toBe(true);
    chain.choose(['n1', 'n3']);
    chain.until('the rest goes on', () => write.reply !== null);
    expect(write.reply).toMatchObject({ kind: 'applied' });
  });
});
