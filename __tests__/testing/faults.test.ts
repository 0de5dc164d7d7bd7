import { jest } from '@jest/globals';
import { chains, get, put, withoutKeepAlive } from './support.ts';

jest.setTimeout(30_000);

const startChain = chains();

describe.each(['head', 'middle', 'tail'] as const)('a %s that is killed', (place) => {
  test('loses no write that was acknowledged, and comes back with its data', async () => {
    const chain = await startChain();
    const written: string[] = [];
    let done = false;
    const writing = Promise.all(
      [0, 1, 2, 3].map(async (writer) => {
        for (let count = 0; !done || count < 3; count++) {
          await put(chain, `key-${writer}-${count}`, `value ${count}`);
          written.push(`key-${writer}-${count}`);
        }
      }),
    );
    const dead = await chain.kill(place);
    await chain.untilMembers(['n1', 'n2', 'n3'].filter((name) => name !== dead));
    await chain.start(dead);
    await chain.untilWhole();
    done = true;
    await writing;
    expect(chain.members()).toContain(dead);
    expect(written.length).toBeGreaterThanOrEqual(12);
    const found = await Promise.all(written.map((key) => get(chain, key)));
    expect(found).toEqual(written.map((key) => `value ${key.split('-')[2]}`));
  });
});

test('a client gets over the loss of a member: each increment is counted once', async () => {
  const chain = await startChain();
  const db = chain.client();
  const counting = Promise.all(Array.from({ length: 100 }, () => db.increment('sum')));
  await chain.kill('head');
  expect((await counting).sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, at) => at + 1));
  expect(await db.get('sum')).toBe('100');
});

test('a dead node refuses connections, and url is that of one that lives', async () => {
  const chain = await startChain();
  const { url } = chain;
  const dead = await chain.kill('head');
  expect(chain.urlOf(dead)).toBe(url);
  const refused = await fetch(`${url}/healthz`, withoutKeepAlive()).catch((error: Error) => error.cause);
  expect(refused).toMatchObject({ code: 'ECONNREFUSED' });
  expect((await fetch(`${chain.url}/healthz`)).status).toBe(200);
});

test('a request under way at a node that is killed gets no answer', async () => {
  const chain = await startChain({ nodes: 2 });
  // Without its successor, the head can't finish a write.
  chain.partition('head');
  const writing = fetch(`${chain.urlOf('head')}/set/key`, { method: 'PUT', body: 'value' });
  const failed = expect(writing).rejects.toThrow();
  await until(async () => (await received(chain.urlOf('head'))) === 1);
  await chain.kill('head');
  await failed;
});

test('a process that is killed while it starts can be started again', async () => {
  const chain = await startChain();
  await put(chain, 'key', 'value');
  await chain.kill('n2');
  const starting = expect(chain.start('n2')).rejects.toThrow('n2 was killed while it started');
  await chain.kill('n2');
  await starting;
  await chain.start('n2');
  await chain.untilWhole();
  expect(await get(chain, 'key')).toBe('value');
});

test('everything can be killed at once, and comes back with its data', async () => {
  const chain = await startChain();
  await put(chain, 'key', 'value');
  const all = [...chain.names, 'coordinator'];
  await Promise.all(all.map((name) => chain.kill(name)));
  expect(() => chain.head()).toThrow('nobody is the head: no process lives that knows the chain');
  await Promise.all(all.map((name) => chain.start(name)));
  await chain.untilWhole();
  expect(await get(chain, 'key')).toBe('value');
});

test('a chain that is mended is whole, whatever it has lost', async () => {
  const chain = await startChain({ spares: 1 });
  await put(chain, 'key', 'value');
  chain.partition('n1');
  await chain.kill('n2');
  await chain.kill('coordinator');
  await chain.mend();
  expect(chain.members()).toHaveLength(3);
  expect(await get(chain, 'key')).toBe('value');
  await Promise.all(['n1', 'n2', 'n3', 'n4', 'coordinator'].map((name) => chain.kill(name)));
});

test('a healthy chain serves on without its coordinator', async () => {
  const chain = await startChain();
  await chain.kill('coordinator');
  await put(chain, 'key', 'value');
  expect(await get(chain, 'key')).toBe('value');
  await chain.start('coordinator');
  await chain.untilWhole();
});

test('a spare takes the place of a member that was killed', async () => {
  const chain = await startChain({ spares: 1 });
  await put(chain, 'key', 'value');
  await chain.kill('n2');
  await chain.untilMembers(['n1', 'n3', 'n4']);
  expect(await get(chain, 'key')).toBe('value');
});

describe('a partition', () => {
  test('of the tail has it replaced, and it comes back when that is healed', async () => {
    const chain = await startChain();
    await put(chain, 'key', 'before');
    chain.partition('tail');
    await chain.untilMembers(['n1', 'n2']);
    await put(chain, 'key', 'meanwhile');
    expect(await roleOf(chain.urlOf('n3'))).toBe('tail');
    chain.heal();
    await chain.untilWhole();
    expect(chain.members()).toEqual(['n1', 'n2', 'n3']);
    expect(await get(chain, 'key')).toBe('meanwhile');
  });

  test('of a tail does not have it show what is no longer so', async () => {
    const chain = await startChain();
    await put(chain, 'key', 'before');
    chain.partition('tail');
    await chain.untilMembers(['n1', 'n2']);
    await put(chain, 'key', 'after');
    const stale = await fetch(`${chain.urlOf('n3')}/get/key`, withoutKeepAlive());
    expect(stale.status).toBe(503);
  });

  test('between two neighbours costs one of them its place, though the coordinator hears both', async () => {
    const chain = await startChain();
    chain.partition('n1', 'n2');
    await put(chain, 'key', 'value');
    expect(chain.members()).toHaveLength(2);
    chain.heal();
    await chain.untilWhole();
    expect(await get(chain, 'key')).toBe('value');
  });

  test('of two that do not talk to each other disturbs nobody', async () => {
    const chain = await startChain();
    chain.partition('head', 'tail');
    await put(chain, 'key', 'value');
    expect(await get(chain, 'key')).toBe('value');
    expect(chain.members()).toEqual(['n1', 'n2', 'n3']);
  });

  test('of the coordinator is noticed by nobody who reads or writes', async () => {
    const chain = await startChain();
    chain.partition('coordinator');
    await put(chain, 'key', 'value');
    expect(await get(chain, 'key')).toBe('value');
    chain.heal();
    // That it hears them again shows in what it can do.
    await chain.kill('tail');
    await chain.untilMembers(['n1', 'n2']);
  });

  test('outlasts the death of those that it cuts off', async () => {
    const chain = await startChain();
    chain.partition('n3');
    await chain.kill('n3');
    await chain.start('n3');
    await chain.untilMembers(['n1', 'n2']);
    chain.heal();
    await chain.untilWhole();
  });
});

async function received(url: string): Promise<unknown> {
  return ((await (await fetch(`${url}/status`)).json()) as { received: unknown }).received;
}

async function roleOf(url: string): Promise<unknown> {
  return ((await (await fetch(`${url}/status`)).json()) as { role: unknown }).role;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const endMs = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > endMs) throw new Error(`waited in vain: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
