import { cp, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Call } from '../../src/simulator/history.ts';
import type { Report } from './report.ts';
import type { Testbed } from './testbed.ts';

/** What of a failed run is kept. */
export interface Evidence {
  readonly seed: number;
  /** By round; the last ones. */
  readonly histories: ReadonlyMap<number, readonly Call[]>;
  /** What the processes said of themselves, as JSON. */
  readonly states: string;
}

/** Keeps data directories, logs and histories of a run whose processes have ended. @returns the folder. */
export async function keepEvidence(bed: Testbed, report: Report, evidence: Evidence): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'catena-violation-'));
  // Copied rather than renamed: a part of it is a file system in memory that is about to be unmounted.
  await cp(bed.folder, folder, { recursive: true });
  await writeFile(join(folder, 'course.txt'), report.lines.join('\n'));
  await writeFile(join(folder, 'violations.txt'), report.violations.join('\n\n'));
  await writeFile(join(folder, 'states.json'), evidence.states);
  for (const [round, calls] of evidence.histories) {
    const history = { seed: evidence.seed, round, calls };
    await writeFile(join(folder, `history-round-${round}.json`), JSON.stringify(history, null, 1));
  }
  return folder;
}
