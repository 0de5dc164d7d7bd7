import { defined } from '../base/assert.ts';
import type { NodeId } from '../base/ids.ts';
import { isPlanted } from '../base/planted.ts';
import { type Configuration, type Incarnation, sameIncarnation } from '../protocol/configuration.ts';
import { raisesFence } from './fence.ts';
import { isDroppable } from './heal.ts';
import { isAwaited, targetNow } from './joining.ts';
import { again, namesOf, without } from './membership.ts';
import { type Change, NOTHING, type Ruling, type View, waitFor } from './rule.ts';
import { standingsOf } from './standing.ts';
import { inMs, listed } from './words.ts';

/**
 * Rule 5: after an edit the chain becomes what it asks for, one safe step at a time. Who is missing joins first (rules 3
 * and 4), so that the edit never leaves fewer copies than there were; then those leave that are too many; then the
 * order changes. PROTOCOL.md §6.
 */
export function arrange(view: View): Ruling {
  const { configuration, arranging } = view;
  if (configuration === null) return NOTHING;
  if (configuration.sealed) return sealed(view, configuration);
  if (!arranging) return NOTHING;
  const target = targetNow(view);
  const members = namesOf(configuration);
  const missing = target.filter((node) => !members.includes(node));
  if (missing.length > 0) return waitFor(...missing.flatMap((node) => wordsForMissing(view, node)));
  const extra = configuration.members.filter(({ node }) => !target.includes(node));
  if (extra.length > 0) return remove(view, configuration, extra);
  if (members.join() === target.join()) return { ...NOTHING, arranged: true };
  return seal(view, configuration, target);
}

function wordsForMissing(view: View, node: NodeId): string[] {
  return isAwaited(view, node) ? [`the edit waits for ${node}, which is not there yet`] : [];
}

function remove(view: View, configuration: Configuration, extra: readonly Incarnation[]): Ruling {
  const leaving = defined(extra[0], () => 'a member that is too many');
  const { node } = leaving;
  const placed = standingsOf(view);
  const others = placed.filter(({ member }) => member.node !== node);
  const unready = others.filter(({ member }) => !view.ready.includes(member.node));
  if (unready.length > 0 || !others.some(({ is }) => is.kind === 'well')) {
    return waitFor(`${node} is removed once the others are ready and one of them is well`);
  }
  if (isDroppable(view, leaving)) {
    return { change: removal(view, configuration, leaving), waits: [] };
  }
  // Either it is heard again, or rule 2 drops it.
  const there = placed.some(({ member, is }) => member.node === node && is.kind === 'well');
  if (!there) return waitFor(`${node} is to be removed, and is not heard`);
  return { change: null, waits: [`${node} is asked to stop before it is removed`], stop: node };
}

function removal(view: View, configuration: Configuration, leaving: Incarnation): Change {
  const { node } = leaving;
  return {
    chain: without(configuration, { dropped: [node], fenced: raisesFence(view, [leaving]) }),
    ready: view.ready.filter((one) => one !== node),
    reason: reasonOf(view),
    change: `removed ${node}`,
  };
}

function seal(view: View, configuration: Configuration, target: readonly NodeId[]): Ruling {
  const placed = standingsOf(view);
  const { ready, sealResting } = view;
  if (placed.some(({ member, is }) => is.kind !== 'well' || !ready.includes(member.node))) {
    return waitFor('the chain is reordered once all of its members are well and ready');
  }
  if (sealResting)
    return waitFor('the chain did not get quiet for a reorder: it is tried again after a while');
  const change: Change = {
    chain: { ...again(configuration), sealed: true },
    ready,
    reason: reasonOf(view),
    change: `sealed, to be reordered to ${target.join(', ')}`,
  };
  return { change, waits: [] };
}

/** A sealed chain is reordered as soon as it is quiet; it is never left sealed for longer than that may take. */
function sealed(view: View, configuration: Configuration): Ruling {
  const { arranging, epochMs, wanted } = view;
  const target = arranging ? targetNow(view) : [];
  const members = target.flatMap(
    (node) => configuration.members.find((member) => member.node === node) ?? [],
  );
  const same = members.length === target.length && members.length === configuration.members.length;
  if (!same) return lifted(view, configuration, 'another change comes first');
  if (isQuiet(view, configuration)) {
    const change: Change = {
      chain: { ...again(configuration), members },
      ready: view.ready,
      reason: `the chain is quiet; ${reasonOf(view)}`,
      change: `reordered to ${target.join(', ')}`,
      lessons: [{ kind: 'reordered' }],
    };
    return { change, waits: [] };
  }
  if (epochMs < wanted.topology.timing.suspectAfterMs || isPlanted('seal-not-lifted')) {
    return waitFor('the sealed chain is getting quiet');
  }
  return lifted(view, configuration, `the sealed chain did not get quiet within ${inMs(epochMs)}`);
}

function lifted({ ready }: View, configuration: Configuration, reason: string): Ruling {
  const change = `lifted the seal: the order stays ${listed(namesOf(configuration))}`;
  return {
    change: { chain: again(configuration), ready, reason, change, lessons: [{ kind: 'seal-failed' }] },
    waits: [],
  };
}

/** Every member holds the same on disk, and all of it is committed, in this very epoch: nothing is under way. */
function isQuiet({ heard }: View, { members, epoch }: Configuration): boolean {
  const ends = members.map((member) => {
    const report = heard.get(member.node);
    if (report === undefined || !sameIncarnation(report.incarnation, member)) return null;
    const { received, durable, committed } = report;
    const still = report.configuration?.epoch === epoch && received === durable && durable === committed;
    return still ? committed : null;
  });
  return ends.every((end) => end !== null && end === ends[0]);
}

function reasonOf({ wanted }: View): string {
  return `the topology was edited (version ${wanted.version})`;
}
