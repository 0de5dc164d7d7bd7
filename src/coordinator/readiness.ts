import type { NodeId } from '../base/ids.ts';
import { sameIncarnation } from '../protocol/configuration.ts';
import type { View } from './rule.ts';

/** The members known to be ready, with those that say so of themselves in the present epoch. PROTOCOL.md §5. */
export function readyMembers({ configuration, ready, heard }: View): readonly NodeId[] {
  const newly = (configuration?.members ?? []).flatMap((member) => {
    const report = heard.get(member.node);
    if (report === undefined || !report.ready || ready.includes(member.node)) return [];
    if (!sameIncarnation(report.incarnation, member)) return [];
    return report.configuration?.epoch === configuration?.epoch ? [member.node] : [];
  });
  return [...ready, ...newly];
}
