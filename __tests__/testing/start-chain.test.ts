import { createServer } from 'node:net';
import { jest } from '@jest/globals';
import { nodeId } from '../../src/base/ids.ts';
import { peerPort } from '../../src/protocol/addresses.ts';
import { planChain } from '../../src/testing/chain-options.ts';
import { makeProcesses } from '../../src/testing/processes.ts';
import { TestChain } from '../../src/testing/start-chain.ts';
import { chains, get, put, withoutKeepAlive } from './support.ts';

jest.setTimeout(30_000);

const startChain = chains();

test('a chain of three is whole and serves when startChain resolves', async () => {
  const chain = await startChain();
  expect(chain.names).toEqual(['n1', 'n2', 'n3']);
  expect(chain.members()).toEqual(['n1', 'n2', 'n3']);
  expect([chain.head(), chain.middle(), chain.tail()]).toEqual(['n1', 'n2', 'n3']);
  for (const url of [...chain.urls, chain.coordinatorUrl]) {
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
  }
  const answers = chain.urls.map(async (url, at) => {
    const written = await fetch(`${url}/set/key-${at}`, { method: 'PUT', body: `value ${at}` });
    const read = await fetch(`${url}/get/key-${at}`);
    return [written.status, await read.json()];
  });
  expect(await Promise.all(answers)).toEqual([
    [201, 'value 0'],
    [201, 'value 1'],
    [201, 'value 2'],
  ]);
});

test.each([1, 5, 7])('a chain of %d nodes serves', async (nodes) => {
  const chain = await startChain({ nodes });
  expect(chain.members()).toHaveLength(nodes);
  await put(chain, 'key', 'value');
  expect(await get(chain, 'key')).toBe('value');
});

test('its settings are those that were asked for', async () => {
  const chain = await startChain({
    nodes: 2,
    spares: 1,
    reads: 'any',
    durability: 'memory',
    timing: { leaseMs: 150 },
    limits: { valueBytes: 4 },
    origins: ['https://example.org'],
    chain: ['n3', 'n1', 'n2'],
  });
  expect(chain.members()).toEqual(['n3', 'n1']);
  const { topology } = (await (await fetch(`${chain.url}/topology`)).json()) as { topology: object };
  expect(topology).toMatchObject({
    replicas: 2,
    reads: 'any',
    durability: 'memory',
    timing: { leaseMs: 150, heartbeatMs: 50 },
    limits: { valueBytes: 4, keyBytes: 1024 },
    origins: ['https://example.org'],
  });
  const tooLarge = await fetch(`${chain.url}/set/key`, { method: 'PUT', body: 'value' });
  expect(tooLarge.status).toBe(413);
});

test('two chains at a time, each with its own data, do not disturb each other', async () => {
  const [one, other] = await Promise.all([startChain(), startChain()]);
  await Promise.all([put(one, 'key', 'of one'), put(other, 'key', 'of the other')]);
  one.partition('tail');
  await one.kill('head');
  expect(await get(other, 'key')).toBe('of the other');
  expect(other.members()).toEqual(['n1', 'n2', 'n3']);
  await one.stop();
  await put(other, 'key', 'still here');
  expect(await get(other, 'key')).toBe('still here');
});

test('nothing is logged unless it is asked for, and then each line says whose it is', async () => {
  const lines: string[] = [];
  const chain = await startChain({ log: ({ from, message }) => lines.push(`${from}: ${message}`) });
  expect(lines).toContainEqual(expect.stringContaining('n3: is tail in epoch 1'));
  expect(lines).toContainEqual(expect.stringMatching(/^coordinator: configuration 1: /));
  await chain.stop();
  const before = lines.length;
  await new Promise((resolve) => setImmediate(resolve));
  expect(lines).toHaveLength(before);
});

test('a process that holds up its event loop for seconds loses no member by it', async () => {
  const chain = await startChain();
  for (let round = 0; round < 4; round++) {
    // Thrice within a minute would have a node replaced that has a machine of its own.
    const endMs = performance.now() + 600;
    while (performance.now() < endMs);
    await put(chain, 'key', `round ${round}`);
  }
  const answer = await fetch(`${chain.coordinatorUrl}/history`);
  expect(((await answer.json()) as { configurations: unknown[] }).configurations).toHaveLength(1);
  for (const url of chain.urls) {
    expect(await (await fetch(`${url}/status`)).json()).toMatchObject({ phase: 'running', lately: null });
  }
});

