import { assert, unreachable } from '../base/assert.ts';
import { NO_EPOCH, type NodeId } from '../base/ids.ts';
import type { Now } from '../base/now.ts';
import { sameIncarnation } from '../protocol/configuration.ts';
import type { HeartbeatAnswer, NodeReport } from '../protocol/messages.ts';
import type { Topology, VersionedTopology } from '../protocol/topology.ts';
import type { CoordinatorEffect, CoordinatorEvent, LinkId } from './events.ts';
import { FailureDetector, type Heard } from './failure-detector.ts';
import { configurationOf, medianMs, namesOf } from './membership.ts';
import { HISTORY_MAX, type HistoryRecord, type Register } from './register.ts';
import type { Change, View } from './rule.ts';
import { decide } from './rules.ts';
import { refusalOf } from './topology-edit.ts';

/**
 * The coordinator as a pure machine: events in, effects out. It decides on ticks alone, one change at a time, and while
 * a register is on its way to the disk it decides nothing. Nothing of a register is told before it is saved.
 */
export class Coordinator {
  readonly #detector = new FailureDetector();
  /** On disk: the only one that is told to anyone. */
  #saved: Register;
  /** On its way to the disk. */
  #saving: { readonly save: number; readonly register: Register } | null = null;
  #saves = 0;
  /** The latest sound file that was offered, and whether it still has to be looked at. */
  #file: { readonly topology: Topology; readonly digest: string; readonly pending: boolean } | null = null;
  #problem: string | null = null;
  #waits: readonly string[] = [];

  /** @param register - what lies on the disk, synced. */
  constructor(register: Register) {
    this.#saved = register;
  }

  /** What is on disk. */
  get register(): Register {
    return this.#saved;
  }

  /** Why the topology file was refused, in words, until it is a good one. */
  get problem(): string | null {
    return this.#problem;
  }

  /** What keeps the chain from being what it should be, in words. */
  get waits(): readonly string[] {
    return this.#waits;
  }

  /** The topology in force; version 0 is a file that is not taken yet. `null` until a file was offered. */
  get topology(): VersionedTopology | null {
    return (
      this.#saved.topology ?? (this.#file === null ? null : { version: 0, topology: this.#file.topology })
    );
  }

