import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import fc from 'fast-check';
import { createCoordinatorServer } from '../../src/http/coordinator-server.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { afterwards, call, FakeLogger, startChain } from '../http/harness.ts';
import { FakeCoordinatorService } from '../support/fake-coordinator-service.ts';
import { fuzzAsync, HANG_MS } from './fuzz.ts';
import { answersIn, checkAnswer } from './http-answers.ts';
import { anyRequest, type Request, requestText } from './http-requests.ts';
import { jsonLike, type Mutation, mutated, mutations, place } from './mutate.ts';

const TOPOLOGY = readFileSync(new URL('../../topology/local.json', import.meta.url), 'utf8');
/** Requests that are sent at once, each on a connection of its own. */
const AT_ONCE = 12;
const HTTP_LIMITS = {
  headersTimeoutMs: 1000,
  requestTimeoutMs: 1000,
  keepAliveMs: 500,
  idleMs: 4000,
};

interface TalkOptions {
  /** The caller ends its side behind the last piece; else it waits for the other end to. */
  readonly ends: boolean;
  readonly deadlineMs?: number;
}

/** Sends the pieces one behind the other, and gives back all that came until the connection was closed. */
function talk(
  port: number,
  pieces: readonly Buffer[],
  { ends, deadlineMs = HANG_MS }: TalkOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const chunks: Buffer[] = [];
    const timer = setTimeout(() => {
      reject(new Error(`neither answered nor closed: ${JSON.stringify(String(Buffer.concat(chunks)))}`));
      socket.destroy();
    }, deadlineMs);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    // A reset is an end too: what came before it counts.
    socket.on('error', () => undefined);
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(Buffer.concat(chunks).toString('latin1'));
    });
    socket.on('connect', () => void send(socket, pieces, ends));
  });
}

async function send(socket: ReturnType<typeof connect>, pieces: readonly Buffer[], ends: boolean) {
  for (const piece of pieces) {
    if (socket.destroyed) return;
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (ends) socket.end();
}

interface Conversation {
  readonly requests: readonly Request[];
  readonly changes: readonly Mutation[];
  readonly cuts: readonly number[];
}

const conversation: fc.Arbitrary<Conversation> = fc.record({
  requests: fc.array(anyRequest(TOPOLOGY), { minLength: 1, maxLength: 3 }),
  changes: fc.oneof(fc.constant([]), mutations),
  cuts: fc.array(place, { maxLength: 3 }),
});

function piecesOf({ requests, changes, cuts }: Conversation): Buffer[] {
  const whole = Buffer.from(requests.map(requestText).join(''), 'latin1');
  const bytes = changes.length === 0 ? whole : mutated(whole, changes);
  const ends = [...cuts.map((cut) => Math.floor(cut * bytes.length)).sort((a, b) => a - b), bytes.length];
  return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
}

/** How often each status came, so that a test can tell whether the routes were reached. */
type Tally = Map<number, number>;

/** Every answer that comes is whole and of the documented kind; something comes, or the connection ends. */
async function converse(
  port: number,
  what: Conversation,
  { tally, ...options }: TalkOptions & { tally: Tally },
): Promise<void> {
  const sent = piecesOf(what);
  const text = await talk(port, sent, options);
  const answers = answersIn(text);
  for (const answer of answers) {
    try {
      checkAnswer(answer);
    } catch (error) {
      // One of many that went at once: which one is what a reader wants to know.
      throw new Error(`to ${brief(Buffer.concat(sent).toString('latin1'))} came ${brief(text)}`, {
        cause: error,
      });
    }
    tally.set(answer.status, (tally.get(answer.status) ?? 0) + 1);
  }
}

/** On one line, without the length of what is only long. */
const brief = (text: string): string =>
  JSON.stringify(text.replaceAll(/(.)\1{99,}/g, (all, one) => `${one}{${all.length}}`)).slice(0, 800);

const several = fc.array(conversation, { minLength: AT_ONCE, maxLength: AT_ONCE });

async function claim(
  port: () => number,
  options: { runs: number; wanted?: boolean; deadlineMs?: number },
): Promise<Tally> {
  const tally: Tally = new Map();
  const talkOptions = { tally, ends: true, deadlineMs: options.deadlineMs ?? HANG_MS };
  await fuzzAsync(
    fc.asyncProperty(several, async (conversations) => {
      await Promise.all(conversations.map((what) => converse(port(), what, talkOptions)));
    }),
    options,
  );
  return tally;
}

async function startCoordinator() {
  const service = new FakeCoordinatorService();
  const logger = new FakeLogger();
  const server = createCoordinatorServer({ service, logger, clock: systemClock, limits: HTTP_LIMITS });
  await server.listen({ hosts: ['127.0.0.1'], port: 0 });
  afterwards(() => server.close(0));
  return { port: server.port(), url: `http://127.0.0.1:${server.port()}`, logger };
}

const startNodes = async () => {
  const limits = { valueBytes: 2000, batchBytes: 4000 };
  const chain = await startChain(['n1', 'n2'], { httpLimits: HTTP_LIMITS, limits });
  // A stream without end would be no answer here: what is asked of one is read, and then there are too many.
  for (const { service } of [chain.n1, chain.n2]) service.watchersMax = 0;
  return chain;
};

test('a node answers any requests in documented ways, and stays well', async () => {
  const { n1, n2 } = await startNodes();
  const byHead = await claim(() => n1.port, { runs: 60 });
  const byTail = await claim(() => n2.port, { runs: 30 });
  for (const { url, logger } of [n1, n2]) {
    expect(logger.errors).toEqual([]);
    expect((await call(`${url}/healthz`)).status).toBe(200);
  }
  expect([...byHead.keys()]).toEqual(expect.arrayContaining([200, 201, 307, 400, 404, 405]));
  expect([...byTail.keys()]).toEqual(expect.arrayContaining([200, 307, 400, 404]));
});

test('a coordinator answers any requests in documented ways, and stays well', async () => {
  const { port, url, logger } = await startCoordinator();
  const tally = await claim(() => port, { runs: 60 });
  expect(logger.errors).toEqual([]);
  expect((await call(`${url}/healthz`)).status).toBe(200);
  expect([...tally.keys()]).toEqual(expect.arrayContaining([200, 400, 404, 405]));
});

test('a caller that stops anywhere in a request, and stays, is answered or closed in its time', async () => {
  const { n1 } = await startNodes();
  const { port, url, logger } = await startCoordinator();
  const tally: Tally = new Map();
  const half = fc.tuple(conversation, place).map(([what, at]) => ({ ...what, stopAt: at }));
  await fuzzAsync(
    fc.asyncProperty(fc.array(half, { minLength: 80, maxLength: 80 }), async (all) => {
      await Promise.all(
        all.map(async (what, i) => {
          const bytes = Buffer.concat(piecesOf(what));
          const stopped = [bytes.subarray(0, Math.ceil(what.stopAt * bytes.length))];
          const text = await talk(i % 2 === 0 ? n1.port : port, stopped, { ends: false });
          for (const answer of answersIn(text)) {
            checkAnswer(answer);
            tally.set(answer.status, 1);
          }
        }),
      );
    }),
    { runs: 1 },
  );
  expect(tally.has(408)).toBe(true);
  expect([...n1.logger.errors, ...logger.errors]).toEqual([]);
  expect((await call(`${url}/healthz`)).status).toBe(200);
});

test('any key and bytes that are taken come back as they were', async () => {
  const { n1, n2 } = await startNodes();
  const key = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }).map((text) => text.toWellFormed());
  await fuzzAsync(
    fc.asyncProperty(key, fc.uint8Array({ maxLength: 300 }), async (name, bytes) => {
      // fetch takes dots for steps, also in escapes.
      fc.pre(!/^\.{1,2}$|(^|\/)\.{1,2}(\/|$)/.test(name));
      const path = encodeURIComponent(name);
      const body = new Uint8Array(bytes);
      const headers = { 'Content-Type': 'application/octet-stream' };
      const set = await call(`${n1.url}/set/${path}`, { method: 'PUT', headers, body });
      expect(set.body).toMatchObject({ key: name });
      const got = await fetch(`${n2.url}/get/${path}`);
      expect(new Uint8Array(await got.arrayBuffer())).toEqual(body);
    }),
    { runs: 100 },
  );
});

