import { type NodeId, nodeId } from '../../src/base/ids.ts';
import type { EditReply, ForceReply } from '../../src/coordinator/events.ts';
import type { Configuration } from '../../src/protocol/configuration.ts';
import type { Topology, VersionedTopology } from '../../src/protocol/topology.ts';
import type { CoordinatorService, HistoryItem } from '../../src/runtime/coordinator-service.ts';
import type { Health } from '../../src/runtime/node-service.ts';
import { fakeConfiguration, fakeTopology } from './fake-node-service.ts';

type EditOptions = Parameters<CoordinatorService['edit']>[1];

/** A coordinator without a cluster behind it: what it is and answers is set by the test. */
export class FakeCoordinatorService implements CoordinatorService {
  readonly node = nodeId('c1');
  topologyNow: VersionedTopology = fakeTopology({ n1: 4466 });
  configurationNow: Configuration | null = fakeConfiguration(['n1'], 3);
  problemNow: string | null = null;
  planNow: readonly string[] = [];
  historyNow: readonly HistoryItem[] = [historyItem(3, ['n1'])];
  statusNow: Readonly<Record<string, unknown>> = { waitingFor: [] };
  readinessNow: Health = { well: true, reason: null };
  /** What edits are answered with, beside a version that does not match. */
  editReply: (version: number) => EditReply | Promise<EditReply> = (version) => ({
    kind: 'taken',
    version,
    plan: ['add n4 as the joiner'],
  });
  forceReply: ForceReply = { kind: 'forced', epoch: 9 };
  readonly edits: (EditOptions & { readonly topology: Topology })[] = [];
  readonly forced: NodeId[] = [];

  topology(): VersionedTopology {
    return this.topologyNow;
  }
  configuration(): Configuration | null {
    return this.configurationNow;
  }
  problem(): string | null {
    return this.problemNow;
  }
  plan(): readonly string[] {
    return this.planNow;
  }
  async edit(topology: Topology, options: EditOptions): Promise<EditReply> {
    const { version } = this.topologyNow;
    if (options.ifVersion !== null && options.ifVersion !== version) return { kind: 'conflict', version };
    const reply = await this.editReply(version + 1);
    this.edits.push({ topology, ...options });
    if (reply.kind === 'taken' && !options.dryRun) {
      this.topologyNow = { ...this.topologyNow, version: reply.version, topology };
      this.planNow = reply.plan;
    }
    return reply;
  }
  async force(survivor: NodeId): Promise<ForceReply> {
    this.forced.push(survivor);
    return this.forceReply;
  }
  history(): readonly HistoryItem[] {
    return this.historyNow;
  }
  status(): Readonly<Record<string, unknown>> {
    return this.statusNow;
  }
  health(): Health {
    return { well: true, reason: null };
  }
  readiness(): Health {
    return this.readinessNow;
  }
  gauges(): Readonly<Record<string, number>> {
    return { nodes_heard: 0 };
  }
}

/** A configuration that was chosen, with words for why and what. */
export function historyItem(number: number, members: readonly string[]): HistoryItem {
  const { epoch } = fakeConfiguration(members, number);
  return { epoch, time: 't', reason: 'r', change: 'c', members: members.map(nodeId) };
}
