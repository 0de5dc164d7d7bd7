import { requestId } from '../../src/base/ids.ts';
import { Prng } from '../../src/base/prng.ts';
import type { WriteReply } from '../../src/replica/events.ts';
import { SimClient } from '../../src/simulator/client.ts';
import type { Call } from '../../src/simulator/history.ts';
import { checkHistory } from '../../src/simulator/linearizability.ts';
import { Scheduler } from '../../src/simulator/scheduler.ts';
import { type ClientPlan, type PlannedAsk, planClients, type Wish } from '../../src/simulator/workload.ts';
import { CorrectChain, type Fate, play } from '../support/correct-chain.ts';
import { fakeConfiguration } from '../support/fake-node-service.ts';

const get = (key: string): Wish => ({ kind: 'single', operation: { op: 'get', key } });
const increment = (key = 'k'): Wish => ({ kind: 'single', operation: { op: 'increment', key, by: 1 } });
const set = (key: string, text: string, condition: 'seen' | null = null): Wish => ({
  kind: 'single',
  operation: { op: 'set', key, text, bytesMin: 0, ttlMs: null, condition },
});

/** Asked at n1, the head, unless told otherwise. */
const ask = (wish: Wish, more: Partial<PlannedAsk> = {}): Omit<PlannedAsk, 'number'> => ({
  pauseMs: 10,
  place: 0,
  reusesId: false,
  wish,
  ...more,
});

function planOf(asks: readonly Omit<PlannedAsk, 'number'>[], traits: Partial<ClientPlan> = {}): ClientPlan {
  return {
    name: 'c1',
    patienceMs: 100,
    attemptsMax: 4,
    givesIds: true,
    latencyMs: 2,
    lossRate: 0,
    lateRate: 0,
    asks: asks.map((one, at) => ({ ...one, number: at + 1 })),
    ...traits,
  };
}

/** A client in a world of its own; `play` runs the world until nothing is due, or as long as is said. */
function worldOf(plan: ClientPlan, fates: Fate[] = []) {
  const scheduler = new Scheduler();
  const host = new CorrectChain();
  host.fates = fates;
  const history: Call[] = [];
  const client = new SimClient(plan, {
    host,
    scheduler,
    prng: new Prng(1),
    record: (call) => history.push(call),
  });
  client.start();
  return { scheduler, host, history, client, play: (untilMs = Infinity) => play(scheduler, untilMs) };
}

const resultsOf = ({ answer }: Call) => (answer?.told.kind === 'done' ? answer.told.results : null);
const counted = (history: readonly Call[]) =>
  history.map((call) => resultsOf(call)?.map((result) => 'value' in result && result.value));
const storedIn = (host: CorrectChain, key = 'k') => host.shared.store.get(key)?.value.bytes;

