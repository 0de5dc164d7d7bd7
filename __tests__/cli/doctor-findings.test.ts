import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { judge } from '../../src/cli/doctor-findings.ts';
import { reportText } from '../../src/cli/doctor-report.ts';
import type {
  Catena,
  ProcessSeen,
  ReadSeen,
  RunningSeen,
  Seen,
  Topology,
  UrlFound,
} from '../../src/cli/doctor-seen.ts';
import { type Told, tell } from '../../src/cli/doctor-words.ts';
import { redirectTarget } from '../../src/protocol/addresses.ts';
import { parseTopology } from '../../src/topology/topology.ts';

type Nodes = Readonly<Record<string, { readonly urls: readonly string[]; readonly peer: string }>>;

/** Two networks: names inside, the loopback outside; node-4 is not in the chain. */
const DOCKER = read('docker.json');
const DOCKER_NODES: Nodes = DOCKER.nodes;
const CHAIN = ['node-1', 'node-2', 'node-3'];
const UNKNOWN: UrlFound = { kind: 'unknown-name', asked: true };
const REFUSED: UrlFound = { kind: 'refused' };

/** Who answers at which URL. */
type Answers = Readonly<Record<string, string | UrlFound>>;

const NAMES: Answers = {
  'http://node-1:4466': 'node-1',
  'http://node-2:4466': 'node-2',
  'http://node-3:4466': 'node-3',
  'http://coordinator:4460': 'coordinator',
};
const PORTS: Answers = {
  'http://localhost:4466': 'node-1',
  'http://localhost:4467': 'node-2',
  'http://localhost:4468': 'node-3',
  'http://localhost:4460': 'coordinator',
};
/** The look-ups of a network in which containers have names; that of node-4 does not run. */
const KNOWN: Answers = { ...NAMES, 'http://node-4:4466': UNKNOWN };

interface Case {
  readonly view: string;
  readonly answers: Answers;
  readonly story?: Story;
  readonly use: string | null;
  readonly places?: readonly boolean[];
  /** What is wrong, and with whom. */
  readonly faults: readonly string[];
  readonly notes?: readonly string[];
}

