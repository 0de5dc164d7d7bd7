import { Cluster, until } from '../support/cluster.ts';
import { curl } from '../support/curl.ts';
import { Load } from '../support/load.ts';

const EXACT = { lost: 0, doubled: 0, stale: 0 };

let cluster: Cluster;
const loads: Load[] = [];

async function startCluster(edit?: (topology: Record<string, unknown>) => void): Promise<void> {
  cluster = await Cluster.make(undefined, edit);
  cluster.startAll();
  await cluster.ready();
}

afterEach(async () => {
  await Promise.all(loads.splice(0).map((clients) => clients.abandon()));
  await cluster.remove();
});

/** 100 writes and 100 reads a second at any node. */
function load(): Load {
  const started = new Load({ writesPerSecond: 100, readsPerSecond: 100, counters: 8 }, () =>
    cluster.nodes.map((node) => cluster.url(node)),
  );
  loads.push(started);
  started.start();
  return started;
}

/** Waits until so many more writes have been acknowledged. */
async function writesGoOn({ writes }: Load, count = 50): Promise<void> {
  const before = writes.succeeded;
  await until(() => writes.succeeded >= before + count, `${count} more acknowledged writes`);
}

async function epochNow(): Promise<number> {
  return (await cluster.view()).configuration?.epoch ?? 0;
}

async function counter(key: string): Promise<unknown> {
  const { body } = await curl('-L', '-H', 'Accept: text/plain', `${cluster.url('n2')}/get/${key}`);
  return Number(body);
}

describe('kill -9 of one member under increments and reads (PROTOCOL.md §6)', () => {
  beforeEach(() => startCluster(), 60_000);

  test.each([
    ['head', 0],
    ['middle', 1],
    ['tail', 2],
  ])(
    'of the %s loses and doubles nothing, shows nothing stale, and the chain heals to three',
    async (_, place) => {
      const clients = load();
      await writesGoOn(clients);
      const victim = (await cluster.whole(3))[place] ?? '';
      await cluster.end(victim, 'SIGKILL');
      await writesGoOn(clients);
      expect(await cluster.members()).not.toContain(victim);
      cluster.start(victim);
      const members = await cluster.whole(3);
      await writesGoOn(clients);
      expect(members.at(-1)).toBe(victim);
      expect(await clients.stop()).toEqual(EXACT);
      expect(clients.writes.failed).toBe(0);
      const reasons = (await cluster.history()).map(({ reason }) => reason).join('\n');
      expect(reasons).toContain(victim);
    },
    120_000,
  );

  test('of one after the other, then of the last one: each time what is left serves alone, and all come back', async () => {
    const clients = load();
    await writesGoOn(clients);
    const [first = '', second = '', third = ''] = await cluster.whole(3);
    await cluster.end(first, 'SIGKILL');
    await cluster.whole(2);
    await cluster.end(second, 'SIGKILL');
    await cluster.whole(1);
    await writesGoOn(clients);
    expect(await cluster.members()).toEqual([third]);
    await cluster.end(third, 'SIGKILL');
    for (const node of cluster.nodes) cluster.start(node);
    const members = await cluster.whole(3);
    await writesGoOn(clients);
    // What it wrote alone is on no other disk.
    expect(members[0]).toBe(third);
    expect(await clients.stop()).toEqual(EXACT);
  }, 120_000);

  test('of two at once leaves one that serves alone, and both come back', async () => {
    const clients = load();
    await writesGoOn(clients);
    const [first = '', , third = ''] = await cluster.whole(3);
    await Promise.all([cluster.end(first, 'SIGKILL'), cluster.end(third, 'SIGKILL')]);
    await writesGoOn(clients);
    cluster.start(first);
    cluster.start(third);
    await cluster.whole(3);
    await writesGoOn(clients);
    expect(await clients.stop()).toEqual(EXACT);
  }, 120_000);

  test('of everything in the middle of a reconfiguration: it comes back by itself', async () => {
    const clients = load();
    await writesGoOn(clients);
    const before = await epochNow();
    const [, middle = ''] = await cluster.whole(3);
    await cluster.end(middle, 'SIGKILL');
    await until(async () => (await epochNow()) > before, 'the next configuration');
    await cluster.endAll('SIGKILL');
    cluster.startAll();
    await cluster.whole(3);
    await writesGoOn(clients);
    expect(await clients.stop()).toEqual(EXACT);
  }, 120_000);

  test('of the coordinator stops neither reads nor writes, and it goes on where it was', async () => {
    const clients = load();
    await writesGoOn(clients);
    const before = await epochNow();
    await cluster.end(cluster.coordinator, 'SIGKILL');
    await writesGoOn(clients, 200);
    cluster.start(cluster.coordinator);
    await cluster.whole(3);
    expect(await epochNow()).toBe(before);
    expect(await clients.stop()).toEqual(EXACT);
    expect([...clients.writes.reasons, ...clients.reads.reasons]).toEqual([]);
  }, 120_000);
});