describe('a client', () => {
  test('asks one thing after the other, and tells when each was called and answered', async () => {
    const plan = planOf([ask(set('k', 'one')), ask(get('k'), { place: 2 }), ask(increment('n'))]);
    const { history, client, play } = worldOf(plan);
    await play();
    expect(history.map(({ asked }) => asked.kind === 'operations' && asked.operations[0]?.op)).toEqual([
      'set',
      'get',
      'increment',
    ]);
    expect(history.map(resultsOf)).toEqual([
      [{ kind: 'set', created: true }],
      [{ kind: 'got', record: { bytes: 'one', contentType: '', version: 1 } }],
      [{ kind: 'incremented', value: 1 }],
    ]);
    let beforeMs = 0;
    for (const { client: name, calledAtMs, answer } of history) {
      expect(name).toBe('c1');
      expect(calledAtMs).toBeGreaterThanOrEqual(beforeMs + 10);
      // Two ways of half to one and a half latencies each.
      expect(answer?.atMs).toBeGreaterThanOrEqual(calledAtMs + 2);
      expect(answer?.atMs).toBeLessThanOrEqual(calledAtMs + 6);
      beforeMs = answer?.atMs ?? Infinity;
    }
    expect(client.idle).toBe(true);
  });

  test('asks the node next that answered last, each for reads and writes', async () => {
    const anywhere = { place: null };
    const plan = planOf([
      ask(increment()),
      ask(get('k'), { place: 2 }),
      ask(increment(), anywhere),
      ask(get('k'), anywhere),
    ]);
    const { host, play } = worldOf(plan);
    await play();
    expect(host.visited).toEqual(['n1', 'n3', 'n1', 'n3']);
  });

  test('makes conditions of the version that it saw last', async () => {
    const plan = planOf([
      ask(set('k', 'one', 'seen')),
      ask(increment('other')),
      ask(set('k', 'two', 'seen')),
      ask(set('k', 'three', 'seen')),
    ]);
    const { host, history, play } = worldOf(plan);
    await play(30);
    host.shared.write(
      { kind: 'single', operation: { op: 'delete', key: 'k', condition: null } },
      'of another client',
    );
    await play();
    const versions = host.head.writes.map(({ command }) =>
      command.kind === 'single' && command.operation.op === 'set' ? command.operation.condition : null,
    );
    expect(versions[0]).toEqual({ kind: 'version', version: 0 });
    expect(versions[2]).toEqual({ kind: 'version', version: 1 });
    expect(history[2]?.answer?.told).toMatchObject({
      kind: 'refused',
      code: 'PRECONDITION_FAILED',
      version: 0,
    });
    expect(versions[3]).toEqual({ kind: 'version', version: 0 });
    expect(storedIn(host)).toBe('three');
  });

  test('reads a page on from where the last one ended', async () => {
    const page: Wish = { kind: 'page', prefix: 'p/', limit: 1, goesOn: true };
    const atTail = { place: 2 };
    const plan = planOf([ask(set('p/1', 'a')), ask(set('p/2', 'b')), ask(page, atTail), ask(page, atTail)]);
    const { history, play } = worldOf(plan);
    await play();
    expect(history.slice(2).map(({ asked, answer }) => [asked, answer?.told])).toEqual([
      [
        { kind: 'page', prefix: 'p/', after: null, limit: 1 },
        { kind: 'page', keys: [{ key: 'p/1', version: 1 }], next: 'p/1' },
      ],
      [
        { kind: 'page', prefix: 'p/', after: 'p/1', limit: 1 },
        { kind: 'page', keys: [{ key: 'p/2', version: 2 }], next: null },
      ],
    ]);
  });

  test('fills a large value up', async () => {
    const large: Wish = {
      kind: 'single',
      operation: { op: 'set', key: 'k', text: 'c1.1', bytesMin: 20_000, ttlMs: null, condition: null },
    };
    const { host, play } = worldOf(planOf([ask(large)]));
    await play();
    expect(storedIn(host)).toHaveLength(20_000);
    expect(storedIn(host)).toMatch(/^c1\.1\.+$/);
  });
});

describe('a redirect', () => {
  test('is followed to the head, with the epoch that it names', async () => {
    const { host, history, client, play } = worldOf(planOf([ask(increment(), { place: 1 })]));
    await play();
    expect(host.visited).toEqual(['n2', 'n1']);
    expect(host.head.minEpochs).toEqual([1]);
    expect(counted(history)).toEqual([[1]]);
    expect(client.tally).toMatchObject({ attempts: 1, retries: 0, redirects: 1, writes: 1, answered: 1 });
  });

  test('in a circle is followed ten times, and the call had no effect', async () => {
    const { host, history, client, play } = worldOf(planOf([ask(increment())], { attemptsMax: 1 }));
    host.head.configurationNow = fakeConfiguration(['n2', 'n1']);
    await play();
    expect(host.visited).toHaveLength(11);
    expect(history).toEqual([]);
    expect(client.tally).toMatchObject({ redirects: 10, nothing: 1 });
    expect(client.idle).toBe(true);
  });

  test('of a head that was deposed with the write carries the id under which it goes on', async () => {
    const plan = planOf([ask(increment(), { place: 1 })], { givesIds: false });
    const { host, history, play } = worldOf(plan);
    const [, n2] = host.services;
    if (n2) n2.configurationNow = fakeConfiguration(['n2', 'n1']);
    const moved = { kind: 'moved', to: host.head.node, epoch: host.head.epoch() } as const;
    n2?.replies.push({ ...moved, requestId: requestId('made') });
    await play();
    expect(host.head.writes.map((write) => write.requestId)).toEqual(['made']);
    expect(counted(history)).toEqual([[1]]);
  });
});

