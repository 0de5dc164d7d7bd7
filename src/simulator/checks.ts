import { crc32 } from 'node:zlib';
import type { NodeId, Seq } from '../base/ids.ts';
import { seq } from '../base/ids.ts';
import { encodeEntry } from '../codec/entry-codec.ts';
import {
  type Configuration,
  type Incarnation,
  isMember,
  sameConfiguration,
} from '../protocol/configuration.ts';
import type { Entry } from '../protocol/entry.ts';
import type { Effect } from '../replica/events.ts';
import type { Replica } from '../replica/replica.ts';
import type { Store } from '../replica/store.ts';
import type { ReplicaStep } from '../runtime/replica-driver.ts';
import type { Process } from './machine.ts';
import { ReadWatch, type Watched } from './read-watch.ts';

/** A store is compared in full, its remembered requests too, at every so many'th entry; its keys at more of them. */
const FULL_DIGEST_EVERY = 32;
const DIGEST_EVERY = 4;

/** What is known of one incarnation of a node, also when it has died. */
interface View {
  readonly node: NodeId;
  readonly replica: Replica;
  readonly watched: Watched;
  received: Seq;
  committed: Seq;
  /** The epochs of its entries above `committed`, by seq. */
  readonly epochs: Map<number, number>;
  configuration: Configuration | null;
  ready: boolean;
}

/** Something that PROTOCOL.md §10 rules out. */
export interface Violation {
  /** `I1` to `I6`; `crash` for an assertion of the code itself, or an exception that nobody caught. */
  readonly invariant: string;
  readonly what: string;
}

/** Invariants 1 to 4 of PROTOCOL.md §10 over all replicas of a world, looked at after every step of each. */
export class Checks {
  readonly #configurations = new Map<number, Configuration>();
  #newest: Configuration | null = null;
  #waiting: (() => void)[] = [];
  /** Some replica has a configuration on its disk. */
  #isHeld = false;
  /** The entries that were made, by epoch and seq, and their checksums. */
  readonly #entries = new Map<number, Map<number, { readonly sum: number; readonly entry: Entry }>>();
  /** By seq: the epoch of the entry that was committed there. */
  readonly #committed: number[] = [];
  readonly #digests = new Map<number, string>();
  readonly #views = new Map<Replica, View>();
  readonly #byIncarnation = new Map<string, View>();
  /** The last incarnation seen of each store. */
  readonly #lastOfStore = new Map<string, View>();
  /** Nodes whose disks lost what was synced: they are not held to keep it. */
  readonly damaged = new Set<string>();
  readonly #keepsSynced: boolean;
  readonly #reads = new ReadWatch((what) => this.violate('I5', what));
  #violation: Violation | null = null;

  /** @param options.keepsSynced - `false` with durability `memory`, where durable does not mean synced. */
  constructor({ keepsSynced }: { keepsSynced: boolean }) {
    this.#keepsSynced = keepsSynced;
  }

  /** The first that was found. */
  get violation(): Violation | null {
    return this.#violation;
  }

  /** The latest configuration that anybody holds. */
  get newest(): Configuration | null {
    return this.#newest;
  }

  /** How many configurations were seen. */
  get configurations(): number {
    return this.#configurations.size;
  }

  /** How many entries are committed. */
  get committed(): number {
    return this.#committed.length;
  }

  violate(invariant: string, what: string): void {
    this.#violation ??= { invariant, what };
  }

  /** Calls once, when the next configuration is taken up somewhere. */
  whenChanged(call: () => void): void {
    this.#waiting.push(call);
  }

