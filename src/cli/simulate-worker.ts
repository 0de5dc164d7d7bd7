import { parentPort } from 'node:worker_threads';
import { defined } from '../base/assert.ts';
import { makePlan } from '../simulator/chaos.ts';
import { run } from '../simulator/run.ts';

const port = defined(parentPort, () => 'the thread that started this one');

/** Plays one seed after the other, as they are handed out. */
port.on('message', async (seed: number) => {
  port.postMessage(await run(makePlan(seed)));
});
