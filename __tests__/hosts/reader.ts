/**
 * A client on the host of a node that asks this node alone, as a program beside it would: also while the cable is cut. It reads,
 * and hands its calls over when it is told to stop. Started by `readers.ts`.
 */
import { Prng } from '../../src/base/prng.ts';
import { Client } from '../torture/client.ts';
import { Recorder } from '../torture/recorder.ts';
import { Workload } from '../torture/workload.ts';
import type { Handover } from './readers.ts';
import { systemTimeAheadMs } from './system-time.ts';

const TIMEOUTS_MS = [300, 1500];
const LAST_ANSWER_MS_MAX = 5000;

const [name = '', url = '', prefix = '', seed = ''] = process.argv.slice(2);
const recorder = new Recorder();
const { keys } = new Workload(prefix);
const client = new Client({
  name,
  random: new Prng(Number(seed)).fork(name),
  workload: {
    next: (random) => ({
      kind: 'operations',
      atomic: true,
      operations: [{ op: 'get', key: random.pick(keys) }],
    }),
    seen: () => {},
  },
  recorder,
  targets: () => [url],
  timeoutsMs: TIMEOUTS_MS,
});

client.start();
process.once('disconnect', () => process.exit());
process.once('message', () => {
  void handOver();
});

async function handOver(): Promise<void> {
  await client.stop(LAST_ANSWER_MS_MAX);
  const aheadMs = systemTimeAheadMs();
  const calls = recorder.calls.map((call) => ({
    ...call,
    calledAtMs: call.calledAtMs + aheadMs,
    answer: call.answer && { ...call.answer, atMs: call.answer.atMs + aheadMs },
  }));
  const handover: Handover = { calls, wrong: recorder.wrong };
  process.send?.(handover, undefined, undefined, () => process.disconnect());
}
