import { defined } from '../base/assert.ts';
import type { NodeId } from '../base/ids.ts';
import { isPlanted } from '../base/planted.ts';
import type { Configuration } from '../protocol/configuration.ts';
import type { NodeReport } from '../protocol/messages.ts';
import { firstChain, fits, namesOf, takenUp } from './membership.ts';
import { NOTHING, type Ruling, type View, waitFor } from './rule.ts';
import { listed, verb } from './words.ts';

/** Rule 1: the first configuration of a cluster, or the next one of a lost register. PROTOCOL.md §6. */
export function bootstrap(view: View): Ruling {
  if (view.configuration !== null) return NOTHING;
  const stranger = strangerAhead(view);
  if (stranger !== null) return waitFor(wordsFor(stranger));
  const holders = [...view.heard].filter(([, report]) => holdsData(report));
  return holders.length === 0 ? firstStart(view) : lostRegister(view, holders);
}

/** One that the topology lacks and that knows more than all that it has: to begin without it would be to give up what it holds. */
function strangerAhead(view: View): NodeReport | null {
  const known = highestOf(view)?.epoch ?? 0;
  return view.strangers.find(({ configuration }) => (configuration?.epoch ?? 0) > known) ?? null;
}

function wordsFor({ incarnation: { node }, configuration }: NodeReport): string {
  return (
    `the coordinator's register is empty, and ${node}, which the topology lacks, holds configuration ${configuration?.epoch}, later than any ` +
    `that its nodes hold: if the register was lost, put ${node} back into the topology file; else stop that node`
  );
}

/** Whether a store is empty is known only once it was read. */
function holdsData(report: NodeReport): boolean {
  return report.phase !== 'recovering' && !report.empty;
}

/** All nodes of the chain have to be heard, since any one that is not might hold data. */
function firstStart({ wanted, heard }: View): Ruling {
  const { chain, replicas } = wanted.topology;
  const missing = chain.flatMap((node) => reasonToWait(node, heard.get(node)));
  if (missing.length > 0)
    return waitFor(`the first start needs all nodes of the chain: ${missing.join(', ')}`);
  const reports = chain.map((node) => defined(heard.get(node), () => `what ${node} said`));
  const first = firstChain(reports.slice(0, replicas).map(({ incarnation }) => incarnation));
  const names = namesOf(first);
  return {
    change: {
      chain: first,
      // No session has to be reconciled first: all of them hold the same, nothing.
      ready: isPlanted('stuck-before-first-ready') ? [] : names,
      reason: `first start: ${listed(chain)} ${verb(chain, 'was heard with an empty store', 'were heard with empty stores')}`,
      change: `chain is ${names.join(', ')}`,
    },
    waits: [],
  };
}

/** All nodes of the topology have to be heard, since any one that is not might hold a later configuration. */
function lostRegister(view: View, holders: readonly (readonly [NodeId, NodeReport])[]): Ruling {
  const holds = `${listed(holders.map(([node]) => node))} ${verb(
    holders.map(([node]) => node),
    'holds',
    'hold',
  )} data`;
  const lost = `the coordinator's register is empty though ${holds}, so it was lost`;
  const nodes = Object.keys(view.wanted.topology.nodes) as NodeId[];
  const missing = nodes.flatMap((node) => reasonToWait(node, view.heard.get(node)));
  if (missing.length > 0) {
    return waitFor(
      `${lost}; taking the chain up again needs all nodes of the topology: ${missing.join(', ')}`,
    );
  }
  const highest = highestOf(view);
  if (highest === null)
    return waitFor(`${lost}; and no node holds a configuration to take the chain up from`);
  const unknown = namesOf(highest).filter((node) => !nodes.includes(node));
  if (unknown.length > 0) {
    const them = listed(unknown);
    return waitFor(
      `${lost}; configuration ${highest.epoch} has ${them}: put ${them} back into the topology file`,
    );
  }
  return takeUp(view, highest);
}

function takeUp({ heard, wanted }: View, highest: Configuration): Ruling {
  const chain = takenUp(highest);
  const versions = [...heard.values()].map(({ topologyVersion }) => topologyVersion);
  return {
    change: {
      chain,
      // Who was ready is lost too; each says so again once it is in this epoch.
      ready: [],
      // An edit may have been half carried out.
      arranging: !fits(chain, wanted.topology),
      topologyVersion: Math.max(wanted.version, ...versions.map((version) => version + 1)),
      reason: `the register was lost: configuration ${highest.epoch} is the highest that the nodes hold`,
      change: `chain is ${namesOf(chain).join(', ')}, as it was; the epoch leaps to ${chain.epoch}`,
    },
    waits: [],
  };
}

function highestOf({ heard }: View): Configuration | null {
  let highest: Configuration | null = null;
  for (const { configuration } of heard.values()) {
    if (configuration !== null && configuration.epoch > (highest?.epoch ?? 0)) highest = configuration;
  }
  return highest;
}

/** Why it is not known what a node holds: one reason, or none. */
function reasonToWait(node: NodeId, report: NodeReport | undefined): string[] {
  if (report === undefined) return [`${node} is not heard`];
  if (report.phase === 'recovering') return [`${node} is still reading its log`];
  const told = report.configuration !== null || report.empty;
  if (report.phase === 'broken' && (!told || report.empty)) {
    return [`${node} is broken (${report.problem ?? 'it does not say why'})`];
  }
  return told ? [] : [`${node} holds entries but no configuration`];
}
