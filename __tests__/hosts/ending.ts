import type { Call } from '../../src/simulator/history.ts';
import { judge } from '../torture/check.ts';
import { readAtEveryMember } from '../torture/final-reads.ts';
import { writes } from '../torture/requests.ts';
import { type Course, Violation } from './course.ts';
import { countKept } from './kept.ts';
import { readerOn } from './readers.ts';

const READ_ANYWHERE_MS_MAX = 15_000;

/**
 * Looks at every member, which answers by itself, for everything that was written: all have to say the same, and to have every
 * write that was acknowledged. @returns these reads.
 */
export async function lookForAll(course: Course, calls: readonly Call[]): Promise<readonly Call[]> {
  const { bed, crowd } = course;
  await bed.readAnywhere();
  await course.until('every member answers reads', READ_ANYWHERE_MS_MAX, async () => {
    const { configuration } = await bed.view();
    return configuration?.reads === 'any' ? bed.whatIsNotWhole() : 'the edit is under way';
  });
  const final = await readAtEveryMember(bed, crowd.workload);
  if (final.wrong !== null) throw new Violation(final.wrong);
  const { prefix } = crowd.kept;
  for (const member of await bed.members()) {
    const there = await bed.valuesAt(member, prefix);
    const { acknowledged, unknown, lost } = countKept(calls, prefix, there);
    if (lost.length > 0)
      throw new Violation(`${member} has lost ${lost.length}: ${lost.slice(0, 5).join(', ')}`);
    course.say(
      `${member} has all ${acknowledged} acknowledged writes that were kept apart; ${unknown} unknown`,
    );
  }
  return final.calls;
}

/** Whether one order explains all that clients were told. */
export async function judgeHistory(course: Course, calls: readonly Call[]): Promise<void> {
  const { verdict, steps, tookMs, told } = await judge(calls);
  if (verdict !== 'yes')
    throw new Violation(`the history is not known to be linearizable (${verdict}):\n${told}`);
  course.say(`the history of ${calls.length} calls is linearizable (${steps} steps in ${tookMs} ms)`);
}

/** The end of a run that found nothing wrong. */
export function tellCounts(course: Course, calls: readonly Call[]): void {
  const written = calls.filter(({ asked }) => writes(asked));
  const acknowledged = written.filter(({ answer }) => answer?.told.kind === 'done').length;
  const unknown = calls.filter(({ answer }) => answer === null).length;
  const reads = calls.length - written.length;
  const gaps = course.played.map(
    ({ title, gapMs }) => `  ${String(Math.round(gapMs)).padStart(6)} ms  ${title}`,
  );
  const lines = [
    `writes acknowledged: ${acknowledged}; unknown: ${unknown}; lost: 0; reads: ${reads}`,
    `reads that a node answered the client beside it while it was cut off: ${readsCutOff(course, calls)}`,
    'longest time without an acknowledged write:',
    ...gaps,
    ...course.missing.map((what) => `NOT DONE: ${what}`),
  ];
  for (const line of lines) course.say(line);
}

function readsCutOff({ cutOff }: Course, calls: readonly Call[]): number {
  return cutOff
    .map(
      ({ host, fromMs, toMs }) =>
        calls.filter(
          ({ client, calledAtMs, answer }) =>
            client === readerOn(host) && answer !== null && calledAtMs > fromMs && answer.atMs < toMs,
        ).length,
    )
    .reduce((sum, count) => sum + count, 0);
}
