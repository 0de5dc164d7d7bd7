import { unreachable } from '../../src/base/assert.ts';
import { type Seq, type StoreId, seq, storeId } from '../../src/base/ids.ts';
import type { SnapshotHeader, SnapshotPart, SnapshotRow } from '../../src/protocol/snapshot.ts';
import type { Effect, LinkId, ReplicaEvent } from '../../src/replica/events.ts';
import { Store } from '../../src/replica/store.ts';
import type { ChainDisk, SnapshotFile } from './chain-disk.ts';

const ROWS_PER_PART = 2;

const KINDS = [
  'open-snapshot',
  'read-part',
  'close-snapshot',
  'begin-snapshot',
  'store-part',
  'install-snapshot',
  'drop-snapshot',
] as const;

/** What a replica asks for when it sends or receives a snapshot. */
export type SnapshotEffect = Extract<Effect, { kind: (typeof KINDS)[number] }>;

export const isSnapshotEffect = (effect: Effect): effect is SnapshotEffect =>
  KINDS.some((kind) => kind === effect.kind);

/** What carrying them out needs of the node. */
export interface SnapshotsHost {
  readonly name: string;
  readonly disk: ChainDisk;
  /** Happens later, in the lane of this name, behind what waits there. */
  later(lane: 'snap' | 'store', run: () => void): void;
  happened(event: ReplicaEvent): void;
  note(line: string): void;
  /** Syncs under way are over. */
  installed(): void;
}

/** A snapshot in memory, restored whole. */
export function storeOf({ header, rows }: SnapshotFile): Store {
  const store = new Store();
  store.restore(header);
  for (const row of rows) store.restoreRow(row);
  store.restored();
  return store;
}

/**
 * The snapshots of one node, as `runtime/state-transfer.ts` and the storage do them: those that are read for a successor, and
 * the one that comes from above. What comes out of order is a fault of the replica, and throws.
 */
export class ChainSnapshots {
  readonly #host: SnapshotsHost;
  readonly #open = new Map<LinkId, SnapshotFile>();
  #aside: { of: StoreId; header: SnapshotHeader; link: LinkId; parts: SnapshotPart[] } | null = null;

  constructor(host: SnapshotsHost) {
    this.#host = host;
  }

  /** From where on the log must be kept. */
  get keptAfter(): Seq {
    return seq(
      Math.min(...[...this.#open.values()].map(({ header }) => header.seq), Number.POSITIVE_INFINITY),
    );
  }

  /** How many snapshots are kept open for successors. */
  get open(): number {
    return this.#open.size;
  }

  /** The process is gone: what of a snapshot was received is no snapshot yet. */
  crash(): void {
    this.#open.clear();
    this.#aside = null;
  }

  carryOut(effect: SnapshotEffect): void {
    switch (effect.kind) {
      case 'open-snapshot':
        return this.#host.later('snap', () => this.#opened(effect));
      case 'read-part':
        return this.#host.later('snap', () => this.#read(effect.link, effect.place));
      case 'close-snapshot':
        return this.#host.later('snap', () => {
          this.#open.delete(effect.link);
          this.#host.note(`${this.#host.name} closes the snapshot`);
        });
      case 'begin-snapshot':
        return this.#host.later('store', () => this.#begin(effect));
      case 'store-part':
        return this.#host.later('store', () => this.#store(effect));
      case 'install-snapshot':
        this.#host.note(`${this.#host.name} begins to install`);
        return this.#host.later('store', () => this.#install(effect));
      case 'drop-snapshot':
        return this.#host.later('store', () => {
          this.#aside = null;
          this.#host.note(`${this.#host.name} drops the snapshot`);
        });
      default:
        return unreachable(effect);
    }
  }

  #opened({ link, wanted }: Extract<Effect, { kind: 'open-snapshot' }>): void {
    const { snapshot } = this.#host.disk;
    if (snapshot === null) throw new Error(`${this.#host.name} has no snapshot to send`);
    if (this.#open.has(link)) throw new Error(`${this.#host.name} opens a second snapshot for one link`);
    this.#open.set(link, snapshot);
    const { header, rows } = snapshot;
    const same = wanted?.of === storeId(`store of ${this.#host.name}`) && wanted.seq === header.seq;
    this.#host.happened({
      kind: 'snapshot-opened',
      link,
      header,
      from: same ? wanted.next : 0,
      bytes: rows.length * 100,
    });
  }

  #read(link: LinkId, place: number): void {
    const open = this.#open.get(link);
    // It was closed behind the request.
    if (open === undefined) return;
    const rows = open.rows.slice(place * ROWS_PER_PART, (place + 1) * ROWS_PER_PART);
    const payload = new TextEncoder().encode(JSON.stringify(rows));
    const part = rows.length === 0 ? null : { place, rows: rows.length, payload };
    this.#host.happened({ kind: 'part-read', link, place, part });
  }

  #begin({ of, header, from, link }: Extract<Effect, { kind: 'begin-snapshot' }>): void {
    const { name } = this.#host;
    if (from === 0) this.#aside = { of, header, link, parts: [] };
    const aside = this.#aside;
    if (aside?.of !== of || aside.header.seq !== header.seq || aside.parts.length !== from) {
      throw new Error(
        `${name} goes on with a snapshot from ${from} of which it holds ${aside?.parts.length}`,
      );
    }
    aside.link = link;
  }

  #store({ link, part }: Extract<Effect, { kind: 'store-part' }>): void {
    const aside = this.#aside;
    if (aside === null || aside.link !== link) return;
    if (aside.parts.length !== part.place)
      throw new Error(`${this.#host.name} stores part ${part.place} next`);
    aside.parts.push(part);
    this.#host.happened({ kind: 'part-stored', link, place: part.place });
  }

  #install({ link, parts }: Extract<Effect, { kind: 'install-snapshot' }>): void {
    const aside = this.#aside;
    if (aside?.parts.length !== parts) throw new Error(`${this.#host.name} installs what it does not hold`);
    this.#aside = null;
    const rows = aside.parts.flatMap(rowsOf);
    this.#host.disk.install({ header: aside.header, rows });
    this.#host.installed();
    const store = storeOf({ header: aside.header, rows });
    this.#host.happened({ kind: 'installed', link, header: aside.header, store });
  }
}

function rowsOf({ payload }: SnapshotPart): SnapshotRow[] {
  return JSON.parse(new TextDecoder().decode(payload)) as SnapshotRow[];
}
