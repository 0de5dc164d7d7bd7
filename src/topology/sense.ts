import type { NodeId } from '../base/ids.ts';
import { endpointKey, peerEndpoint, urlEndpoint } from '../protocol/addresses.ts';
import type { Address, Limits, Timing, Topology } from '../protocol/topology.ts';
import type { Path } from './json-text.ts';

/** What is wrong at a place of the topology, and what is expected there. */
export interface Finding {
  readonly path: Path;
  /** Whether the property's name is meant, or its value. */
  readonly at: 'value' | 'key';
  readonly message: string;
}

/** The sections whose shape is sound; the others are `undefined`, and nothing is said about them here. */
export type SoundSections = { readonly [S in keyof Topology]?: Topology[S] | undefined };

/** Most names that one message lists. */
const NAMES_TOLD_MAX = 32;

/** Everything that a schema can't say: what makes no sense though each value is well-formed. */
export function findNonsense(sections: SoundSections): Finding[] {
  const { chain, nodes, coordinators, replicas, timing, limits } = sections;
  return [
    ...(chain === undefined ? [] : chainTwice(chain)),
    ...(chain === undefined || nodes === undefined ? [] : unknownNodes(chain, nodes)),
    ...(chain === undefined || replicas === undefined ? [] : tooManyReplicas(chain, replicas)),
    ...(coordinators === undefined ? [] : notOneCoordinator(coordinators)),
    ...namesTwice(nodes ?? {}, coordinators ?? {}),
    ...addressesTwice(nodes ?? {}, coordinators ?? {}),
    ...(timing === undefined ? [] : oddTiming(timing)),
    ...(limits === undefined ? [] : oddLimits(limits)),
  ];
}

type Processes = Readonly<Record<NodeId, Address>>;

function* chainTwice(chain: readonly NodeId[]): Generator<Finding> {
  for (const [place, node] of chain.entries()) {
    const first = chain.indexOf(node);
    if (first < place) {
      yield wrong(
        ['chain', place],
        `expected each node once, found "${node}" again (first at /chain/${first})`,
      );
    }
  }
}

function* unknownNodes(chain: readonly NodeId[], nodes: Processes): Generator<Finding> {
  const known = Object.keys(nodes);
  for (const [place, node] of chain.entries()) {
    if (Object.hasOwn(nodes, node)) continue;
    const expected = known.length === 0 ? 'and there are none' : `one of ${listed(known)}`;
    yield wrong(['chain', place], `expected a node of "nodes", ${expected}; found "${node}"`);
  }
}

/** Enough to find a slip of the pen by; a bad file may hold thousands. */
function listed(names: readonly string[]): string {
  return names.length <= NAMES_TOLD_MAX
    ? names.join(', ')
    : `${names.slice(0, NAMES_TOLD_MAX).join(', ')}, and others`;
}

function* tooManyReplicas(chain: readonly NodeId[], replicas: number): Generator<Finding> {
  const nodes = new Set(chain).size;
  if (replicas <= nodes) return;
  yield wrong(['replicas'], `expected at most ${nodes}, as many as "chain" has nodes, found ${replicas}`);
}

function* notOneCoordinator(coordinators: Processes): Generator<Finding> {
  const count = Object.keys(coordinators).length;
  if (count !== 1) yield wrong(['coordinators'], `expected exactly one coordinator, found ${count}`);
}

/** Each process has a directory of its name, and there are disks that don't tell upper from lower case. */
function* namesTwice(nodes: Processes, coordinators: Processes): Generator<Finding> {
  const seen = new Map<string, string>();
  for (const { name, path } of processes(nodes, coordinators)) {
    const folded = name.toLowerCase();
    const first = seen.get(folded);
    if (first === undefined) seen.set(folded, pointerOf(path));
    else yield { path, at: 'key', message: `expected a name of its own, found "${name}", as at ${first}` };
  }
}

function* addressesTwice(nodes: Processes, coordinators: Processes): Generator<Finding> {
  const seen = new Map<string, Path>();
  for (const { address, path } of processes(nodes, coordinators)) {
    for (const place of places(address, path)) {
      const first = seen.get(place.key);
      if (first === undefined) seen.set(place.key, place.path);
      else yield wrong(place.path, sameAddress(place.text, first));
    }
  }
}

function sameAddress(text: string, first: Path): string {
  const hint = '(localhost, 127.0.0.1 and [::1] count as one host)';
  return `expected an address of its own, found ${text}, the one at ${pointerOf(first)} ${hint}`;
}

function* processes(nodes: Processes, coordinators: Processes) {
  for (const [section, all] of Object.entries({ nodes, coordinators })) {
    for (const [name, address] of Object.entries<Address>(all))
      yield { name, address, path: [section, name] };
  }
}

function* places(address: Address, path: Path) {
  for (const [place, url] of address.urls.entries()) {
    const endpoint = urlEndpoint(url);
    if (endpoint !== null) yield { text: url, key: endpointKey(endpoint), path: [...path, 'urls', place] };
  }
  const endpoint = peerEndpoint(address.peer);
  if (endpoint !== null) yield { text: address.peer, key: endpointKey(endpoint), path: [...path, 'peer'] };
}

function* oddTiming({ heartbeatMs, suspectAfterMs }: Timing): Generator<Finding> {
  if (heartbeatMs < suspectAfterMs) return;
  const message = `expected more than heartbeatMs (${heartbeatMs}), is ${suspectAfterMs}`;
  yield wrong(['timing', 'suspectAfterMs'], message);
}

function* oddLimits(limits: Limits): Generator<Finding> {
  for (const [less, more] of RISING) {
    if (limits[less] <= limits[more]) continue;
    yield wrong(['limits', more], `expected at least ${less} (${limits[less]}), is ${limits[more]}`);
  }
}

/** A value has to fit into a batch, and a batch on its way down the chain and into the store. */
const RISING = [
  ['valueBytes', 'batchBytes'],
  ['batchBytes', 'inFlightBytes'],
  ['batchBytes', 'storeBytes'],
] as const;

function wrong(path: Path, message: string): Finding {
  return { path, at: 'value', message };
}

/** The JSON pointer (RFC 6901) of a path; the empty text for the whole document. */
export function pointerOf(path: Path): string {
  return path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