describe('a write that is in flight at a head when it loses its place (PROTOCOL.md §8)', () => {
  /** Quick enough for a test, and slow enough for its steps to come before somebody is suspected. */
  const slowSuspicion = (topology: Record<string, unknown>) => {
    topology.timing = { heartbeatMs: 50, suspectAfterMs: 2000, leaseMs: 200, stallAfterMs: 10_000 };
  };
  const received = async (node: string) => Number((await cluster.status(node)).received);

  beforeEach(() => startCluster(slowSuspicion), 60_000);

  test('is sent on by the deposed head under its id, so that curl -L writes once', async () => {
    const [head = '', middle = '', tail = ''] = await cluster.whole(3);
    const before = await received(middle);
    cluster.signal(tail, 'SIGSTOP');
    const answer = curl('-L', '-X', 'POST', `${cluster.url(head)}/increment/once`);
    await until(async () => (await received(middle)) > before, 'the write at the middle');
    // It is on two disks and not committed: the tail is silent. Now the head sleeps too, and the middle goes on alone.
    cluster.signal(head, 'SIGSTOP');
    await until(async () => (await cluster.members()).join() === middle, 'a chain of the middle alone');
    await until(
      async () => (await cluster.status(middle)).committed === before + 1,
      'the write committed there',
    );
    cluster.signal(head, 'SIGCONT');
    const { status, headers, body } = await answer;
    expect(headers).toMatch(/^HTTP\/1.1 307[\s\S]*^location: [^\r\n]*[?&]request-id=/im);
    expect(headers).toMatch(/^idempotent-replay: true/im);
    expect({ status, ...JSON.parse(body) }).toMatchObject({ status: 200, value: 1 });
    cluster.signal(tail, 'SIGCONT');
    await cluster.whole(3);
    expect(await counter('once')).toBe(1);
  }, 120_000);

  test('whose node dies under it is written once by curl --retry with an Idempotency-Key', async () => {
    const [head = '', middle = '', tail = ''] = await cluster.whole(3);
    const before = await received(middle);
    cluster.signal(tail, 'SIGSTOP');
    const answer = curl(
      ...['-L', '--retry', '9', '--retry-all-errors', '-X', 'POST', '-H', 'Idempotency-Key: only-once'],
      `${cluster.url(head)}/increment/once`,
    );
    await until(async () => (await received(middle)) > before, 'the write at the middle');
    await cluster.end(head, 'SIGKILL');
    cluster.signal(tail, 'SIGCONT');
    cluster.start(head);
    const { exitCode, status, body } = await answer;
    expect({ exitCode, status }).toEqual({ exitCode: 0, status: 200 });
    expect(JSON.parse(body)).toMatchObject({ value: 1 });
    await cluster.whole(3);
    expect(await counter('once')).toBe(1);
  }, 120_000);
});

describe("the operator's way out (docs/operations.md)", () => {
  beforeEach(() => startCluster(), 60_000);

  test('a chain is forced from a named survivor when the others are gone for good', async () => {
    const [first = '', second = '', third = ''] = await cluster.whole(3);
    await curl('-L', '-X', 'PUT', '-d', 'kept', `${cluster.url(first)}/set/key`);
    // The chain shrinks to the first, writes go on, and then its disk burns: the others are not ready, so they are not taken.
    await Promise.all([cluster.end(second, 'SIGKILL'), cluster.end(third, 'SIGKILL')]);
    await cluster.whole(1);
    await cluster.end(first, 'SIGKILL');
    cluster.start(second);
    const where = `${cluster.url(cluster.coordinator)}/force?survivor=${second}`;
    expect((await fetch(where, { method: 'POST' })).status).toBe(400);
    let last = '';
    const force = async () => {
      const answer = await fetch(`${where}&confirm=data-may-be-lost`, { method: 'POST' });
      last = `${answer.status} ${await answer.text()}`;
      return answer.status === 200;
    };
    await until(force, 'forced, once the survivor is heard', () => last);
    await until(async () => (await cluster.members())[0] === second, `${second} as the head`);
    await cluster.whole(1);
    const read = await curl('-L', '-H', 'Accept: text/plain', `${cluster.url(second)}/get/key`);
    expect(read).toMatchObject({ status: 200, body: 'kept' });
    expect((await cluster.history()).at(-1)?.reason).toMatch(/forced|operator/i);
  }, 120_000);
});
