import { assert, defined, unreachable } from '../base/assert.ts';
import { NO_EPOCH, type NodeId } from '../base/ids.ts';
import type { Now } from '../base/now.ts';
import { isPlanted } from '../base/planted.ts';
import type { NodeReport } from '../protocol/messages.ts';
import type { Topology, VersionedTopology } from '../protocol/topology.ts';
import { Attention } from './attention.ts';
import { answerTo, newsOf, say, withChange } from './choice.ts';
import { ConfigurationTime } from './configuration-time.ts';
import type { CoordinatorEffect, CoordinatorEvent, LinkId } from './events.ts';
import type { Heard } from './failure-detector.ts';
import { forced } from './force.ts';
import { NodeClocks } from './node-clocks.ts';
import { Outlook } from './outlook.ts';
import { readyMembers } from './readiness.ts';
import type { Register } from './register.ts';
import { type OperatorRequest, Requests } from './requests.ts';
import type { Change, View } from './rule.ts';
import { decide } from './rules.ts';
import { plannedSteps } from './topology-edit.ts';
import { type Turn, takeTopology } from './turn.ts';

/**
 * The coordinator as a pure machine: events in, effects out. It decides on ticks alone, one change at a time, and while
 * a register is on its way to the disk it decides nothing. Nothing of a register is told before it is saved.
 */
