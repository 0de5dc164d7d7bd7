/** What becomes of a request when tries fail: every kind of failure, of reads and of writes, before and after they were sent. */
import type { Call } from '../../src/client/caller.ts';
import { Core } from '../../src/client/core.ts';
import { OutcomeUnknown, StoreFull, Unavailable } from '../../src/client/errors.ts';
import { until } from '../support/cluster.ts';
import {
  FakeTransport,
  HEAD,
  MIDDLE,
  problem,
  type Reply,
  refused,
  reset,
  type Seen,
  TAIL,
} from './fake-transport.ts';

const READ: Call = { intent: 'read', method: 'GET', path: '/get/k' };
const WRITE: Call = { intent: 'write', method: 'PUT', path: '/set/k?ttl=3', body: 'v' };
const DONE: Reply = { status: 200, body: { key: 'k', version: 7 } };

let transport: FakeTransport;
let core: Core;

function over(reply: (request: Seen, at: number) => Reply | Promise<Reply>): Core {
  transport = new FakeTransport(reply);
  core = new Core({ transport, urls: [MIDDLE], deadlineMs: undefined });
  return core;
}

/** The first tries are answered so, the last of these for ever. */
function replies(...script: readonly Reply[]): (request: Seen, at: number) => Reply {
  return (_, at) => script[Math.min(at, script.length - 1)] ?? DONE;
}

afterEach(async () => {
  await core.close();
});

interface Case {
  readonly what: string;
  readonly reply: Reply;
  /** Whether a write may have taken effect by such a try. */
  readonly effect: 'none' | 'maybe';
}

const FAILURES: readonly Case[] = [
  { what: 'nobody listens there', reply: refused(), effect: 'none' },
  { what: 'the connection breaks before the answer', reply: reset(), effect: 'maybe' },
  { what: 'the connection breaks within the answer', reply: { ...DONE, broken: true }, effect: 'maybe' },
  { what: 'the node says nothing', reply: 'hang', effect: 'maybe' },
  { what: 'not ready', reply: problem(503, 'not-ready', {}, { 'retry-after': '1' }), effect: 'none' },
  { what: 'recovering', reply: problem(503, 'recovering'), effect: 'none' },
  { what: 'broken', reply: problem(503, 'broken'), effect: 'none' },
  { what: 'overloaded', reply: problem(503, 'overloaded'), effect: 'none' },
  { what: 'it could not be forwarded', reply: problem(503, 'forward-failed'), effect: 'none' },
  {
    what: 'the outcome is unknown',
    reply: problem(503, 'outcome-unknown', { requestId: 'x' }),
    effect: 'maybe',
  },
  { what: 'a kind of 503 that this client does not know', reply: problem(503, 'tired'), effect: 'maybe' },
  { what: 'a fault of the node', reply: problem(500, 'internal'), effect: 'maybe' },
  { what: 'the body came too slowly', reply: problem(408, 'bad-request'), effect: 'none' },
  { what: 'the disk is full for now', reply: problem(507, 'read-only'), effect: 'none' },
  {
    what: 'sent on in a circle',
    reply: { status: 307, headers: { location: `${HEAD}/set/k` } },
    effect: 'none',
  },
  { what: 'sent on to nowhere', reply: { status: 307, headers: { location: 'nowhere' } }, effect: 'none' },
  {
    what: 'sent on in a circle by a head that has taken the write',
    reply: { status: 307, headers: { location: `${HEAD}/set/k?request-id=x` } },
    effect: 'maybe',
  },
  {
    what: 'something else than catena answers',
    reply: { status: 200, headers: { 'catena-node': '' }, body: 'hello' },
    effect: 'maybe',
  },
];

describe.each(FAILURES)('when $what', ({ reply, effect }) => {
  // A node that hangs is waited for.
  const failures = Array.from({ length: reply === 'hang' ? 1 : 4 }, () => reply);

  test('a read is tried again, until it is answered', async () => {
    const { status } = await over(replies(...failures, DONE)).request(READ);
    expect(status).toBe(200);
    expect(new Set(transport.seen.map(({ id }) => id))).toEqual(new Set([undefined]));
  }, 20_000);

  test('a write is tried again under one id, until it is answered', async () => {
    const { status } = await over(replies(...failures, DONE)).request(WRITE);
    expect(status).toBe(200);
    expect(transport.seen.length).toBeGreaterThan(failures.length);
    expect(new Set(transport.seen.map(({ id }) => id)).size).toBe(1);
    expect(transport.seen.every(({ method, body }) => method === 'PUT' && body === 'v')).toBe(true);
  }, 20_000);

  test('a read whose deadline passes is unavailable', async () => {
    const error = await over(replies(reply))
      .request(READ, { deadlineMs: 100 })
      .catch((error: unknown) => error);
    expect(error).toBeInstanceOf(Unavailable);
  });

  test(`a write whose deadline passes ${effect === 'none' ? 'had no effect' : 'is of unknown outcome'}`, async () => {
    const error = await over(replies(reply))
      .request(WRITE, { deadlineMs: 100 })
      .catch((error: unknown) => error);
    expect(error).toBeInstanceOf(effect === 'none' ? Unavailable : OutcomeUnknown);
    if (error instanceof OutcomeUnknown) expect(error.requestId).toBe(transport.seen[0]?.id);
  });

  test('a write that was refused after such a try is only reported so if that is certain', async () => {
    const deadlineMs = reply === 'hang' ? 2500 : 500;
    const script = replies(reply, problem(413, 'value-too-large'));
    const write = over(script).request(WRITE, { deadlineMs });
    if (effect === 'none') expect(await write).toMatchObject({ status: 413 });
    else await expect(write).rejects.toBeInstanceOf(OutcomeUnknown);
  }, 20_000);

  test('an outcome counts for all tries of a write', async () => {
    const write = over(replies(reply, problem(412, 'precondition-failed', { version: 3 }))).request(WRITE);
    expect(await write).toMatchObject({ status: 412 });
  }, 20_000);
});

