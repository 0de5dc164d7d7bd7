/**
 * Every kind of edit of the topology, made by replacing the file as an editor does, under 200 increments and 200 reads a second:
 * what a client notices of each. No request should fail or have to be made again, and no gap be above 250 ms.
 *
 *   node bench/failover/edits.ts [--rate 200] [--json]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type AddressText, Cluster, type TopologyText, until } from '../../__tests__/support/cluster.ts';
import { Load } from '../../__tests__/support/load.ts';
import { tableOf } from './gaps.ts';
import { reasonsText, report } from './report.ts';

const { values } = parseArgs({
  options: { rate: { type: 'string', default: '200' }, json: { type: 'boolean', default: false } },
});
const RATE = Number(values.rate);
const GOAL_MS = 250;
const CALM_MS = 500;

/** An edit, and what tells that its last step is taken. */
interface Edit {
  readonly name: string;
  readonly change: (topology: TopologyText) => void;
  readonly chain: readonly string[];
  /** Beside the chain. */
  readonly done?: () => Promise<boolean>;
  /** Nodes whose processes have to be there first, and those that clients call from then on. */
  readonly start?: string;
  readonly called?: readonly string[];
  /** A process that is to end once the chain does without it. */
  readonly end?: string;
}

/** What was noticed of an edit. */
interface Noticed {
  readonly edit: string;
  readonly tookMs: number;
  readonly writeGapMs: number;
  readonly readGapMs: number;
  /** Attempts that had to be made again, reads and writes. */
  readonly retried: number;
  readonly failed: number;
}

const cluster = await Cluster.make();
let called: readonly string[] = cluster.nodes;
const load = new Load({ writesPerSecond: RATE, readsPerSecond: RATE, counters: 16 }, () =>
  called.map((node) => cluster.url(node)),
);
try {
  cluster.startAll();
  await cluster.ready();
  await cluster.whole(3);
  load.start();
  const noticed: Noticed[] = [];
  for (const edit of await edits()) {
    const one = await measure(edit);
    noticed.push(one);
    console.log(JSON.stringify(one));
  }
  tell(noticed, await load.stop());
} finally {
  await cluster.remove();
}

async function edits(): Promise<readonly Edit[]> {
  const n4 = await cluster.allot('n4');
  const n5 = await cluster.allot('n5');
  const reads = async (to: string) => (await cluster.view()).configuration?.reads === to;
  const timing = { heartbeatMs: 50, suspectAfterMs: 600, leaseMs: 250, stallAfterMs: 5000 };
  return [
    {
      name: 'add n4 as a fourth replica',
      change: (topology) => {
        Object.assign(topology, { replicas: 4, chain: ['n1', 'n2', 'n3', 'n4'] });
        topology.nodes.n4 = n4;
      },
      start: 'n4',
      chain: ['n1', 'n2', 'n3', 'n4'],
    },
    {
      name: 'remove n2, a middle',
      change: without('n2', ['n1', 'n3', 'n4']),
      called: ['n1', 'n3', 'n4'],
      end: 'n2',
      chain: ['n1', 'n3', 'n4'],
    },
    {
      name: 'replace n3 by n5',
      change: (topology) => {
        without('n3', ['n1', 'n5', 'n4'])(topology);
        topology.nodes.n5 = n5;
      },
      start: 'n5',
      called: ['n1', 'n4'],
      end: 'n3',
      chain: ['n1', 'n5', 'n4'],
    },
    {
      name: 'reorder: the tail becomes the head',
      change: (topology) => Object.assign(topology, { chain: ['n4', 'n1', 'n5'] }),
      called: ['n1', 'n4', 'n5'],
      chain: ['n4', 'n1', 'n5'],
    },
    {
      name: 'replicas 2: the tail leaves',
      change: (topology) => Object.assign(topology, { replicas: 2 }),
      chain: ['n4', 'n1'],
    },
    {
      name: 'replicas 3: it comes back',
      change: (topology) => Object.assign(topology, { replicas: 3 }),
      chain: ['n4', 'n1', 'n5'],
    },
    {
      name: 'remove n4, the head',
      change: (topology) => {
        without('n4', ['n1', 'n5'])(topology);
        topology.replicas = 2;
      },
      called: ['n1', 'n5'],
      end: 'n4',
      chain: ['n1', 'n5'],
    },
    { name: 'reads at any member', change: readsAt('any'), done: () => reads('any'), chain: ['n1', 'n5'] },
    {
      name: 'reads at the tail alone',
      change: readsAt('tail'),
      done: () => reads('tail'),
      chain: ['n1', 'n5'],
    },
    {
      name: 'timing: a longer lease and suspicion',
      change: (topology) => Object.assign(topology, { timing }),
      done: async () => (await cluster.view()).configuration?.leaseMs === timing.leaseMs,
      chain: ['n1', 'n5'],
    },
    {
      name: 'limits: smaller values',
      change: (topology) => Object.assign(topology, { limits: { valueBytes: 1000 } }),
      done: () => versionReached(),
      chain: ['n1', 'n5'],
    },
    moved('n5', n5),
  ];
}