describe('a write that gets no answer', () => {
  test('is asked again at another node under the same id, and is one call', async () => {
    const { host, history, client, play } = worldOf(planOf([ask(increment())]), ['unheard']);
    await play();
    expect(host.visited[1]).not.toBe('n1');
    expect(host.head.writes.map((write) => write.requestId)).toEqual(['c1-1']);
    expect(counted(history)).toEqual([[1]]);
    expect(client.tally).toMatchObject({ writes: 1, answered: 1, retries: 1 });
  });

  test.each(['mute', 'lost'] as const)(
    'though it took effect (%s) takes it once, and is told its first outcome',
    async (fate) => {
      const { host, history, play } = worldOf(planOf([ask(increment()), ask(increment())]), [fate]);
      await play();
      expect(host.head.writes.map((write) => write.requestId)).toEqual(['c1-1', 'c1-1', 'c1-2']);
      expect(counted(history)).toEqual([[1], [2]]);
      expect(storedIn(host)).toBe('2');
    },
  );

  test.each(['mute', 'lost', 'unheard'] as const)(
    'and carries no id (%s) is not asked again: whether it took effect stays unknown',
    async (fate) => {
      const plan = planOf([ask(increment()), ask(get('k'), { place: 2 })], { givesIds: false });
      const { history, client, play } = worldOf(plan, [fate]);
      await play();
      expect(history.map(({ answer }) => answer === null)).toEqual([true, false]);
      expect(client.tally).toMatchObject({ unknown: 1, answered: 1, retries: 0 });
      expect(client.idle).toBe(true);
    },
  );

  test('is asked again under the id that the head gave it, once that is known', async () => {
    const { host, history, play } = worldOf(planOf([ask(increment())], { givesIds: false }));
    host.head.replies.push({ kind: 'unknown', requestId: requestId('made') });
    await play();
    expect(host.head.writes.map((write) => write.requestId)).toEqual([null, 'made']);
    expect(counted(history)).toEqual([[1]]);
  });

  test('under an id that has become too old is unknown for good', async () => {
    const { host, history, play } = worldOf(planOf([ask(increment())], { givesIds: false }));
    const made = requestId('made');
    host.head.replies.push({ kind: 'unknown', requestId: made });
    const outcome = { kind: 'rejected', code: 'REQUEST_ID_EXPIRED' } as const;
    host.head.replies.push({ kind: 'applied', outcome, replayed: false, requestId: made });
    await play();
    expect(history.map(({ answer }) => answer)).toEqual([null]);
  });

  test('in time counts the answer to an attempt that it had given up', async () => {
    const { host, history, client, play } = worldOf(planOf([ask(increment())], { patienceMs: 3 }));
    const reply = {
      requestId: requestId('c1-1'),
      replayed: false,
      outcome: host.shared.write({ kind: 'single', operation: { op: 'increment', key: 'k', by: 1 } }, 'c1-1')
        .outcome,
    };
    let answer: (reply: WriteReply) => void = () => {};
    host.head.write = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    await play(50);
    expect(client.tally.retries).toBeGreaterThan(0);
    host.fates = Array.from({ length: 10 }, () => 'unheard' as const);
    answer({ kind: 'applied', ...reply });
    await play();
    expect(counted(history)).toEqual([[1]]);
  });
});

