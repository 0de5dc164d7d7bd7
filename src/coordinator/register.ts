import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { CatenaError } from '../base/errors.ts';
import { type Epoch, epoch, type NodeId, nodeId, storeId } from '../base/ids.ts';
import type { Configuration } from '../protocol/configuration.ts';
import type { VersionedTopology } from '../protocol/topology.ts';
import { addressesByNode, topologySchema } from '../topology/schema.ts';

/** One configuration that was chosen: when, why and what changed. */
export interface HistoryRecord {
  readonly epoch: Epoch;
  /** ISO 8601, by the coordinator's wall clock. */
  readonly time: string;
  readonly reason: string;
  readonly change: string;
  readonly members: readonly NodeId[];
}

/** What wall clocks showed at one moment, in ms since 1970: the coordinator's own, and those of the nodes that it had heard. */
export interface WallClocks {
  readonly own: number;
  readonly nodes: Readonly<Record<NodeId, number>>;
}

/** All that a coordinator must not forget. It is on disk before anything in it is told to anyone. PROTOCOL.md §6. */
export interface Register {
  /** The one chosen last; `null` before the first, and when the register was lost. */
  readonly configuration: Configuration | null;
  /** When that was chosen; `null` when it isn't known. */
  readonly clocks: WallClocks | null;
  /** Members that have reported themselves ready, kept across epochs and restarts in place. PROTOCOL.md §5. */
  readonly ready: readonly NodeId[];
  /** What the cluster should be; `null` until a file was taken. */
  readonly topology: VersionedTopology | null;
  /** An edit of the chain, of `replicas` or of the nodes was taken, and the chain is not yet what it asks for. */
  readonly arranging: boolean;
  /** Of the topology file that was taken last. */
  readonly fileDigest: string | null;
  /** Oldest first, at most `HISTORY_MAX`. */
  readonly history: readonly HistoryRecord[];
}

/** How many configurations are remembered. */
export const HISTORY_MAX = 1000;
/** The longest register file, in bytes: longer than any that is written. */
export const REGISTER_BYTES_MAX = 16 * 1024 * 1024;

/** What a coordinator starts from when its directory holds no register. */
export const EMPTY_REGISTER: Register = {
  configuration: null,
  clocks: null,
  ready: [],
  topology: null,
  arranging: false,
  fileDigest: null,
  history: [],
};

const FORMAT = 'catena-register';
const FORMAT_VERSION = 2;
/** The oldest that is still read: it had no `arranging` and no `departing`. */
const FORMAT_VERSION_MIN = 1;

/**
 * The register as it lies on disk: a line `{"format","version","bytes","crc32"}`, then the JSON text that it describes,
 * `bytes` bytes of UTF-8. What was cut short or changed is recognised.
 */
export function encodeRegister(register: Register): Uint8Array {
  const body = Buffer.from(`${JSON.stringify(register, null, 1)}\n`, 'utf8');
  const header = { format: FORMAT, version: FORMAT_VERSION, bytes: body.byteLength, crc32: crc32(body) };
  return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`, 'utf8'), body]);
}

/**
 * @param file - what people know the register by.
 * @throws CatenaError CORRUPT (it is not what was written) or UNSUPPORTED_FORMAT (a newer catena wrote it); both say
 * what to do.
 */
export function decodeRegister(bytes: Uint8Array, file: string): Register {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = text.indexOf('\n');
  const header = headerSchema.safeParse(json(text.subarray(0, Math.max(0, end))));
  if (!header.success) throw corrupt(file, 'it does not begin with the header of a register');
  const { version } = header.data;
  if (version < FORMAT_VERSION_MIN || version > FORMAT_VERSION) throw unsupported(file, version);
  const body = text.subarray(end + 1);
  if (body.byteLength !== header.data.bytes) {
    throw corrupt(file, `it holds ${body.byteLength} bytes where ${header.data.bytes} were written`);
  }
  if (crc32(body) !== header.data.crc32) throw corrupt(file, 'its checksum does not match');
  const register = registerSchema.safeParse(json(body));
  if (!register.success) throw corrupt(file, z.prettifyError(register.error));
  return register.data;
}

function corrupt(file: string, why: string): CatenaError {
  return new CatenaError(
    'CORRUPT',
    `${file} is damaged: ${why}. Put back a sound copy only if no configuration was chosen since it was made (see ` +
      '/history). Else move the file away and start the coordinator again: it takes the chain up from what the nodes ' +
      'hold, once it hears all nodes of the topology.',
  );
}

function unsupported(file: string, version: number): CatenaError {
  return new CatenaError(
    'UNSUPPORTED_FORMAT',
    `${file} has format version ${version}, and this catena reads ${FORMAT_VERSION_MIN} to ${FORMAT_VERSION}: start the catena that wrote it.`,
  );
}

function json(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

const count = z.int().min(0);
const headerSchema = z.object({
  format: z.literal(FORMAT),
  version: count,
  bytes: count,
  crc32: count,
});

const node = z.string().transform(nodeId);
const epochNumber = count.transform(epoch);
const incarnation = z.object({ node, storeId: z.string().transform(storeId), boot: count });

const registerSchema = z.object({
  configuration: z
    .object({
      epoch: epochNumber,
      members: z.array(incarnation).min(1),
      joiner: incarnation.nullable(),
      sealed: z.boolean(),
      fence: epochNumber,
      leaseMs: z.number(),
      reads: z.enum(['tail', 'any']),
      timeMs: z.number(),
    })
    .nullable(),
  clocks: z
    .object({ own: z.number(), nodes: z.record(node, z.number()) })
    .nullable()
    .default(null),
  ready: z.array(node),
  topology: z
    .object({
      version: count,
      topology: topologySchema,
      departing: addressesByNode.default({}),
    })
    .nullable(),
  arranging: z.boolean().default(false),
  fileDigest: z.string().nullable(),
  history: z.array(
    z.object({
      epoch: epochNumber,
      time: z.string(),
      reason: z.string(),
      change: z.string(),
      members: z.array(node),
    }),
  ),
});
