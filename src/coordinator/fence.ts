import { defined } from '../base/assert.ts';
import type { NodeId } from '../base/ids.ts';
import { isPlanted } from '../base/planted.ts';
import { type Configuration, type Incarnation, roleOf, sameIncarnation } from '../protocol/configuration.ts';
import type { Sight, View } from './rule.ts';

/** Whether dropping these raises the fence: not each of them is known to serve no read. PROTOCOL.md §6, last paragraph. */
export function raisesFence(
  { configuration, sights, asked }: View,
  dropped: readonly Incarnation[],
): boolean {
  const chosen = defined(configuration, () => 'a configuration to drop members of');
  return dropped.some((member) => {
    if (asked?.node === member.node && isPlanted('asked-counts-as-stopped')) return false;
    return !servesNoRead(member, chosen, sights);
  });
}

/** What proves it holds for as long as the present configuration does, so that an old report is as good as a new one. */
function servesNoRead(
  member: Incarnation,
  configuration: Configuration,
  sights: ReadonlyMap<NodeId, Sight>,
): boolean {
  const last = sights.get(member.node)?.last ?? null;
  if (last === null) return false;
  const { incarnation, phase } = last;
  // A directory is locked: its later start proves the earlier one dead.
  if (incarnation.storeId === member.storeId && incarnation.boot > member.boot) return true;
  if (!sameIncarnation(incarnation, member)) return false;
  if (phase === 'broken' || phase === 'stopping') return true;
  if (last.configuration?.epoch !== configuration.epoch) return false;
  const role = roleOf(configuration, member);
  return last.stopped || (configuration.reads === 'tail' && role !== 'tail' && role !== 'only');
}
