import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Call } from '../../src/simulator/history.ts';

/** What the checker found. */
export interface Judged {
  readonly verdict: 'yes' | 'no' | 'gave-up';
  readonly steps: number;
  readonly tookMs: number;
  /** A picture of what can't be explained, or the keys that took too long. */
  readonly told: string;
}

/** Whether a history is linearizable; the answer is worked out beside what goes on here. */
export async function judge(calls: readonly Call[]): Promise<Judged> {
  const worker = new Worker(new URL('./check-worker.ts', import.meta.url), { workerData: calls });
  const [judged] = (await once(worker, 'message')) as [Judged];
  await worker.terminate();
  return judged;
}
