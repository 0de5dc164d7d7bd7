import { Cluster, until } from '../support/cluster.ts';

/** Requests that wait in the sleeping node's own queue, so that it answers them before anything else. */
const WAITING_READS = 20;
const ATTEMPT_MS = 1000;
const ATTEMPTS_MAX = 500;
const ANSWER_MS_MAX = 30_000;

interface Read {
  readonly status: number;
  readonly shown: number;
  /** What was acknowledged before it began. */
  readonly atLeast: number;
}

let cluster: Cluster;
/** The newest value of the counter that a client was told. */
let acknowledged = 0;

beforeEach(() => {
  acknowledged = 0;
});
afterEach(() => cluster.remove());

/** Adds one at a node that is awake; tried again until it is acknowledged. */
async function increment(awake: readonly string[], id: string): Promise<void> {
  let last = 'no answer';
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const url = `${cluster.url(awake[attempt % awake.length] ?? '')}/increment/counter`;
    try {
      const signal = AbortSignal.timeout(ATTEMPT_MS);
      const answer = await fetch(url, { method: 'POST', headers: { 'Idempotency-Key': id }, signal });
      last = await answer.text();
      if (answer.status === 200) {
        acknowledged = (JSON.parse(last) as { value: number }).value;
        return;
      }
    } catch (error) {
      last = String(error);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`no write succeeds: ${last}`);
}

/** Asks a node itself, and follows no redirect. */
async function readAt(node: string): Promise<Read> {
  const atLeast = acknowledged;
  const answer = await fetch(`${cluster.url(node)}/get/counter`, {
    redirect: 'manual',
    headers: { Accept: 'text/plain' },
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  });
  return { status: answer.status, shown: Number(await answer.text()), atLeast };
}

/** Reads at a node one after the other, until stopped. */
function pound(node: string): { stop: () => Promise<readonly Read[]> } {
  const reads: Read[] = [];
  let over = false;
  const running = (async () => {
    while (!over) reads.push(await readAt(node));
  })();
  return {
    stop: async () => {
      over = true;
      await running;
      return reads;
    },
  };
}

/** Stops a process, writes on without it, and wakes it under reads at its own port: those, and what each must show at least. */
async function sleepAndWake(node: string): Promise<readonly Read[]> {
  const awake = cluster.nodes.filter((name) => name !== node);
  cluster.signal(node, 'SIGSTOP');
  for (let count = 0; count < 5; count++) await increment(awake, `${node}-asleep-${count}`);
  expect(await cluster.members()).not.toContain(node);
  // The system takes their connections while the process sleeps, and it answers them the moment it wakes.
  const waiting = Array.from({ length: WAITING_READS }, () => readAt(node));
  cluster.signal(node, 'SIGCONT');
  const pounding = pound(node);
  const first = await Promise.all(waiting);
  for (let count = 0; count < 5; count++) await increment(cluster.nodes, `${node}-awake-${count}`);
  await cluster.whole(3);
  return [...first, ...(await pounding.stop())];
}

test.each(['tail', 'any'])(
  'with reads "%s" a member that slept for longer than its lease shows nothing stale when it wakes (PROTOCOL.md §7)',
  async (reads) => {
    cluster = await Cluster.make(undefined, (topology) => {
      topology.reads = reads;
    });
    cluster.startAll();
    await cluster.ready();
    await increment(cluster.nodes, 'first');
    for (const node of cluster.nodes) {
      await cluster.whole(3);
      const answers = await sleepAndWake(node);
      expect(answers.length).toBeGreaterThanOrEqual(WAITING_READS);
      expect(answers.filter(({ status, shown, atLeast }) => status === 200 && shown < atLeast)).toEqual([]);
    }
    // It is the tail again, so it answers for itself, and shows the newest.
    const last = cluster.nodes.at(-1) ?? '';
    await until(async () => (await readAt(last)).status === 200, `${last} answers reads again`);
    expect(await readAt(last)).toMatchObject({ status: 200, shown: acknowledged });
  },
  180_000,
);
