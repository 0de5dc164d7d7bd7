/** `npm run torture -- --minutes N [--seed S] [--json]`: real processes, real faults, and a checker for what clients saw. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Prng } from '../../src/base/prng.ts';
import type { Call } from '../../src/simulator/history.ts';
import { judge } from './check.ts';
import { keepEvidence } from './evidence.ts';
import { Report } from './report.ts';
import { playRound } from './round.ts';
import { Testbed } from './testbed.ts';

const USAGE = 'usage: npm run torture -- --minutes N [--seed S] [--json]';
const START_MS_MAX = 60_000;
/** The exit code of a run that a signal cut short: it has not shown what it was to show. */
const INTERRUPTED = 130;

interface Options {
  readonly minutes: number;
  readonly seed: number;
  readonly json: boolean;
}

/** From the start to the summary. */
class Torture {
  readonly #options: Options;
  readonly #report: Report;
  readonly #bed: Testbed;
  /** Cuts the present round short. */
  readonly #signal: AbortSignal;
  readonly #found = new AbortController();
  /** Of the last two rounds: the one before may be found wrong while the next is played. */
  readonly #histories = new Map<number, readonly Call[]>();
  #judging: Promise<void> = Promise.resolve();
  #states = '';

  constructor(parts: { options: Options; report: Report; bed: Testbed; signal: AbortSignal }) {
    this.#options = parts.options;
    this.#report = parts.report;
    this.#bed = parts.bed;
    this.#signal = AbortSignal.any([parts.signal, this.#found.signal]);
  }

  async run(): Promise<void> {
    const untilMs = performance.now() + this.#options.minutes * 60_000;
    this.#bed.startAll();
    const broken = await this.#bed.whole(START_MS_MAX);
    if (broken !== null) this.#report.violation(`the chain does not come up:\n${broken}`);
    try {
      for (let number = 1; performance.now() < untilMs && this.#goesOn; number++) await this.#round(number);
    } catch (error) {
      this.#report.violation(`the run could not go on: ${storyOf(error)}`);
    }
    if (this.#report.violations.length > 0) this.#states = await this.#bed.states();
    await this.#bed.killAll();
    await this.#judging;
  }

  async keep(): Promise<void> {
    const { seed } = this.#options;
    const folder = await keepEvidence(this.#bed, this.#report, {
      seed,
      histories: this.#histories,
      states: this.#states,
    });
    this.#report.say('evidence', `data, logs and histories are kept in ${folder}`, { folder });
  }

  get #goesOn(): boolean {
    return this.#report.violations.length === 0 && !this.#signal.aborted;
  }

  async #round(number: number): Promise<void> {
    const result = await playRound(this.#bed, {
      number,
      random: new Prng(this.#options.seed).fork(`round ${number}`),
      signal: this.#signal,
      say: (line, kind) => this.#report.fault(line, kind),
    });
    this.#report.round(number, result);
    for (const violation of [...result.violations, ...this.#complaints()]) this.#report.violation(violation);
    this.#histories.delete(number - 2);
    this.#histories.set(number, result.calls);
    await this.#judging;
    this.#judging = this.#judge(number, result.calls);
  }

  async #judge(number: number, calls: readonly Call[]): Promise<void> {
    try {
      const judged = await judge(calls);
      this.#report.judged(number, judged);
    } catch (error) {
      this.#report.violation(`round ${number} could not be judged: ${storyOf(error)}`);
    }
    if (this.#report.violations.length > 0) this.#found.abort();
  }

  /** What processes did that none of our faults explains. */
  #complaints(): readonly string[] {
    const damaged = this.#bed.nodes.flatMap((node) =>
      readdirSync(join(this.#bed.folder, 'data', node))
        .filter((name) => name.startsWith('damaged-'))
        .map((name) => `${node} set its files aside as damaged, though nothing damaged them: ${name}`),
    );
    return [
      ...this.#bed.ends,
      ...this.#bed.fatalLines().map((line) => `a process said: ${line}`),
      ...damaged,
    ];
  }
}

function storyOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function optionsOf(args: readonly string[]): Options | null {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { minutes: { type: 'string' }, seed: { type: 'string' }, json: { type: 'boolean' } },
    });
    const minutes = Number(values.minutes ?? Number.NaN);
    const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
    if (!(minutes > 0) || !Number.isSafeInteger(seed)) return null;
    return { minutes, seed, json: values.json ?? false };
  } catch {
    return null;
  }
}

/** The first signal ends the round, and with it the run, in order; the second at once. */
function stopSignal(report: Report): AbortSignal {
  const stop = new AbortController();
  const stopped = (signal: string): void => {
    if (stop.signal.aborted) process.exit(INTERRUPTED);
    report.say('stop', `${signal}: ending in order; once more ends at once`);
    stop.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stopped);
  return stop.signal;
}

async function main(): Promise<number> {
  const options = optionsOf(process.argv.slice(2));
  if (options === null) {
    console.error(USAGE);
    return 2;
  }
  const report = new Report(options);
  const signal = stopSignal(report);
  const bed = await Testbed.make();
  process.on('exit', (code) => {
    bed.endNow();
    if (code === INTERRUPTED) rmSync(bed.folder, { recursive: true, force: true, maxRetries: 10 });
  });
  report.say('start', `seed ${options.seed}, ${options.minutes} minutes, in ${bed.folder}`, {
    seed: options.seed,
  });
  for (const what of bed.missing) report.say('missing', `NOT DONE: ${what}`);
  const torture = new Torture({ options, report, bed, signal });
  try {
    await torture.run();
    if (report.violations.length > 0) await torture.keep();
  } finally {
    await bed.end();
    await bed.remove();
  }
  report.summary(options, bed.missing);
  if (report.violations.length > 0) {
    console.log(
      `the same faults again: npm run torture -- --minutes ${options.minutes} --seed ${options.seed}`,
    );
    return 1;
  }
  return signal.aborted ? INTERRUPTED : 0;
}

process.exitCode = await main();
