/** Judges a history in a thread of its own: on the main one it would hold up the proxies, and the chain would flap. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Call } from '../../src/simulator/history.ts';
import { pictureOf } from '../../src/simulator/history-picture.ts';
import { checkHistory } from '../../src/simulator/linearizability.ts';
import type { Judged } from './check.ts';

/**
 * Log clocks run within 10 % of the true time, and when another head takes over, step back to what most wall clocks say: by
 * no more than one wrong clock led it astray before.
 */
const EXPIRY = { earliestPart: 0.85, latestPart: null, slackMs: 1000 };

const startMs = performance.now();
const verdict = checkHistory(workerData as readonly Call[], { expiry: EXPIRY });
const judged: Judged = {
  verdict: verdict.kind,
  steps: verdict.steps,
  tookMs: Math.round(performance.now() - startMs),
  told:
    verdict.kind === 'no'
      ? pictureOf(verdict.part)
      : verdict.kind === 'gave-up'
        ? verdict.keys.join(', ')
        : '',
};
parentPort?.postMessage(judged);
