import { nodeId } from '../../src/base/ids.ts';
import { refusalOf, withTopology } from '../../src/coordinator/topology-edit.ts';
import { CoordinatorStory, topologyFile } from '../support/coordinator-story.ts';

function served(file = topologyFile()) {
  const story = new CoordinatorStory(file);
  story.start();
  story.go();
  return story.core.register;
}

describe('an edit is refused with words, and what to do instead,', () => {
  test('when it changes durability: it would change what an acknowledgement means', () => {
    const { topology } = topologyFile({ durability: 'memory' });
    expect(refusalOf(served(), topology)).toContain('can not be changed from sync to memory');
    const back = refusalOf(served(topologyFile({ durability: 'memory' })), topologyFile().topology);
    expect(back).toContain('can not be changed from memory to sync');
    expect(back).toContain('GET /export');
  });

  test('when it changes which coordinator there is', () => {
    const coordinators = { c2: { urls: ['http://localhost:4460'], peer: 'localhost:5460' } };
    expect(refusalOf(served(), topologyFile({ coordinators }).topology)).toContain(
      'can not become c2 instead of c1',
    );
  });

  test('when nobody that holds the data is left in the chain', () => {
    const { topology } = topologyFile({ chain: ['n4'], replicas: 1 }, 4);
    expect(refusalOf(served(), topology)).toContain('none of the members that hold all data (n1, n2 and n3)');
  });
});

test('everything else may be edited', () => {
  for (const edit of [
    { reads: 'any', timing: { leaseMs: 300 }, limits: { keyBytes: 10 }, name: 'other' },
    { chain: ['n3', 'n1'], replicas: 2 },
    { replicas: 1 },
  ]) {
    expect(refusalOf(served(), topologyFile(edit).topology)).toBeNull();
  }
});

test('where a node is found that leaves the topology is kept as long as the chain has it', () => {
  const register = served();
  const fewer = withTopology(register, topologyFile({}, 2).topology);
  const { nodes } = topologyFile().topology;
  expect(fewer.topology).toMatchObject({ version: 2, departing: { n3: nodes[nodeId('n3')] } });
  const again = withTopology(fewer, topologyFile({ name: 'other' }, 2).topology);
  expect(again.topology).toMatchObject({ version: 3, departing: { n3: nodes[nodeId('n3')] } });
  const back = withTopology(again, topologyFile().topology);
  expect(back.topology).toMatchObject({ version: 4, departing: {} });
});

test('only an edit of the chain, of replicas or of the set of nodes has the chain arranged', () => {
  const arranged = (edit: object, count?: number) =>
    withTopology(served(), topologyFile({ ...edit }, count).topology).arranging;
  expect(arranged({ chain: ['n2', 'n1', 'n3'] })).toBe(true);
  expect(arranged({ replicas: 2 })).toBe(true);
  expect(arranged({}, 4)).toBe(true);
  expect(arranged({ reads: 'any', timing: { leaseMs: 300 }, name: 'other' })).toBe(false);
});
