import { crc32 } from 'node:zlib';
import { defined } from '../base/assert.ts';
import { messageOf } from '../base/errors.ts';
import type { StoreId } from '../base/ids.ts';
import { bufferOf } from '../codec/bytes.ts';
import { configurationShape, topologyShape } from '../codec/protocol-shapes.ts';
import { fields, finite, nullable, whole } from '../codec/shape.ts';
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

const contentShape = fields({
  boot: whole,
  configuration: nullable(configurationShape),
  topology: nullable(topologyShape),
  leaseMsMax: finite,
});

/**
 * What the directory's `meta` says, `null` when there is none.
 *
 * @throws CatenaError CORRUPT, UNSUPPORTED_FORMAT, DISK_FAILED.
 */
export async function readMeta(disk: Disk): Promise<{ identity: Identity; meta: Meta } | null> {
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
    const content: unknown = JSON.parse(payload.toString('utf8'));
    contentShape(content, 'meta');
    const { boot, ...meta } = content as Meta & { boot: number };
    return { identity: { storeId: header.storeId, boot }, meta };
  } catch (error) {
    throw corrupt({ ...place, offset }, `its content makes no sense: ${messageOf(error)}`, error);
  }
}

/** Replaces the directory's `meta`; synced when it resolves. @throws CatenaError DISK_FULL, DISK_FAILED. */
export async function writeMeta(disk: Disk, identity: Identity, meta: Meta): Promise<void> {
  const { configuration, topology, leaseMsMax } = meta;
  const { storeId, boot } = identity;
  const payload = Buffer.from(JSON.stringify({ boot, configuration, topology, leaseMsMax }));
  const header = encodeFileHeader({
    kind: 'catenaMT',
    storeId,
    fields: [payload.length, crc32(payload, saltOf(storeId))],
  });
  await writeAside(disk, META_PATH, (file) => file.write(0, [header, payload]));
}

/** Saves one behind the other; those that come while one is under way become one, the last. */
export class MetaSaver {
  readonly #write: (meta: Meta) => Promise<void>;
  #underWay: Promise<void> = Promise.resolve();
  #next: { meta: Meta; done: Promise<void> } | null = null;

  constructor(write: (meta: Meta) => Promise<void>) {
    this.#write = write;
  }

  /** Resolves when this, or something saved after it, is on disk. Once one has failed, all fail. */
  save(meta: Meta): Promise<void> {
    if (this.#next !== null) {
      this.#next.meta = meta;
      return this.#next.done;
    }
    const done: Promise<void> = this.#underWay.then(() => this.#start());
    this.#next = { meta, done };
    this.#underWay = done;
    return done;
  }

  /** Resolves when nothing is under way any more, whatever came of it. */
  async idle(): Promise<void> {
    await this.#underWay.catch(() => undefined);
  }

  #start(): Promise<void> {
    const { meta } = defined(this.#next, () => 'something to save');
    this.#next = null;
    return this.#write(meta);
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
