import { refusalOf } from '../../src/coordinator/topology-edit.ts';
import { topologyFile } from '../support/coordinator-story.ts';

const present = topologyFile().topology;

test('an edit of durability is refused with words: it would change what an acknowledgement means', () => {
  const { topology } = topologyFile({ durability: 'memory' });
  expect(refusalOf(present, topology)).toContain('changes durability (from sync to memory)');
  expect(refusalOf(topology, present)).toContain('changes durability (from memory to sync)');
});

test('an edit of the chain, the number of replicas or the nodes is refused, and every change is named', () => {
  const refusal = refusalOf(present, topologyFile({ replicas: 1 }, 2).topology);
  expect(refusal).toContain('chain (from n1, n2, n3 to n1, n2)');
  expect(refusal).toContain('replicas (from 3 to 1)');
  expect(refusal).toContain('the set of nodes (from n1, n2, n3 to n1, n2)');
});

test('everything else may be edited', () => {
  const edit = { reads: 'any', timing: { leaseMs: 300 }, limits: { keyBytes: 10 }, name: 'other' };
  expect(refusalOf(present, topologyFile(edit).topology)).toBeNull();
});
