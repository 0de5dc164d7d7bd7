import type { Judged } from './check.ts';
import type { RoundResult } from './round.ts';
import type { Fault } from './schedule.ts';

/** What is printed: lines for people, or one JSON document per line. Every line is kept, for the evidence. */
export class Report {
  readonly lines: string[] = [];
  readonly violations: string[] = [];
  readonly #json: boolean;
  readonly #startMs = performance.now();
  readonly #faults = new Map<string, number>();
  readonly #reasons = new Map<string, number>();
  #rounds = 0;
  #answered = 0;
  #unknown = 0;
  #gaveUp = 0;
  #calmGapMs = 0;
  #wholeAfterMs = 0;

  constructor(options: { json: boolean }) {
    this.#json = options.json;
  }

  say(event: string, line: string, more: object = {}): void {
    const atMs = Math.round(performance.now() - this.#startMs);
    const text = `${(atMs / 1000).toFixed(1).padStart(7)} s  ${line}`;
    this.lines.push(text);
    console.log(this.#json ? JSON.stringify({ event, atMs, line, ...more }) : text);
  }

  fault(line: string, kind: Fault['kind']): void {
    if (!line.startsWith('could not')) this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + 1);
    this.say('fault', line, { kind });
  }

  violation(text: string): void {
    this.violations.push(text);
    this.say('violation', `VIOLATION: ${text}`);
  }

  round(number: number, result: RoundResult): void {
    this.#rounds += 1;
    this.#answered += result.answered;
    this.#unknown += result.unknown;
    this.#calmGapMs = Math.max(this.#calmGapMs, result.calmGapMs);
    this.#wholeAfterMs = Math.max(this.#wholeAfterMs, result.wholeAfterMs);
    for (const [why, count] of result.reasons) this.#reasons.set(why, (this.#reasons.get(why) ?? 0) + count);
    const { answered, unknown, wholeAfterMs, calmGapMs } = result;
    this.say(
      'round',
      `round ${number}: ${answered} calls answered, ${unknown} unknown; whole after ${Math.round(wholeAfterMs)} ms, longest calm time without a write ${Math.round(calmGapMs)} ms`,
      { number, answered, unknown, wholeAfterMs, calmGapMs },
    );
  }

  judged(number: number, { verdict, steps, tookMs, told }: Judged): void {
    const words = {
      yes: 'linearizable',
      no: 'NOT linearizable',
      'gave-up': `too much to judge (${told})`,
    }[verdict];
    if (verdict === 'gave-up') this.#gaveUp += 1;
    this.say('verdict', `round ${number}: ${words}; ${steps} steps in ${tookMs} ms`, {
      number,
      verdict,
      steps,
    });
    if (verdict === 'no') this.violation(`round ${number} is not linearizable:\n${told}`);
  }

  /** The end. `missing` is what could not be done on this machine. */
  summary({ seed, minutes: asked }: { seed: number; minutes: number }, missing: readonly string[]): void {
    const minutes = (performance.now() - this.#startMs) / 60_000;
    const summary = {
      seed,
      minutes: Number(minutes.toFixed(2)),
      rounds: this.#rounds,
      answered: this.#answered,
      unknown: this.#unknown,
      notJudged: this.#gaveUp,
      faults: Object.fromEntries(this.#faults),
      longestCalmWithoutWriteMs: Math.round(this.#calmGapMs),
      longestUntilWholeMs: Math.round(this.#wholeAfterMs),
      missing,
      violations: this.violations.length,
    };
    if (this.#json) {
      console.log(
        JSON.stringify({ event: 'summary', ...summary, retries: Object.fromEntries(this.#reasons) }),
      );
      return;
    }
    const faults = [...this.#faults].map(([kind, count]) => `${kind} ${count}`).join(', ');
    const lines = [
      `${summary.minutes} minutes, ${summary.rounds} rounds, seed ${seed}`,
      `calls: ${summary.answered} answered, ${summary.unknown} unknown; rounds too large to judge: ${summary.notJudged}`,
      `faults: ${faults}`,
      `longest time without a successful write outside of faults: ${summary.longestCalmWithoutWriteMs} ms`,
      `longest time until the chain was whole: ${summary.longestUntilWholeMs} ms`,
      ...missing.map((what) => `NOT DONE: ${what}`),
      `violations: ${summary.violations}`,
      ...(summary.violations > 0
        ? [`the same faults again: npm run torture -- --minutes ${asked} --seed ${seed}`]
        : []),
    ];
    console.log(`\n${lines.join('\n')}`);
  }
}
