import type { NodeId } from '../base/ids.ts';
import { staying } from './heal.ts';
import type { View } from './rule.ts';

/** Whether a node counts when the chain is arranged: a member that is not about to be dropped, or one that could join. */
export function isHealthy(view: View, node: NodeId): boolean {
  const { configuration, heard, wanted } = view;
  const member = configuration?.members.some((one) => one.node === node) === true;
  if (member) return staying(view).some((placed) => placed.member.node === node);
  // It is struck out when something is the matter with it, and judged as any other spare then.
  if (configuration?.joiner?.node === node) return true;
  const report = heard.get(node);
  if (report === undefined || report.phase !== 'running') return false;
  return report.stalledMs < wanted.topology.timing.stallAfterMs;
}