describe('what had no effect', () => {
  test('is left out of the history: refused connections, a node that is not ready, a refusal', async () => {
    const plan = planOf([ask(increment()), ask(increment()), ask(increment())], { attemptsMax: 1 });
    const { host, history, client, play } = worldOf(plan, ['refused']);
    host.head.replies.push({ kind: 'refused', code: 'OVERLOADED' });
    await play(35);
    for (const service of host.services) {
      service.unavailable = { kind: 'unavailable', code: 'NOT_READY', reason: 'so' };
    }
    await play();
    expect(history).toEqual([]);
    expect(client.tally).toMatchObject({ nothing: 3, unknown: 0, answered: 0 });
    expect(storedIn(host)).toBeUndefined();
  });

  test('is tried again even without an id', async () => {
    const { host, history, play } = worldOf(planOf([ask(increment())], { givesIds: false }), ['refused']);
    host.head.replies.push({ kind: 'refused', code: 'OVERLOADED' });
    await play();
    expect(counted(history)).toEqual([[1]]);
  });

  test('or never got an answer as a read, is left out', async () => {
    const { history, client, play } = worldOf(planOf([ask(get('k'))], { attemptsMax: 2 }), [
      'unheard',
      'unheard',
    ]);
    await play();
    expect(history).toEqual([]);
    expect(client.tally).toMatchObject({ reads: 1, nothing: 1 });
    expect(client.idle).toBe(true);
  });
});

test('requests that arrive seconds late and all of them take effect once, told once', async () => {
  const plan = planOf([ask(increment())], { lateRate: 1, patienceMs: 50, attemptsMax: 3 });
  const { host, history, client, play } = worldOf(plan);
  await play();
  expect(client.tally.attempts).toBe(3);
  // An attempt that went astray found its redirect too late to follow it.
  expect(host.head.writes.length).toBeGreaterThan(0);
  expect(host.visited).toHaveLength(3);
  expect(counted(history)).toEqual([[1]]);
  expect(storedIn(host)).toBe('1');
});

describe('the end of a run', () => {
  test('lets no client ask anything new, and what is under way is still answered', async () => {
    const plan = planOf([ask(increment()), ask(increment())]);
    const { host, history, client, play } = worldOf(plan, ['unheard']);
    await play(11);
    client.finish();
    expect(client.idle).toBe(false);
    await play();
    expect(host.head.writes.map((write) => write.requestId)).toEqual(['c1-1']);
    expect(counted(history)).toEqual([[1]]);
    expect(client.idle).toBe(true);
  });

  test('gets every write with an id its answer that was given up before', async () => {
    const fates = Array.from({ length: 4 }, () => 'mute' as const);
    const plan = planOf([ask(increment()), ask(increment())], { attemptsMax: 1 });
    const { host, history, client, play } = worldOf(plan, fates.slice(0, 1));
    await play();
    expect(counted(history)).toEqual([[2]]);
    expect(client.idle).toBe(false);
    host.fates = fates;
    client.finish();
    await play();
    expect(counted(history)).toEqual([[2], [1]]);
    expect(storedIn(host)).toBe('2');
    expect(client.idle).toBe(true);
  });

  test('hurries on what is late, and loses nothing any more', async () => {
    const plan = planOf([ask(increment())], { lateRate: 1, lossRate: 0, patienceMs: 50, attemptsMax: 1 });
    const { scheduler, history, client, play } = worldOf(plan);
    await play(100);
    expect(history).toEqual([]);
    client.finish();
    await play();
    expect(counted(history)).toEqual([[1]]);
    expect(client.idle).toBe(true);
    expect(scheduler.nowMs).toBeLessThan(500);
  });

  test('comes though everything was lost before', async () => {
    const plan = planOf([ask(increment()), ask(get('k'))], { lossRate: 1 });
    const { history, client, play } = worldOf(plan);
    await play(300);
    client.finish();
    await play();
    expect(counted(history)).toEqual([[1]]);
    expect(client.idle).toBe(true);
  });
});