  /** What was heard of a node last, and whether that is recent enough to count. */
  heard(node: NodeId, now: Now): { readonly last: Heard | undefined; readonly counts: boolean } {
    return { last: this.#detector.last(node), counts: this.#report(node, now) !== undefined };
  }

  step(event: CoordinatorEvent, now: Now): CoordinatorEffect[] {
    switch (event.kind) {
      case 'heartbeat':
        return this.#onHeartbeat(event.link, event.report, now);
      case 'closed':
        return this.#onClosed(event.link);
      case 'saved':
        return this.#onSaved(event.save);
      case 'topology':
        this.#file = { topology: event.topology, digest: event.digest, pending: true };
        return [];
      case 'bad-topology':
        if (this.#file !== null) this.#file = { ...this.#file, pending: false };
        return this.#refuse(event.problem);
      case 'tick':
        return this.#onTick(now);
      default:
        return unreachable(event);
    }
  }

  #onHeartbeat(link: LinkId, report: NodeReport, now: Now): CoordinatorEffect[] {
    const hearing = this.#detector.hears(link, report, now.monotonicMs);
    if (hearing.kind === 'ignored') return [{ kind: 'hang-up', link, reason: hearing.reason }];
    const effects: CoordinatorEffect[] = [];
    const { node, storeId, boot } = report.incarnation;
    if (hearing.replaced !== null) {
      effects.push({ kind: 'hang-up', link: hearing.replaced, reason: `${node} has a newer connection` });
    }
    if (hearing.news) {
      const fields = { heard: node, storeId, boot, phase: report.phase };
      if (this.#knows(node)) effects.push(say('info', `${node} is heard`, fields));
      else effects.push(say('warn', `${node} is heard, but is no node of the topology`, fields));
    }
    effects.push({ kind: 'tell', link, answer: answerTo(report, this.#saved) });
    return effects;
  }

  #onClosed(link: LinkId): CoordinatorEffect[] {
    const node = this.#detector.closed(link);
    if (node === null) return [];
    if (!this.#knows(node)) this.#detector.forget(node);
    return [say('info', `the connection of ${node} is closed`, { heard: node })];
  }

  #onSaved(save: number): CoordinatorEffect[] {
    const saving = this.#saving;
    assert(saving?.save === save, () => `save ${save} ended while ${saving?.save} is under way`);
    const before = this.#saved;
    this.#saved = saving.register;
    this.#saving = null;
    return [...chosen(before, this.#saved), ...this.#tellAll()];
  }

  /** At once rather than at their next heartbeat. */
  #tellAll(): CoordinatorEffect[] {
    const effects: CoordinatorEffect[] = [];
    for (const { link, report } of this.#detector.linked()) {
      const answer = answerTo(report, this.#saved);
      if (answer.configuration !== null || answer.topology !== null)
        effects.push({ kind: 'tell', link, answer });
    }
    return effects;
  }

  #refuse(problem: string): CoordinatorEffect[] {
    if (this.#problem === problem) return [];
    this.#problem = problem;
    return [say('warn', `the topology file is refused: ${problem}`, {})];
  }

  #onTick(now: Now): CoordinatorEffect[] {
    if (this.#saving !== null) return [];
    const effects: CoordinatorEffect[] = [];
    const register = this.#decided(this.#withReady(this.#withFile(effects), now), now, effects);
    if (register === this.#saved) return effects;
    this.#saves += 1;
    this.#saving = { save: this.#saves, register };
    effects.push({ kind: 'save', ...this.#saving });
    return effects;
  }

  /** A file that differs from what was taken last is either taken or refused aloud. */
  #withFile(effects: CoordinatorEffect[]): Register {
    const register = this.#saved;
    if (this.#file === null || !this.#file.pending) return register;
    this.#file = { ...this.#file, pending: false };
    const { topology, digest } = this.#file;
    const taken = register.topology;
    const news = digest !== register.fileDigest;
    const settled = news && taken !== null && register.configuration !== null;
    const refusal = settled ? refusalOf(taken.topology, topology) : null;
    if (refusal !== null) {
      effects.push(...this.#refuse(refusal));
      return register;
    }
    this.#problem = null;
    if (!news) return register;
    return { ...register, topology: { version: (taken?.version ?? 0) + 1, topology }, fileDigest: digest };
  }

  /** What the members have said of themselves in the present epoch. */
  #withReady(register: Register, now: Now): Register {
    const { configuration, ready } = register;
    const newly = (configuration?.members ?? []).filter((member) => {
      const report = this.#report(member.node, now);
      if (report === undefined || !report.ready || ready.includes(member.node)) return false;
      return (
        sameIncarnation(report.incarnation, member) && report.configuration?.epoch === configuration?.epoch
      );
    });
    return newly.length === 0
      ? register
      : { ...register, ready: [...ready, ...newly.map(({ node }) => node)] };
  }

  #decided(register: Register, now: Now, effects: CoordinatorEffect[]): Register {
    if (register.topology === null) return register;
    const view = this.#view(register, register.topology, now);
    const { change, waits } = decide(view);
    // Before the first start it is no news that somebody isn't there yet.
    const level = register.configuration === null ? 'info' : 'warn';
    for (const wait of waits)
      if (!this.#waits.includes(wait)) effects.push(say(level, `waiting: ${wait}`, {}));
    this.#waits = waits;
    if (change === null) return register;
    const clocks = [...view.heard.values()].map(({ wallMs }) => wallMs);
    const timeMs = medianMs([...clocks, now.wallMs]);
    return changed(register, change, { timeMs, time: new Date(now.wallMs).toISOString() });
  }

  #view(register: Register, wanted: VersionedTopology, now: Now): View {
    const heard = new Map<NodeId, NodeReport>();
    for (const node of Object.keys(wanted.topology.nodes) as NodeId[]) {
      const report = this.#report(node, now);
      if (report !== undefined) heard.set(node, report);
    }
    return { configuration: register.configuration, ready: register.ready, wanted, heard };
  }

  #report(node: NodeId, now: Now): NodeReport | undefined {
    const withinMs = this.topology?.topology.timing.suspectAfterMs ?? 0;
    return this.#detector.report(node, { nowMs: now.monotonicMs, withinMs });
  }

  #knows(node: NodeId): boolean {
    return Object.hasOwn(this.topology?.topology.nodes ?? {}, node);
  }
}

/** What a node lacks. A topology is told with a configuration only: without one its version may be another lost one's. */
function answerTo(report: NodeReport, { configuration, topology }: Register): HeartbeatAnswer {
  const behind = (report.configuration?.epoch ?? NO_EPOCH) < (configuration?.epoch ?? NO_EPOCH);
  const outdated = configuration !== null && topology !== null && report.topologyVersion < topology.version;
  return {
    kind: 'heartbeat-answer',
    epoch: configuration?.epoch ?? NO_EPOCH,
    configuration: behind ? configuration : null,
    topology: outdated ? topology : null,
  };
}

function changed(register: Register, change: Change, at: { timeMs: number; time: string }): Register {
  const { topology, configuration: last } = register;
  assert(topology !== null, () => 'a configuration without a topology');
  const configuration = configurationOf(change.chain, topology.topology, at.timeMs);
  assert(
    configuration.epoch > (last?.epoch ?? NO_EPOCH),
    () => `I1: epoch ${configuration.epoch} after ${last?.epoch}`,
  );
  const { epoch } = configuration;
  const { reason, change: what } = change;
  const item: HistoryRecord = { epoch, time: at.time, reason, change: what, members: namesOf(configuration) };
  return {
    ...register,
    configuration,
    ready: change.ready,
    topology: { ...topology, version: change.topologyVersion ?? topology.version },
    history: [...register.history, item].slice(-HISTORY_MAX),
  };
}

function chosen(before: Register, after: Register): CoordinatorEffect[] {
  const effects: CoordinatorEffect[] = [];
  const item = after.history.at(-1);
  if (after.topology !== null && after.topology.version !== before.topology?.version) {
    effects.push(
      say('info', `took the topology as version ${after.topology.version}`, {
        name: after.topology.topology.name,
      }),
    );
  }
  if (item !== undefined && after.configuration?.epoch !== before.configuration?.epoch) {
    effects.push(
      say('info', `configuration ${item.epoch}: ${item.change} (${item.reason})`, {
        configuration: after.configuration,
      }),
    );
  }
  return effects;
}

function say(level: 'info' | 'warn', message: string, fields: object): CoordinatorEffect {
  return { kind: 'say', level, message, fields };
}
