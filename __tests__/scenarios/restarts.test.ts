import { requestId } from '../../src/base/ids.ts';
import { increment, single } from '../support/builders.ts';
import { Chain } from '../support/chain.ts';
import { ChainClients } from '../support/chain-clients.ts';

const ADD = single(increment('counter'));
const NAMES = ['n1', 'n2', 'n3'];

/** What the tail shows of the counter. */
const counter = (chain: Chain): number => Number(chain.tail.up.store.get('counter')?.value.bytes ?? 0);

test.each([
  ['head', 'n1'],
  ['middle', 'n2'],
  ['tail', 'n3'],
])('a killed %s restarts in place, and the chain goes on with nothing acknowledged lost (§5)', (_, name) => {
  const chain = Chain.serving(NAMES);
  for (let count = 0; count < 3; count++) chain.head.write(ADD);
  chain.settle();
  const id = requestId('in flight');
  chain.lanes.hold('disk n2');
  const first = chain.head.write(ADD, { requestId: id });
  chain.settle();
  expect(first.reply).toBeNull();
  chain.node(name).kill();
  chain.lanes.release();
  chain.run(500);
  chain.node(name).start();
  chain.until('the chain is whole', () => chain.whole);
  expect(chain.epoch).toBe(2);
  expect(counter(chain)).toBeGreaterThanOrEqual(3);
  const again = chain.head.write(ADD, { requestId: id });
  chain.settle();
  expect(again.reply).toMatchObject({ kind: 'applied', outcome: { results: [{ value: 4 }] } });
  expect(counter(chain)).toBe(4);
});

test('a node that restarts takes no part until a configuration names its new incarnation (§5)', () => {
  const chain = Chain.serving(NAMES);
  chain.node('n1').kill();
  chain.lanes.hold('hear n1');
  chain.node('n1').start();
  chain.run(200);
  expect(chain.node('n1').up).toMatchObject({ role: 'spare', active: false, takesWrites: false });
  expect(chain.node('n1').write(ADD).reply).toMatchObject({ kind: 'moved', to: null });
  chain.lanes.release();
  chain.until('the chain is whole', () => chain.whole);
  expect(chain.node('n1').up).toMatchObject({ role: 'head', takesWrites: true });
});

test('what an earlier incarnation of the predecessor says opens no session (§4, §5)', () => {
  const chain = Chain.serving(NAMES);
  chain.breakLinks('n1', 'n2');
  chain.lanes.hold('n1>n2', 'tell n1', 'hear n2');
  chain.run(100); // n1 has sent its Hello to the first incarnation of n2
  chain.node('n2').kill();
  chain.node('n2').start();
  chain.lanes.release('n1>n2');
  chain.run(200);
  expect(chain.node('n2').up.sessions).toEqual({ upstream: 'none', downstream: 'idle' });
  chain.lanes.release();
  chain.until('the chain is whole', () => chain.whole);
});

test('a restarted head never gives a second entry the name of one that it lost (§5, I1)', () => {
  const chain = Chain.serving(NAMES);
  chain.lanes.hold('disk n1');
  chain.head.write(single(increment('lost')));
  chain.settle();
  chain.node('n1').kill();
  chain.lanes.release();
  chain.node('n1').start();
  chain.until('the head is back', () => chain.node('n1').up.takesWrites);
  const write = chain.head.write(single(increment('made anew')));
  chain.until('the write is answered', () => write.reply !== null);
  expect(chain.nodes.map(({ disk }) => disk.entryAt(disk.syncedThrough)?.epoch)).toEqual([2, 2, 2]);
  expect(chain.nodes.map(({ up }) => up.store.get('lost'))).toEqual([undefined, undefined, undefined]);
});

test('a power cut of all before they are named leaves nothing behind (§6)', () => {
  const chain = new Chain(NAMES);
  for (const node of chain.nodes) node.start();
  for (const node of chain.nodes) node.kill();
  for (const node of chain.nodes) node.start();
  chain.until('the chain is whole', () => chain.whole);
  expect(chain.head.up.takesWrites).toBe(true);
});

test.each([0, 1])(
  'a power cut of all before the first write (configuration kept: %i) lets the chain serve again (§6)',
  (saves) => {
    const chain = new Chain(NAMES);
    chain.lanes.hold('save n2', 'save n3');
    for (const node of chain.nodes) node.start();
    chain.settle();
    for (const node of chain.nodes) node.kill({ kept: { jobs: 0, saves }, silent: true, sent: 0 });
    chain.lanes.release();
    for (const node of chain.nodes) node.start();
    chain.until('the chain is whole', () => chain.whole);
    const write = chain.head.write(ADD);
    chain.until('the fence of the start is over', () => write.reply !== null);
    expect(write.reply).toMatchObject({ kind: 'applied' });
  },
);

/** How many things happen in the story that the next tests cut: more than it has. */
const MOMENTS = Array.from({ length: 60 }, (_, moment) => moment);

test.each([0, 1, 2])(
  'a power cut of all at any moment loses nothing acknowledged, if disks keep %i of what was not synced (§1)',
  (jobs) => {
    for (const moment of MOMENTS) {
      const chain = Chain.serving(NAMES);
      const clients = new ChainClients(chain, { waitMs: 5000 });
      for (let count = 0; count < 4; count++) {
        clients.named('n1');
        letHappen(chain, moment / 4);
      }
      letHappen(chain, moment / 2);
      for (const [at, node] of chain.nodes.entries()) {
        node.kill({ kept: { jobs: at === moment % 3 ? 0 : jobs, saves: 0 }, silent: true, sent: 0 });
      }
      for (const node of chain.nodes) node.start();
      chain.until('the chain is whole', () => chain.whole);
      clients.finish();
    }
  },
);

test('a new head commits what the chain holds, whether the old head was answered or not (§3)', () => {
  const chain = Chain.serving(NAMES);
  chain.lanes.hold('n2>n1');
  const write = chain.head.write(ADD);
  chain.settle();
  chain.reorder(['n2', 'n3', 'n1']);
  chain.lanes.release();
  chain.until('the chain is whole', () => chain.whole);
  expect(counter(chain)).toBe(1);
  expect(write.reply).not.toBeNull();
  const next = chain.head.write(ADD);
  chain.settle();
  expect(next.reply).toMatchObject({ kind: 'applied', outcome: { results: [{ value: 2 }] } });
});

function letHappen(chain: Chain, times: number): void {
  for (let count = 0; count < times; count++) {
    const [lane] = chain.lanes.next();
    if (lane) chain.lanes.take(lane);
  }
}
