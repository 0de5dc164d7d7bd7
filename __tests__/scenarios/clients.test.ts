import { requestId } from '../../src/base/ids.ts';
import { increment, remove, set, single } from '../support/builders.ts';
import { Chain } from '../support/chain.ts';
import { versionedTopology } from '../support/chain-builders.ts';
import type { Write } from '../support/chain-node.ts';

const ADD = single(increment('counter'));
const NAMES = ['n1', 'n2', 'n3'];

const counter = (chain: Chain): string | undefined => chain.tail.up.store.get('counter')?.value.bytes;

/** The id that a client was told to come back with. */
function idOf({ reply }: Write) {
  return reply !== null && reply !== 'lost' && reply.kind !== 'refused' ? reply.requestId : null;
}

test('a head that is deposed sends the clients in flight to the new one with their ids, and each write counts once (§8)', () => {
  const chain = Chain.serving(NAMES);
  chain.lanes.hold('disk n3');
  const given = chain.head.write(ADD, { requestId: requestId('mine') });
  const made = chain.head.write(ADD);
  chain.settle();
  chain.reorder(['n2', 'n1', 'n3']);
  chain.settle();
  expect(given.reply).toEqual({ kind: 'moved', to: 'n2', epoch: 2, requestId: 'mine' });
  expect(made.reply).toMatchObject({ kind: 'moved', to: 'n2', epoch: 2 });
  expect(idOf(made)).toMatch(/^catena-/);
  const retries = [given, made].map((write) => chain.node('n2').write(ADD, { requestId: idOf(write) }));
  chain.lanes.release();
  chain.until('the chain is whole', () => chain.whole);
  expect(retries.map(({ reply }) => reply)).toMatchObject([
    { kind: 'applied', replayed: true, outcome: { results: [{ value: 1 }] } },
    { kind: 'applied', replayed: true, outcome: { results: [{ value: 2 }] } },
  ]);
  expect(counter(chain)).toBe('2');
});

test('a write of a deposed head that the new one never saw takes effect when it is retried there (§8)', () => {
  const chain = Chain.serving(NAMES);
  chain.lanes.hold('n1>n2');
  const write = chain.head.write(ADD);
  chain.settle();
  chain.reorder(['n2', 'n1', 'n3']);
  chain.settle();
  chain.lanes.release();
  chain.until('the chain is whole', () => chain.whole);
  expect(write.reply).toMatchObject({ kind: 'moved', to: 'n2' });
  expect(chain.course()).toContain('n1 drops what is beyond 0');
  const retry = chain.head.write(ADD, { requestId: idOf(write) });
  chain.settle();
  expect(retry.reply).toMatchObject({ kind: 'applied', replayed: false });
  expect(counter(chain)).toBe('1');
});

test('a head that stays the head through a new epoch answers those who wait (§3)', () => {
  const chain = Chain.serving(NAMES);
  chain.lanes.hold('disk n3');
  const write = chain.head.write(ADD);
  chain.settle();
  chain.reorder(['n1', 'n3', 'n2']);
  chain.settle();
  expect(write.reply).toBeNull();
  chain.lanes.release();
  chain.until('the write is answered', () => write.reply !== null);
  expect(write.reply).toMatchObject({ kind: 'applied', replayed: false });
});

test('who is not the head says who is, and takes nothing (§3)', () => {
  const chain = Chain.serving(NAMES);
  const write = chain.node('n3').write(ADD, { requestId: requestId('mine') });
  expect(write.reply).toEqual({ kind: 'moved', to: 'n1', epoch: 1, requestId: 'mine' });
  expect(chain.node('n3').up.received).toBe(0);
});

test('a client that waits too long learns that the outcome is not known, and by what id to ask again (§8)', () => {
  const chain = Chain.serving(NAMES);
  chain.lanes.hold('disk n3');
  const writes = [undefined, requestId('mine')].map((id) =>
    chain.head.write(ADD, { requestId: id ?? null, waitMs: 100 }),
  );
  chain.run(80);
  expect(writes.map(({ reply }) => reply)).toEqual([null, null]);
  chain.run(40);
  expect(writes.map(({ reply }) => reply)).toMatchObject([
    { kind: 'unknown' },
    { kind: 'unknown', requestId: 'mine' },
  ]);
  const early = writes.map((write) => chain.head.write(ADD, { requestId: idOf(write) }));
  chain.lanes.release();
  chain.settle();
  const late = writes.map((write) => chain.head.write(ADD, { requestId: idOf(write) }));
  chain.settle();
  const first = [
    { kind: 'applied', replayed: true, outcome: { seq: 1, results: [{ value: 1 }] } },
    { kind: 'applied', replayed: true, outcome: { seq: 2, results: [{ value: 2 }] } },
  ];
  expect(early.map(({ reply }) => reply)).toMatchObject(first);
  expect(late.map(({ reply }) => reply)).toMatchObject(first);
  expect(counter(chain)).toBe('2');
});

