import type { Configuration } from '../protocol/configuration.ts';
import type { Topology } from '../protocol/topology.ts';
import { bootstrap } from './bootstrap.ts';
import { again } from './membership.ts';
import { restartInPlace } from './restart.ts';
import type { Rule, Ruling, View } from './rule.ts';

/** In the order in which they are tried. */
const RULES: readonly Rule[] = [bootstrap, restartInPlace, newSettings];

/** The first change that applies, and all that is waited for. */
export function decide(view: View): Ruling {
  const stale = staleRegister(view);
  if (stale !== null) return { change: null, waits: [stale] };
  const waits: string[] = [];
  for (const rule of RULES) {
    const ruling = rule(view);
    waits.push(...ruling.waits);
    if (ruling.change !== null) return { change: ruling.change, waits };
  }
  return { change: null, waits };
}

/** A node can only hold what this register chose, unless somebody put an old copy of the register back. */
function staleRegister({ configuration, heard }: View): string | null {
  if (configuration === null) return null;
  for (const [node, report] of heard) {
    const held = report.configuration?.epoch ?? 0;
    if (held <= configuration.epoch) continue;
    return (
      `${node} holds configuration ${held}, and this register knows none above ${configuration.epoch}: it is older than ` +
      'the cluster, so nothing is changed. Stop the coordinator, move its register away and start it again: it takes the ' +
      'chain up from what the nodes hold, once it hears all of them'
    );
  }
  return null;
}

/** What a configuration takes from the topology beside its members. */
function newSettings({ configuration, ready, wanted }: View): Ruling {
  const edits = configuration === null ? [] : settingsEdited(configuration, wanted.topology);
  if (configuration === null || edits.length === 0) return { change: null, waits: [] };
  const reason = `the topology was edited (version ${wanted.version})`;
  return { change: { chain: again(configuration), ready, reason, change: edits.join(', ') }, waits: [] };
}

function settingsEdited(configuration: Configuration, { timing, reads }: Topology): string[] {
  const edits: string[] = [];
  if (configuration.leaseMs !== timing.leaseMs) edits.push(`a lease lasts ${timing.leaseMs} ms`);
  if (configuration.reads !== reads) {
    edits.push(reads === 'any' ? 'any member answers reads' : 'the tail alone answers reads');
  }
  return edits;
}
