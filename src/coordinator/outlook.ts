import { defined } from '../base/assert.ts';
import type { Epoch, NodeId } from '../base/ids.ts';
import { type Configuration, type Incarnation, sameIncarnation } from '../protocol/configuration.ts';
import type { NodeReport } from '../protocol/messages.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import { Backoff } from './backoff.ts';
import type { LinkId } from './events.ts';
import { FailureDetector, type Heard, type Hearing } from './failure-detector.ts';
import { Patience } from './patience.ts';
import type { Register } from './register.ts';
import type { Blame, Lesson, Sight, View } from './rule.ts';

const JOINER_REST_MS_MAX = 60_000;
const SEAL_REST_MS_MAX = 30_000;
/** How long a member that could not reach its neighbour is in doubt, in ms; or a few suspicions, if that is longer. */
const DOUBT_MS = 10_000;
const DOUBT_SUSPICIONS = 4;

/**
 * All that a coordinator knows beside its register: what it hears, since when, and what it learned from its changes.
 * Nothing of it has to survive the process. Times are those of one clock, which the caller gives.
 */
export class Outlook {
  readonly #detector = new FailureDetector();
  readonly #patience = new Patience();
  /** When the coordinator could hear again, after nobody was heard for a while. */
  #hearsAgainMs: number | null = null;
  readonly #joiners = new Backoff<NodeId>({ restMsMax: JOINER_REST_MS_MAX });
  readonly #seals = new Backoff<'seal'>({ restMsMax: SEAL_REST_MS_MAX });
  #epoch: { readonly epoch: Epoch; readonly sinceMs: number } | null = null;
  #arranging: { readonly version: number; readonly sinceMs: number } | null = null;
  /** By accuser and accused, of the present epoch. */
  #blames: ReadonlyMap<string, { readonly by: NodeId; readonly of: NodeId; readonly sinceMs: number }> =
    new Map();
  #doubted: { readonly who: Incarnation; readonly sinceMs: number } | null = null;
  #asked: { readonly node: NodeId; readonly epoch: Epoch; readonly sinceMs: number } | null = null;
  #joiner: { readonly who: Incarnation; readonly mark: string; readonly sinceMs: number } | null = null;

  hears(link: LinkId, report: NodeReport, nowMs: number): Hearing {
    const hearing = this.#detector.hears(link, report, nowMs);
    if (hearing.kind === 'heard') this.#patience.hears(report.incarnation, nowMs);
    return hearing;
  }

  /** The first heartbeat came after a time without any: the others may need longer to find the way back. */
  hearsAgain(nowMs: number): void {
    this.#hearsAgainMs = nowMs;
  }

  closed(link: LinkId): NodeId | null {
    return this.#detector.closed(link);
  }

  knocked(node: NodeId, refused: boolean, nowMs: number): void {
    this.#detector.knocked(node, refused, nowMs);
  }

  /** Drops all that was heard of a node without a connection. */
  forget(node: NodeId): void {
    this.#detector.forget(node);
  }

  last(node: NodeId): Heard | undefined {
    return this.#detector.last(node);
  }

  /** Every node with an open connection. */
  linked(): Iterable<{ readonly link: LinkId; readonly report: NodeReport }> {
    return this.#detector.linked();
  }

  /** Those of a configuration that have no connection. */
  unlinked(configuration: Configuration | null): readonly NodeId[] {
    return placesOf(configuration).flatMap(({ node }) =>
      this.#detector.linkOf(node) === null ? [node] : [],
    );
  }

  /** What all nodes said last that were ever heard. */
  reports(): readonly NodeReport[] {
    return this.#detector.reports();
  }

