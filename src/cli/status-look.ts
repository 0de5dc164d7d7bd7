import { CatenaError as ClientError } from '../client/errors.ts';
import type { CallOptions, ChainStatus } from '../client/types.ts';
import { redirectTarget, urlEndpoint } from '../protocol/addresses.ts';
import type { Address } from '../protocol/topology.ts';
import type { Chain } from './client-options.ts';
import { type Fields, fieldsOf, listOf, numberOf, textOf, textsOf } from './json-fields.ts';

/** What a chain looks like at a moment. */
export interface Look extends ChainStatus {
  /** By the monotonic clock, in ms. */
  readonly atMs: number;
  /** What the topology calls the cluster. */
  readonly name: string;
  /** Where each node is reached from here. */
  readonly urls: Readonly<Record<string, string>>;
  readonly coordinators: readonly CoordinatorLook[];
}

/** A coordinator of the topology. */
export interface CoordinatorLook {
  readonly name: string;
  readonly url: string;
  /** `null` when it does not answer. */
  readonly state: { readonly waitingFor: readonly string[]; readonly problem: string | null } | null;
}

/** Writes committed per second at each node, between two looks; `null` where it can't be told. */
export type Rates = Readonly<Record<string, number | null>>;

/** Asks every node and coordinator of the topology; one that does not answer hides none of the others. @throws CatenaError of the client when nobody answers; the reason of the signal. */
export async function look(chain: Chain, signal?: AbortSignal): Promise<Look> {
  const { client, core, page } = chain;
  const options = signal === undefined ? {} : { signal };
  const [status, { urls }, coordinators] = await Promise.all([
    client.status(options),
    core.chain(options),
    Promise.all(coordinatorsOf(chain).map((address) => coordinatorLook(chain, address, options))),
  ]);
  const name = textOf(fieldsOf(page.topology).name) ?? '';
  return { ...status, atMs: performance.now(), name, urls, coordinators };
}

/** How fast each node has committed from one look to the next. */
export function ratesBetween(before: Look, now: Look): Rates {
  const seconds = (now.atMs - before.atMs) / 1000;
  const rates = Object.entries(now.nodes).map(([node, state]) => {
    const earlier = before.nodes[node]?.committed;
    const known = state !== null && earlier !== undefined && seconds > 0;
    return [node, known ? Math.max(0, (state.committed - earlier) / seconds) : null] as const;
  });
  return Object.fromEntries(rates);
}

async function coordinatorLook(
  { core }: Chain,
  { name, url }: { readonly name: string; readonly url: string },
  options: CallOptions,
): Promise<CoordinatorLook> {
  try {
    const { body } = await core.ask(url, '/status', options);
    const said = fieldsOf(JSON.parse(new TextDecoder().decode(body)));
    const { waitingFor, problem } = said;
    // A node that has taken its address says something else.
    const state =
      said.role === 'coordinator' ? { waitingFor: textsOf(waitingFor), problem: textOf(problem) } : null;
    return { name, url, state };
  } catch (error) {
    if (error instanceof ClientError || error instanceof SyntaxError) return { name, url, state: null };
    throw error;
  }
}

/** Each by its address on the network that the chain is reached by. */
function coordinatorsOf({
  page,
  node,
  url,
}: Chain): readonly { readonly name: string; readonly url: string }[] {
  const { nodes, coordinators } = fieldsOf(page.topology);
  const asked = addressOf(fieldsOf(nodes)[node] ?? fieldsOf(coordinators)[node]);
  const host = url.replace(/^https?:\/\//, '');
  return Object.entries(fieldsOf(coordinators)).flatMap(([name, said]) => {
    const to = addressOf(said);
    return to === null ? [] : [{ name, url: redirectTarget({ from: asked ?? to, to, host }) }];
  });
}

/** `null` for what is none. */
function addressOf(said: unknown): Address | null {
  const { urls, peer } = fieldsOf(said);
  const good = textsOf(urls).filter((url) => urlEndpoint(url) !== null);
  return good.length > 0 && good.length === listOf(urls).length
    ? { urls: good, peer: textOf(peer) ?? '' }
    : null;
}

/** How much of its copy a joiner has, in percent; `null` when none is under way. */
export function joinedPercent(state: Fields | null): number | null {
  const { bytes, bytesTotal } = fieldsOf(state?.transfer);
  const total = numberOf(bytesTotal) ?? 0;
  return total > 0 ? Math.min(100, Math.floor((100 * (numberOf(bytes) ?? 0)) / total)) : null;
}