const CASES: readonly Case[] = [
  {
    view: 'the host of containers, where ports are published',
    answers: PORTS,
    use: 'http://localhost:4466',
    places: [false, true],
    faults: [],
    notes: ['no-part node-4', 'other-place', 'peers'],
  },
  {
    view: 'a container that only asks',
    answers: KNOWN,
    use: 'http://node-1:4466',
    places: [true, false],
    faults: [],
    notes: ['no-part node-4', 'other-place', 'peers'],
  },
  {
    view: 'the container of node-1, whose own second URL leads to itself but redirects in vain',
    answers: { ...NAMES, 'http://localhost:4466': 'node-1' },
    use: 'http://node-1:4466',
    places: [true, false],
    faults: [],
    notes: ['no-part node-4', 'other-place', 'peers'],
  },
  {
    view: 'the container of node-2, where localhost is node-2 itself',
    answers: { ...NAMES, 'http://localhost:4466': 'node-2' },
    use: 'http://node-1:4466',
    faults: [],
    notes: ['no-part node-4', 'wrong-process node-1', 'other-place', 'peers'],
  },
  {
    view: 'both networks at once',
    answers: { ...NAMES, ...PORTS },
    use: 'http://node-1:4466',
    places: [true, true],
    faults: [],
    notes: ['no-part node-4', 'peers'],
  },
  {
    view: 'the spare that is not in the chain runs too',
    answers: { ...PORTS, 'http://localhost:4469': 'node-4' },
    use: 'http://localhost:4466',
    faults: [],
  },
  {
    view: 'published ports that are exchanged',
    answers: { ...PORTS, 'http://localhost:4466': 'node-2', 'http://localhost:4467': 'node-1' },
    use: null,
    faults: ['wrong-process node-1'],
  },
  {
    view: 'a published port that leads to another node, which has its own port too',
    answers: { ...PORTS, 'http://localhost:4467': 'node-1' },
    use: null,
    faults: ['wrong-process node-2'],
  },
  {
    view: 'a name that leads to another node is wrong from everywhere, whatever else serves',
    answers: { ...NAMES, ...PORTS, 'http://node-2:4466': 'node-3' },
    use: 'http://localhost:4466',
    places: [false, true],
    faults: ['wrong-process node-2'],
  },
  {
    view: 'a node where the coordinator should be, and the reverse',
    answers: { ...PORTS, 'http://localhost:4460': 'node-1', 'http://localhost:4466': 'coordinator' },
    use: null,
    faults: ['wrong-process node-1'],
  },
  {
    view: 'a node of another cluster',
    answers: {
      ...PORTS,
      'http://localhost:4467': {
        ...process('node-2', 'http://localhost:4467'),
        running: running(named('other')),
      },
    },
    use: null,
    faults: ['wrong-process node-2'],
  },
  {
    view: 'the host when a node is dead and dropped: the others serve, the chain is short',
    answers: without(PORTS, 'http://localhost:4467'),
    story: { members: ['node-1', 'node-3'], unheard: ['node-2'], waitingFor: ['node-2 is not heard'] },
    use: 'http://localhost:4466',
    places: [false, true],
    faults: ['no-answer node-2'],
    notes: ['chain-short', 'waits coordinator', 'no-part node-4', 'other-place', 'peers'],
  },
  {
    view: 'the host when the port of a running node is not published: every redirect to it is in vain',
    answers: without(PORTS, 'http://localhost:4468'),
    use: null,
    places: [false, false],
    faults: ['no-answer node-3'],
  },
  {
    view: 'the coordinator is dead: the chain serves on',
    answers: without(PORTS, 'http://localhost:4460'),
    use: 'http://localhost:4466',
    places: [false, true],
    faults: ['no-answer coordinator'],
  },
  {
    view: 'each node answers, but no place works whole',
    answers: {
      'http://node-1:4466': 'node-1',
      'http://node-2:4466': 'node-2',
      'http://localhost:4468': 'node-3',
      'http://coordinator:4460': 'coordinator',
    },
    use: null,
    places: [false, false],
    faults: ['redirect-in-vain node-3'],
  },
  {
    view: 'nothing answers',
    answers: {},
    use: null,
    places: [false, false],
    faults: ['nothing-answers'],
    notes: [],
  },
  {
    view: 'a node is not ready',
    answers: {
      ...PORTS,
      'http://localhost:4467': {
        ...process('node-2', 'http://localhost:4467'),
        unready: 'it waits for its predecessor',
      },
    },
    use: 'http://localhost:4466',
    faults: ['not-ready node-2'],
  },
  {
    view: 'a node whose disk failed, which is no more ready for that',
    answers: {
      ...PORTS,
      'http://localhost:4467': {
        ...process('node-2', 'http://localhost:4467'),
        unwell: 'the disk answered with an error',
        unready: 'the disk answered with an error',
      },
    },
    use: 'http://localhost:4466',
    faults: ['unwell node-2'],
  },
  {
    view: 'a spare that is not in the chain may be unready',
    answers: {
      ...PORTS,
      'http://localhost:4469': { ...process('node-4', 'http://localhost:4469'), unready: 'no coordinator' },
    },
    use: 'http://localhost:4466',
    faults: [],
    notes: ['other-place', 'peers', 'not-ready node-4'],
  },
  {
    view: 'a node that is still at an epoch that others had left a moment before',
    answers: {
      ...PORTS,
      'http://localhost:4468': { ...process('node-3', 'http://localhost:4468'), epoch: 2 },
    },
    story: { epochBefore: 3 },
    use: 'http://localhost:4466',
    faults: ['behind node-3'],
  },
  {
    view: 'a node that the coordinator does not hear',
    answers: PORTS,
    story: { unheard: ['node-2'] },
    use: 'http://localhost:4466',
    faults: ['unheard node-2'],
  },
  {
    view: 'a node of a second cluster with the same names',
    answers: {
      ...PORTS,
      'http://localhost:4467': { ...process('node-2', 'http://localhost:4467'), storeId: 'another' },
    },
    use: 'http://localhost:4466',
    faults: ['other-store node-2'],
  },
  {
    view: 'a coordinator that waits for what nobody else shows',
    answers: PORTS,
    story: { waitingFor: ['its register can not be saved'] },
    use: 'http://localhost:4466',
    faults: ['waits coordinator'],
  },
  {
    view: 'a chain with too few members though all nodes are well',
    answers: PORTS,
    story: { members: ['node-1', 'node-2'] },
    use: 'http://localhost:4466',
    faults: ['chain-short'],
  },
  {
    view: 'a file that is older than what runs, but reaches everything',
    answers: PORTS,
    story: {
      topology: edited((nodes) => ({ ...nodes, 'node-2': { ...at(nodes, 'node-2'), peer: 'node-2:5477' } })),
    },
    use: 'http://localhost:4466',
    faults: [],
    notes: ['no-part node-4', 'other-place', 'peers', 'stale node-2'],
  },
  {
    view: 'a running cluster that redirects to an address that the file lacks',
    answers: PORTS,
    story: {
      topology: edited((nodes) => ({
        ...nodes,
        'node-3': { ...at(nodes, 'node-3'), urls: ['http://node-3:4466', 'http://localhost:4478'] },
      })),
    },
    use: null,
    faults: ['redirect-in-vain node-3'],
  },
  {
    view: 'a running chain whose tail the file does not have at all',
    answers: PORTS,
    story: {
      members: [...CHAIN, 'node-9'],
      topology: edited((nodes) => ({
        ...nodes,
        'node-9': { urls: ['http://localhost:4499'], peer: 'node-9:5466' },
      })),
    },
    use: null,
    faults: ['redirect-in-vain node-9'],
  },
];

