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
  readonly disk: ChainDisk;
  /** Its disk lost what was synced: it is not held to keep it. */
  readonly damaged: boolean;
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

  /** I2 and I3: what anybody knows to be committed is dropped by nobody. */
  truncated(node: CheckedNode, after: Seq, all: readonly CheckedNode[]): void {
    if (all.some(({ damaged }) => damaged)) return;
    assert(
      after >= this.committed,
      () => `I3: ${node.name} drops beyond ${after}, committed ${this.committed}`,
    );
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

  stepped(node: CheckedNode, all: readonly CheckedNode[]): void {
    const { replica, disk } = node;
    if (replica === null) return;
    const { received, durable, committed } = replica;
    assert(committed <= durable && durable <= received, () => `I2: ${committed} ${durable} ${received}`);
    assert(
      durable <= disk.syncedThrough,
      () => `I2: ${node.name} calls ${durable} durable, synced ${disk.syncedThrough}`,
    );
    this.#noteCommits(node, committed, all);
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
  #checkReads({ name, replica }: CheckedNode): void {
    if (!replica?.servesReads) return;
    const { committed } = replica;
    assert(committed >= this.#told, () => `a read at ${name} shows ${committed}, but ${this.#told} was told`);
    this.#told = committed;
  }
}
