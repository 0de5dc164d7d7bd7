import { assert } from '../base/assert.ts';
import { NO_EPOCH, type NodeId } from '../base/ids.ts';
import type { HeartbeatAnswer, NodeReport } from '../protocol/messages.ts';
import type { CoordinatorEffect } from './events.ts';
import { configurationOf, namesOf } from './membership.ts';
import { HISTORY_MAX, type HistoryRecord, type Register, type WallClocks } from './register.ts';
import type { Change } from './rule.ts';

/** The register with a change made at that moment. `time` is for people, in ISO 8601; `timeMs` is for the configuration. */
export function withChange(
  register: Register,
  change: Change,
  at: { readonly timeMs: number; readonly time: string; readonly clocks: WallClocks },
): Register {
  const { topology, configuration: last } = register;
  assert(topology !== null, () => 'a configuration without a topology');
  const configuration = configurationOf(change.chain, topology.topology, at.timeMs);
  const { epoch, fence } = configuration;
  assert(epoch > (last?.epoch ?? NO_EPOCH), () => `I1: epoch ${epoch} after ${last?.epoch}`);
  assert(
    fence >= (last?.fence ?? NO_EPOCH) && fence <= epoch,
    () => `I1: fence ${fence} after ${last?.fence}`,
  );
  const { reason, change: what } = change;
  const item: HistoryRecord = { epoch, time: at.time, reason, change: what, members: namesOf(configuration) };
  return {
    ...register,
    configuration,
    clocks: at.clocks,
    ready: change.ready,
    topology: { ...topology, version: change.topologyVersion ?? topology.version },
    arranging: change.arranging ?? register.arranging,
    history: [...register.history, item].slice(-HISTORY_MAX),
  };
}

/** What a node lacks. A topology is told with a configuration only: without one its version may be another lost one's. */
export function answerTo(
  report: NodeReport,
  { configuration, topology }: Register,
  stopping: NodeId | null,
): HeartbeatAnswer {
  const behind = (report.configuration?.epoch ?? NO_EPOCH) < (configuration?.epoch ?? NO_EPOCH);
  const outdated = configuration !== null && topology !== null && report.topologyVersion < topology.version;
  return {
    kind: 'heartbeat-answer',
    epoch: configuration?.epoch ?? NO_EPOCH,
    configuration: behind ? configuration : null,
    topology: outdated ? topology : null,
    stop: stopping === report.incarnation.node,
  };
}

/** What people should know of a register that has just reached the disk. */
export function newsOf(before: Register, after: Register, plan: readonly string[]): CoordinatorEffect[] {
  const effects: CoordinatorEffect[] = [];
  const { topology, configuration } = after;
  const item = after.history.at(-1);
  if (topology !== null && topology.version !== before.topology?.version) {
    const steps = plan.length === 0 ? '' : `: ${plan.join('; ')}`;
    const { name } = topology.topology;
    effects.push(say('info', `took the topology as version ${topology.version}${steps}`, { name, plan }));
  }
  if (item !== undefined && configuration?.epoch !== before.configuration?.epoch) {
    const message = `configuration ${item.epoch}: ${item.change} (${item.reason})`;
    effects.push(say('info', message, { configuration }));
  }
  if (before.arranging && !after.arranging && configuration !== null) {
    effects.push(say('info', `the chain is as it was edited: ${namesOf(configuration).join(', ')}`, {}));
  }
  return effects;
}

/** Something for the log. */
export function say(level: 'info' | 'warn', message: string, fields: object): CoordinatorEffect {
  return { kind: 'say', level, message, fields };
}