test.each(CASES)('$view: $faults', ({ answers, story = {}, use, places, faults, notes }) => {
  const judgement = judge(look(answers, story));
  expect(judgement.faults.map(brief)).toEqual(faults);
  expect(judgement.ok).toBe(faults.length === 0);
  expect(judgement.use?.url ?? null).toBe(use);
  if (places !== undefined) expect(judgement.places).toEqual(places);
  if (notes !== undefined) expect(judgement.notes.map(brief)).toEqual(notes);
});

test('what is wrong is always told with what to do', () => {
  const told = CASES.flatMap(({ answers, story = {} }) =>
    judge(look(answers, story)).faults.map((it) => tell(it, 'f.json')),
  );
  expect(told.filter(({ todo }) => todo === null)).toEqual([]);
});

test('all is well only where a redirect from the URL to use leads to everybody who may be the tail or the head', () => {
  const names = [...CHAIN, 'node-4', 'coordinator'];
  const all = [...Object.values(DOCKER.nodes), ...Object.values(DOCKER.coordinators)].flatMap(
    ({ urls }) => urls,
  );
  const anywhere = fc.record(
    Object.fromEntries(
      all.map((url) => [url, fc.constantFrom<string | UrlFound>(REFUSED, ownerOf(url), ...names)]),
    ),
  );
  const likely = anywhere.map((answers) => ({ ...PORTS, ...answers }));
  const mostly = fc
    .tuple(likely, fc.subarray(all))
    .map(([answers, kept]) => ({ ...NAMES, ...PORTS, ...pick(answers, kept.slice(0, 4)) }));
  fc.assert(
    fc.property(fc.oneof(anywhere, mostly), (answers) => {
      const { ok, use, faults } = judge(look(answers));
      if (!ok) return expect(faults.length).toBeGreaterThan(0);
      const owner = ownerOf(use?.url ?? '');
      expect(answers[use?.url ?? '']).toBe(owner);
      for (const to of CHAIN.filter((name) => name !== owner)) {
        const [from, target] = [DOCKER_NODES[owner], DOCKER_NODES[to]];
        if (from === undefined || target === undefined) throw new Error(`${owner} or ${to} is no node`);
        const url = redirectTarget({ from, to: target, host: URL.parse(use?.url ?? '')?.host });
        expect({ url, leadsTo: answers[url] }).toEqual({ url, leadsTo: to });
      }
    }),
    { numRuns: 500 },
  );
});