describe('never tried again', () => {
  test.each([400, 403, 404, 405, 409, 410, 412, 413, 414, 422])('%d', async (status) => {
    const answer = await over(replies(problem(status, 'some'), DONE)).request(WRITE);
    expect(answer.status).toBe(status);
    expect(transport.seen).toHaveLength(1);
  });

  test('a full store, while it is certain that the write had no effect', async () => {
    const write = over(replies(problem(507, 'store-full'), DONE)).request(WRITE);
    const error = await write.catch((error: unknown) => error);
    expect(error).toBeInstanceOf(StoreFull);
    expect(error).toMatchObject({
      code: 'STORE_FULL',
      status: 507,
      problem: { detail: 'because of store-full' },
    });
    expect(transport.seen).toHaveLength(1);
    await core.close();
    const doubtful = over(replies(reset(), problem(507, 'store-full'))).request(WRITE, { deadlineMs: 300 });
    await expect(doubtful).rejects.toBeInstanceOf(OutcomeUnknown);
  });

  test('a write whose outcome is no longer remembered', async () => {
    const write = over(replies(reset(), problem(409, 'request-id-expired'), DONE)).request(WRITE);
    await expect(write).rejects.toMatchObject({
      name: 'OutcomeUnknown',
      cause: { code: 'REQUEST_ID_EXPIRED' },
    });
    expect(transport.seen).toHaveLength(2);
  });
});

describe('the way', () => {
  test('a write goes to the head and a read to the tail, found by any one of the nodes', async () => {
    over(() => DONE);
    await core.request(WRITE);
    await core.request(READ);
    expect(transport.asked).toEqual([MIDDLE]);
    expect(transport.seen.map(({ origin }) => origin)).toEqual([HEAD, TAIL]);
  });

  test('with reads at any member, they are spread over all', async () => {
    over(() => DONE);
    transport.chain = { ...transport.chain, reads: 'any' };
    for (let i = 0; i < 6; i++) await core.request(READ);
    expect(new Set(transport.seen.map(({ origin }) => origin))).toEqual(new Set([HEAD, MIDDLE, TAIL]));
  });

  test('a redirect is followed as it is written, also to a host that the topology lacks', async () => {
    const location = 'http://elsewhere:9/set/k?ttl=3&epoch=2';
    over(({ origin }) => (origin === HEAD ? { status: 307, headers: { location } } : DONE));
    await core.request({ ...WRITE, path: '/set/..%2F#?ttl=3' });
    expect(transport.seen.map(({ origin, path }) => origin + path)).toEqual([
      `${HEAD}/set/..%2F#?ttl=3`,
      location,
    ]);
  });

  test('an answer with a higher epoch makes it ask for the chain', async () => {
    over(() => ({ status: 200, headers: { 'catena-epoch': '2' } }));
    await core.request(READ);
    transport.chain = { ...transport.chain, epoch: 2, members: ['middle', 'head'] };
    const readsAtHead = async (): Promise<boolean> => {
      await core.request(READ);
      return transport.seen.at(-1)?.origin === HEAD;
    };
    await until(readsAtHead, 'a read at the new tail');
  });

  test('a node that hangs is left as soon as the chain has another in its place', async () => {
    over(({ origin }) => {
      if (origin !== HEAD) return DONE;
      transport.chain = { ...transport.chain, epoch: 2, members: ['middle', 'tail'] };
      return 'hang';
    });
    expect(await core.request(WRITE)).toMatchObject({ status: 200 });
    expect(transport.seen.map(({ origin }) => origin)).toEqual([HEAD, MIDDLE]);
    expect(new Set(transport.seen.map(({ id }) => id)).size).toBe(1);
  });

  test('an answer that takes its time is waited for longer at a later try', async () => {
    over(async () => {
      await new Promise((resolve) => setTimeout(resolve, 1800));
      return DONE;
    });
    expect(await core.request(READ)).toMatchObject({ status: 200 });
    expect(transport.seen).toHaveLength(2);
  }, 20_000);

  test('a node that is reached by others alone is asked by way of them', async () => {
    over(({ origin }) => (origin === HEAD ? refused() : DONE));
    transport.answersTopology = (origin) => origin !== HEAD;
    expect(await core.request(WRITE)).toMatchObject({ status: 200 });
    expect(transport.seen.at(-1)?.origin).not.toBe(HEAD);
    expect(transport.seen.at(-1)?.path).toBe('/set/k?ttl=3&forward=true');
  });

  test('where redirects are hidden, nodes are asked to forward', async () => {
    over(() => DONE);
    transport.showsRedirects = false;
    await core.request(READ);
    expect(transport.seen[0]?.path).toBe('/get/k?forward=true');
  });

  test('an older configuration that some node still has does not count', async () => {
    over(() => DONE);
    transport.chain = { ...transport.chain, epoch: 5, members: ['tail'] };
    await core.request(WRITE);
    transport.chain = { ...transport.chain, epoch: 4, members: ['head'] };
    expect((await core.chain()).epoch).toBe(5);
    await core.request(WRITE);
    expect(transport.seen.map(({ origin }) => origin)).toEqual([TAIL, TAIL]);
  });

  test('all nodes that were ever learned are ways in', async () => {
    over(() => DONE);
    await core.request(READ);
    transport.answersTopology = (origin) => origin === TAIL;
    expect(await core.chain()).toMatchObject({ members: ['head', 'middle', 'tail'], urls: { tail: TAIL } });
  });
});

