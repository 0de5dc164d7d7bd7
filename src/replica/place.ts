import { defined } from '../base/assert.ts';
import { type Epoch, NO_EPOCH } from '../base/ids.ts';
import { isPlanted } from '../base/planted.ts';
import {
  type Configuration,
  type Incarnation,
  predecessorOf,
  type Role,
  roleOf,
  sameConfiguration,
  successorOf,
} from '../protocol/configuration.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import type { Outbox } from './outbox.ts';

/** Who the replica is, and what it was told before it was started. */
export interface PlaceOptions {
  readonly self: Incarnation;
  readonly topology: VersionedTopology;
  /** The configuration found on disk; this incarnation has no place in it yet. */
  readonly configuration: Configuration | null;
  /** The longest lease of any configuration held so far, in ms. */
  readonly leaseMsMax: number;
}

/**
 * A replica's place in the chain: the highest configuration it has adopted, and the topology. A configuration counts
 * (`active`) once it is on disk; until then the replica has left the epoch before and is in none. PROTOCOL.md §2.
 */
export class Place {
  readonly self: Incarnation;
  readonly #out: Outbox;
  #topology: VersionedTopology;
  #held: Configuration | null;
  #role: Role;
  #active = false;
  #leaseMsMax: number;
  #saves = 0;
  /** The save that has `#held` on disk; 0 while that is the one recovered. */
  #activateAt = 0;

  constructor(options: PlaceOptions, out: Outbox) {
    this.self = options.self;
    this.#out = out;
    this.#topology = options.topology;
    this.#held = isPlanted('restart-keeps-epoch') ? null : options.configuration;
    const leaseMs = options.configuration?.leaseMs ?? 0;
    this.#leaseMsMax = isPlanted('lease-max-forgotten') ? leaseMs : options.leaseMsMax;
    this.#role = roleOf(this.#held, this.self);
  }

  get topology(): VersionedTopology {
    return this.#topology;
  }
  /** The highest configuration adopted, or being adopted. */
  get held(): Configuration | null {
    return this.#held;
  }
  /** The same, where there is sure to be one. */
  get configuration(): Configuration {
    return defined(this.#held, () => 'a configuration');
  }
  get epoch(): Epoch {
    return this.#held?.epoch ?? NO_EPOCH;
  }
  get role(): Role {
    return this.#role;
  }
  get active(): boolean {
    return this.#active;
  }
  get isMember(): boolean {
    return this.#role !== 'spare' && this.#role !== 'joiner';
  }
  get isHead(): boolean {
    return this.#role === 'head' || this.#role === 'only';
  }
  get isTail(): boolean {
    return this.#role === 'tail' || this.#role === 'only';
  }
  /** Whether this place answers reads in this configuration, given a lease. */
  get servesReads(): boolean {
    return this.isTail || (this.isMember && this.#held?.reads === 'any');
  }
  /** The longest lease of any configuration held so far, in ms. */
  get leaseMsMax(): number {
    return this.#leaseMsMax;
  }
  get predecessor(): Incarnation | null {
    return this.#held && predecessorOf(this.#held, this.self);
  }
  /** The neighbour toward the tail; for the tail the joiner, which does not count. */
  get successor(): Incarnation | null {
    return this.#held && successorOf(this.#held, this.self);
  }

  /**
   * Takes up what is newer, and has it saved. An older configuration or topology is ignored.
   *
   * @returns whether a newer configuration was taken: `active` is over then, and every session with it.
   */
  adopt(configuration: Configuration | null, topology: VersionedTopology | null): boolean {
    const newer = configuration !== null && configuration.epoch > this.epoch;
    if (configuration !== null && this.#held !== null && configuration.epoch === this.epoch) {
      // I1 holds within a cluster; this comes from outside it.
      if (!sameConfiguration(configuration, this.#held)) {
        this.#out.say(
          'warn',
          `told of another configuration ${this.epoch} than the one held: two clusters, or two registers?`,
        );
      }
    }
    const fresher = topology !== null && topology.version > this.#topology.version;
    if (fresher) this.#topology = topology;
    if (newer) {
      this.#active = false;
      this.#held = configuration;
      this.#role = roleOf(configuration, this.self);
      this.#leaseMsMax = Math.max(this.#leaseMsMax, configuration.leaseMs);
      this.#activateAt = this.#saves + 1;
    }
    if (newer || fresher) this.#save();
    return newer;
  }

  /** Whether the configuration held comes after a drop later than this epoch that nobody confirmed: its leases may still hold. */
  isFencedSince(epoch: Epoch): boolean {
    const { fence } = this.configuration;
    return isPlanted('fence-only-in-its-epoch') ? fence === this.epoch : fence > epoch;
  }

  /** A neighbour has held a configuration with a longer lease than any that this store knows of. */
  learnLease(leaseMs: number): void {
    if (leaseMs <= this.#leaseMsMax) return;
    this.#leaseMsMax = leaseMs;
    this.#save();
  }

  /** Notes that a save is on disk, and says whether it makes the configuration held `active`. */
  saved(save: number): boolean {
    if (this.#active || this.#activateAt === 0 || save < this.#activateAt) return false;
    this.#active = true;
    return true;
  }

  /** Gives up the place in this epoch for good. */
  leave(): void {
    this.#active = false;
  }

  #save(): void {
    this.#saves += 1;
    this.#out.push({
      kind: 'save',
      save: this.#saves,
      configuration: this.#held,
      topology: this.#topology,
      leaseMsMax: this.#leaseMsMax,
    });
  }
}
