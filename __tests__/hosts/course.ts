import { setTimeout as sleep } from 'node:timers/promises';
import type { Bed } from './bed.ts';
import type { Crowd } from './crowd.ts';

const LOOK_MS = 25;
/** As many acknowledged writes are enough to say that they go on. */
const GOES_ON = 30;

/** Something that was not as it should be. */
export class Violation extends Error {}

/** What came of a step. */
interface Played {
  readonly title: string;
  readonly gapMs: number;
  readonly writes: number;
}

/** A run: its steps one after the other, each told with what was seen. It ends with the first violation. */
export class Course {
  readonly lines: string[] = [];
  /** What could not be done on this machine. */
  readonly missing: string[] = [];
  readonly played: Played[] = [];
  /** Which hosts had no cable, and when. */
  readonly cutOff: { readonly host: string; readonly fromMs: number; readonly toMs: number }[] = [];
  readonly bed: Bed;
  readonly crowd: Crowd;
  readonly #signal: AbortSignal;
  readonly #startMs = performance.now();

  constructor(parts: { bed: Bed; crowd: Crowd; signal: AbortSignal }) {
    this.bed = parts.bed;
    this.crowd = parts.crowd;
    this.#signal = parts.signal;
  }

  say(line: string): void {
    const atMs = performance.now() - this.#startMs;
    const text = `${(atMs / 1000).toFixed(1).padStart(6)} s  ${line}`;
    this.lines.push(text);
    console.log(text);
  }

  notDone(what: string): void {
    this.missing.push(what);
    this.say(`   NOT DONE: ${what}`);
  }

  /** Plays a step between two whole chains; the gap of it counts until it is over. */
  async step(title: string, play: () => Promise<void>): Promise<void> {
    const number = this.played.length + 1;
    this.say(`${number}. ${title}`);
    const fromMs = performance.now();
    await play();
    const gapMs = this.crowd.longestGapMs(fromMs, performance.now());
    const writes = this.crowd.writesSince(fromMs);
    this.played.push({ title, gapMs, writes });
    this.say(
      `   longest time without an acknowledged write ${Math.round(gapMs)} ms; ${writes} acknowledged, ${this.crowd.readsSince(fromMs)} reads`,
    );
  }

  /** Waits until `look` finds nothing wanting (`null`; else it says what is there instead). @returns how long that took. */
  async until(what: string, limitMs: number, look: () => Promise<string | null>): Promise<number> {
    const fromMs = performance.now();
    for (;;) {
      this.#goOn();
      const seen = await look().catch((error: unknown) => String(error));
      const tookMs = Math.round(performance.now() - fromMs);
      if (seen === null) return tookMs;
      if (tookMs > limitMs)
        throw new Violation(`after ${tookMs} ms it is not so that ${what}; seen: ${seen}`);
      await sleep(LOOK_MS);
    }
  }

  /** Waits until writes are acknowledged that were not before now. */
  async writesGoOn(limitMs: number): Promise<number> {
    const fromMs = performance.now();
    return this.until('writes are acknowledged', limitMs, async () => {
      const count = this.crowd.writesSince(fromMs);
      return count >= GOES_ON ? null : `${count} writes since`;
    });
  }

  /** Lets a fault last. */
  async last(forMs: number): Promise<void> {
    await sleep(forMs, undefined, { signal: this.#signal }).catch(() => {});
    this.#goOn();
  }

  #goOn(): void {
    if (this.#signal.aborted) throw this.#signal.reason;
    const [end] = this.bed.ends;
    if (end !== undefined) throw new Violation(end);
  }
}
