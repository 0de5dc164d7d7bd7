/** Which calls travel together, and what each of them gets. */
import type { BatchOperation } from '../../src/client/caller.ts';
import { Core } from '../../src/client/core.ts';
import {
  batchAnswer,
  FakeTransport,
  HEAD,
  MIDDLE,
  operationsIn,
  problem,
  type Reply,
  type Seen,
  TAIL,
} from './fake-transport.ts';

let transport: FakeTransport;
let core: Core;

async function over(reply: (request: Seen, at: number) => Reply | Promise<Reply>): Promise<void> {
  transport = new FakeTransport(reply);
  core = new Core({ transport, urls: [MIDDLE], deadlineMs: undefined });
  await core.chain();
}

afterEach(async () => {
  await core.close();
});

const set = (key: string, value = 'v'): BatchOperation => ({ op: 'set', key, value });
const keys = (count: number): string[] => Array.from({ length: count }, (_, i) => `k${i}`);
const sizes = (): number[] => transport.seen.map((request) => operationsIn(request).length);

test('calls of one turn travel in one request, in their order, each with its own result', async () => {
  await over((request) =>
    batchAnswer(request, ({ key }) => ({ key, version: Number(String(key).slice(1)) })),
  );
  const results = await Promise.all(keys(500).map((key) => core.operation(set(key))));
  expect(results.map(({ version }) => version)).toEqual(keys(500).map((_, i) => i));
  expect(transport.seen).toHaveLength(1);
  expect(JSON.parse(transport.seen[0]?.body ?? '')).toEqual({
    atomic: false,
    operations: keys(500).map((key) => set(key)),
  });
});

test('reads go to the tail and writes to the head, never in one batch', async () => {
  await over((request) => batchAnswer(request));
  await Promise.all([
    core.operation({ op: 'get', key: 'a' }),
    core.operation(set('a')),
    core.operation({ op: 'delete', key: 'b' }),
    core.operation({ op: 'get', key: 'b' }),
  ]);
  const sent = transport.seen.map((request) => [request.origin, operationsIn(request).map(({ op }) => op)]);
  expect(sent).toContainEqual([TAIL, ['get', 'get']]);
  expect(sent).toContainEqual([HEAD, ['set', 'delete']]);
  expect(sent).toHaveLength(2);
});

test('a batch has at most 1000 operations', async () => {
  await over((request) => batchAnswer(request));
  await Promise.all(keys(2500).map((key) => core.operation(set(key))));
  expect(sizes()).toEqual([1000, 1000, 500]);
});

test('a batch has at most a MiB, and what the topology allows', async () => {
  await over((request) => batchAnswer(request));
  const value = '€'.repeat(20_000);
  await Promise.all(keys(100).map((key) => core.operation(set(key, value))));
  const bytes = transport.seen.map(({ body }) => Buffer.byteLength(body));
  expect(Math.max(...bytes)).toBeLessThanOrEqual(1_048_576);
  expect(bytes).toHaveLength(6);

  transport.chain = { ...transport.chain, epoch: 2, batchBytes: 2000 };
  await core.chain();
  transport.seen.length = 0;
  await Promise.all(keys(20).map((key) => core.operation(set(key, 'x'.repeat(400)))));
  expect(Math.max(...transport.seen.map(({ body }) => body.length))).toBeLessThanOrEqual(2000);
});

test('while four batches are under way, further calls gather', async () => {
  const held: (() => void)[] = [];
  await over(async (request) => {
    await new Promise<void>((resolve) => held.push(resolve));
    return batchAnswer(request);
  });
  const calls: Promise<unknown>[] = [];
  for (const key of keys(50)) {
    calls.push(core.operation(set(key)));
    await turns();
  }
  expect(sizes()).toEqual([1, 1, 1, 1]);
  for (const go of held.splice(0)) go();
  await turns();
  expect(sizes()).toEqual([1, 1, 1, 1, 46]);
  for (const go of held.splice(0)) go();
  await Promise.all(calls);
});

test('callers that go on as soon as they are answered go on together', async () => {
  await over((request) => batchAnswer(request));
  const loop = async (key: string): Promise<void> => {
    for (let i = 0; i < 10; i++) await core.operation(set(key));
  };
  await Promise.all(keys(100).map(loop));
  expect(sizes()).toEqual(Array.from({ length: 10 }, () => 100));
});

test('an operation that fails rejects its own call alone, with what the node said of it', async () => {
  const error = {
    type: 'urn:catena:problem:not-an-integer',
    title: 'Not an integer',
    status: 409,
    detail: 'set it first',
    version: 4,
  };
  await over((request) =>
    batchAnswer(request, ({ key }) => (key === 'k1' ? { key, error } : { key, version: 1 })),
  );
  const settled = await Promise.allSettled(keys(3).map((key) => core.operation({ op: 'increment', key })));
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(settled[1]).toMatchObject({
    reason: { name: 'NotAnInteger', message: 'set it first', status: 409 },
  });
});

test('an operation for which the whole batch is refused rejects its own call; the others go without it, under a new id', async () => {
  await over((request) => {
    const at = operationsIn(request).findIndex(({ key }) => key.startsWith('bad'));
    return at < 0
      ? batchAnswer(request)
      : problem(400, 'bad-parameter', { pointer: `/operations/${at}/value` });
  });
  const settled = await Promise.allSettled(
    ['a', 'bad 1', 'b', 'bad 2', 'c'].map((key) => core.operation(set(key))),
  );
  expect(settled.map(({ status }) => status)).toEqual([
    'fulfilled',
    'rejected',
    'fulfilled',
    'rejected',
    'fulfilled',
  ]);
  expect(settled[1]).toMatchObject({ reason: { name: 'InvalidRequest', code: 'BAD_PARAMETER' } });
  expect(sizes()).toEqual([5, 1, 2, 1, 1]);
  expect(new Set(transport.seen.map(({ id }) => id)).size).toBe(5);
});

