import type { Topology } from '../protocol/topology.ts';

/**
 * Why a running cluster can't take this edit of its topology, in words; `null` if it can. The order, the number and the
 * set of the nodes stay as they are for now, and so does what an acknowledgement means; all else may change.
 */
export function refusalOf(present: Topology, edited: Topology): string | null {
  const changes = [
    ...differing('chain', present.chain.join(', '), edited.chain.join(', ')),
    ...differing('replicas', String(present.replicas), String(edited.replicas)),
    ...differing('durability', present.durability, edited.durability),
    ...differing('the set of nodes', namesOf(present), namesOf(edited)),
  ];
  if (changes.length === 0) return null;
  return (
    `the edited topology changes ${changes.join(' and ')}, which a running cluster can not take yet: it goes on with the ` +
    'one it has. Put that back in the file; everything else in it may be edited'
  );
}

function namesOf({ nodes }: Topology): string {
  return Object.keys(nodes).sort().join(', ');
}

function differing(what: string, from: string, to: string): string[] {
  return from === to ? [] : [`${what} (from ${from} to ${to})`];
}
