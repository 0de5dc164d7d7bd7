import { assert } from '../../src/base/assert.ts';
import { type Seq, seq } from '../../src/base/ids.ts';
import type { Entry } from '../../src/protocol/entry.ts';
import type { WriteReply } from '../../src/replica/events.ts';
import type { Replica } from '../../src/replica/replica.ts';
import type { ChainDisk } from './chain-disk.ts';

/** What the checks look at of a node. */
export interface CheckedNode {
  readonly name: string;
  /** `null` while it is down. */
  readonly replica: Replica | null;
  /** Whether it answers reads now. */
  readonly servesReads: boolean;
  readonly disk: ChainDisk;
  /** Its disk lost what was synced: it is not held to keep it. */
  readonly damaged: boolean;
  /** It holds a history that was given up: what it knows is not what the chain knows. */
  readonly outcast: boolean;
}

/**
 * PROTOCOL.md §10 over all replicas of a chain whose members stay the same, looked at after every step, and what clients
 * were told: nothing acknowledged or shown is ever missing from a replica that serves reads.
 */
export class ChainChecks {
  readonly #entries = new Map<string, string>();
  /** By seq: the epoch of the entry that was committed there. */
  readonly #committed: number[] = [];
  readonly #digests = new Map<Seq, string>();
  /** What each replica had committed when its digest was looked at. */
  readonly #looked = new WeakMap<Replica, Seq>();
  /** The latest that a client was told of, by an answer or by a read. */
  #told = 0;

  /** The last entry that anybody knows to be committed. */
  get committed(): Seq {
    return seq(this.#committed.length);
  }

  /** What was committed beyond `after` is given up: an operator forced a configuration that lacks it. */
  forget(after: number): void {
    this.#committed.length = Math.min(this.#committed.length, after);
    this.#told = Math.min(this.#told, after);
    for (const known of this.#digests.keys()) if (known > after) this.#digests.delete(known);
  }

  /** I1: one entry per `(epoch, seq)`. */
  appended(entries: readonly Entry[]): void {
    for (const { epoch, seq: at, timeMs, requestId, command } of entries) {
      const name = `${epoch}/${at}`;
      const content = JSON.stringify([timeMs, requestId, command]);
      const known = this.#entries.get(name);
      assert(known === undefined || known === content, () => `I1: ${name} is ${known} and ${content}`);
      this.#entries.set(name, content);
    }
  }

  /**
   * I3: what anybody knows to be committed is dropped by none of those that must hold it. Another may: a joiner whose tail began
   * with a snapshot gets again what the tail no longer remembers.
   */
  truncated(node: CheckedNode, after: Seq, counted: readonly CheckedNode[]): void {
    if (!counted.includes(node) || counted.some(({ damaged }) => damaged)) return;
    for (const { epoch, seq: at } of node.disk.read(after) ?? []) {
      assert(
        this.#committed[at - 1] !== epoch,
        () => `I3: ${node.name} drops beyond ${after}, committed ${epoch}/${at}`,
      );
    }
  }

  /** I3 after a crash: the disk still has all that is committed. */
  restarted(node: CheckedNode): void {
    if (node.damaged) return;
    const { syncedThrough } = node.disk;
    assert(syncedThrough >= this.committed, () => `I3: ${node.name} came back with ${syncedThrough}`);
  }

  answered(reply: WriteReply): void {
    if (reply.kind !== 'applied' || reply.outcome.kind === 'rejected') return;
    const at = reply.outcome.seq;
    assert(at <= this.committed, () => `${at} was answered, committed ${this.committed}`);
    this.#told = Math.max(this.#told, at);
  }

  /** @param counted - those whose disks must hold all that is committed. */
  stepped(node: CheckedNode, counted: readonly CheckedNode[], all: readonly CheckedNode[]): void {
    const { replica, disk } = node;
    if (replica === null) return;
    const { received, durable, committed } = replica;
    assert(committed <= durable && durable <= received, () => `I2: ${committed} ${durable} ${received}`);
    assert(
      durable <= disk.syncedThrough,
      () => `I2: ${node.name} calls ${durable} durable, synced ${disk.syncedThrough}`,
    );
    if (node.outcast) return;
    this.#noteCommits(node, committed, counted);
    this.#checkDigest(replica);
    for (const other of all) this.#checkReads(other);
  }

  #noteCommits({ disk, name }: CheckedNode, committed: Seq, all: readonly CheckedNode[]): void {
    for (let at = this.#committed.length + 1; at <= committed; at++) {
      const made = disk.entryAt(seq(at))?.epoch;
      assert(made !== undefined, () => `I2: ${name} committed ${at}, which is not on its disk`);
      for (const other of all) {
        const there = other.disk.entryAt(seq(at))?.epoch;
        assert(
          there === made,
          () => `I3: ${made}/${at} is committed, ${other.name} has ${there}/${at} on disk`,
        );
      }
      this.#committed.push(made);
    }
  }

  /** I4: replicas with the same `committed` have equal stores. */
  #checkDigest(replica: Replica): void {
    const { store, committed } = replica;
    if (this.#looked.get(replica) === committed) return;
    this.#looked.set(replica, committed);
    const digest = store.digest();
    const known = this.#digests.get(committed);
    assert(known === undefined || known === digest, () => `I4: at ${committed} ${digest} and ${known}`);
    this.#digests.set(committed, digest);
  }

  /** Somebody always reads wherever reads are served. */
  #checkReads({ name, replica, servesReads }: CheckedNode): void {
    if (!replica || !servesReads || !replica.isClean(null)) return;
    const { committed } = replica;
    assert(committed >= this.#told, () => `a read at ${name} shows ${committed}, but ${this.#told} was told`);
    this.#told = committed;
  }
}