test('any JSON that is taken in a batch comes back as it was written', async () => {
  const { n1, n2 } = await startNodes();
  await fuzzAsync(
    fc.asyncProperty(jsonLike, async (json) => {
      const body = `{"operations":[{"op":"set","key":"k","value":${json},"contentType":"application/json"}]}`;
      const set = await call(`${n1.url}/batch`, { method: 'POST', body });
      expect([200, 400, 413]).toContain(set.status);
      if (set.status !== 200 || typeof JSON.parse(json) === 'string') return;
      expect((await call(`${n2.url}/get/k`)).text).toBe(json.trim());
    }),
    { runs: 200 },
  );
});

describe('the claim is broken by a server', () => {
  const PROBLEM = { 'Content-Type': 'application/problem+json', 'Catena-Node': 'n1', 'Catena-Role': 'only' };
  const refusing =
    (status: number): RequestListener =>
    (_request, response) => {
      response.writeHead(status, PROBLEM);
      response.end('{}');
    };
  const broken: readonly [string, RequestListener][] = [
    ['that says 500', refusing(500)],
    ['that says no and not why', refusing(400)],
    ['that never answers', () => undefined],
    [
      'that breaks off',
      (_request, response) => {
        response.writeHead(200, { ...PROBLEM, 'Content-Length': 10 });
        response.write('{');
        setImmediate(() => response.destroy());
      },
    ],
  ];
  test.each(broken)('%s', async (_what, listener) => {
    const server = createServer({ connectionsCheckingInterval: 2 ** 30 }, listener);
    Object.assign(server, { httpAllowHalfOpen: true });
    // Else it would answer for itself where a request is no request.
    server.on('clientError', (_error, socket) => void socket.destroy());
    afterwards(() => {
      server.closeAllConnections();
      server.close();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const claimed = claim(() => port, { runs: 5, wanted: true, deadlineMs: 500 });
    await expect(claimed).rejects.toThrow('to run it again');
  });
});
