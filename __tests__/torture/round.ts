import { setTimeout as sleep } from 'node:timers/promises';
import type { Prng } from '../../src/base/prng.ts';
import type { Reads } from '../../src/protocol/configuration.ts';
import type { Call } from '../../src/simulator/history.ts';
import { Client } from './client.ts';
import { FaultRun } from './faults.ts';
import { readAtEveryMember } from './final-reads.ts';
import { Recorder } from './recorder.ts';
import { describeEdit, drawEdit, type Fault, planRound } from './schedule.ts';
import type { Testbed } from './testbed.ts';
import { Workload } from './workload.ts';

const FAULTS_MS = { least: 14_000, most: 22_000 };
const CALM_MS = 2000;
const WHOLE_MS_MAX = 60_000;
/** Once the chain is whole and no fault is left, a call is answered within this. */
const ANSWER_MS_MAX = 20_000;
/** A process that ended by itself is enough: what follows from that is not waited for as long. */
const HOPELESS = 0.1;
const CLIENTS = { least: 8, most: 16 };

/** What came of a round. */
export interface RoundResult {
  readonly calls: readonly Call[];
  readonly answered: number;
  readonly unknown: number;
  /** From the end of the faults, in ms. */
  readonly wholeAfterMs: number;
  /** The longest time without a successful write while no fault was there. */
  readonly calmGapMs: number;
  readonly violations: readonly string[];
  readonly reasons: ReadonlyMap<string, number>;
}

/** What a round needs. */
export interface RoundOptions {
  readonly number: number;
  readonly random: Prng;
  /** Cuts the faults short. */
  readonly signal: AbortSignal;
  readonly say: (line: string, kind: Fault['kind']) => void;
}

/** Some faults with clients at work, then calm, in which all has to come right again. */
export async function playRound(bed: Testbed, options: RoundOptions): Promise<RoundResult> {
  const { number, random, signal, say } = options;
  const recorder = new Recorder();
  const workload = new Workload(`r${number}`);
  const clients = makeClients(bed, { random, workload, recorder });
  for (const client of clients) client.start();

  const ground = {
    nodes: bed.nodes,
    coordinator: bed.coordinator,
    clocks: [...bed.clocks.keys()],
    smallDisk: bed.disk !== null,
  };
  const faults = new FaultRun(bed, say);
  const first = drawEdit(random, bed.nodes, readsOf(number));
  say(`edit: ${describeEdit(first)}: ${await bed.edit(first)}`, 'edit');
  await faults.play(planRound(random, ground, random.between(FAULTS_MS.least, FAULTS_MS.most)), signal);
  await faults.recover();

  const recoveredAtMs = performance.now();
  const hope = bed.ends.length === 0 ? 1 : HOPELESS;
  const broken = await bed.whole(WHOLE_MS_MAX * hope);
  const wholeAtMs = performance.now();
  if (broken === null) await sleep(CALM_MS);
  const calmGapMs = broken === null ? recorder.longestGapMs(wholeAtMs, performance.now()) : 0;
  const ended = await Promise.all(clients.map((client) => client.stop(ANSWER_MS_MAX * hope)));
  const stuck = ended.filter((inTime) => !inTime).length;

  const violations = [...recorder.wrong.map((wrong) => `an answer that may not be: ${wrong}`)];
  if (broken !== null)
    violations.push(
      `the chain is not whole ${Math.round(wholeAtMs - recoveredAtMs)} ms after the faults:\n${broken}`,
    );
  if (stuck > 0) violations.push(`${stuck} calls got no answer within ${ANSWER_MS_MAX * hope} ms of calm`);
  const final = violations.length > 0 ? { calls: [], wrong: null } : await finalReads(bed, workload);
  if (final.wrong !== null) violations.push(final.wrong);
  return {
    calls: [...recorder.calls, ...final.calls],
    answered: recorder.answered,
    unknown: recorder.calls.length - recorder.answered,
    wholeAfterMs: wholeAtMs - recoveredAtMs,
    calmGapMs,
    violations,
    reasons: recorder.reasons,
  };
}

function makeClients(
  bed: Testbed,
  parts: { random: Prng; workload: Workload; recorder: Recorder },
): readonly Client[] {
  const count = CLIENTS.least + parts.random.below(CLIENTS.most - CLIENTS.least + 1);
  const urls = bed.nodes.map((node) => bed.url(node));
  return Array.from({ length: count }, (_, at) => {
    const name = `client-${at}`;
    return new Client({ ...parts, name, random: parts.random.fork(name), targets: () => urls });
  });
}

/** Every member answers by itself only with reads `any`, so that is asked for once more where it is not so. */
async function finalReads(
  bed: Testbed,
  workload: Workload,
): Promise<{ calls: readonly Call[]; wrong: string | null }> {
  const untilMs = performance.now() + WHOLE_MS_MAX;
  for (;;) {
    const { configuration } = await bed.view();
    if (configuration?.reads === 'any') break;
    const edited = await bed.edit({ ...bed.wanted, reads: 'any' });
    const broken = await bed.whole(WHOLE_MS_MAX);
    if (performance.now() > untilMs)
      return { calls: [], wrong: `reads "any" came to nothing: ${edited}\n${broken}` };
  }
  return readAtEveryMember(bed, workload);
}

function readsOf(round: number): Reads {
  return round % 2 === 0 ? 'any' : 'tail';
}
