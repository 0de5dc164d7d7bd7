/** The run itself, on the clients' host: `main.ts` starts it there, and removes all that it leaves but a failed run's folder. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Call } from '../../src/simulator/history.ts';
import { Bed } from './bed.ts';
import { Course, Violation } from './course.ts';
import { Crowd } from './crowd.ts';
import { judgeHistory, lookForAll, tellCounts } from './ending.ts';
import { NODES } from './places.ts';
import { playAll } from './steps.ts';

/** Somebody wants no more of it. */
class Stopped extends Error {}

const START_MS_MAX = 30_000;
/** A run takes less than a minute; a machine may be slow. */
const LIMIT_MS = 180_000;

const [folder = '', seed = '0'] = process.argv.slice(2);
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => stop.abort(new Stopped()));
}
process.once('disconnect', () => stop.abort(new Stopped()));
setTimeout(() => stop.abort(new Violation(`it took more than ${LIMIT_MS} ms`)), LIMIT_MS);

/** All calls, once the run has come so far that they are known. */
let history: readonly Call[] = [];
const bed = await Bed.make(folder);
const urls = new Map(NODES.map((node) => [node, bed.url(node)]));
const crowd = new Crowd({ folder, seed: Number(seed), urls });
const course = new Course({ bed, crowd, signal: stop.signal });
process.on('exit', () => {
  bed.endNow();
  crowd.endNow();
});
// Clients go on when a run has failed.
process.exit(await run());

/** @returns the exit code. */
async function run(): Promise<number> {
  try {
    await play();
    await end();
    await judgeHistory(course, history);
    tellCounts(course, history);
    return 0;
  } catch (error) {
    if (stop.signal.aborted && stop.signal.reason instanceof Stopped) return 1;
    const story = error instanceof Violation ? error.message : ((error as Error).stack ?? String(error));
    course.say(`VIOLATION: ${story}`);
    await keep();
    return 1;
  } finally {
    await bed.end();
  }
}

/** Beside data and logs. */
async function keep(): Promise<void> {
  const keepAs = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  keepAs('course.txt', course.lines.join('\n'));
  keepAs('states.json', JSON.stringify(await bed.states(), null, 1));
  keepAs('history.json', JSON.stringify({ calls: history.length > 0 ? history : crowd.calls }, null, 1));
}

async function play(): Promise<void> {
  course.say(`seed ${seed}; a node on each of ${NODES.join(', ')}, in ${folder}`);
  bed.start();
  await course.until('the chain comes up', START_MS_MAX, () => bed.whatIsNotWhole());
  crowd.start();
  await course.writesGoOn(START_MS_MAX);
  course.say('the chain is whole, and clients write and read');
  await playAll(course);
}

/** The clients stop, and every member is looked at. */
async function end(): Promise<void> {
  const { calls, wrong } = await crowd.stop();
  history = calls;
  if (wrong.length > 0) throw new Violation(wrong.join('\n'));
  history = [...calls, ...(await lookForAll(course, calls))];
  const complaints = bed.complaints();
  if (complaints.length > 0) throw new Violation(complaints.join('\n'));
}