  /** I1: each epoch has one configuration. */
  chosen(configuration: Configuration | null): void {
    if (configuration === null) return;
    const known = this.#configurations.get(configuration.epoch);
    // A first choice that was lost with the register before anybody had it on disk was none: the stores are empty still.
    if (known === undefined || !this.#isHeld) {
      this.#configurations.set(configuration.epoch, configuration);
      if (configuration.epoch >= (this.#newest?.epoch ?? 0)) this.#newest = configuration;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const call of waiting) call();
    } else if (!sameConfiguration(known, configuration)) {
      this.violate(
        'I1',
        `epoch ${configuration.epoch} is ${JSON.stringify(known)} and ${JSON.stringify(configuration)}`,
      );
    }
  }

  /** To be told of every step of every replica, and of the process that it runs in. */
  stepped({ replica, effects }: ReplicaStep, process: Process): void {
    const view = this.#views.get(replica) ?? this.#meet(replica, process);
    for (const effect of effects) {
      if (effect.kind === 'append') this.#appended(view, effect.entries);
      else if (effect.kind === 'truncate') this.#truncated(view, effect.after);
    }
    this.#look(view);
    for (const effect of effects) if (effect.kind === 'answer') this.#answered(effect);
    this.#reads.check(view.watched);
  }

  /** A process goes on, or has ended: what its replica would show now. */
  resumed(process: Process): void {
    for (const { watched, replica } of this.#views.values()) {
      if (watched.isUp() && replica.self.node === process.name) this.#reads.check(watched);
    }
  }

  #answered({ reply }: Extract<Effect, { kind: 'answer' }>): void {
    if (reply.kind !== 'applied' || reply.outcome.kind === 'rejected') return;
    this.#reads.told(reply.outcome.seq);
  }

  /** What a node says of itself: only one whose disk was damaged may find its log to be wrong. */
  troubled(node: string, fields: object, message: string): void {
    const isCorrupt = 'code' in fields && fields.code === 'CORRUPT';
    if (!isCorrupt || !this.#keepsSynced || this.damaged.has(node)) return;
    this.violate('I3', `${node} is corrupt on a sound disk: ${message}`);
  }

  /** I4, in full, over the members of a configuration: those that have committed the same hold the same. */
  compareMembers({ members }: Configuration): void {
    for (const member of members) {
      const store = this.#byIncarnation.get(keyOf(member))?.replica.store;
      if (store) this.#noteDigest(store.seq, `full ${store.digest()}`);
    }
  }

  #meet(replica: Replica, process: Process): View {
    const { self } = replica;
    const view: View = {
      node: self.node,
      replica,
      watched: {
        name: self.node,
        replica,
        isUp: () => !process.dead && !process.paused,
        now: () => process.clock.now(),
      },
      received: replica.received,
      committed: replica.committed,
      epochs: new Map(),
      configuration: null,
      ready: false,
    };
    for (let at = replica.committed + 1; at <= replica.received; at++) {
      view.epochs.set(at, replica.epochAt(seq(at)) ?? 0);
    }
    const before = this.#lastOfStore.get(self.storeId);
    this.#views.set(replica, view);
    this.#reads.watch(view.watched);
    this.#byIncarnation.set(keyOf(self), view);
    this.#lastOfStore.set(self.storeId, view);
    if (before) {
      this.#reads.forget(before.watched);
      this.#restarted(before, view);
    }
    this.#noteCommits(view);
    return view;
  }

  /** What was on its disk is there again. */
  #restarted(before: View, view: View): void {
    // What a flipped bit makes unreadable has to be told, not cut off: with it nothing starts.
    if (!this.#keepsSynced) return;
    const { durable } = before.replica;
    if (view.replica.received < durable) {
      this.violate(
        'I3',
        `${view.node} came back with ${view.replica.received} entries, ${durable} were durable`,
      );
      return;
    }
    const was = before.replica.epochAt(durable);
    const is = view.replica.epochAt(durable);
    if (was !== null && is !== null && was !== is) {
      this.violate('I3', `${view.node} came back with ${is}/${durable}, ${was}/${durable} was durable`);
    }
  }

  #appended(view: View, entries: readonly Entry[]): void {
    for (const entry of entries) {
      view.epochs.set(entry.seq, entry.epoch);
      const sum = crc32(encodeEntry(entry));
      const ofEpoch = this.#entries.get(entry.epoch) ?? new Map<number, { sum: number; entry: Entry }>();
      this.#entries.set(entry.epoch, ofEpoch);
      const known = ofEpoch.get(entry.seq);
      if (known === undefined) ofEpoch.set(entry.seq, { sum, entry });
      else if (known.sum !== sum)
        this.violate('I1', `${view.node} holds another entry ${entry.epoch}/${entry.seq}`);
    }
  }