test('those that are sound wait for no more than the first refusal, and many that are not cost little', async () => {
  await over((request) => {
    const at = operationsIn(request).findIndex(({ key }) => key.startsWith('bad'));
    return at < 0 ? batchAnswer(request) : problem(400, 'bad-key', { pointer: `/operations/${at}/key` });
  });
  const sentWhenDone = keys(10).map(async (key) => {
    await core.operation(set(key));
    return transport.seen.length;
  });
  const bad = keys(500).map((key) => core.operation(set(`bad ${key}`)));
  const settled = await Promise.allSettled(bad);
  expect(settled.every(({ status }) => status === 'rejected')).toBe(true);
  expect(new Set(await Promise.all(sentWhenDone))).toEqual(new Set([2]));
  const sent = sizes().reduce((sum, size) => sum + size, 0);
  expect(sent).toBeLessThan(510 * 12);
});

test('a refusal that points at nothing is everybody’s', async () => {
  await over(() => problem(400, 'bad-request'));
  const settled = await Promise.allSettled(keys(3).map((key) => core.operation(set(key))));
  expect(settled.every(({ status }) => status === 'rejected')).toBe(true);
  expect(transport.seen).toHaveLength(1);
});

test('a batch that nodes find too large goes in parts', async () => {
  await over((request) =>
    operationsIn(request).length > 3 ? problem(413, 'batch-too-large', { limit: 9 }) : batchAnswer(request),
  );
  const settled = await Promise.allSettled(keys(10).map((key) => core.operation(set(key))));
  expect(settled.every(({ status }) => status === 'fulfilled')).toBe(true);
});

test('in a full store deletes go on working, whatever they travel with', async () => {
  await over((request) =>
    operationsIn(request).some(({ op }) => op === 'set') ? problem(507, 'store-full') : batchAnswer(request),
  );
  const [a, b, c] = await Promise.allSettled([
    core.operation(set('a')),
    core.operation({ op: 'delete', key: 'b' }),
    core.operation(set('c')),
  ]);
  expect(b).toMatchObject({ status: 'fulfilled' });
  expect([a, c]).toMatchObject([{ reason: { name: 'StoreFull' } }, { reason: { name: 'StoreFull' } }]);
});

test('a call that was given up before it was sent is left out', async () => {
  await over((request) => batchAnswer(request));
  const giveUp = new AbortController();
  const given = core.operation(set('given up'), { signal: giveUp.signal });
  const kept = core.operation(set('kept'));
  giveUp.abort(new Error('enough'));
  await expect(given).rejects.toThrow('enough');
  await kept;
  expect(transport.seen.flatMap(operationsIn).map(({ key }) => key)).toEqual(['kept']);
});

test('each call of a batch has its own deadline; a batch that nobody waits for any more ends', async () => {
  await over(() => 'hang');
  const settled: string[] = [];
  const call = async (key: string, deadlineMs: number): Promise<unknown> => {
    const error = await core.operation(set(key), { deadlineMs }).catch((error: unknown) => error);
    settled.push(key);
    return error;
  };
  const errors = await Promise.all([call('late', 300), call('early', 50), call('middle', 150)]);
  expect(settled).toEqual(['early', 'middle', 'late']);
  expect(errors).toMatchObject(
    errors.map(() => ({ name: 'OutcomeUnknown', requestId: transport.seen[0]?.id })),
  );
  await turns();
  expect(transport.seen).toHaveLength(1);
});

test('a call whose deadline passes before it was sent certainly had no effect', async () => {
  await over(() => 'hang');
  const sent = [];
  for (const key of keys(4)) {
    sent.push(core.operation(set(key), { deadlineMs: 400 }).catch(() => {}));
    await turns();
  }
  await expect(core.operation(set('waiting'), { deadlineMs: 100 })).rejects.toMatchObject({
    name: 'Unavailable',
  });
  expect(transport.seen).toHaveLength(4);
  await Promise.all(sent);
});

test('a write whose answer makes no sense is of unknown outcome, a read is not', async () => {
  await over(() => ({ status: 200, body: { results: [] } }));
  await expect(core.operation(set('k'))).rejects.toMatchObject({ name: 'OutcomeUnknown' });
  await expect(core.operation({ op: 'get', key: 'k' })).rejects.toMatchObject({ code: 'BAD_ANSWER' });
});

test('reads travel a few at a time until it is known how large their answers are', async () => {
  await over((request) => batchAnswer(request));
  await Promise.all(keys(2000).map((key) => core.operation({ op: 'get', key })));
  expect(sizes()).toEqual([64, 64, 64, 64, 1000, 744]);
});

test('after large answers fewer reads travel together', async () => {
  const value = 'x'.repeat(100_000);
  await over((request) =>
    batchAnswer(request, ({ key }) => ({ key, value, encoding: 'utf8', contentType: '', version: 1 })),
  );
  await core.operation({ op: 'get', key: 'first' });
  await Promise.all(keys(200).map((key) => core.operation({ op: 'get', key })));
  expect(Math.max(...sizes())).toBeLessThanOrEqual(42);
});

/** Lets everything happen that waits for nothing but its turn. */
async function turns(): Promise<void> {
  for (let i = 0; i < 30; i++) await new Promise((resolve) => setImmediate(resolve));
}
