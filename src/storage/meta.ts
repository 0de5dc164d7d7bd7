import { crc32 } from 'node:zlib';
import { messageOf } from '../base/errors.ts';
import type { Epoch, Seq, StoreId } from '../base/ids.ts';
import { bufferOf } from '../codec/bytes.ts';
import { parseJson } from '../codec/json.ts';
import { configurationShape, keptTopologyShape } from '../codec/protocol-shapes.ts';
import { fields, finite, nullable, optional, whole } from '../codec/shape.ts';
import type { Disk } from '../ports/disk.ts';
import type { Configuration } from '../protocol/configuration.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import { corrupt } from './corrupt.ts';
import { decodeFileHeader, encodeFileHeader, FILE_HEADER_BYTES, saltOf } from './file-header.ts';
import { META_PATH } from './paths.ts';
import { writeAside } from './write-aside.ts';

/** What a data directory is and how often it was started. */
export interface Identity {
  readonly storeId: StoreId;
  readonly boot: number;
}

/** What a replica keeps beside its log. */
export interface Meta {
  readonly configuration: Configuration | null;
  readonly topology: VersionedTopology | null;
  readonly leaseMsMax: number;
}

/**
 * A snapshot that came from a neighbour is being put in place of the whole log: when its file is there, all that is left
 * to do is done at the next start; when it is not, nothing has happened yet. docs/storage-format.md.
 */
export interface Installing {
  readonly epoch: Epoch;
  readonly seq: Seq;
  /** The number of the segment that the log begins with then, and of its first record. */
  readonly segment: number;
  readonly record: number;
}

/** All that `meta` holds, but for who the directory is. */
export interface MetaContent extends Meta {
  readonly installing: Installing | null;
}

const contentShape = fields({
  boot: whole,
  configuration: nullable(configurationShape),
  topology: nullable(keptTopologyShape),
  leaseMsMax: finite,
  installing: optional(nullable(fields({ epoch: whole, seq: whole, segment: whole, record: whole }))),
});

/** As it lies on the disk: a file of an older version lacks what came later. */
interface Kept extends Omit<Meta, 'topology'> {
  readonly boot: number;
  readonly topology: (Omit<VersionedTopology, 'departing'> & Partial<VersionedTopology>) | null;
  readonly installing?: Installing | null;
}

/**
 * What the directory's `meta` says, `null` when there is none.
 *
 * @throws CatenaError CORRUPT, UNSUPPORTED_FORMAT, DISK_FAILED.
 */
export async function readMeta(disk: Disk): Promise<{ identity: Identity; content: MetaContent } | null> {
  if (!(await disk.list('')).includes(META_PATH)) return null;
  const bytes = await readWhole(disk, META_PATH);
  const place = { disk, path: META_PATH, offset: 0 };
  const header = decodeFileHeader(bytes, 'catenaMT', place);
  if (header === null) throw corrupt(place, 'its header is not sound');
  const payload = bytes.subarray(FILE_HEADER_BYTES);
  const [length, checksum] = header.fields;
  const offset = FILE_HEADER_BYTES;
  if (payload.length !== length || crc32(payload, saltOf(header.storeId)) !== checksum) {
    throw corrupt({ ...place, offset }, 'its content does not match its checksum');
  }
  try {
    const found = parseJson(payload);
    contentShape(found, 'meta');
    const { boot, ...kept } = found as Kept;
    return { identity: { storeId: header.storeId, boot }, content: filled(kept) };
  } catch (error) {
    throw corrupt({ ...place, offset }, `its content makes no sense: ${messageOf(error)}`, error);
  }
}

function filled({ configuration, topology, leaseMsMax, installing }: Omit<Kept, 'boot'>): MetaContent {
  return {
    configuration,
    topology: topology && { ...topology, departing: topology.departing ?? {} },
    leaseMsMax,
    installing: installing ?? null,
  };
}

/** Replaces the directory's `meta`; synced when it resolves. @throws CatenaError DISK_FULL, DISK_FAILED. */
export async function writeMeta(disk: Disk, identity: Identity, content: MetaContent): Promise<void> {
  const { configuration, topology, leaseMsMax, installing } = content;
  const { storeId, boot } = identity;
  const payload = Buffer.from(JSON.stringify({ boot, configuration, topology, leaseMsMax, installing }));
  const header = encodeFileHeader({
    kind: 'catenaMT',
    storeId,
    fields: [payload.length, crc32(payload, saltOf(storeId))],
  });
  await writeAside(disk, META_PATH, (file) => file.write(0, [header, payload]));
}

/** Saves one behind the other; those that come while one is under way become one, with the last word on each field. */
export class MetaSaver {
  readonly #write: (content: MetaContent) => Promise<void>;
  #content: MetaContent;
  #underWay: Promise<void> = Promise.resolve();
  #next: Promise<void> | null = null;

  /** `content` is what lies on the disk. */
  constructor(content: MetaContent, write: (content: MetaContent) => Promise<void>) {
    this.#content = content;
    this.#write = write;
  }

  /** Resolves when this, or something saved after it, is on disk. Once one has failed, all fail. */
  save(change: Partial<MetaContent>): Promise<void> {
    this.#content = { ...this.#content, ...change };
    this.#next ??= this.#underWay.then(() => this.#start());
    this.#underWay = this.#next;
    return this.#next;
  }

  /** Resolves when nothing is under way any more, whatever came of it. */
  async idle(): Promise<void> {
    await this.#underWay.catch(() => undefined);
  }

  #start(): Promise<void> {
    this.#next = null;
    return this.#write(this.#content);
  }
}

async function readWhole(disk: Disk, path: string): Promise<Buffer> {
  const file = await disk.open(path, { create: false });
  try {
    return bufferOf(await file.read(0, await file.size()));
  } finally {
    await file.close();
  }
}
