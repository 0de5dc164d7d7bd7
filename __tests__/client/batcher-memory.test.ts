/** What a client holds on to while nothing goes on. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Core } from '../../src/client/core.ts';
import { FakeTransport, MIDDLE } from './fake-transport.ts';

const VALUE_CHARACTERS = 50_000;
const CALLS = 1000;

test('while all batches hang, calls that were given up are not held on to', async () => {
  const core = new Core({
    transport: new FakeTransport(() => 'hang'),
    urls: [MIDDLE],
    deadlineMs: undefined,
  });
  const set = async (key: string, deadlineMs: number): Promise<void> => {
    const value = key.padEnd(VALUE_CHARACTERS, '.');
    await core.operation({ op: 'set', key, value }, { deadlineMs }).catch(() => {});
  };
  const hanging: Promise<void>[] = [];
  for (let batch = 0; batch < 4; batch++) {
    hanging.push(set(`hanging ${batch}`, 60_000));
    for (let turn = 0; turn < 5; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
  }
  const before = heapBytes();
  await Promise.all(Array.from({ length: CALLS }, (_, i) => set(`given up ${i}`, 20)));
  expect(heapBytes() - before).toBeLessThan((CALLS * VALUE_CHARACTERS) / 5);
  await core.close();
  await Promise.all(hanging);
});

function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect !== 'function') throw new Error('there is no gc');
  collect();
  return process.memoryUsage().heapUsed;
}
