/** The client while nodes of a chain of real processes die, freeze and come back: a delay and never a doubt. */
import { OutcomeUnknown, Unavailable } from '../../src/client/errors.ts';
import { connect } from '../../src/client/node.ts';
import type { Catena } from '../../src/client/types.ts';
import { Cluster, until } from '../support/cluster.ts';

const CALLERS = 100;

let cluster: Cluster;
let db: Catena;

beforeEach(async () => {
  cluster = await Cluster.make();
  cluster.startAll();
  await cluster.ready();
  db = connect(cluster.url('n3'));
  await db.set('warm', 1);
}, 60_000);

afterEach(async () => {
  await db.close();
  await cluster.remove();
});

/** Increments by many callers at once, each again as soon as it was answered. */
class Counting {
  readonly answers: number[] = [];
  readonly failures: unknown[] = [];
  #goesOn = true;
  readonly #callers: readonly Promise<void>[];

  constructor(key: string) {
    this.#callers = Array.from({ length: CALLERS }, () => this.#call(key));
  }

  async end(): Promise<void> {
    this.#goesOn = false;
    await Promise.all(this.#callers);
  }

  async #call(key: string): Promise<void> {
    while (this.#goesOn) {
      try {
        this.answers.push(await db.increment(key));
      } catch (error) {
        this.failures.push(error);
      }
    }
  }
}

async function answersMore(counting: Counting): Promise<void> {
  const soFar = counting.answers.length;
  await until(
    () => counting.answers.length > soFar + 2 * CALLERS,
    'answers',
    () => String(counting.failures[0]),
  );
}

/** Every call was answered, and no increment was lost or made twice: the answers are 1, 2, 3 … each once. */
async function expectExact(counting: Counting, key: string): Promise<void> {
  expect(counting.failures).toEqual([]);
  expect(counting.answers.toSorted((a, b) => a - b)).toEqual(counting.answers.map((_, i) => i + 1));
  expect(await db.get(key)).toBe(String(counting.answers.length));
}

test('the head is killed under 100 concurrent calls: each gets its answer, and increments add up', async () => {
  const counting = new Counting('count');
  await answersMore(counting);
  await cluster.end('n1', 'SIGKILL');
  await until(async () => (await cluster.members())[0] === 'n2', 'another head');
  await answersMore(counting);
  await counting.end();
  await expectExact(counting, 'count');
}, 60_000);

test('the head freezes under 100 concurrent calls: each gets its answer, also when it thaws', async () => {
  const counting = new Counting('count');
  await answersMore(counting);
  cluster.signal('n1', 'SIGSTOP');
  await until(async () => (await cluster.members())[0] === 'n2', 'another head');
  await answersMore(counting);
  cluster.signal('n1', 'SIGCONT');
  await until(async () => (await cluster.members()).length === 3, 'the thawed one in its new place');
  await answersMore(counting);
  await counting.end();
  await expectExact(counting, 'count');
}, 60_000);

test('the tail is killed under concurrent reads: each gets its answer, as fresh as what was written before', async () => {
  let written = 0;
  let goesOn = true;
  const stale: string[] = [];
  let reads = 0;
  const reader = async (): Promise<void> => {
    while (goesOn) {
      const atLeast = written;
      const seen = Number((await db.get('fresh')) ?? 0);
      reads += 1;
      if (seen < atLeast) stale.push(`${seen} behind ${atLeast}`);
    }
  };
  const readers = Array.from({ length: 20 }, reader);
  const writer = async (): Promise<void> => {
    while (goesOn) written = await db.increment('fresh');
  };
  const writing = writer();
  await until(() => reads > 100, 'reads');
  await cluster.end('n3', 'SIGKILL');
  await until(async () => (await cluster.members()).length === 2, 'the chain without it');
  const soFar = [reads, written];
  await until(() => reads > (soFar[0] ?? 0) + 100 && written > (soFar[1] ?? 0) + 10, 'more reads and writes');
  goesOn = false;
  await Promise.all([...readers, writing]);
  expect(stale).toEqual([]);
}, 60_000);

test('a client that knew one node only finds the others, and back when all have moved', async () => {
  await cluster.end('n3', 'SIGKILL');
  expect(await db.increment('moves')).toBe(1);
  cluster.start('n3');
  await cluster.whole(3);
  await cluster.end('n1', 'SIGKILL');
  expect(await db.increment('moves')).toBe(2);
}, 60_000);

test('when nobody answers, a read is unavailable, a write that was sent is of unknown outcome, one that was not had no effect', async () => {
  for (const name of ['n1', 'n2', 'n3']) cluster.signal(name, 'SIGSTOP');
  const [read, write] = await Promise.allSettled([
    db.get('warm', { deadlineMs: 700 }),
    db.set('warm', 2, { deadlineMs: 700 }),
  ]);
  expect(read).toMatchObject({ reason: { name: 'Unavailable', code: 'UNAVAILABLE' } });
  expect(write).toMatchObject({
    reason: { name: 'OutcomeUnknown', requestId: expect.stringMatching(/^\w+-\w+$/) },
  });
  await cluster.endAll('SIGKILL');
  // What was sent while they were frozen is over; the refusal of a dead process is certain.
  await using late = connect(cluster.url('n1'), { deadlineMs: 500 });
  const error = await late.set('warm', 3).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(Unavailable);
  expect(error).not.toBeInstanceOf(OutcomeUnknown);
  expect(String(error)).toMatch(/had no effect.*500 ms.*ECONNREFUSED/);
}, 60_000);

test('a call is given up with the reason of its signal, and the others of its batch go on', async () => {
  cluster.signal('n1', 'SIGSTOP');
  const giveUp = new AbortController();
  const reason = new Error('no longer wanted');
  const given = db.set('given up', 1, { signal: giveUp.signal });
  const kept = db.set('kept', 1);
  const large = db.set('large', 'x'.repeat(100_000), { signal: giveUp.signal });
  giveUp.abort(reason);
  await expect(given).rejects.toBe(reason);
  await expect(large).rejects.toBe(reason);
  await expect(db.set('too late', 1, { signal: giveUp.signal })).rejects.toBe(reason);
  expect(await kept).toMatchObject({ created: true });
  expect(await db.get('too late')).toBeUndefined();
}, 60_000);
