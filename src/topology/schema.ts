import { z } from 'zod';
import { nodeId } from '../base/ids.ts';
import {
  ORIGIN_PATTERN,
  PEER_PATTERN,
  peerEndpoint,
  URL_PATTERN,
  urlEndpoint,
} from '../protocol/addresses.ts';

/** Most nodes in a topology: the coordinator keeps a connection to each. */
const NODES_MAX = 32;
/** Most URLs of one process. */
const URLS_MAX = 8;
const ORIGINS_MAX = 100;
/** Keys have two bytes for their length in the formats; a value and a batch have to fit into a frame with some to spare. */
const KEY_BYTES_MAX = 65_535;
const VALUE_BYTES_MAX = 32 * 1024 * 1024;
const BATCH_BYTES_MAX = 32 * 1024 * 1024;
const IN_FLIGHT_BYTES_MAX = 8 * 1024 * 1024 * 1024;
const STORE_BYTES_MAX = 1024 * 1024 * 1024 * 1024;
/** Slower than this, and the chain would take minutes to notice anything. */
const TIMING_MS_MAX = 600_000;

const NAME = 'a name of 1 to 63 letters, digits, ".", "_" and "-" that starts with a letter or a digit';

/**
 * What a topology file may hold. Every message is what was expected, without a verb, so that `topology.ts` can say
 * "expected ..., found ...". Default values are those of INTERFACE.md.
 */
const nodeName = z
  .string({ error: NAME })
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, { error: NAME })
  .transform(nodeId)
  .describe(`The name of a node or a coordinator: ${NAME}.`);

const address = closed('urls and peer', {
  urls: list(
    checked(URL_PATTERN, (text) => urlEndpoint(text) !== null, expectedUrl),
    { min: 1, max: URLS_MAX, what: 'URLs', uniqueItems: true },
  ).describe(
    'All addresses that its HTTP side can be reached by, such as "http://localhost:4466". At the same place of ' +
      'every list stand the addresses of one network, so that a redirect stays on the network that a request came by.',
  ),
  peer: checked(PEER_PATTERN, (text) => peerEndpoint(text) !== null, expectedPeer).describe(
    'Where its neighbours and the coordinator reach it, such as "localhost:5466".',
  ),
});

const timing = closed('timings in milliseconds', {
  heartbeatMs: whole(5, TIMING_MS_MAX, 50, 'How often each node reports to the coordinator, in ms.'),
  suspectAfterMs: whole(
    10,
    TIMING_MS_MAX,
    500,
    'How long a node may be silent before it is taken for lost, in ms. Quicker than the machines are slow makes the chain flap.',
  ),
  leaseMs: whole(
    10,
    TIMING_MS_MAX,
    200,
    'How long a lease to answer reads lasts, in ms: as long do writes wait when a member is lost without a word.',
  ),
  stallAfterMs: whole(
    10,
    TIMING_MS_MAX,
    5000,
    'How long a disk may make no progress before its node is removed, in ms.',
  ),
});

const limits = closed('limits in bytes', {
  keyBytes: whole(1, KEY_BYTES_MAX, 1024, 'The longest key, in bytes of UTF-8.'),
  valueBytes: whole(1, VALUE_BYTES_MAX, 1_048_576, 'The largest value, in bytes.'),
  batchBytes: whole(1, BATCH_BYTES_MAX, 4_194_304, 'The largest batch, in bytes of its request.'),
  inFlightBytes: whole(
    1,
    IN_FLIGHT_BYTES_MAX,
    67_108_864,
    'The most that may be on its way down the chain, in bytes, before new writes get a 503.',
  ),
  storeBytes: whole(
    1,
    STORE_BYTES_MAX,
    2_147_483_648,
    'The most that the store may hold, in bytes; a write beyond it gets a 507, deletes go on working.',
  ),
});

/** How some nodes are reached, by their names. How many there may be is for whoever holds them to say. */
export const addressesByNode = named('nodes by their names');