  /** I3: a member drops nothing that anybody knows to be committed. A joiner may: it gets it again. */
  #truncated(view: View, after: Seq): void {
    const { replica, node } = view;
    const { configuration } = replica;
    const holds = configuration !== null && isMember(configuration, replica.self);
    for (let at = after + 1; at <= view.received; at++) {
      const made = view.epochs.get(at);
      view.epochs.delete(at);
      if (holds && made !== undefined && this.#committed[at - 1] === made && !this.damaged.has(node)) {
        this.violate('I3', `${node} drops the committed ${made}/${at}`);
      }
    }
  }

  #look(view: View): void {
    const { replica } = view;
    const { configuration } = replica;
    if (configuration !== null && configuration !== view.configuration) {
      view.configuration = configuration;
      view.ready = false;
      this.chosen(configuration);
    }
    if (replica.active) this.#isHeld = true;
    view.received = replica.received;
    if (replica.committed !== view.committed) {
      this.#noteCommits(view);
      this.#reads.advanced(view.watched, view.committed);
      for (let at = view.committed + 1; at <= replica.committed; at++) view.epochs.delete(at);
      view.committed = replica.committed;
      this.#compare(view);
    }
    if (!view.ready && replica.ready) this.#becameReady(view);
  }

  /** I3: what is committed is durable at every member of the configuration that it was committed in. */
  #noteCommits({ replica, node }: View): void {
    const { committed, configuration } = replica;
    for (let at = this.#committed.length + 1; at <= committed; at++) {
      const made = replica.epochAt(seq(at));
      if (made === null) return this.violate('I3', `${node} committed ${at}, of which it knows no epoch`);
      this.#committed.push(made);
      const entry = this.#entries.get(made)?.get(at)?.entry;
      if (entry === undefined)
        return this.violate('I1', `${node} committed ${made}/${at}, which nobody made`);
      this.#reads.committed(entry);
      for (const member of configuration?.members ?? []) this.#expectHeld(member, at, made);
    }
    const known = this.#committed[committed - 1];
    const made = replica.epochAt(committed);
    if (made !== null && known !== undefined && known !== made) {
      this.violate('I3', `${node} committed ${made}/${committed}, but ${known}/${committed} was committed`);
    }
  }

  #expectHeld(member: Incarnation, at: number, made: number): void {
    const replica = this.#byIncarnation.get(keyOf(member))?.replica;
    const held = replica && replica.durable >= at ? replica.epochAt(seq(at)) : null;
    // Of what lies before a snapshot no epoch is known, but it is held.
    if (replica && replica.durable >= at && held === null) return;
    if (held !== made) {
      this.violate('I3', `${made}/${at} is committed, and ${member.node} has ${held}/${at} on disk`);
    }
  }

  /** I3 for later configurations: who counts from now on holds all that was committed before. */
  #becameReady(view: View): void {
    view.ready = true;
    const { replica, node } = view;
    const { configuration } = replica;
    if (configuration === null || configuration.epoch !== this.#newest?.epoch) return;
    if (!isMember(configuration, replica.self)) return;
    const last = this.#committed.length;
    const made = this.#committed[last - 1];
    if (made === undefined) return;
    this.#expectHeld(replica.self, last, made);
    if (replica.durable < last)
      this.violate('I3', `${node} is ready with ${replica.durable}, ${last} is committed`);
  }

  #compare(view: View): void {
    const { store, committed } = view.replica;
    if (committed % DIGEST_EVERY === 0) this.#noteDigest(committed, keysDigest(store));
    if (committed % FULL_DIGEST_EVERY === 0) this.#noteDigest(committed, `full ${store.digest()}`);
  }

  #noteDigest(at: number, digest: string): void {
    const place = digest.startsWith('full') ? -at : at;
    const known = this.#digests.get(place);
    if (known === undefined) this.#digests.set(place, digest);
    else if (known !== digest) this.violate('I4', `two stores at ${at}: ${known} and ${digest}`);
  }
}

function keysDigest(store: Store): string {
  let text = '';
  for (const { key, record } of store.entries('')) text += `${key} ${record.version} ${record.expiresAtMs};`;
  return text;
}

function keyOf({ node, storeId, boot }: Incarnation): string {
  return `${node} ${storeId} ${boot}`;
}
