import type { Register } from '../../src/coordinator/register.ts';
import { type Configuration, type Incarnation, sameIncarnation } from '../../src/protocol/configuration.ts';
import type { CoordinatorStory } from './coordinator-story.ts';

/** Looks at every register that reaches the disk, and at all that is told, and says what is wrong with them. */
export class CoordinatorChecks {
  readonly #story: CoordinatorStory;
  readonly #perEpoch = new Map<number, string>();
  #told = 0;
  #last: Register;

  constructor(story: CoordinatorStory) {
    this.#story = story;
    this.#last = story.onDisk;
  }

  /** After every move. */
  look(): void {
    for (const { answer, onDisk } of this.#story.told.slice(this.#told)) {
      must(answer.epoch === (onDisk.configuration?.epoch ?? 0), 'told before it was saved');
      if (answer.configuration === null) continue;
      must(answer.configuration.epoch === onDisk.configuration?.epoch, 'told another than what was saved');
      this.#one(answer.configuration);
    }
    this.#told = this.#story.told.length;
    const before = this.#last;
    const after = this.#story.onDisk;
    this.#last = after;
    if (before.configuration === null || after.configuration === null) return;
    this.#changed(before, before.configuration, after, after.configuration);
  }

  #one(configuration: Configuration): void {
    const text = JSON.stringify(configuration);
    const known = this.#perEpoch.get(configuration.epoch) ?? text;
    must(known === text, `I1: two configurations of epoch ${configuration.epoch}`);
    this.#perEpoch.set(configuration.epoch, text);
  }

  #changed(before: Register, from: Configuration, after: Register, to: Configuration): void {
    if (from.epoch === to.epoch) {
      must(JSON.stringify(from) === JSON.stringify(to), `I1: epoch ${to.epoch} was changed`);
      return;
    }
    must(to.epoch === from.epoch + 1, `epoch ${to.epoch} after ${from.epoch}`);
    must(to.fence === from.fence || to.fence === to.epoch, `fence ${to.fence} after ${from.fence}`);
    const known = new Set([...from.members, ...(from.joiner ? [from.joiner] : [])].map(({ node }) => node));
    must(to.members.length > 0 && to.members.every(({ node }) => known.has(node)), 'a member from nowhere');
    must(
      after.ready.every((node) => to.members.some((member) => member.node === node)),
      'ready, no member',
    );
    if (after.history.at(-1)?.reason.startsWith('forced')) return;
    this.#oneChange(from, to);
    const dropped = from.members.filter(({ node }) => !to.members.some((member) => member.node === node));
    if (dropped.length > 0) this.#drop(before, from, to, dropped);
    else must(to.fence === from.fence, 'fenced though nobody was dropped');
  }

  #oneChange(from: Configuration, to: Configuration): void {
    const names = (members: readonly Incarnation[]) => members.map(({ node }) => node);
    const stayed = names(from.members).filter((node) => names(to.members).includes(node));
    const appended = names(to.members).filter((node) => !names(from.members).includes(node));
    if (appended.length > 0) {
      must(
        appended.length === 1 && stayed.length === from.members.length,
        'appended and dropped in one change',
      );
      must(sameIncarnation(to.members.at(-1) ?? null, from.joiner), 'appended another than the joiner');
      must(!from.sealed && to.joiner === null, 'appended in a sealed chain');
    }
    const kept = names(to.members).filter((node) => !appended.includes(node));
    const sameOrder = kept.join() === stayed.join();
    must(
      sameOrder || (from.sealed && !to.sealed && kept.length === from.members.length),
      'reordered unsealed',
    );
  }

  #drop(before: Register, from: Configuration, to: Configuration, dropped: readonly Incarnation[]): void {
    must(to.joiner === null && !to.sealed, 'a drop that leaves a joiner or a seal');
    must(
      to.members.some(
        ({ node }) => before.ready.includes(node) || this.#story.saidReady.has(`${node} in ${from.epoch}`),
      ),
      `I3: nobody of ${to.members.map(({ node }) => node)} was ready`,
    );
    if (to.fence === to.epoch) return;
    for (const member of dropped) must(this.#servesNoRead(from, member), `${member.node} may still be read`);
  }

  /** As it is in truth, whatever was reported. */
  #servesNoRead(from: Configuration, member: Incarnation): boolean {
    const node = this.#story.node(member.node);
    const report = node.report();
    if (!node.up || !sameIncarnation(report.incarnation, member)) return true;
    if (report.phase === 'broken' || report.phase === 'stopping') return true;
    if (report.configuration !== null && report.configuration.epoch > from.epoch) return true;
    if (report.configuration?.epoch !== from.epoch) return false;
    const place = from.members.findIndex(({ node: name }) => name === member.node);
    return report.stopped || (from.reads === 'tail' && place < from.members.length - 1);
  }
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}
