import { seq } from '../../src/base/ids.ts';
import { isMember, sameIncarnation } from '../../src/protocol/configuration.ts';
import type { CoordinatorStory, StoryNode } from './coordinator-story.ts';

/** How long a neighbour must be out of reach before a node says so, in ms. */
const UNREACHABLE_MS = 500;
const TURN_MS = 50;

/** What real nodes would report, worked out from who runs and who can reach whom. */
export class FaithfulChain {
  /** Pairs that can't reach each other, as `n1 n2`, each in both orders. */
  readonly cut = new Set<string>();
  /** While it is true, clients write: the log is quiet only when the chain is sealed. */
  writing = false;
  readonly #story: CoordinatorStory;
  #written = 1;
  /** By the one that misses, the one that is missed and the epoch: for how long, in ms. */
  #missing = new Map<string, number>();

  constructor(story: CoordinatorStory) {
    this.#story = story;
  }

  /** Nobody is silent, and all goes its way, for so many heartbeats. */
  go(turns = 3): void {
    for (let turn = 0; turn < turns; turn++) {
      this.#speak();
      this.#story.go(1);
    }
  }

  /** Goes on until it holds. */
  until(holds: () => boolean, what: string, turnsMax = 4000): void {
    for (let turn = 0; turn < turnsMax; turn++) {
      if (holds()) return;
      this.go(1);
    }
    throw new Error(`it never happened: ${what}; waits: ${this.#story.core.waits.join('; ')}`);
  }

  /** Two nodes can't reach each other any more, in either direction. */
  separate(a: string, b: string): void {
    this.cut.add(`${a} ${b}`);
    this.cut.add(`${b} ${a}`);
  }

  #speak(): void {
    const { configuration } = this.#story;
    if (this.writing && configuration?.sealed === false) this.#written += 1;
    const missing = new Map<string, number>();
    for (const node of this.#story.nodes.values()) {
      const unreachable = this.#neighbours(node).filter((other) => {
        const key = `${node.name} ${other.name} ${node.configuration?.epoch} ${node.boot}`;
        if (this.#reaches(node, other)) return false;
        missing.set(key, (this.#missing.get(key) ?? 0) + TURN_MS);
        return (missing.get(key) ?? 0) >= UNREACHABLE_MS;
      });
      const ready = this.#ready(node);
      const held = node.configuration === null ? 0 : this.#written;
      const behind = this.writing && configuration?.sealed === false ? 1 : 0;
      node.says = {
        ready,
        unreachable: unreachable.map(({ name }) => name),
        received: seq(held),
        durable: seq(held),
        committed: seq(Math.max(0, held - behind)),
        transfer:
          this.#joins(node) && !ready
            ? { bytes: 100 - node.behind, bytesTotal: 100, keys: 0, keysTotal: 0 }
            : null,
      };
    }
    this.#missing = missing;
  }

  #neighbours(node: StoryNode): StoryNode[] {
    const { configuration } = node;
    if (configuration === null) return [];
    const places = [...configuration.members, ...(configuration.joiner ? [configuration.joiner] : [])];
    const place = places.findIndex((who) => sameIncarnation(who, node.report().incarnation));
    if (place < 0) return [];
    return [places[place - 1], places[place + 1]].flatMap((who) =>
      who === undefined ? [] : [this.#story.node(who.node)],
    );
  }

  #reaches(from: StoryNode, to: StoryNode): boolean {
    return to.up && !to.frozen && !this.cut.has(`${from.name} ${to.name}`);
  }

  #joins(node: StoryNode): boolean {
    return sameIncarnation(node.configuration?.joiner ?? null, node.report().incarnation);
  }

  /** Every member is up and in this epoch, and each reaches the next: nothing else makes a chain reconciled. */
  #ready(node: StoryNode): boolean {
    const { configuration } = node;
    if (configuration === null || !node.up || node.frozen) return false;
    const members = configuration.members.map((who) => this.#story.node(who.node));
    const all = members.every((member, place) => {
      const next = members[place + 1];
      const named = isMember(configuration, member.report().incarnation);
      const there = member.up && !member.frozen && member.configuration?.epoch === configuration.epoch;
      return named && there && (next === undefined || this.#reaches(member, next));
    });
    if (!all) return false;
    if (!this.#joins(node)) return isMember(configuration, node.report().incarnation);
    const tail = members.at(-1);
    if (tail === undefined || !this.#reaches(tail, node) || !this.#reaches(node, tail)) return false;
    if (node.behind > 0) node.behind -= 1;
    return node.behind === 0;
  }
}
