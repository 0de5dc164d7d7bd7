/**
 * How long nothing can be written when the head, a middle or the tail of a chain of three is killed (`kill -9`), under 200
 * increments a second that arrive whether or not earlier ones were answered. The killed process is started again after a
 * second, as `catena up` does. At the end the counters are read: every acknowledged increment is there once.
 *
 *   node bench/failover/main.ts [--rounds 10] [--rate 200] [--json]
 *
 * (with `node_modules/.bin` first on `PATH`)
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Cluster, until } from '../../__tests__/support/cluster.ts';
import { Load } from '../../__tests__/support/load.ts';
import { spreadOf, tableOf } from './gaps.ts';
import { reasonsText, report } from './report.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    rate: { type: 'string', default: '200' },
    json: { type: 'boolean', default: false },
  },
});
const ROUNDS = Number(values.rounds);
const RATE = Number(values.rate);
const RESTART_MS = 1000;
/** Writes flow for so long before the next kill, so that what is measured is not the kill before. */
const CALM_MS = 1000;

const ROLES = ['head', 'middle', 'tail'] as const;
type Role = (typeof ROLES)[number];

/** What issue 3 asks for, in ms: etcd 3.4 needed 1,312 by default and 310 tuned, measured in the same way. */
const GOALS: Readonly<Record<Role, { readonly median: number; readonly worst: number }>> = {
  head: { median: 200, worst: 500 },
  middle: { median: 200, worst: 500 },
  tail: { median: 350, worst: 700 },
};

/** One kill. */
interface Kill {
  readonly role: Role;
  readonly node: string;
  readonly gapMs: number;
  /** From the kill until the coordinator had chosen a chain without it. */
  readonly detectedMs: number;
  /** From there until the next write succeeded: adopting it, agreeing with the neighbour, waiting for a fence. */
  readonly resumedMs: number;
  /** Whether commits had to wait for the leases of the dropped node. */
  readonly fenced: boolean;
  readonly reason: string;
  /** From the kill until the chain had three ready members again. */
  readonly healedMs: number;
}

const cluster = await Cluster.make();
try {
  cluster.startAll();
  await cluster.ready();
  await cluster.whole(3);
  const load = new Load({ writesPerSecond: RATE, readsPerSecond: 0, counters: 16 }, () =>
    cluster.nodes.map((node) => cluster.url(node)),
  );
  load.start();
  const kills: Kill[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const role of ROLES) {
      const kill = await killOne(role, load);
      kills.push(kill);
      const { node, gapMs, detectedMs, resumedMs, healedMs, reason } = kill;
      const where = `noticed after ${detectedMs} ms, written again ${resumedMs} ms later, whole after ${healedMs} ms`;
      console.log(`${role} ${node}: gap ${gapMs} ms (${where}; ${reason})`);
    }
  }
  const tally = await load.stop();
  tell(kills, load, tally);
} finally {
  await cluster.remove();
}

async function killOne(role: Role, load: Load): Promise<Kill> {
  await sleep(CALM_MS);
  const before = await cluster.view();
  const node = nodeAt(role, before.configuration?.members.map((member) => member.node) ?? []);
  const [atMs, atWallMs] = [performance.now(), Date.now()];
  await cluster.end(node, 'SIGKILL');
  await sleep(RESTART_MS);
  cluster.start(node);
  await cluster.whole(3);
  const healedMs = performance.now() - atMs;
  await until(() => load.writes.lastMs > atMs + RESTART_MS, 'a write after the kill');
  const gapMs = load.writes.longestGapMs(atMs, atMs + healedMs);
  const epoch = before.configuration?.epoch ?? 0;
  const chosen = (await cluster.history()).find((item) => item.epoch > epoch);
  const detectedMs = chosen === undefined ? 0 : Math.max(0, Date.parse(chosen.time) - atWallMs);
  const after = await cluster.view();
  return {
    role,
    node,
    gapMs: Math.round(gapMs),
    detectedMs,
    resumedMs: Math.max(0, Math.round(gapMs) - detectedMs),
    fenced: (after.configuration?.fence ?? 0) > epoch,
    reason: chosen?.reason ?? 'nothing was chosen',
    healedMs: Math.round(healedMs),
  };
}

function nodeAt(role: Role, members: readonly string[]): string {
  const [head, middle, tail] = members;
  const node = { head, middle, tail }[role];
  if (node === undefined) throw new Error(`the chain ${members.join(', ')} has no ${role}`);
  return node;
}

function tell(kills: readonly Kill[], load: Load, tally: Awaited<ReturnType<Load['stop']>>): void {
  const roles = ROLES.map((role) => {
    const own = kills.filter((kill) => kill.role === role);
    return {
      role,
      gap: spreadOf(own.map(({ gapMs }) => gapMs)),
      detected: spreadOf(own.map(({ detectedMs }) => detectedMs)),
      resumed: spreadOf(own.map(({ resumedMs }) => resumedMs)),
      healed: spreadOf(own.map(({ healedMs }) => healedMs)),
      fenced: own.filter(({ fenced }) => fenced).length,
      goal: GOALS[role],
    };
  });
  const rows = roles.map(({ role, gap, detected, resumed, healed, fenced, goal }) => ({
    killed: role,
    times: gap.count,
    'median ms': gap.median,
    'goal median': goal.median,
    'worst ms': gap.worst,
    'goal worst': goal.worst,
    'noticed (median)': detected.median,
    'then (median)': resumed.median,
    fenced,
    'whole again (median)': healed.median,
    verdict: gap.median <= goal.median && gap.worst <= goal.worst ? 'kept' : 'MISSED',
  }));
  const { writes } = load;
  const counts = {
    acknowledged: writes.succeeded,
    unknown: writes.failed,
    notSent: writes.skipped,
    lost: tally.lost,
    doubled: tally.doubled,
    worstWriteMs: Math.round(writes.worstMs),
  };
  const text = [
    '',
    `the longest time without a successful write, ${RATE} a second, when one of three is killed:`,
    tableOf(rows),
    '',
    tableOf([counts]),
    `attempts that had to be made again: ${reasonsText(writes.reasons)}`,
  ].join('\n');
  report('failover', { text, result: { rate: RATE, roles, counts, kills }, json: values.json });
  if (tally.lost + tally.doubled > 0) process.exitCode = 1;
}
