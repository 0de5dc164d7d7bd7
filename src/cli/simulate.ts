import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { Command, InvalidArgumentError } from 'commander';
import { makePlan } from '../simulator/chaos.ts';
import type { Plan } from '../simulator/plan.ts';
import { type Result, run } from '../simulator/run.ts';
import { shrink } from '../simulator/shrink.ts';
import {
  describeFailure,
  describePlan,
  describeTotals,
  NO_RUNS,
  type Totals,
  withRun,
} from '../simulator/words.ts';

/** How often a sweep says how far it is, in ms. */
const PROGRESS_MS = 10_000;
/** A sweep looks no further after so many failures. */
const FAILURES_MAX = 5;
/** Seeds are drawn below this. */
const SEED_END = 2 ** 31;

interface Options {
  readonly seeds?: number;
  readonly from?: number;
  readonly seed?: number;
  readonly plan?: string;
  readonly trace: boolean;
  readonly shrink: boolean;
  readonly jobs: number;
  readonly failures: string;
}

const program = new Command('simulate')
  .description(
    'Plays disasters on the real code in a simulated world, each from its seed, and checks every step.',
  )
  .option('--seeds <count>', 'play so many seeds', wholeNumber)
  .option('--from <seed>', 'the first of them (else a new one each time)', wholeNumber)
  .option('--seed <seed>', 'play this one seed', wholeNumber)
  .option('--plan <file>', 'play the plan in this file, as a failure left it')
  .option('--trace', 'print every step of one seed or plan', false)
  .option('--no-shrink', 'do not look for a smaller plan that fails')
  .option('--jobs <count>', 'threads of a sweep', wholeNumber, availableParallelism())
  .option('--failures <directory>', 'where plans that fail are kept', 'failures');

const options = program.parse().opts<Options>();
if (options.plan !== undefined) await playOne(await readPlan(options.plan));
else if (options.seed !== undefined) await playOne(makePlan(options.seed));
else if (options.seeds !== undefined) await sweep(options.seeds, options.from ?? newSeed());
else program.help({ error: true });

/** A plan as a failure left it, or that of a regression. */
async function readPlan(file: string): Promise<Plan> {
  const read = JSON.parse(await readFile(file, 'utf8')) as Plan | { readonly plan: Plan };
  return 'plan' in read ? read.plan : read;
}

async function playOne(plan: Plan): Promise<void> {
  const result = await run(plan, options.trace ? { trace: (line) => console.log(line()) } : {});
  if (result.failure === null) {
    console.log(describeTotals(withRun(NO_RUNS, result)));
    return;
  }
  await tell(plan, result);
}

/** Says what failed and how little it takes to fail so, and keeps that. */
async function tell(plan: Plan, result: Result): Promise<void> {
  process.exitCode = 1;
  console.error(describeFailure(result, `npm run simulate -- --seed ${plan.seed}`));
  if (!options.shrink) return;
  const small = await shrink(plan);
  await mkdir(options.failures, { recursive: true });
  const file = `${options.failures}/${plan.seed}.json`;
  await writeFile(file, `${JSON.stringify(small.plan, null, 1)}\n`);
  console.error(`\nshrunk in ${small.runs} runs to\n${describePlan(small.plan)}`);
  console.error(describeFailure(small.result, `npm run simulate -- --plan ${file} --trace`));
}

async function sweep(count: number, from: number): Promise<void> {
  console.log(`seeds ${from} to ${from + count - 1}: npm run simulate -- --seeds ${count} --from ${from}`);
  const startedMs = performance.now();
  const { totals, failures } = await playAll(count, from, (done) => {
    const seconds = (performance.now() - startedMs) / 1000;
    console.log(`${done.runs} of ${count} after ${seconds.toFixed(0)} s, ${done.failed.length} failed`);
  });
  const minutes = (performance.now() - startedMs) / 60_000;
  console.log(describeTotals(totals));
  const perMinute = totals.simulatedMs / 10_000 / minutes / options.jobs;
  console.log(`${perMinute.toFixed(0)} runs of 10 simulated seconds for each minute and thread`);
  for (const result of failures) await tell(makePlan(result.seed), result);
}

/** Hands the seeds out to threads. */
async function playAll(
  count: number,
  from: number,
  progress: (totals: Totals) => void,
): Promise<{ totals: Totals; failures: Result[] }> {
  let totals = NO_RUNS;
  let next = from;
  const failures: Result[] = [];
  let saidMs = performance.now();
  const work = async (): Promise<void> => {
    const worker = new Worker(new URL('./simulate-worker.ts', import.meta.url));
    try {
      while (next < from + count && failures.length < FAILURES_MAX) {
        const result = await play(worker, next++);
        totals = withRun(totals, result);
        if (result.failure !== null) {
          failures.push(result);
          console.log(describeFailure(result, `npm run simulate -- --seed ${result.seed}`));
        }
        if (performance.now() - saidMs < PROGRESS_MS) continue;
        saidMs = performance.now();
        progress(totals);
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.jobs, count) }, work));
  return { totals, failures };
}

function play(worker: Worker, seed: number): Promise<Result> {
  return new Promise((resolve, reject) => {
    const failed = (error: unknown): void =>
      reject(new Error(`seed ${seed} ended its thread`, { cause: error }));
    worker.once('error', failed);
    worker.once('message', (result: Result) => {
      worker.off('error', failed);
      resolve(result);
    });
    worker.postMessage(seed);
  });
}

function newSeed(): number {
  return Math.floor(Math.random() * SEED_END);
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number))
    throw new InvalidArgumentError('a whole number is expected');
  return number;
}
