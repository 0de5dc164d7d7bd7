import type { ChainView } from '../../src/client/caller.ts';
import { CatenaError, Unavailable } from '../../src/client/errors.ts';
import { statusOf } from '../../src/client/status.ts';
import { fakeCaller, jsonAnswer } from '../support/fake-caller.ts';

const CHAIN: ChainView = {
  epoch: 4,
  members: ['n2', 'n1'],
  joiner: 'n3',
  reads: 'tail',
  urls: { n1: 'http://a', n2: 'http://b', n3: 'http://c' },
};

const stateOf = (node: string) => ({
  node,
  role: 'head',
  epoch: 4,
  received: 9,
  durable: 8,
  committed: 7,
  keys: 1,
  lease: { held: true },
});

test('the chain comes with what each node says of itself', async () => {
  const asked: string[] = [];
  const nodes = new Map([
    ['http://a', 'n1'],
    ['http://b', 'n2'],
    ['http://c', 'n3'],
  ]);
  const caller = fakeCaller({
    chain: async () => CHAIN,
    ask: async (base, path) => {
      asked.push(base + path);
      return jsonAnswer(stateOf(nodes.get(base) ?? ''));
    },
  });
  expect(await statusOf(caller)).toEqual({
    epoch: 4,
    members: ['n2', 'n1'],
    joiner: 'n3',
    nodes: { n1: stateOf('n1'), n2: stateOf('n2'), n3: stateOf('n3') },
  });
  expect(asked).toEqual(['http://a/status', 'http://b/status', 'http://c/status']);
});

test('a node that does not answer, or where something else does, is null and hides no other', async () => {
  const caller = fakeCaller({
    chain: async () => CHAIN,
    ask: async (base) => {
      if (base === 'http://a') throw new Unavailable('nobody is there');
      return jsonAnswer(base === 'http://b' ? { hello: 'world' } : stateOf('n3'));
    },
  });
  expect((await statusOf(caller)).nodes).toEqual({ n1: null, n2: null, n3: stateOf('n3') });
});

test('a signal gives the call up with its reason', async () => {
  const stop = new AbortController();
  const caller = fakeCaller({
    chain: async () => CHAIN,
    ask: async () => {
      stop.abort(new Error('enough'));
      throw new Unavailable('nobody answered before');
    },
  });
  await expect(statusOf(caller, { signal: stop.signal })).rejects.toThrow('enough');
});

test('when nobody knows the chain that is the error', async () => {
  const caller = fakeCaller({
    chain: () => Promise.reject(new CatenaError('UNAVAILABLE', 'nobody answers')),
  });
  await expect(statusOf(caller)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});
