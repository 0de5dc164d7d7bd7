import { nodeId } from '../../src/base/ids.ts';
import { arranges, planOf, sameTopology, targetOf } from '../../src/topology/plan.ts';
import { topologyFile } from '../support/coordinator-story.ts';

const ids = (...names: string[]) => names.map(nodeId);
const from = topologyFile({}, 5).topology;

/** The plan of an edit of a chain n1, n2, n3 with n4 and n5 as spares. */
function planFor(edit: Record<string, unknown>, count = 5, awaited: string[] = []): readonly string[] {
  const to = topologyFile(edit, count).topology;
  return planOf({
    members: ids('n1', 'n2', 'n3'),
    spares: ids('n4', 'n5').filter((node) => !awaited.includes(node)),
    awaited: ids(...awaited),
    arranging: arranges(from, to),
    from,
    to,
  });
}

test('nothing changes by nothing', () => {
  expect(planFor({})).toEqual([]);
});

test('who is missing joins first, then who is too many leaves, then the order changes', () => {
  expect(planFor({ chain: ['n1', 'n4', 'n3'] })).toEqual([
    'take n4 into the chain behind n3 (state transfer)',
    'remove n2',
    'reorder to n1, n4, n3 (sealed)',
  ]);
});

test('several join one behind the other', () => {
  expect(planFor({ replicas: 5 })).toEqual([
    'take n4 into the chain behind n3 (state transfer)',
    'take n5 into the chain behind n4 (state transfer)',
  ]);
});

test('who leaves needs no reorder when the rest stand in the right order', () => {
  expect(planFor({ replicas: 2 })).toEqual(['remove n3']);
  expect(planFor({ chain: ['n2', 'n3'], replicas: 2 })).toEqual(['remove n1']);
});

test('a node that is not there yet is said to be waited for', () => {
  expect(planFor({ replicas: 4 }, 5, ['n4'])).toEqual([
    'take n4 into the chain behind n3 (state transfer), once it is heard',
  ]);
});

test('nodes that come and go are named', () => {
  expect(planFor({ replicas: 3 }, 6)).toEqual(['know n6: http://localhost:4471, peer localhost:5471']);
  expect(planFor({}, 4)).toEqual(['forget n5']);
});

test('settings are compared one by one', () => {
  const nodes = { ...from.nodes, n2: { urls: ['http://localhost:4999'], peer: 'localhost:5999' } };
  expect(
    planFor({
      name: 'other',
      reads: 'any',
      timing: { leaseMs: 100 },
      limits: { valueBytes: 100 },
      origins: ['http://example.org'],
      nodes,
    }),
  ).toEqual([
    'name from story to other',
    'reads: any member answers',
    'timing.leaseMs from 200 to 100',
    'limits.valueBytes from 1048576 to 100',
    'origins from none to http://example.org',
    'urls of n2 from http://localhost:4467 to http://localhost:4999',
    'peer of n2 from localhost:5467 to localhost:5999',
  ]);
  expect(
    planOf({
      members: [],
      spares: [],
      awaited: [],
      arranging: false,
      from: topologyFile({ reads: 'any' }).topology,
      to: topologyFile().topology,
    }),
  ).toEqual(['reads: the tail alone answers']);
});

test('without an edit of the chain its order stands, and what it lacks is added at the tail', () => {
  const plan = planOf({
    members: ids('n3', 'n1'),
    spares: ids('n2', 'n4'),
    awaited: [],
    arranging: false,
    from,
    to: from,
  });
  expect(plan).toEqual(['take n2 into the chain behind n1 (state transfer)']);
});

test('the target is the first `replicas` healthy nodes of the chain, in its order', () => {
  const sick = nodeId('n2');
  expect(targetOf(from, (node) => node !== sick)).toEqual(['n1', 'n3', 'n4']);
  expect(targetOf(from, () => false)).toEqual([]);
});

test('where an editor finds its schema, and the order of the nodes, make no difference', () => {
  const turned = Object.fromEntries(Object.entries(from.nodes).reverse());
  expect(sameTopology(from, { ...from, $schema: 'x', nodes: turned })).toBe(true);
  expect(sameTopology(from, { ...from, name: 'x' })).toBe(false);
  expect(arranges(from, { ...from, nodes: turned })).toBe(false);
});
