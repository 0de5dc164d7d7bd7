import { startChain, type TestChain } from '../../src/testing/start-chain.ts';

/** Chains that are stopped behind each test, however it ends; call at the file's top level. */
export function chains(): typeof startChain {
  const started: TestChain[] = [];
  afterEach(async () => {
    await Promise.all(started.splice(0).map((chain) => chain.stop()));
  });
  return async (options) => {
    const chain = await startChain(options);
    started.push(chain);
    return chain;
  };
}

/** What a request to any node answers, in the end: one that can't be answered for now is sent again, a write under the same id. */
async function ask(chain: TestChain, path: string, init: RequestInit = {}): Promise<Response> {
  const endMs = Date.now() + 20_000;
  for (;;) {
    const answer = await fetch(chain.url + path, withoutKeepAlive(init)).catch(() => null);
    if (answer !== null && answer.status < 500) return answer;
    if (Date.now() > endMs) throw new Error(`${path}: ${answer ? await answer.text() : 'no answer'}`);
    await answer?.arrayBuffer();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Stores a text, once, however often it has to be sent. */
export async function put(chain: TestChain, key: string, value: string): Promise<void> {
  const headers = { 'Idempotency-Key': `${key} ${value}` };
  const answer = await ask(chain, `/set/${key}`, { method: 'PUT', body: value, headers });
  if (!answer.ok) throw new Error(`set ${key}: ${answer.status} ${await answer.text()}`);
  await answer.arrayBuffer();
}

/** The text that is stored; `null` when there is none. */
export async function get(chain: TestChain, key: string): Promise<unknown> {
  const answer = await ask(chain, `/get/${key}`);
  const body: unknown = await answer.json();
  return answer.status === 404 ? null : body;
}

/** Such that nothing of the caller's stays open behind the answer. */
export function withoutKeepAlive(init: RequestInit = {}): RequestInit {
  return { ...init, headers: { ...(init.headers as Record<string, string>), Connection: 'close' } };
}