describe('startChain refuses', () => {
  test.each([
    [{ nodes: 0 }, 'nodes: expected a whole number from 1 to 7, found 0'],
    [{ nodes: 8 }, 'nodes: expected a whole number from 1 to 7, found 8'],
    [{ spares: -1 }, 'spares: expected a whole number from 0 to 7, found -1'],
    [{ replicas: 4 }, 'replicas: expected at most 3'],
    [{ timing: { leaseMs: 1 } }, 'timing.leaseMs: expected a whole number from 10'],
    [{ timing: { lease: 200 } }, 'timing.lease: expected one of heartbeatMs'],
    [{ chain: ['n1', 'n9'] }, 'chain.1: expected a node of "nodes"'],
    [{ node: 3 }, 'there is no option node: there are nodes, spares'],
  ])('%j, and says what is expected', async (options, message) => {
    const refused = startChain(options as Parameters<typeof startChain>[0]);
    await expect(refused).rejects.toMatchObject({
      code: 'BAD_PARAMETER',
      message: expect.stringContaining(message),
    });
  });
});

test('every other call says what is wrong with it, and what to do', async () => {
  const chain = await startChain({ nodes: 2 });
  await expect(chain.kill('n9')).rejects.toThrow(
    'there is no "n9": give one of head, middle, tail, coordinator, n1, n2',
  );
  expect(() => chain.partition('n1', 'n1')).toThrow("n1 can't be cut off from itself");
  expect(() => chain.middle()).toThrow('a chain of 2 has no middle: give head, tail or a name');
  await expect(chain.start('n1')).rejects.toThrow('n1 runs already: kill it first');
  await chain.kill('n1');
  await expect(chain.kill('n1')).rejects.toThrow("n1 is dead already: start it with start('n1')");
  await chain.untilMembers(['n2']);
  await expect(chain.untilWhole({ withinMs: 30 })).rejects.toThrow(
    'after 30 ms the chain is not whole: its members are n2, 2 are wanted; dead: n1',
  );
  await expect(chain.untilMembers(['n1', 'n2'], { withinMs: 30 })).rejects.toThrow(
    'after 30 ms the chain is not n1, n2: its members are n2',
  );
  await expect(chain.untilMembers(['n3'])).rejects.toThrow('there is no "n3"');
  await chain.stop();
  await expect(chain.kill('n2')).rejects.toThrow('the chain was stopped: start another one with startChain');
  await expect(chain.untilWhole()).rejects.toThrow('the chain was stopped');
});

test('a port that was taken meanwhile keeps a process dead until it is free', async () => {
  const chain = await startChain({ nodes: 2 });
  await chain.kill('n2');
  const other = createServer();
  const { port } = new URL(chain.urlOf('n2'));
  await new Promise<void>((resolve) => other.listen(Number(port), '127.0.0.1', resolve));
  await expect(chain.start('n2')).rejects.toMatchObject({ code: 'PORT_IN_USE' });
  await new Promise((resolve) => other.close(resolve));
  await chain.start('n2');
  await chain.untilWhole();
});

test('when one process of many can not start, none is left running', async () => {
  const plan = planChain({});
  const processes = makeProcesses(plan, undefined);
  const taken = createServer();
  const { peer } = plan.topology.nodes[nodeId('n2')] ?? { peer: '' };
  await new Promise<void>((resolve) => taken.listen(peerPort(peer), '127.0.0.1', resolve));
  const started = TestChain.start(processes);
  await expect(started).rejects.toMatchObject({ code: 'PORT_IN_USE' });
  expect(processes.all.map(({ alive }) => alive)).toEqual([false, false, false, false]);
  await new Promise((resolve) => taken.close(resolve));
  // All ports are free again.
  await (await TestChain.start(makeProcesses(plan, undefined))).stop();
});

test('what waits for the chain is told when it is stopped', async () => {
  const chain = await startChain({ nodes: 2 });
  await chain.kill('tail');
  const whole = chain.untilWhole();
  const told = expect(whole).rejects.toThrow('the chain was stopped');
  await Promise.all([chain.stop(), chain.stop()]);
  await told;
  await expect(fetch(`${chain.url}/healthz`, withoutKeepAlive())).rejects.toThrow();
});
