import { redirectTarget, urlEndpoint } from '../protocol/addresses.ts';
import type { Address } from '../protocol/topology.ts';
import type { Answer, ChainView } from './caller.ts';
import { jsonOf } from './problem.ts';

/** The most that a batch may have while the topology isn't known, in bytes: what it says by default. */
const BATCH_BYTES_DEFAULT = 4_194_304;

/** What one `GET /topology` gave. Immutable; a later one takes its place whole. */
export interface KnownChain extends ChainView {
  /** Of the topology. */
  readonly version: number;
  readonly batchBytes: number;
}

interface Page {
  readonly version: number;
  readonly topology: {
    readonly nodes: Readonly<Record<string, Address>>;
    readonly coordinators: Readonly<Record<string, Address>>;
    readonly limits: Readonly<Record<string, unknown>>;
  };
  readonly configuration: {
    readonly epoch: number;
    readonly members: readonly { readonly node: string }[];
    readonly joiner: { readonly node: string } | null;
    readonly reads: unknown;
  } | null;
}

/**
 * Reads the answer to `GET /topology` of the node that is reached by `base`; `null` when it is none of catena's. The address of
 * each node is the one on the network that `base` is on.
 */
export function chainFrom(answer: Answer, base: string): KnownChain | null {
  const page = jsonOf(answer);
  if (answer.status !== 200 || !isPage(page)) return null;
  const { topology, configuration, version } = page;
  const from = answer.headers.get('catena-node') ?? '';
  const { batchBytes } = topology.limits;
  return {
    epoch: configuration?.epoch ?? 0,
    members: configuration?.members.map(({ node }) => node) ?? [],
    joiner: configuration?.joiner?.node ?? null,
    reads: configuration?.reads === 'any' ? 'any' : 'tail',
    urls: urlsFrom(topology, { from, base }),
    version,
    batchBytes: typeof batchBytes === 'number' ? batchBytes : BATCH_BYTES_DEFAULT,
  };
}

/** The one that knows more of the chain; `known` when it is the same. */
export function newer(known: KnownChain | null, heard: KnownChain): KnownChain {
  if (known === null || heard.epoch > known.epoch) return heard;
  return heard.epoch === known.epoch && heard.version > known.version ? heard : known;
}

function urlsFrom(
  { nodes, coordinators }: Page['topology'],
  { from, base }: { readonly from: string; readonly base: string },
): Readonly<Record<string, string>> {
  const asked = ownOf(nodes, from) ?? ownOf(coordinators, from);
  const host = base.replace(/^https?:\/\//, '');
  return Object.fromEntries(
    Object.entries(nodes).map(([node, to]) => {
      const url = redirectTarget({ from: asked ?? to, to, host });
      return [node, url.replace(/\/$/, '')];
    }),
  );
}

function ownOf(addresses: Readonly<Record<string, Address>>, name: string): Address | undefined {
  return Object.hasOwn(addresses, name) ? addresses[name] : undefined;
}

function isPage(page: unknown): page is Page {
  if (!isFields(page) || typeof page.version !== 'number' || !isFields(page.topology)) return false;
  const { nodes, coordinators, limits } = page.topology;
  return (
    isAddresses(nodes) &&
    isAddresses(coordinators) &&
    isFields(limits) &&
    (page.configuration === null || isConfiguration(page.configuration))
  );
}

function isConfiguration(value: unknown): boolean {
  return (
    isFields(value) &&
    typeof value.epoch === 'number' &&
    Array.isArray(value.members) &&
    value.members.every(isNamed) &&
    (value.joiner === null || isNamed(value.joiner))
  );
}

function isNamed(value: unknown): boolean {
  return isFields(value) && typeof value.node === 'string';
}

/** What is no URL here would break the promise of a topology that was checked. */
function isAddresses(value: unknown): boolean {
  return (
    isFields(value) &&
    Object.values(value).every(
      (address) =>
        isFields(address) &&
        Array.isArray(address.urls) &&
        address.urls.length > 0 &&
        address.urls.every((url) => typeof url === 'string' && urlEndpoint(url) !== null),
    )
  );
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