  /** A member is to stop in this epoch, or nobody is any more. @returns whether that is news. */
  ask(node: NodeId | null, epoch: Epoch, nowMs: number): boolean {
    if (node === null) {
      this.#asked = null;
      return false;
    }
    if (this.#asked?.node === node && this.#asked.epoch === epoch) return false;
    this.#asked = { node, epoch, sinceMs: nowMs };
    return true;
  }

  /** Who is to stop in this epoch. */
  askedIn(epoch: Epoch): NodeId | null {
    return this.#asked?.epoch === epoch ? this.#asked.node : null;
  }

  learn(lessons: readonly Lesson[], nowMs: number): void {
    for (const lesson of lessons) this.#learn(lesson, nowMs);
  }

  /** Takes note of since when things are as they are; to be called before `view`, with what is on disk. */
  observe(register: Register, nowMs: number): void {
    const { configuration, topology, arranging } = register;
    const epoch = configuration?.epoch;
    if (epoch !== undefined && this.#epoch?.epoch !== epoch) {
      this.#epoch = { epoch, sinceMs: nowMs };
      this.#blames = new Map();
    }
    const version = topology?.version ?? 0;
    if (!arranging) this.#arranging = null;
    else if (this.#arranging?.version !== version) this.#arranging = { version, sinceMs: nowMs };
    this.#observeDoubt(register, nowMs);
    if (topology === null || configuration === null) return;
    const heard = this.#heard(register, topology, nowMs);
    this.#observeBlames(configuration, heard, nowMs);
    this.#observeJoiner(configuration, heard, nowMs);
    const members = configuration.members.map(({ node }) => node);
    this.#patience.calm(
      members.filter((node) => heard.has(node)),
      nowMs,
    );
  }

  /** What is known now, for a register and the topology that it wants. */
  view(register: Register, wanted: VersionedTopology, nowMs: number): View {
    const { configuration, ready, arranging } = register;
    const since = (what: { readonly sinceMs: number } | null) => (what === null ? 0 : nowMs - what.sinceMs);
    const asked = this.#asked !== null && this.#asked.epoch === configuration?.epoch ? this.#asked : null;
    const sameVersion = this.#arranging?.version === wanted.version;
    const nodes = nodesOf(register, wanted);
    const linked = [...this.#detector.linked()].map(({ report }) => report);
    return {
      configuration,
      ready,
      wanted,
      arranging,
      heard: this.#heard(register, wanted, nowMs),
      strangers: linked.filter(({ incarnation }) => !nodes.includes(incarnation.node)),
      sights: new Map(nodes.map((node) => [node, this.#sight(node, wanted, nowMs)])),
      blames: this.#blamesIn(configuration, nowMs),
      doubted: this.#doubted?.who ?? null,
      asked: asked === null ? null : { node: asked.node, forMs: since(asked) },
      epochMs: this.#epoch?.epoch === configuration?.epoch ? since(this.#epoch) : 0,
      arrangingMs: sameVersion ? since(this.#arranging) : 0,
      joinerStuckMs: since(this.#joiner),
      sealResting: this.#seals.resting('seal', nowMs),
    };
  }

  #heard(register: Register, wanted: VersionedTopology, nowMs: number): Map<NodeId, NodeReport> {
    const withinMs = wanted.topology.timing.suspectAfterMs;
    const heard = new Map<NodeId, NodeReport>();
    for (const node of nodesOf(register, wanted)) {
      const report = this.#detector.report(node, { nowMs, withinMs });
      if (report !== undefined) heard.set(node, report);
    }
    return heard;
  }

  #sight(node: NodeId, { topology }: VersionedTopology, nowMs: number): Sight {
    const { suspectAfterMs, stallAfterMs } = topology.timing;
    const last = this.#detector.last(node);
    const recoveringSinceMs = last?.recoveringSinceMs ?? nowMs;
    const patienceMs = this.#patience.of(node, suspectAfterMs);
    // Nothing was heard of it since the coordinator started, or since it was cut off itself.
    const missed = last === undefined || (this.#hearsAgainMs !== null && last.atMs < this.#hearsAgainMs);
    return {
      last: last?.report ?? null,
      heard: this.#detector.report(node, { nowMs, withinMs: suspectAfterMs }) !== undefined,
      linked: this.#detector.linkOf(node) !== null,
      silentMs: nowMs - (last?.atMs ?? 0),
      refusedMs: this.#detector.refusedMs(node),
      recoveringMs: nowMs - recoveringSinceMs,
      silentMsMax: missed ? Math.max(patienceMs, stallAfterMs) : patienceMs,
      patienceMs,
      resting: this.#joiners.resting(node, nowMs),
    };
  }

  #blamesIn(configuration: Configuration | null, nowMs: number): readonly Blame[] {
    if (this.#epoch?.epoch !== configuration?.epoch) return [];
    return [...this.#blames.values()].map(({ by, of, sinceMs }) => ({ by, of, forMs: nowMs - sinceMs }));
  }

  /** Of neighbours alone, and of those that are heard in the present epoch: what others say may be long past. */
  #observeBlames(configuration: Configuration, heard: ReadonlyMap<NodeId, NodeReport>, nowMs: number): void {
    const places = placesOf(configuration);
    const blames = new Map<string, { by: NodeId; of: NodeId; sinceMs: number }>();
    for (const [place, who] of places.entries()) {
      const report = heard.get(who.node);
      if (report === undefined || !sameIncarnation(report.incarnation, who)) continue;
      if (report.configuration?.epoch !== configuration.epoch) continue;
      for (const neighbour of [places[place - 1], places[place + 1]]) {
        if (neighbour === undefined || !report.unreachable.includes(neighbour.node)) continue;
        const key = JSON.stringify([who.node, neighbour.node]);
        const sinceMs = this.#blames.get(key)?.sinceMs ?? nowMs;
        blames.set(key, { by: who.node, of: neighbour.node, sinceMs });
      }
    }
    this.#blames = blames;
  }

  #observeJoiner({ joiner }: Configuration, heard: ReadonlyMap<NodeId, NodeReport>, nowMs: number): void {
    if (joiner === null) {
      this.#joiner = null;
      return;
    }
    const report = heard.get(joiner.node);
    const mark = JSON.stringify([report?.received, report?.transfer?.bytes, report?.ready]);
    const before = this.#joiner;
    const same = before !== null && sameIncarnation(before.who, joiner);
    // That it is not heard for a while is no progress either.
    if (same && (report === undefined || before.mark === mark)) return;
    this.#joiner = { who: joiner, mark, sinceMs: nowMs };
  }

  #observeDoubt({ configuration, topology }: Register, nowMs: number): void {
    if (this.#doubted === null) return;
    const { who, sinceMs } = this.#doubted;
    const { suspectAfterMs } = defined(topology, () => 'the topology that was decided by').topology.timing;
    const over = nowMs - sinceMs >= Math.max(DOUBT_MS, DOUBT_SUSPICIONS * suspectAfterMs);
    const member = configuration?.members.some((one) => sameIncarnation(one, who)) === true;
    if (over || !member) this.#doubted = null;
  }

  #learn(lesson: Lesson, nowMs: number): void {
    switch (lesson.kind) {
      case 'suspected':
        return this.#patience.suspected(lesson.who, nowMs);
      case 'doubted':
        this.#doubted = { who: lesson.who, sinceMs: nowMs };
        return;
      case 'struck-out':
        return this.#joiners.failed(lesson.node, nowMs);
      case 'joined':
        return this.#joiners.succeeded(lesson.node);
      case 'seal-failed':
        return this.#seals.failed('seal', nowMs);
      case 'reordered':
        return this.#seals.succeeded('seal');
    }
  }
}

/** All that a coordinator may have to decide about. */
function nodesOf({ configuration }: Register, { topology }: VersionedTopology): readonly NodeId[] {
  const named = placesOf(configuration).map(({ node }) => node);
  return [...new Set([...(Object.keys(topology.nodes) as NodeId[]), ...named])];
}

/** The members, and behind them the joiner. */
function placesOf(configuration: Configuration | null): readonly Incarnation[] {
  if (configuration === null) return [];
  const { members, joiner } = configuration;
  return joiner === null ? members : [...members, joiner];
}
