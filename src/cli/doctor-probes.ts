import { tryConnection } from '../platform/probe-connect.ts';
import { getPage, type HttpAnswer } from '../platform/probe-http.ts';
import { isFound, type Resolved, resolveHosts } from '../platform/probe-names.ts';
import type { NetworkTrouble } from '../platform/probe-trouble.ts';
import { peerHost, peerPort, portOf, urlEndpoint } from '../protocol/addresses.ts';
import { parseTopology } from '../topology/topology.ts';
import type {
  Catena,
  CoordinatorSees,
  ProcessSeen,
  ReadSeen,
  RunningSeen,
  Topology,
  UrlFound,
  UrlSeen,
} from './doctor-seen.ts';
import { type Fields, fieldsOf, isFields, listOf, numberOf, textOf, textsOf } from './json-fields.ts';

/** How long a look-up of a name, a connection and a page may take each. */
const WITHIN_MS = 3000;
/** Most that is read of one page: what answers may be anything. */
const PAGE_CHARACTERS_MAX = 16_777_216;
/** The shortest key, which no `limits.keyBytes` refuses. It is only read. */
const READ = '/get/x';

type Answered = HttpAnswer | NetworkTrouble;
type Ask = (path: string) => Promise<Answered>;

/** Tries every URL and peer address of a topology from here, all at once; changes nothing. */
export async function probe(topology: Topology): Promise<readonly ProcessSeen[]> {
  const processes = [
    ...Object.entries(topology.nodes).map(([name, at]) => ({ kind: 'node' as const, name, ...at })),
    ...Object.entries(topology.coordinators).map(([name, at]) => ({
      kind: 'coordinator' as const,
      name,
      ...at,
    })),
  ];
  const hosts = processes.flatMap(({ urls, peer }) => [...urls.map(hostOf), peerHost(peer)]);
  const resolved = await resolveHosts(hosts, { withinMs: WITHIN_MS });
  return Promise.all(
    processes.map(async ({ kind, name, urls, peer }) => {
      const [seen, peerSeen] = await Promise.all([
        Promise.all(urls.map((url) => probeUrl(url, at(resolved, hostOf(url))))),
        probePeer(peer, at(resolved, peerHost(peer))),
      ]);
      return { kind, name, urls: seen, peer: peerSeen };
    }),
  );
}

function hostOf(url: string): string {
  return urlEndpoint(url)?.host ?? '';
}

function at(resolved: ReadonlyMap<string, Resolved>, host: string): Resolved {
  return resolved.get(host) ?? { kind: 'unknown-name', asked: false };
}

async function probePeer(address: string, resolved: Resolved): Promise<ProcessSeen['peer']> {
  if (!isFound(resolved)) return { address, addresses: [], found: resolved };
  const port = peerPort(address);
  const found = await tryConnection({ addresses: resolved, port }, { withinMs: WITHIN_MS });
  return { address, addresses: resolved.map((it) => it.address), found };
}

async function probeUrl(url: string, resolved: Resolved): Promise<UrlSeen> {
  if (!isFound(resolved)) return { url, addresses: [], found: resolved };
  const addresses = resolved.map((it) => it.address);
  const to = { addresses: resolved, port: portOf(url) };
  const options = { to, withinMs: WITHIN_MS, charactersMax: PAGE_CHARACTERS_MAX };
  const found = await whoAnswers((path) => getPage(`${url}${path}`, options));
  return { url, addresses, found };
}

async function whoAnswers(ask: Ask): Promise<UrlFound> {
  const first = await ask('/status');
  if (first.kind !== 'answer') return first;
  const said = jsonOf(first);
  const node = textOf(said.node);
  const role = textOf(said.role);
  if (first.catenaNode === null || node === null || role === null) {
    return { kind: 'stranger', what: `it answers GET /status with ${first.status}` };
  }
  const isNode = role !== 'coordinator';
  const [well, ready, topology, read] = await Promise.all([
    ask('/healthz'),
    ask('/readyz'),
    ask('/topology'),
    isNode ? ask(READ) : null,
  ]);
  return {
    kind: 'catena',
    node,
    role,
    epoch: numberOf(said.epoch) ?? 0,
    storeId: textOf(fieldsOf(said.incarnation).storeId),
    unwell: whyNot(well),
    unready: whyNot(ready),
    running: runningOf(topology),
    read: read === null ? null : readOf(read),
    sees: isNode ? null : seesOf(said),
  } satisfies Catena;
}

/** What a page that answers with a reason unless all is well says. */
function whyNot(answer: Answered): string | null {
  if (answer.kind === 'answer' && answer.status === 200) return null;
  return reasonOf(answer);
}

function readOf(answer: Answered): ReadSeen {
  if (answer.kind !== 'answer') return { kind: 'failed', reason: reasonOf(answer) };
  const { status, location } = answer;
  if (status === 200 || status === 404) return { kind: 'here' };
  if (status !== 307 || location === null) return { kind: 'failed', reason: reasonOf(answer) };
  return { kind: 'redirect', to: textOf(jsonOf(answer).node) ?? '?', location };
}

/** What a page that did not come, or was a problem (RFC 9457), says. */
function reasonOf(answer: Answered): string {
  if (answer.kind !== 'answer') return 'it did not answer that in time';
  return textOf(jsonOf(answer).detail) ?? `it answered with ${answer.status}`;
}

function runningOf(answer: Answered): RunningSeen | null {
  if (answer.kind !== 'answer' || answer.status !== 200) return null;
  const said = jsonOf(answer);
  const parsed = parseTopology(JSON.stringify(said.topology ?? null), 'the running topology');
  if (parsed.kind !== 'ok') return null;
  const { members } = fieldsOf(said.configuration);
  return {
    topology: parsed.topology,
    version: numberOf(said.version) ?? 0,
    members: listOf(members).map((member) => textOf(fieldsOf(member).node) ?? '?'),
    problem: textOf(said.problem),
  };
}

function seesOf({ waitingFor, nodes }: Fields): CoordinatorSees {
  const entries = Object.entries(fieldsOf(nodes)).map(([name, value]) => {
    const { heard, storeId } = fieldsOf(value);
    return [name, { heard: heard === true, storeId: textOf(storeId) }] as const;
  });
  return { waitingFor: textsOf(waitingFor), nodes: new Map(entries) };
}

function jsonOf({ text }: HttpAnswer): Fields {
  try {
    const value: unknown = JSON.parse(text);
    return isFields(value) ? value : {};
  } catch {
    return {};
  }
}