describe('in words', () => {
  test('the host of containers is told which URL to use, and that names of another network are normal', () => {
    const seen = look(PORTS);
    const lines = text(seen).split('\n');
    expect(lines).toContain("node-1       http://node-1:4466       the name node-1 isn't known here");
    expect(lines).toContain('             http://localhost:4466    ok: head, epoch 3');
    expect(lines).toContain("             peer node-1:5466         the name node-1 isn't known here");
    expect(lines.at(-1)).toBe(
      'From here, use http://localhost:4466 (the second URL of every node): curl -L follows each redirect to there. ' +
        'Any other node does as well.',
    );
    expect(text(seen)).toContain('the first URLs have names of another network');
    expect(text(seen)).not.toContain('Wrong:');
  });

  test('a container is told which of its own URLs redirects in vain', () => {
    const seen = look({ ...NAMES, 'http://localhost:4466': 'node-1' });
    expect(text(seen)).toContain("but don't use http://localhost:4466 here");
    expect(text(seen)).toContain('From here, use http://node-1:4466 (the first URL of every node)');
  });

  test('a container whose localhost is itself is told that this is normal', () => {
    const seen = look({ ...NAMES, 'http://localhost:4466': 'node-2' });
    expect(text(seen)).toContain('leads to the node node-2: normal inside its container');
  });

  test('URLs that are exchanged are told once, with both names', () => {
    const exchanged = { 'http://localhost:4466': 'node-2', 'http://localhost:4467': 'node-1' };
    const told = wrongs(look({ ...PORTS, ...exchanged }));
    expect(told.map((it) => it.text)).toEqual([
      'the URLs of node-1 and node-2 are exchanged: http://localhost:4466 leads to node-2',
    ]);
    expect(told[0]?.todo).toContain('exchange');
  });

  test('a redirect in vain is told with where from, where to, why and where the node answers', () => {
    const { 'http://node-3:4466': _, ...rest } = NAMES;
    const [told] = wrongs(look({ ...rest, 'http://localhost:4468': 'node-3' }));
    expect(told?.text).toBe(
      'http://node-1:4466 and http://node-2:4466 would redirect you to node-3 at http://node-3:4466, ' +
        "and there: the name node-3 isn't known here",
    );
    expect(told?.todo).toContain('(node-3 answers at http://localhost:4468)');
  });

  test('a list that is too short is told as the reason', () => {
    const third = (name: string) => [...(DOCKER_NODES[name]?.urls ?? []), `http://lan-${name}:4466`];
    const file = edited((nodes) => ({
      ...nodes,
      'node-1': { ...at(nodes, 'node-1'), urls: third('node-1') },
      'node-2': { ...at(nodes, 'node-2'), urls: third('node-2') },
      'node-4': { ...at(nodes, 'node-4'), urls: third('node-4') },
    }));
    const answers = {
      'http://lan-node-1:4466': 'node-1',
      'http://lan-node-2:4466': 'node-2',
      'http://lan-node-4:4466': 'node-4',
      'http://localhost:4468': 'node-3',
      'http://localhost:4460': 'coordinator',
    };
    const told = wrongs(look(answers, { file, topology: file }));
    expect(told.find(({ text }) => text.includes('redirect you to node-3'))?.todo).toBe(
      "give node-3 a third URL in f.json, of the same network as the others' third (node-3 answers at http://localhost:4468)",
    );
  });

  test('a dead node is to be started; one that runs but is not published is to be published', () => {
    const [dead] = wrongs(
      look(without(PORTS, 'http://localhost:4467'), { members: ['node-1', 'node-3'], unheard: ['node-2'] }),
    );
    expect(dead?.todo).toMatch(/^start it \(catena node node-2 --topology f\.json/);
    const [unpublished] = wrongs(look(without(PORTS, 'http://localhost:4468')));
    expect(unpublished?.text).toContain('it runs, as the coordinator hears it');
    expect(unpublished?.todo).toMatch(/^publish its port so that http:\/\/localhost:4468 leads to it/);
  });

  test('a container without a name beside others that have one is told as one that does not run', () => {
    const [told] = wrongs(
      look(without(NAMES, 'http://node-2:4466'), { members: ['node-1', 'node-3'], unheard: ['node-2'] }),
    );
    expect(told?.todo).toContain("a container that doesn't run has no name");
  });

  test('a difference between file and cluster is told with both sides and who has it', () => {
    const topology = edited((nodes) => ({
      ...nodes,
      'node-2': { ...at(nodes, 'node-2'), peer: 'node-2:5477' },
    }));
    expect(text(look(PORTS, { topology }))).toContain(
      'the running cluster (as node-1, node-2, node-3, coordinator have it) has node-2 with the peer address ' +
        'node-2:5477; the file says node-2:5466',
    );
  });

  test('what others say does not steer the terminal', () => {
    const unready = 'red: \u001b[31m, back: \r';
    const node2 = { ...process('node-2', 'http://localhost:4467'), unready };
    expect(text(look({ ...PORTS, 'http://localhost:4467': node2 }))).toContain('red:  [31m, back:  ');
  });

  test('sentences are folded for a terminal, rows are not wider than it', () => {
    const seen = look(PORTS);
    const folded = reportText({ seen, judgement: judge(seen) }, { file: 'f.json', columns: 80 });
    expect(Math.max(...folded.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});

/** What is so in a cluster, beside who answers where. */
interface Story {
  readonly file?: Topology;
  /** With which all run; the file unless given. */
  readonly topology?: Topology;
  readonly members?: readonly string[];
  /** Nodes that the coordinator does not hear. */
  readonly unheard?: readonly string[];
  readonly waitingFor?: readonly string[];
  readonly epochBefore?: number;
}

/** Tries every address of the file in a world where these answer; other names are not known, other ports refuse. */
function look(answers: Answers, story: Story = {}): Seen {
  const { file = DOCKER, epochBefore = null } = story;
  const all = [
    ...Object.entries(file.nodes).map(([name, address]) => ({ kind: 'node' as const, name, ...address })),
    ...Object.entries(file.coordinators).map(([name, address]) => ({
      kind: 'coordinator' as const,
      name,
      ...address,
    })),
  ];
  const processes = all.map(
    ({ kind, name, urls, peer }): ProcessSeen => ({
      kind,
      name,
      urls: urls.map((url) => {
        const local = url.includes('localhost');
        const answer = answers[url] ?? (local ? REFUSED : UNKNOWN);
        const found = typeof answer === 'string' ? process(answer, url, story) : answer;
        return { url, addresses: local ? ['127.0.0.1'] : [], found };
      }),
      peer: { address: peer, addresses: [], found: { kind: 'unknown-name', asked: true } },
    }),
  );
  return { file, processes, epochBefore };
}

/** A process that is well, as it answers at that URL. */
function process(name: string, url = '', story: Story = {}): Catena {
  const { members = CHAIN, topology = story.file ?? DOCKER, unheard = [], waitingFor = [] } = story;
  const at = members.indexOf(name);
  const role = name === 'coordinator' ? name : (['head', 'middle', 'tail'][at] ?? 'spare');
  const heard = Object.keys(topology.nodes).map(
    (node) =>
      [node, { heard: !unheard.includes(node) && node !== 'node-4', storeId: `store of ${node}` }] as const,
  );
  return {
    kind: 'catena',
    node: name,
    role,
    epoch: 3,
    storeId: name === 'coordinator' ? null : `store of ${name}`,
    unwell: null,
    unready: null,
    running: running(topology, members),
    read: name === 'coordinator' ? null : readAt(name, { url, topology, members }),
    sees: name === 'coordinator' ? { waitingFor, nodes: new Map(heard) } : null,
  };
}

function readAt(
  name: string,
  { url, topology, members }: { url: string; topology: Topology; members: readonly string[] },
): ReadSeen {
  const to = members.at(-1) ?? '';
  if (to === name) return { kind: 'here' };
  const nodes: Nodes = topology.nodes;
  const [from, target] = [nodes[name], nodes[to]];
  if (from === undefined || target === undefined) return { kind: 'failed', reason: 'it has no address' };
  const base = redirectTarget({ from, to: target, host: URL.parse(url)?.host });
  return { kind: 'redirect', to, location: `${base}/get/x` };
}

function running(topology: Topology, members: readonly string[] = CHAIN): RunningSeen {
  return { topology, version: 1, members, problem: null };
}

function edited(edit: (nodes: Nodes) => Nodes): Topology {
  return { ...DOCKER, nodes: edit(DOCKER.nodes) };
}

function named(name: string): Topology {
  return { ...DOCKER, name };
}

function at(nodes: Nodes, name: string): Nodes[string] {
  const address = nodes[name];
  if (address === undefined) throw new Error(`${name} is not in the file`);
  return address;
}

/** Who is to answer at a URL, by the file. */
function ownerOf(url: string): string {
  const all = Object.entries({ ...DOCKER.nodes, ...DOCKER.coordinators } as Nodes);
  return all.find(([, { urls }]) => urls.includes(url))?.[0] ?? '';
}

function pick(answers: Answers, urls: readonly string[]): Answers {
  return Object.fromEntries(Object.entries(answers).filter(([url]) => urls.includes(url)));
}

function without(answers: Answers, url: string): Answers {
  return Object.fromEntries(Object.entries(answers).filter(([it]) => it !== url));
}

function read(name: string): Topology {
  const text = readFileSync(new URL(`../../topology/${name}`, import.meta.url), 'utf8');
  const parsed = parseTopology(text, name);
  if (parsed.kind !== 'ok') throw new Error(`${name} is bad`);
  return parsed.topology;
}

function brief(finding: ReturnType<typeof judge>['faults'][number]): string {
  const who = 'process' in finding ? finding.process.name : 'to' in finding ? finding.to : '';
  return `${finding.kind} ${who}`.trim();
}

function wrongs(seen: Seen): readonly Told[] {
  return judge(seen).faults.map((finding) => tell(finding, 'f.json'));
}

function text(seen: Seen): string {
  return reportText({ seen, judgement: judge(seen) }, { file: 'f.json', columns: Number.POSITIVE_INFINITY });
}