describe('an id that is used for another command', () => {
  const plan = planOf([ask(increment()), ask(set('k', 'again'), { reusesId: true }), ask(increment())]);

  test('is rejected, which leaves nothing in the history', async () => {
    const { host, history, client, play } = worldOf(plan);
    await play();
    expect(host.head.writes.map((write) => write.requestId)).toEqual(['c1-1', 'c1-1', 'c1-3']);
    expect(counted(history)).toEqual([[1], [2]]);
    expect(client.tally).toMatchObject({ writes: 3, answered: 2, nothing: 1 });
  });

  test('breaks invariant 5 when it is taken', async () => {
    const { host, play } = worldOf(plan);
    const { shared } = host;
    host.head.write = (command) =>
      Promise.resolve({ kind: 'applied', ...shared.write(command, null), requestId: requestId('c1-1') });
    await expect(play()).rejects.toThrow('I5: c1-1 was taken for another command too');
  });

  test('breaks invariant 5 when it was not', async () => {
    const { host, play } = worldOf(planOf([ask(increment())]));
    const outcome = { kind: 'rejected', code: 'REQUEST_ID_REUSED' } as const;
    host.head.replies.push({ kind: 'applied', outcome, replayed: false, requestId: requestId('c1-1') });
    await expect(play()).rejects.toThrow('I5: c1-1 was of no other command');
  });
});

test('what a node throws in a later turn comes up in the world', async () => {
  const { host, play } = worldOf(planOf([ask(increment())]));
  host.head.write = () => Promise.reject(new Error('a fault of the node'));
  await expect(play()).rejects.toThrow('a fault of the node');
});

describe('planned clients', () => {
  /** Against correct nodes, over a bad network, to the end. */
  async function course(seed: number, plans: readonly ClientPlan[], { forgetsIds = false } = {}) {
    const scheduler = new Scheduler();
    const host = new CorrectChain();
    host.shared.forgetsIds = forgetsIds;
    const faults = new Prng(seed).fork('faults');
    host.fates = Array.from({ length: 400 }, () =>
      faults.chance(0.8) ? 'served' : faults.pick(['refused', 'unheard', 'mute', 'lost'] as const),
    );
    const history: Call[] = [];
    const deps = { host, scheduler, prng: new Prng(seed), record: (call: Call) => void history.push(call) };
    const clients = plans.map((plan) => new SimClient(plan, deps));
    for (const client of clients) client.start();
    await play(scheduler, 10_000);
    for (const client of clients) client.finish();
    await play(scheduler, Infinity);
    return { history, clients };
  }
  const plans = (seed: number) => planClients(new Prng(seed), { clients: 4, durationMs: 2000 });

  test('give the same history for the same seed, from the plan or from its JSON', async () => {
    const first = await course(5, plans(5));
    const second = await course(5, JSON.parse(JSON.stringify(plans(5))));
    expect(JSON.stringify(second.history)).toBe(JSON.stringify(first.history));
    expect(first.history.length).toBeGreaterThan(20);
    expect((await course(6, plans(5))).history).not.toEqual(first.history);
  });

  test.each([1, 2, 3, 4])('are told what is linearizable by correct nodes (seed %d)', async (seed) => {
    const { history, clients } = await course(seed, plans(seed));
    expect(clients.every(({ idle }) => idle)).toBe(true);
    expect(checkHistory(history).kind).toBe('yes');
  });

  test.each([1, 2, 3, 4])('see it when a retry takes effect twice (seed %d)', async (seed) => {
    const ofLawfulIds = plans(seed).map((plan) => ({
      ...plan,
      asks: plan.asks.map((one) => ({ ...one, reusesId: false })),
    }));
    const { history } = await course(seed, ofLawfulIds, { forgetsIds: true });
    expect(checkHistory(history).kind).toBe('no');
  });

  test.each([1, 2, 3, 4])('end every call, counted once (seed %d)', async (seed) => {
    const { history, clients } = await course(seed, plans(seed));
    const sum = (name: keyof (typeof clients)[0]['tally']) =>
      clients.reduce((total, { tally }) => total + tally[name], 0);
    const asked = plans(seed).reduce((total, { asks }) => total + asks.length, 0);
    expect(sum('reads') + sum('writes')).toBe(asked);
    expect(sum('answered') + sum('unknown') + sum('nothing')).toBe(asked);
    expect(history).toHaveLength(sum('answered') + sum('unknown'));
    expect(history.filter(({ answer }) => answer === null)).toHaveLength(sum('unknown'));
  });
});
