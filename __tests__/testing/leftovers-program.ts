/**
 * Plays courses of chains one after the other, and prints as a line of JSON each what was there before and what is left when it
 * was stopped. A process of its own, as Jest's handles come and go. `leftovers.test.ts` runs it.
 */
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { startChain, type TestChain } from '../../src/testing/start-chain.ts';
import { put } from './support.ts';

const COURSES: Readonly<Record<string, (chain: TestChain) => Promise<unknown>>> = {
  served: async () => {},
  'served a client, which watches and has calls under way': async (chain) => {
    const client = chain.client();
    const changes = client.watch();
    const first = changes.next();
    while (!(await isSettled(first))) await client.set('watched', 'value');
    changes.next().catch(() => {});
    chain.partition('head');
    client.increment('sum').catch(() => {});
  },
  'lost a member': (chain) => chain.kill('head'),
  'lost a member that came back': async (chain) => chain.start(await chain.kill('tail')),
  'is cut, with connections that broke in the cut': async (chain) => {
    chain.partition('tail');
    await chain.untilMembers(['n1', 'n2']);
    await chain.kill('n3');
  },
  'has a start and a write under way': async (chain) => {
    const dead = await chain.kill('tail');
    chain.start(dead).catch(() => {});
    fetch(`${chain.url}/set/other`, { method: 'PUT', body: 'value' }).catch(() => {});
  },
  'has a dial and a wait under way': async (chain) => {
    chain.partition('middle');
    chain.untilMembers(['n3']).catch(() => {});
    await chain.kill('coordinator');
  },
};

for (const [course, play] of Object.entries(COURSES)) {
  const before = await leftovers();
  const chain = await startChain();
  await put(chain, 'key', 'value');
  const running = await leftovers();
  await play(chain);
  await chain.stop();
  await settled(before);
  console.log(JSON.stringify({ course, before, running, after: await leftovers() }));
}

/** Within the time that a change takes to be told. */
function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const late = new Promise<false>((resolve) => setTimeout(resolve, 10, false));
  return Promise.race([promise.then(() => true), late]);
}

/** What of a chain could stay: handles, listeners of the process, files, a changed exit code. */
async function leftovers(): Promise<object> {
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP', 'exit', 'uncaughtException', 'unhandledRejection'];
  const listeners = names.map((name) => process.listenerCount(name));
  const files = await readdir(tmpdir());
  return { handles: process.getActiveResourcesInfo().sort(), listeners, files, exitCode: process.exitCode };
}

/** What a `fetch` of this program held is let go of a moment later. */
async function settled(before: object): Promise<void> {
  const endMs = Date.now() + 5000;
  while (JSON.stringify(await leftovers()) !== JSON.stringify(before) && Date.now() < endMs) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
