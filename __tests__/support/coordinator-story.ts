import { epoch, type NodeId, nodeId, seq, storeId } from '../../src/base/ids.ts';
import { Coordinator } from '../../src/coordinator/coordinator.ts';
import type {
  CoordinatorEffect,
  CoordinatorEvent,
  EditReply,
  ForceReply,
  LinkId,
} from '../../src/coordinator/events.ts';
import {
  decodeRegister,
  EMPTY_REGISTER,
  encodeRegister,
  type Register,
} from '../../src/coordinator/register.ts';
import type { Configuration } from '../../src/protocol/configuration.ts';
import type { HeartbeatAnswer, NodeReport } from '../../src/protocol/messages.ts';
import type { Topology } from '../../src/protocol/topology.ts';
import { parseTopology } from '../../src/topology/topology.ts';

/** A checked topology and its digest, as a file would give them: `count` nodes n1, n2 ... on loopback. */
export function topologyFile(
  edit: Record<string, unknown> = {},
  count = 3,
): { topology: Topology; digest: string } {
  const names = Array.from({ length: count }, (_, at) => `n${at + 1}`);
  const address = (port: number) => ({
    urls: [`http://localhost:${port}`],
    peer: `localhost:${port + 1000}`,
  });
  const text = JSON.stringify({
    name: 'story',
    replicas: Math.min(3, count),
    chain: names,
    nodes: Object.fromEntries(names.map((name, at) => [name, address(4466 + at)])),
    coordinators: { c1: address(4460) },
    ...edit,
  });
  const parsed = parseTopology(text, 'story.json');
  if (parsed.kind === 'bad') throw new Error(JSON.stringify(parsed.problems));
  return parsed;
}

/** A node of a story: what it keeps on disk, and what it would report. */
export class StoryNode {
  readonly name: NodeId;
  store: string;
  boot = 0;
  up = false;
  link: LinkId = 0;
  configuration: Configuration | null = null;
  topologyVersion = 0;
  /** Its process stands still: it is neither heard nor gone. */
  frozen = false;
  /** The epoch in which it was asked to stop serving reads, and did; 0 for none. */
  stoppedIn = 0;
  /** How many turns it still needs as the joiner until it has caught up. */
  behind = 2;
  /** Beside what is kept: put into every report. */
  says: Partial<NodeReport> = {};
  /** What is wrong with it: stronger than what it says else. */
  ails: Partial<NodeReport> = {};

  constructor(name: string) {
    this.name = nodeId(name);
    this.store = `store-of-${name}`;
  }

  report(): NodeReport {
    return {
      incarnation: { node: this.name, storeId: storeId(this.store), boot: this.boot },
      phase: 'running',
      problem: null,
      empty: this.configuration === null,
      configuration: this.configuration,
      received: seq(0),
      durable: seq(0),
      committed: seq(0),
      ready: false,
      stopped: this.stoppedIn > 0 && this.stoppedIn === this.configuration?.epoch,
      readOnly: false,
      stalledMs: 0,
      transfer: null,
      unreachable: [],
      topologyVersion: this.topologyVersion,
      wallMs: 1_000_000,
      ...this.says,
      ...this.ails,
    };
  }
}

/** What a coordinator told, to whom, and what was on its disk then. */
export interface Told {
  readonly node: NodeId | null;
  readonly link: LinkId;
  readonly answer: HeartbeatAnswer;
  readonly onDisk: Register;
}

/** A coordinator, its disk and its nodes, moved on by hand. Saves end at once unless `holdSaves`. */
export class CoordinatorStory {
  readonly nodes = new Map<string, StoryNode>();
  readonly told: Told[] = [];
  readonly said: string[] = [];
  readonly hungUp: LinkId[] = [];
  readonly edited: { readonly ticket: number; readonly reply: EditReply }[] = [];
  readonly forced: { readonly ticket: number; readonly reply: ForceReply }[] = [];
  /** Who has said that it is ready, in which epoch. */
  readonly saidReady = new Set<string>();
  holdSaves = false;
  /** Whether its knocks at closed ports are refused, as a machine that is up would. */
  refusing = false;
  file: { topology: Topology; digest: string };
  monotonicMs = 0;
  /** By how much the coordinator's wall clock is wrong. */
  wallOffMs = 0;
  #core: Coordinator;
  #disk: Register = EMPTY_REGISTER;
  #saving: { save: number; register: Register } | null = null;
  #links = 0;
  #tickets = 0;

  constructor(file = topologyFile()) {
    this.file = file;
    this.addNodes(file);
    this.#core = new Coordinator(EMPTY_REGISTER);
    this.startCoordinator();
  }

  /** The nodes that a topology has and the story hasn't; they are not started. */
  addNodes({ topology }: { topology: Topology }): void {
    for (const name of Object.keys(topology.nodes)) {
      if (!this.nodes.has(name)) this.nodes.set(name, new StoryNode(name));
    }
  }

  get core(): Coordinator {
    return this.#core;
  }

  get configuration(): Configuration | null {
    return this.#core.register.configuration;
  }

  get onDisk(): Register {
    return this.#disk;
  }

  get saving(): boolean {
    return this.#saving !== null;
  }

  node(name: string): StoryNode {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }

  /** The coordinator's process dies, perhaps when its register had just reached the disk, and starts again. */
  startCoordinator({ saveLanded = false } = {}): void {
    if (saveLanded && this.#saving !== null) this.#disk = this.#saving.register;
    this.#saving = null;
    for (const node of this.nodes.values()) node.link = 0;
    this.#core = new Coordinator(decodeRegister(encodeRegister(this.#disk), 'the story'));
    this.offer(this.file);
  }

  loseRegister(): void {
    this.#disk = EMPTY_REGISTER;
    this.#saving = null;
    this.startCoordinator();
  }

  /** The topology file changes. */
  offer(file: { topology: Topology; digest: string }): void {
    this.file = file;
    this.addNodes(file);
    this.step({ kind: 'topology', topology: file.topology, digest: file.digest });
  }

  /** The node's process starts, anew if it ran. */
  start(...names: string[]): void {
    for (const name of names.length === 0 ? this.nodes.keys() : names) {
      const node = this.node(name);
      this.stop(name);
      node.up = true;
      node.frozen = false;
      node.boot += 1;
    }
  }

  stop(name: string): void {
    const node = this.node(name);
    node.up = false;
    if (node.link !== 0) this.step({ kind: 'closed', link: node.link });
    node.link = 0;
  }

  beat(name: string): void {
    const node = this.node(name);
    if (!node.up || node.frozen) return;
    if (node.link === 0) node.link = this.newLink();
    const report = node.report();
    if (report.ready) this.saidReady.add(`${name} in ${report.configuration?.epoch}`);
    this.step({ kind: 'heartbeat', link: node.link, report });
  }

  newLink(): LinkId {
    this.#links += 1;
    return this.#links;
  }

  /** Every node that is up is heard, closed ports are knocked at, and the coordinator decides; `turns` times over. */
  go(turns = 3): void {
    for (let turn = 0; turn < turns; turn++) {
      for (const name of this.nodes.keys()) this.beat(name);
      if (this.refusing) this.knock();
      this.tick();
    }
  }

  /** At the ports of all that the coordinator wants to know about. */
  knock(): void {
    for (const node of this.#core.unlinked) {
      const there = this.nodes.get(node)?.up === true;
      this.step({ kind: 'knocked', node, refused: !there });
    }
  }

  /** Time passes, with a tick every 50 ms, and nobody is heard. */
  tick(afterMs = 50): void {
    for (let leftMs = afterMs; leftMs > 0; leftMs -= 50) {
      this.monotonicMs += Math.min(50, leftMs);
      this.step({ kind: 'tick' });
    }
  }

  /** `PUT /topology`. @returns its ticket. */
  edit(
    topology: Topology,
    { ifVersion = null, dryRun = false }: { ifVersion?: number | null; dryRun?: boolean } = {},
  ): number {
    this.addNodes({ topology });
    this.#tickets += 1;
    this.step({ kind: 'edit', ticket: this.#tickets, topology, ifVersion, dryRun });
    return this.#tickets;
  }

  /** An operator forces a node to be the chain. @returns its ticket. */
  force(survivor: string): number {
    this.#tickets += 1;
    this.step({ kind: 'force', ticket: this.#tickets, survivor: nodeId(survivor) });
    return this.#tickets;
  }

  replyTo(ticket: number): EditReply | ForceReply | undefined {
    return [...this.edited, ...this.forced].find((one) => one.ticket === ticket)?.reply;
  }

  /** The save under way reaches the disk. */
  endSave(): void {
    const saving = this.#saving;
    if (saving === null) return;
    this.#disk = saving.register;
    this.#saving = null;
    this.step({ kind: 'saved', save: saving.save });
  }

  step(event: CoordinatorEvent): void {
    const now = { monotonicMs: this.monotonicMs, wallMs: 1_000_000 + this.monotonicMs + this.wallOffMs };
    for (const effect of this.#core.step(event, now)) this.#carryOut(effect);
  }

  #carryOut(effect: CoordinatorEffect): void {
    switch (effect.kind) {
      case 'save':
        if (this.#saving !== null) throw new Error('two saves at once');
        this.#saving = effect;
        if (!this.holdSaves) this.endSave();
        return;
      case 'tell':
        return this.#tell(effect.link, effect.answer);
      case 'hang-up':
        this.hungUp.push(effect.link);
        return;
      case 'edited':
        this.edited.push({ ticket: effect.ticket, reply: effect.reply });
        return;
      case 'forced':
        this.forced.push({ ticket: effect.ticket, reply: effect.reply });
        return;
      case 'say':
        this.said.push(effect.message);
    }
  }

  /** A node that is told adopts what is newer, and keeps it. */
  #tell(link: LinkId, answer: HeartbeatAnswer): void {
    const node = [...this.nodes.values()].find((one) => one.link === link && one.up);
    this.told.push({ node: node?.name ?? null, link, answer, onDisk: this.onDisk });
    if (node === undefined || node.frozen) return;
    const { configuration, topology } = answer;
    if (configuration !== null && configuration.epoch > (node.configuration?.epoch ?? epoch(0))) {
      node.configuration = configuration;
    }
    if (topology !== null && topology.version > node.topologyVersion) node.topologyVersion = topology.version;
    if (answer.stop) node.stoppedIn = answer.epoch;
  }
}

/** `n1:2` for the second boot of n1, and so on: a chain at a glance. */
export function chainOf(configuration: Configuration | null): string[] {
  return (configuration?.members ?? []).map(({ node, boot }) => `${node}:${boot}`);
}

/** The chain's last change, as its history tells it. */
export function lastOf(story: CoordinatorStory): { reason: string; change: string } | undefined {
  const item = story.core.register.history.at(-1);
  return item && { reason: item.reason, change: item.change };
}

/** The last change that removed a member. */
export function lastRemovalOf(story: CoordinatorStory): { reason: string; change: string } | undefined {
  const item = story.core.register.history.findLast(({ change }) => change.startsWith('removed'));
  return item && { reason: item.reason, change: item.change };
}
