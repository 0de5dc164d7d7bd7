/**
 * What clients notice when the coordinator is killed (`kill -9`) and stays dead for a minute: 200 increments and 200 reads a
 * second, the longest gap of each before, during and after it.
 *
 *   node bench/failover/coordinator-down.ts [--seconds 60] [--rate 200] [--json]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Cluster } from '../../__tests__/support/cluster.ts';
import { Load } from '../../__tests__/support/load.ts';
import { tableOf } from './gaps.ts';
import { reasonsText, report } from './report.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    rate: { type: 'string', default: '200' },
    json: { type: 'boolean', default: false },
  },
});
const DOWN_MS = Number(values.seconds) * 1000;
const RATE = Number(values.rate);
/** The load is measured for so long before and after, to compare with. */
const BESIDE_MS = 10_000;

const cluster = await Cluster.make();
try {
  cluster.startAll();
  await cluster.ready();
  const load = new Load({ writesPerSecond: RATE, readsPerSecond: RATE, counters: 16 }, () =>
    cluster.nodes.map((node) => cluster.url(node)),
  );
  const epochBefore = (await cluster.view()).configuration?.epoch;
  load.start();
  // Connections are opened and code is compiled: not what is measured.
  await sleep(2000);
  const before = await gapsOver(load, 'before', () => sleep(BESIDE_MS));
  const during = await gapsOver(load, 'while it is dead', async () => {
    await cluster.end(cluster.coordinator, 'SIGKILL');
    await sleep(DOWN_MS);
  });
  const after = await gapsOver(load, 'when it is back', async () => {
    cluster.start(cluster.coordinator);
    await cluster.whole(3);
    await sleep(BESIDE_MS);
  });
  const epochAfter = (await cluster.view()).configuration?.epoch;
  const tally = await load.stop();
  const text = [
    '',
    tableOf([before, during, after]),
    `the configuration was epoch ${epochBefore}, and is epoch ${epochAfter}`,
    `lost ${tally.lost}, doubled ${tally.doubled}, stale ${tally.stale}; failed: ${load.writes.failed + load.reads.failed}`,
    `writes made again: ${reasonsText(load.writes.reasons)}; reads: ${reasonsText(load.reads.reasons)}`,
  ].join('\n');
  const result = {
    rate: RATE,
    downMs: DOWN_MS,
    gaps: [before, during, after],
    tally,
    epochBefore,
    epochAfter,
  };
  report('coordinator-down', { text, result, json: values.json });
} finally {
  await cluster.remove();
}

async function gapsOver(load: Load, when: string, work: () => Promise<void>) {
  const [fromMs, writes, reads] = [performance.now(), load.writes.succeeded, load.reads.succeeded];
  await work();
  const toMs = performance.now();
  return {
    when,
    seconds: Math.round((toMs - fromMs) / 1000),
    writes: load.writes.succeeded - writes,
    'longest gap between writes (ms)': Math.round(load.writes.longestGapMs(fromMs, toMs)),
    reads: load.reads.succeeded - reads,
    'longest gap between reads (ms)': Math.round(load.reads.longestGapMs(fromMs, toMs)),
  };
}