describe('how often', () => {
  test('a node that asks for a pause is given it', async () => {
    const busy = problem(503, 'overloaded', {}, { 'retry-after': '1' });
    await over(() => busy)
      .request(WRITE, { deadlineMs: 600 })
      .catch(() => {});
    expect(transport.seen).toHaveLength(1);
  });

  test('retries are no more than the budget has, however many calls there are', async () => {
    const calls = 300;
    const sinceMs = performance.now();
    over(() => problem(503, 'not-ready'));
    await Promise.allSettled(Array.from({ length: calls }, () => core.request(READ, { deadlineMs: 1000 })));
    const seconds = (performance.now() - sinceMs) / 1000;
    expect(transport.seen.length).toBeGreaterThan(calls);
    expect(transport.seen.length).toBeLessThanOrEqual(calls + 100 + 20 * seconds);
  });

  test('no more than 64 requests are under way at once', async () => {
    let [underWay, most] = [0, 0];
    over(async () => {
      underWay += 1;
      most = Math.max(most, underWay);
      await new Promise((resolve) => setTimeout(resolve, 5));
      underWay -= 1;
      return DONE;
    });
    await Promise.all(Array.from({ length: 300 }, () => core.request(READ)));
    expect(most).toBe(64);
  });
});

describe('ending', () => {
  test('a closed client rejects what is under way, and says what is known of it', async () => {
    over(() => 'hang');
    await core.chain();
    const calls = [core.request(READ), core.request(WRITE), core.operation({ op: 'get', key: 'k' })];
    const settled = Promise.allSettled(calls);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await core.close();
    expect(transport.closed).toBe(true);
    expect(await settled).toMatchObject([
      { reason: { code: 'CLOSED' } },
      { reason: { name: 'OutcomeUnknown' } },
      { reason: { code: 'CLOSED' } },
    ]);
    await expect(core.request(READ)).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(core.operation({ op: 'get', key: 'k' })).rejects.toMatchObject({ code: 'CLOSED' });
  });

  test('a signal ends a call with its reason, whatever that is', async () => {
    over(() => 'hang');
    for (const reason of [new Error('enough'), 'a text', undefined]) {
      const controller = new AbortController();
      const call = core.request(WRITE, { signal: controller.signal });
      controller.abort(reason);
      await expect(call).rejects.toBe(controller.signal.reason);
    }
  });

  test.each([0, -1, Number.NaN, 300_001, Number.POSITIVE_INFINITY])(
    'a deadline of %d ms is refused',
    async (deadlineMs) => {
      over(() => DONE);
      await expect(core.request(READ, { deadlineMs })).rejects.toMatchObject({ name: 'InvalidRequest' });
      await expect(core.operation({ op: 'get', key: 'k' }, { deadlineMs })).rejects.toMatchObject({
        name: 'InvalidRequest',
      });
    },
  );

  test('a deadline holds also while nodes that are asked for the chain hang', async () => {
    over(() => DONE);
    transport.answersTopology = () => 'hang';
    const call = core.request(READ, { deadlineMs: 50 }).catch((error: unknown) => error);
    const { promise: late, resolve } = Promise.withResolvers<string>();
    const timer = setTimeout(() => resolve('late'), 700);
    expect(await Promise.race([call, late])).toBeInstanceOf(Unavailable);
    clearTimeout(timer);
  });

  test('a call that finds no chain says whom it asked, and what came of it', async () => {
    over(() => DONE);
    transport.answersTopology = () => false;
    await expect(core.request(WRITE, { deadlineMs: 100 })).rejects.toMatchObject({
      name: 'Unavailable',
      message: expect.stringMatching(/had no effect.*100 ms.*http:\/\/m:1.*ECONNREFUSED/),
    });
    expect(transport.seen).toEqual([]);
  });
});
