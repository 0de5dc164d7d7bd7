/**
 * Many `set`s from one program on a chain of three, all asked for at once: the time, the requests that nodes answered, and the
 * ratio to one request each, which is measured too: plain PUTs to the head, so many at a time. Prints JSON.
 *
 *   node bench/client-sets.ts [--sets 100000] [--single 10000]
 */
import { parseArgs } from 'node:util';
import { Agent, request } from 'undici';
import { Cluster } from '../__tests__/support/cluster.ts';
import { connect } from '../src/client/node.ts';

const { values } = parseArgs({
  options: { sets: { type: 'string', default: '100000' }, single: { type: 'string', default: '10000' } },
});
const SETS = Number(values.sets);
const SINGLE = Number(values.single);
/** As many as the client itself has under way. */
const SINGLE_AT_ONCE = 64;
/** Callers that each wait for one answer before they ask again. */
const LOOPS = 1000;
const VALUE = 'v'.repeat(100);

const cluster = await Cluster.make();
try {
  cluster.startAll();
  await cluster.ready();
  await using db = connect(cluster.url('n3'));
  await db.set('warm', VALUE);
  const single = await measured(SINGLE, putEach);
  const atOnce = await measured(SETS, async (count) => {
    await Promise.all(Array.from({ length: count }, (_, i) => db.set(keyOf(i), VALUE)));
  });
  const inLoops = await measured(SETS, async (count) => {
    const loop = async (from: number): Promise<void> => {
      for (let i = from; i < count; i += LOOPS) await db.set(keyOf(i), VALUE);
    };
    await Promise.all(Array.from({ length: LOOPS }, (_, from) => loop(from)));
  });
  const ratio = (one: Measured): number => Math.round((one.perSecond / single.perSecond) * 10) / 10;
  const times = { atOnce: ratio(atOnce), inLoops: ratio(inLoops) };
  console.log(JSON.stringify({ oneRequestEach: single, atOnce, inLoops, timesFaster: times }, null, 2));
} finally {
  await cluster.remove();
}

interface Measured {
  readonly sets: number;
  readonly ms: number;
  readonly perSecond: number;
  readonly requests: number;
  readonly setsPerRequest: number;
}

async function measured(count: number, make: (count: number) => Promise<void>): Promise<Measured> {
  const before = await requestsAnswered();
  const sinceMs = performance.now();
  await make(count);
  const ms = Math.round(performance.now() - sinceMs);
  const requests = (await requestsAnswered()) - before;
  return {
    sets: count,
    ms,
    perSecond: Math.round((count / ms) * 1000),
    requests,
    setsPerRequest: Math.round((count / requests) * 10) / 10,
  };
}

/** One request for each, over connections that are kept. */
async function putEach(count: number): Promise<void> {
  const dispatcher = new Agent({ connections: SINGLE_AT_ONCE, pipelining: 1 });
  const loop = async (from: number): Promise<void> => {
    for (let i = from; i < count; i += SINGLE_AT_ONCE) {
      const url = `${cluster.url('n1')}/set/${keyOf(i)}`;
      const { statusCode, body } = await request(url, { method: 'PUT', body: VALUE, dispatcher });
      const text = await body.text();
      if (statusCode >= 300) throw new Error(`PUT: ${statusCode} ${text}`);
    }
  };
  await Promise.all(Array.from({ length: SINGLE_AT_ONCE }, (_, from) => loop(from)));
  await dispatcher.close();
}

/** By all nodes, of requests that write. */
async function requestsAnswered(): Promise<number> {
  const texts = await Promise.all(
    cluster.nodes.map(async (node) => (await fetch(`${cluster.url(node)}/metrics`)).text()),
  );
  const lines = texts
    .join('\n')
    .split('\n')
    .filter((line) => /^catena_http_requests_total\{route="\/(batch|set)/.test(line));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

function keyOf(i: number): string {
  return `key-${String(i).padStart(9, '0')}`;
}