const shape = {
  $schema: z
    .string({ error: 'the path of the schema, as text' })
    .describe('The JSON Schema of this file: editors complete and check by it.')
    .optional(),
  name: z
    .string({ error: 'a text of 1 to 100 characters' })
    .min(1, { error: 'a text of 1 to 100 characters' })
    .max(100, { error: 'a text of 1 to 100 characters' })
    .describe('What the cluster is called, for people.'),
  replicas: whole(1, NODES_MAX).describe('How many members the chain should have.'),
  chain: list(nodeName, { min: 1, max: NODES_MAX, what: 'node names', uniqueItems: true }).describe(
    'The wanted order of the chain, head first; those beyond "replicas" are spares.',
  ),
  nodes: addressesByNode
    .refine((nodes) => Object.keys(nodes).length <= NODES_MAX, { error: expectedFewer })
    .describe('Every node and how it is reached. One that is not in "chain" takes no part, and redirects.'),
  coordinators: named('the coordinator by its name').describe(
    'The coordinator, which chooses the configurations of the chain; exactly one for now.',
  ),
  reads: choice(['tail', 'any'])
    .default('tail')
    .describe('Who answers reads: the tail alone, or any member (CRAQ).'),
  durability: choice(['sync', 'memory'])
    .default('sync')
    .describe(
      '"sync": an acknowledged write is on the disk of every member. "memory": it is in the memory of every member, ' +
        'and on disk within 100 ms.',
    ),
  timing: timing.prefault({}).describe('How quickly the cluster reacts.'),
  limits: limits.prefault({}).describe('What is refused for its size.'),
  origins: list(
    checked(ORIGIN_PATTERN, (text) => URL.canParse(text), 'an origin such as https://example.org'),
    {
      min: 0,
      max: ORIGINS_MAX,
      what: 'web origins',
      uniqueItems: true,
    },
  )
    .default([])
    .describe("Web origins whose pages may call the cluster, beside the cluster's own URLs."),
} as const;

/** The shape of a topology file; parsing fills every default in. What it can't say is in `sense.ts`. */
export const topologySchema = closed('the properties of a topology', shape);

/** One property of a topology file. */
export type Section = keyof typeof shape;

/** The JSON Schema of what people write in the file: properties with a default may be left out. */
export function topologyJsonSchema(): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(topologySchema, { io: 'input', target: 'draft-7' });
  return {
    $schema,
    title: 'catena topology',
    description: 'What a catena cluster should be. Regenerate with: node scripts/write-schema.ts',
    ...rest,
  };
}

function closed<S extends z.core.$ZodLooseShape>(what: string, properties: S) {
  const names = Object.keys(properties).join(', ');
  return z.strictObject(properties, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? `one of ${names}` : `an object with ${what}`),
  });
}

function named(what: string) {
  return z.record(nodeName, address, {
    error: (issue) => (issue.code === 'invalid_key' ? NAME : `an object with ${what}`),
  });
}

function expectedFewer({ input }: { input?: unknown }): string {
  return `an object with at most ${NODES_MAX} nodes (${Object.keys(input ?? {}).length} are here)`;
}

function whole(min: number, max: number): z.ZodNumber;
function whole(min: number, max: number, byDefault: number, description: string): z.ZodDefault<z.ZodNumber>;
function whole(min: number, max: number, byDefault?: number, description?: string) {
  const error = `a whole number from ${min} to ${max}`;
  const number = z.number({ error }).int({ error, abort: true }).min(min, { error }).max(max, { error });
  return byDefault === undefined ? number : number.default(byDefault).describe(description ?? '');
}

function list<T extends z.ZodType>(
  item: T,
  { min, max, what, uniqueItems }: { min: number; max: number; what: string; uniqueItems: boolean },
) {
  const error = `a list of ${min} to ${max} ${what}`;
  return z.array(item, { error }).min(min, { error }).max(max, { error }).meta({ uniqueItems });
}

/** What is expected in place of this, with what is wrong with it where that is easily overlooked. */
function expectedUrl(found: unknown): string {
  const form = 'http://host:port without a path';
  if (typeof found !== 'string') return form;
  if (/^https:/i.test(found)) return `${form} (https is not spoken here: put a proxy in front for that)`;
  if (hasOddPort(found)) return `${form}, ${PORTS}`;
  return `${form} (no "/" behind it)`;
}

function expectedPeer(found: unknown): string {
  return typeof found === 'string' && hasOddPort(found) ? `host:port, ${PORTS}` : 'host:port';
}

const PORTS = 'the port a number from 1 to 65535';

function hasOddPort(text: string): boolean {
  const port = /:([^:/\]]*)\/?$/.exec(text)?.[1];
  return port !== undefined && !(/^[1-9][0-9]*$/.test(port) && Number(port) <= 65_535);
}

function checked(
  pattern: RegExp,
  holds: (text: string) => boolean,
  expected: string | ((found: unknown) => string),
) {
  const error =
    typeof expected === 'string' ? expected : (issue: { input?: unknown }) => expected(issue.input);
  return z.string({ error }).regex(pattern, { error, abort: true }).refine(holds, { error });
}

function choice<const T extends readonly string[]>(values: T) {
  return z.enum(values, { error: `one of ${values.map((value) => `"${value}"`).join(', ')}` });
}
