import { CatenaError } from '../base/errors.ts';
import type { Seq } from '../base/ids.ts';
import { isPlanted } from '../base/planted.ts';
import type { Clock } from '../ports/clock.ts';
import { weightOf } from '../protocol/entry.ts';
import type { Topology } from '../protocol/topology.ts';
import type { Effect, ReplicaEvent } from '../replica/events.ts';
import type { Storage } from '../storage/storage.ts';
import type { ReadDamage } from './read-damage.ts';
import { Unsynced } from './unsynced.ts';

type EffectOf<K extends Effect['kind']> = Extract<Effect, { kind: K }>;

/** What carrying out the log's effects needs of the driver. */
export interface DiskWorkHost {
  readonly storage: Storage;
  readonly damage: ReadDamage;
  readonly topology: () => Topology;
  readonly happened: (event: ReplicaEvent) => void;
  /** The disk refused something; anything but a `CatenaError` is a bug. */
  readonly failed: (error: unknown) => void;
}

/** Carries out what a replica asks of its log and its memory of what it was told, and knows what of it is still under way. */
export class DiskWork {
  readonly #host: DiskWorkHost;
  readonly #clock: Clock;
  readonly #unsynced = new Unsynced();
  /** When each save was begun, oldest first. */
  readonly #saves = new Map<number, number>();

  constructor(host: DiskWorkHost, { clock }: { clock: Clock }) {
    this.#host = host;
    this.#clock = clock;
  }

  /** How long the oldest write that the disk has not finished has been waiting for it, in ms; 0 for none. */
  stalledMs(nowMs: number): number {
    const [save = nowMs] = this.#saves.values();
    return Math.max(0, nowMs - Math.min(save, this.#unsynced.sinceMs ?? nowMs));
  }

  append({ entries, committed, generation }: EffectOf<'append'>): void {
    this.#host.storage.append(entries, committed, generation);
    const last = entries.at(-1);
    if (!last) return;
    const { durability, limits } = this.#host.topology();
    const inMemory = durability === 'memory' || isPlanted('durable-before-sync');
    // Only there it has to be known how far the disk is behind.
    const bytes = inMemory ? entries.reduce((sum, { command }) => sum + weightOf(command), 0) : 0;
    this.#unsynced.appended({ generation, through: last.seq, bytes, sinceMs: this.#nowMs() });
    // What is received counts as durable, as long as the disk keeps up; else it is waited for.
    if (inMemory && this.#unsynced.bytes <= limits.inFlightBytes) {
      this.#host.happened({ kind: 'synced', through: last.seq, generation });
    }
  }

  truncate({ after, generation }: EffectOf<'truncate'>): void {
    this.#unsynced.truncated(after, generation, this.#nowMs());
    this.#host.storage.truncate(after, generation);
  }

  /** For what `Storage` tells. */
  synced(through: Seq, generation: number): void {
    this.#unsynced.synced(through, generation);
    this.#host.happened({ kind: 'synced', through, generation });
  }

  save({ save, configuration, topology, leaseMsMax }: EffectOf<'save'>): void {
    this.#saves.set(save, this.#nowMs());
    this.#host.storage.save({ configuration, topology, leaseMsMax }).then(
      () => {
        this.#saves.delete(save);
        this.#host.happened({ kind: 'saved', save });
      },
      (error: unknown) => {
        this.#saves.delete(save);
        this.#host.failed(error);
      },
    );
  }

  read({ link, after, bytesMax }: EffectOf<'read'>): void {
    this.#host.storage.read(after, bytesMax).then(
      (entries) => this.#host.happened({ kind: 'read', link, entries }),
      (error: unknown) => {
        if (!(error instanceof CatenaError) || error.code !== 'CORRUPT') return this.#host.failed(error);
        this.#host.damage.ofLog(error, after);
        // As if the log did not reach back: a snapshot goes in its place.
        this.#host.happened({ kind: 'read', link, entries: null });
      },
    );
  }

  /** Nothing that the log was given before is waited for: it begins anew, or the disk takes nothing any more. */
  abandoned(): void {
    this.#unsynced.clear();
  }

  #nowMs(): number {
    return this.#clock.now().monotonicMs;
  }
}
