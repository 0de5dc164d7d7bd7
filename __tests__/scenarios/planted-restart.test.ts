/** A start that passes for the one before it: what storage prevents with the boot count, played here by a disk that forgets to count. */
import { plant } from '../../src/base/planted.ts';
import { increment, single } from '../support/builders.ts';
import { Chain } from '../support/chain.ts';

afterEach(() => plant(null));

test('a head that started anew acts in no epoch that it finds on its disk, even if it is told of it again (§5)', () => {
  expect(writesOfAHeadThatForgot()).toMatchObject({ kind: 'moved', to: null });
});

test('else it makes a second entry under the name of one that it lost (I1)', () => {
  plant('restart-keeps-epoch');
  expect(writesOfAHeadThatForgot).toThrow(/^I1: 1\/1 is /);
});

/** Its successors hold an entry that its own disk has lost. @returns what became of the next write. */
function writesOfAHeadThatForgot() {
  const chain = Chain.serving(['n1', 'n2', 'n3']);
  const { head } = chain;
  chain.lanes.hold('disk n1');
  head.write(single(increment('lost')));
  chain.settle();
  expect(chain.nodes.map(({ up }) => up.received)).toEqual([1, 1, 1]);
  head.kill();
  head.disk.boot -= 1;
  chain.lanes.release();
  head.start();
  const [first] = chain.configurations;
  if (first) chain.tell('n1', first);
  chain.settle();
  const write = head.write(single(increment('next')));
  chain.settle();
  return write.reply;
}