export class Coordinator {
  readonly #attention = new Attention();
  readonly #clocks = new NodeClocks();
  readonly #outlook = new Outlook();
  readonly #requests = new Requests();
  readonly #time = new ConfigurationTime();
  /** On disk: the only one that is told to anyone. */
  #saved: Register;
  /** On its way to the disk, and what is to be done once it is there. */
  #saving: {
    readonly save: number;
    readonly register: Register;
    readonly after: readonly CoordinatorEffect[];
  } | null = null;
  #saves = 0;
  /** By the monotonic clock, for people. */
  readonly #heardAt = new Map<NodeId, number>();
  /** The latest sound file that was offered, and whether it still has to be looked at. */
  #file: { readonly topology: Topology; readonly digest: string; readonly pending: boolean } | null = null;
  #problem: string | null = null;
  #waits: readonly string[] = [];
  /** What was decided by last. */
  #view: View | null = null;

  /** @param register - what lies on the disk, synced. */
  constructor(register: Register) {
    this.#saved = register;
  }

  /** What is on disk. */
  get register(): Register {
    return this.#saved;
  }

  /** Why the last edit of the topology was refused, in words, until a good one. */
  get problem(): string | null {
    return this.#problem;
  }

  /** What keeps the chain from being what it should be, in words. */
  get waits(): readonly string[] {
    return this.#waits;
  }

  /** The steps that the chain is still to take, in words. */
  get plan(): readonly string[] {
    return this.#view === null ? [] : plannedSteps(this.#view, this.#view.wanted.topology);
  }

  /** The members and the joiner that have no connection: whether anybody listens at their ports is worth a knock. */
  get unlinked(): readonly NodeId[] {
    return this.#outlook.unlinked(this.#saved.configuration);
  }

  /** The topology in force; version 0 is a file that is not taken yet. `null` until a file was offered. */
  get topology(): VersionedTopology | null {
    if (this.#saved.topology !== null) return this.#saved.topology;
    return this.#file === null ? null : { version: 0, topology: this.#file.topology, departing: {} };
  }

  /** What was heard of a node last, by the monotonic clock, and whether that is recent enough to count. */
  heard(node: NodeId, now: Now): { readonly last: Heard | undefined; readonly counts: boolean } {
    const heard = this.#outlook.last(node);
    if (heard === undefined) return { last: undefined, counts: false };
    const atMs = defined(this.#heardAt.get(node), () => `when ${node} was heard`);
    const withinMs = this.topology?.topology.timing.suspectAfterMs ?? 0;
    return { last: { ...heard, atMs }, counts: heard.link !== null && now.monotonicMs - atMs < withinMs };
  }

  step(event: CoordinatorEvent, now: Now): CoordinatorEffect[] {
    const nowMs = this.#attention.advance(now.monotonicMs, this.#gapMsMax());
    switch (event.kind) {
      case 'heartbeat':
        return this.#onHeartbeat(event.link, event.report, { ...now, nowMs });
      case 'closed':
        return this.#onClosed(event.link);
      case 'knocked':
        this.#outlook.knocked(event.node, event.refused, nowMs);
        return [];
      case 'saved':
        return this.#onSaved(event.save);
      case 'topology':
        this.#file = { topology: event.topology, digest: event.digest, pending: true };
        return [];
      case 'bad-topology':
        if (this.#file !== null) this.#file = { ...this.#file, pending: false };
        return this.#refuse(event.problem);
      case 'edit':
        return event.dryRun ? this.#tryOut(event, nowMs) : this.#requests.put(event);
      case 'force':
        return this.#requests.put(event);
      case 'tick':
        return this.#onTick(now, nowMs);
      default:
        return unreachable(event);
    }
  }

  /** Without any heartbeat for longer than this nobody could be heard: that is no single node's silence. */
  #gapMsMax(): number {
    const timing = this.topology?.topology.timing;
    return timing === undefined ? 0 : Math.max(2 * timing.heartbeatMs, timing.suspectAfterMs / 4);
  }

  #onHeartbeat(
    link: LinkId,
    report: NodeReport,
    { nowMs, monotonicMs }: { nowMs: number; monotonicMs: number },
  ): CoordinatorEffect[] {
    const hearing = this.#outlook.hears(link, report, nowMs);
    if (hearing.kind === 'ignored') return [{ kind: 'hang-up', link, reason: hearing.reason }];
    const effects: CoordinatorEffect[] = [];
    const { node, storeId, boot } = report.incarnation;
    const { suspectAfterMs } = this.topology?.topology.timing ?? { suspectAfterMs: 0 };
    if (this.#attention.heard(monotonicMs) >= suspectAfterMs) this.#outlook.hearsAgain(nowMs);
    this.#clocks.heard(report, monotonicMs);
    this.#heardAt.set(node, monotonicMs);
    if (hearing.replaced !== null) {
      effects.push({ kind: 'hang-up', link: hearing.replaced, reason: `${node} has a newer connection` });
    }
    if (hearing.news) {
      const fields = { heard: node, storeId, boot, phase: report.phase };
      if (this.#knows(node)) effects.push(say('info', `${node} is heard`, fields));
      else effects.push(say('warn', `${node} is heard, but is no node of the topology`, fields));
    }
    effects.push({ kind: 'tell', link, answer: answerTo(report, this.#saved, this.#stopping()) });
    return effects;
  }

  #onClosed(link: LinkId): CoordinatorEffect[] {
    const node = this.#outlook.closed(link);
    if (node === null) return [];
    if (!this.#knows(node)) {
      this.#outlook.forget(node);
      this.#heardAt.delete(node);
    }
    return [say('info', `the connection of ${node} is closed`, { heard: node })];
  }

  #onSaved(save: number): CoordinatorEffect[] {
    const saving = this.#saving;
    assert(saving?.save === save, () => `save ${save} ended while ${saving?.save} is under way`);
    this.#saved = saving.register;
    this.#saving = null;
    return [...this.#tellAll(), ...saving.after];
  }

  /** At once rather than at their next heartbeat. */
  #tellAll(): CoordinatorEffect[] {
    const effects: CoordinatorEffect[] = [];
    for (const { link, report } of this.#outlook.linked()) {
      const answer = answerTo(report, this.#saved, this.#stopping());
      if (answer.configuration !== null || answer.topology !== null || answer.stop)
        effects.push({ kind: 'tell', link, answer });
    }
    return effects;
  }

  #refuse(problem: string): CoordinatorEffect[] {
    if (this.#problem === problem) return [];
    this.#problem = problem;
    return [say('warn', `the topology is not taken: ${problem}`, {})];
  }

  /** What an edit would come to; it changes nothing. */
  #tryOut(edit: Extract<OperatorRequest, { kind: 'edit' }>, nowMs: number): CoordinatorEffect[] {
    const register = this.#saving?.register ?? this.#saved;
    const taking = takeTopology(register, { ...edit, rearranges: true }, this.#look(nowMs));
    return [{ kind: 'edited', ticket: edit.ticket, reply: taking.reply }];
  }

  #onTick(now: Now, nowMs: number): CoordinatorEffect[] {
    if (this.#saving !== null) return [];
    this.#outlook.observe(this.#saved, nowMs);
    const turn: Turn = { register: this.#saved, effects: [], after: [], plan: [] };
    this.#takeFile(turn, nowMs);
    // One at a time, so that what a request is answered is what its own save has brought about.
    if (turn.register === this.#saved) this.#takeRequest(turn, now, nowMs);
    if (turn.register.configuration === this.#saved.configuration) this.#decide(turn, now, nowMs);
    return this.#save(turn);
  }

  #save({ register, effects, after, plan }: Turn): CoordinatorEffect[] {
    if (register === this.#saved) return [...effects, ...after];
    this.#saves += 1;
    const news = newsOf(this.#saved, register, plan);
    this.#saving = { save: this.#saves, register, after: [...news, ...after] };
    if (isPlanted('told-before-saved')) {
      this.#saved = register;
      effects.push(...this.#tellAll());
    }
    return [...effects, { kind: 'save', save: this.#saves, register }];
  }

  /** A file that differs from what was taken last is either taken or refused aloud. */
  #takeFile(turn: Turn, nowMs: number): void {
    if (this.#file === null || !this.#file.pending) return;
    this.#file = { ...this.#file, pending: false };
    const { topology, digest } = this.#file;
    if (digest === turn.register.fileDigest) {
      this.#problem = null;
      return;
    }
    const edit = { topology, ifVersion: null, rearranges: false };
    const taking = takeTopology(turn.register, edit, this.#look(nowMs));
    if (taking.reply.kind === 'refused') {
      turn.effects.push(...this.#refuse(taking.reply.problem));
      return;
    }
    this.#problem = null;
    turn.register = { ...taking.register, fileDigest: digest };
    turn.plan = taking.plan;
  }

  #takeRequest(turn: Turn, now: Now, nowMs: number): void {
    const request = this.#requests.next();
    if (request === null) return;
    if (request.kind === 'force') {
      this.#force(turn, request, now, nowMs);
      return;
    }
    const { ticket } = request;
    const edit = { ...request, rearranges: true };
    const { register, reply, plan } = takeTopology(turn.register, edit, this.#look(nowMs));
    turn.after.push({ kind: 'edited', ticket, reply });
    if (reply.kind === 'refused') turn.effects.push(...this.#refuse(reply.problem));
    if (reply.kind === 'taken') this.#problem = null;
    turn.register = register;
    turn.plan = plan;
  }

  #force(
    turn: Turn,
    { ticket, survivor }: Extract<OperatorRequest, { kind: 'force' }>,
    now: Now,
    nowMs: number,
  ): void {
    const view = this.#look(nowMs)(turn.register);
    const forcing = forced({ view, reports: this.#outlook.reports() }, survivor);
    if (forcing.kind === 'refused') {
      turn.effects.push({ kind: 'forced', ticket, reply: forcing });
      return;
    }
    assert(view !== null, () => `${survivor} is forced without a topology`);
    const { change } = forcing;
    turn.register = this.#changed(turn.register, change, view, now);
    turn.effects.push(say('warn', `${change.reason}: what it lacks of the acknowledged writes is lost`, {}));
    turn.after.push({ kind: 'forced', ticket, reply: { kind: 'forced', epoch: change.chain.epoch } });
  }

  #decide(turn: Turn, now: Now, nowMs: number): void {
    const seen = this.#look(nowMs)(turn.register);
    if (seen === null) return;
    const ready = readyMembers(seen);
    const view = { ...seen, ready };
    if (ready.length > turn.register.ready.length) turn.register = { ...turn.register, ready };
    const { change, waits, stop, arranged } = decide(view);
    this.#wait(turn, waits);
    this.#ask(turn, stop ?? null, nowMs);
    this.#view = view;
    if (arranged === true) turn.register = { ...turn.register, arranging: false };
    if (change === null) return;
    this.#outlook.learn(change.lessons ?? [], nowMs);
    turn.register = this.#changed(turn.register, change, view, now);
  }

  #changed(register: Register, change: Change, view: View, now: Now): Register {
    const nodes = Object.fromEntries(this.#clocks.read(view.heard.keys(), now.monotonicMs));
    const clocks = { own: now.wallMs, nodes };
    const timeMs = this.#time.next(register, clocks, now.monotonicMs);
    this.#time.chose(change.chain.epoch, now);
    return withChange(register, change, { timeMs, time: new Date(now.wallMs).toISOString(), clocks });
  }

  #wait(turn: Turn, waits: readonly string[]): void {
    // Before the first start it is no news that somebody isn't there yet.
    const level = turn.register.configuration === null ? 'info' : 'warn';
    for (const wait of waits) {
      if (!this.#waits.includes(wait)) turn.effects.push(say(level, `waiting: ${wait}`, {}));
    }
    this.#waits = waits;
  }

  #ask(turn: Turn, node: NodeId | null, nowMs: number): void {
    const epoch = this.#saved.configuration?.epoch ?? NO_EPOCH;
    if (!this.#outlook.ask(node, epoch, nowMs)) return;
    for (const { link, report } of this.#outlook.linked()) {
      if (report.incarnation.node !== node) continue;
      turn.effects.push({ kind: 'tell', link, answer: answerTo(report, this.#saved, node) });
    }
  }

  /** Who is asked to stop in the epoch that is on disk. */
  #stopping(): NodeId | null {
    return this.#outlook.askedIn(this.#saved.configuration?.epoch ?? NO_EPOCH);
  }

  #look(nowMs: number): (register: Register) => View | null {
    return (register) =>
      register.topology === null ? null : this.#outlook.view(register, register.topology, nowMs);
  }

  #knows(node: NodeId): boolean {
    const { topology, departing } = this.topology ?? { topology: { nodes: {} }, departing: {} };
    return Object.hasOwn(topology.nodes, node) || Object.hasOwn(departing, node);
  }
}
