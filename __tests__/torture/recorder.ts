import type { Call } from '../../src/simulator/history.ts';

/** What clients did, for the checker and for the summary. Times are those of `performance.now()` in this process. */
export class Recorder {
  readonly calls: Call[] = [];
  /** Answers that no request may get. */
  readonly wrong: string[] = [];
  /** When each write succeeded. */
  readonly writesAtMs: number[] = [];
  /** Why attempts failed that were made again, with how often. */
  readonly reasons = new Map<string, number>();
  /** Calls that had no effect for certain, or were reads without an answer: they are left out of the history. */
  leftOut = 0;

  get answered(): number {
    return this.calls.filter(({ answer }) => answer !== null).length;
  }

  missed(why: string): void {
    this.reasons.set(why, (this.reasons.get(why) ?? 0) + 1);
  }

  /** The longest time between two writes that succeeded, within this span. */
  longestGapMs(fromMs: number, toMs: number): number {
    const within = this.writesAtMs.filter((atMs) => atMs > fromMs && atMs < toMs).sort((a, b) => a - b);
    const marks = [fromMs, ...within, toMs];
    return marks.slice(1).reduce((longest, mark, at) => Math.max(longest, mark - (marks[at] ?? mark)), 0);
  }
}