test('the same id with another command is refused and changes nothing (§8)', () => {
  const chain = Chain.serving(NAMES);
  chain.head.write(ADD, { requestId: requestId('mine') });
  const other = chain.head.write(single(increment('counter', 5)), { requestId: requestId('mine') });
  chain.settle();
  expect(other.reply).toMatchObject({
    kind: 'applied',
    outcome: { kind: 'rejected', code: 'REQUEST_ID_REUSED' },
  });
  expect(counter(chain)).toBe('1');
});

test('ids that heads made in different epochs never meet (§8)', () => {
  const chain = Chain.serving(NAMES);
  const ids = new Set<string | null>();
  for (let round = 0; round < 3; round++) {
    const writes = [chain.head.write(ADD), chain.head.write(ADD)];
    chain.until('the chain is whole', () => chain.whole);
    for (const write of writes) ids.add(idOf(write));
    chain.reorder(NAMES);
    chain.until('the chain is whole', () => chain.whole);
  }
  expect(ids.size).toBe(6);
});

test('beyond inFlightBytes writes are refused before an entry is made, until the chain has caught up (§3)', () => {
  const limits = { inFlightBytes: 1000 };
  const chain = Chain.serving(NAMES, { topology: versionedTopology(NAMES, { limits }) });
  chain.lanes.hold('disk n3');
  const big = single(set('big', 'x'.repeat(600)));
  const taken = chain.head.write(big);
  const refused = chain.head.write(big);
  chain.settle();
  expect(refused.reply).toEqual({ kind: 'refused', code: 'OVERLOADED' });
  expect(chain.head.up.received).toBe(1);
  expect(chain.head.up.inFlightBytes).toBeLessThanOrEqual(1000);
  chain.lanes.release();
  chain.settle();
  expect(taken.reply).toMatchObject({ kind: 'applied' });
  expect(chain.head.up.inFlightBytes).toBe(0);
  const later = chain.head.write(big);
  chain.settle();
  expect(later.reply).toMatchObject({ kind: 'applied' });
});

test('a full store refuses what would make it grow, and takes deletes and retries of what took effect', () => {
  const limits = { storeBytes: 1000 };
  const chain = Chain.serving(NAMES, { topology: versionedTopology(NAMES, { limits }) });
  const filling = single(set('filling', 'x'.repeat(800)));
  const id = requestId('mine');
  chain.head.write(filling, { requestId: id });
  chain.settle();
  const write = (command: typeof filling, by = null as typeof id | null) => {
    const made = chain.head.write(command, { requestId: by });
    chain.settle();
    return made.reply;
  };
  expect(write(single(set('more', 'x'.repeat(200))))).toEqual({ kind: 'refused', code: 'STORE_FULL' });
  expect(write(filling, id)).toMatchObject({ kind: 'applied', replayed: true });
  expect(write(single(set('filling', 'smaller')))).toMatchObject({ kind: 'applied' });
  expect(write(single(set('more', 'x'.repeat(800))))).toMatchObject({ kind: 'applied' });
  expect(write(single(set('yet more', 'x')))).toEqual({ kind: 'refused', code: 'STORE_FULL' });
  expect(write(single(remove('more')))).toMatchObject({ kind: 'applied' });
  expect(write(single(set('yet more', 'x')))).toMatchObject({ kind: 'applied' });
});

test('the retry of a write that is still in flight is taken however full the store will be', () => {
  const limits = { storeBytes: 1000 };
  const chain = Chain.serving(NAMES, { topology: versionedTopology(NAMES, { limits }) });
  const filling = single(set('filling', 'x'.repeat(700)));
  chain.lanes.hold('disk n3');
  chain.head.write(filling, { requestId: requestId('mine') });
  expect(chain.head.write(filling).reply).toEqual({ kind: 'refused', code: 'STORE_FULL' });
  const retry = chain.head.write(filling, { requestId: requestId('mine') });
  chain.lanes.release();
  chain.settle();
  expect(retry.reply).toMatchObject({ kind: 'applied', replayed: true });
});