/** Another name, on another network: redirects of requests that come by it lead there from then on. */
function moved(node: string, { urls, peer }: AddressText): Edit {
  const more = urls.map((url) => url.replace('localhost', `${node}.example`));
  return {
    name: `urls: another one for ${node}`,
    change: (topology) => {
      topology.nodes[node] = { urls: [...urls, ...more], peer };
    },
    done: () => versionReached(),
    chain: ['n1', 'n5'],
  };
}

function without(node: string, chain: readonly string[]): (topology: TopologyText) => void {
  return (topology) => {
    delete topology.nodes[node];
    topology.chain = [...chain];
    topology.replicas = chain.length;
  };
}

function readsAt(reads: string): (topology: TopologyText) => void {
  return (topology) => Object.assign(topology, { reads });
}

/** Whether the running topology is that of the file in what it says of limits and urls. */
async function versionReached(): Promise<boolean> {
  const { topology } = await cluster.view();
  const file = JSON.parse(await cluster.topologyText()) as TopologyText;
  const limits = { ...(topology.limits as object), ...(file.limits as object | undefined) };
  return (
    JSON.stringify(topology.limits) === JSON.stringify(limits) &&
    Object.entries(file.nodes).every(([node, { urls }]) => topology.nodes[node]?.urls.join() === urls.join())
  );
}

async function measure(edit: Edit): Promise<Noticed> {
  called = called.filter((node) => node !== edit.end);
  await sleep(CALM_MS);
  const { writes, reads } = load;
  const before = { failed: writes.failed + reads.failed, retried: attempts() };
  const fromMs = performance.now();
  await cluster.edit(edit.change);
  if (edit.start !== undefined) cluster.start(edit.start);
  await until(
    async () => (await taken(edit.chain)) && ((await edit.done?.()) ?? true),
    edit.name,
    undefined,
    60_000,
  );
  await cluster.whole(edit.chain.length);
  const toMs = performance.now();
  if (edit.end !== undefined) await cluster.end(edit.end, 'SIGTERM');
  called = edit.called ?? called;
  await until(() => writes.lastMs > toMs && reads.lastMs > toMs, 'requests behind it');
  return {
    edit: edit.name,
    tookMs: Math.round(toMs - fromMs),
    writeGapMs: Math.round(writes.longestGapMs(fromMs, toMs)),
    readGapMs: Math.round(reads.longestGapMs(fromMs, toMs)),
    retried: attempts() - before.retried,
    failed: writes.failed + reads.failed - before.failed,
  };
}

async function taken(chain: readonly string[]): Promise<boolean> {
  const { problem, configuration } = await cluster.view();
  if (problem !== null) throw new Error(`the edit was refused: ${problem}`);
  return configuration?.members.map(({ node }) => node).join() === chain.join();
}

function attempts(): number {
  return [...load.writes.reasons.values(), ...load.reads.reasons.values()].reduce(
    (sum, count) => sum + count,
    0,
  );
}

function tell(noticed: readonly Noticed[], tally: Awaited<ReturnType<Load['stop']>>): void {
  const rows = noticed.map((one) => {
    const kept = Math.max(one.writeGapMs, one.readGapMs) <= GOAL_MS && one.failed + one.retried === 0;
    return { ...one, verdict: kept ? 'kept' : 'MISSED' };
  });
  const text = [
    '',
    `edits under ${RATE} writes and ${RATE} reads a second (goal: no gap above ${GOAL_MS} ms, nothing failed or retried):`,
    tableOf(rows),
    `lost ${tally.lost}, doubled ${tally.doubled}, stale ${tally.stale}`,
    `writes made again: ${reasonsText(load.writes.reasons)}; reads: ${reasonsText(load.reads.reasons)}`,
  ].join('\n');
  report('edits', { text, result: { rate: RATE, goalMs: GOAL_MS, edits: rows, tally }, json: values.json });
}
