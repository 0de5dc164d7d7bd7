import { setTimeout as sleep } from 'node:timers/promises';
import { Agent } from 'undici';
import type { Asked, Call, Told } from '../../src/simulator/history.ts';
import { readAnswer } from './answers.ts';
import { attempt } from './attempt.ts';
import { requestFor } from './requests.ts';
import type { Workload } from './workload.ts';

const AGREE_MS_MAX = 15_000;
const ANSWER_MS_MAX = 2000;
const AT_ONCE = 4;
const AGAIN_MS = 100;

/** Where the final reads go. */
interface Cluster {
  /** The chain now, head first. */
  members(): Promise<readonly string[]>;
  url(name: string): string;
}

/**
 * Reads all keys of a round at every member, which has to answer by itself (reads have to be `any`), until all say the same:
 * nothing but expiry may change them any more. @returns the reads, and in words what is wrong, or `null`.
 */
export async function readAtEveryMember(
  bed: Cluster,
  workload: Pick<Workload, 'keys' | 'groups'>,
): Promise<{ readonly calls: readonly Call[]; readonly wrong: string | null }> {
  const asked: readonly Asked[] = [
    ...workload.keys.map(
      (key): Asked => ({ kind: 'operations', atomic: true, operations: [{ op: 'get', key }] }),
    ),
    ...workload.groups.map((prefix): Asked => ({ kind: 'page', prefix, after: null, limit: 100 })),
  ];
  const agent = new Agent({ connections: AT_ONCE });
  const untilMs = performance.now() + AGREE_MS_MAX;
  const calls: Call[] = [];
  try {
    for (;;) {
      const members = await bed.members();
      const said = await Promise.all(members.map((member) => readAt(bed, member, { asked, agent, calls })));
      const wrong = disagreement(members, said);
      if (wrong === null || performance.now() > untilMs) return { calls, wrong };
      await sleep(AGAIN_MS);
    }
  } catch (error) {
    return { calls, wrong: `the final reads failed: ${error}` };
  } finally {
    await agent.destroy();
  }
}

/** What one member says to each, as text. */
async function readAt(
  bed: Cluster,
  member: string,
  { asked, agent, calls }: { asked: readonly Asked[]; agent: Agent; calls: Call[] },
): Promise<readonly string[]> {
  const said: string[] = [];
  for (const read of asked) {
    const done = await attempt(requestFor(read), {
      base: bed.url(member),
      headers: {},
      requestIdInQuery: null,
      timeoutMs: ANSWER_MS_MAX,
      signal: new AbortController().signal,
      dispatcher: agent,
    });
    if (done.kind === 'failed') {
      said.push(done.why);
      continue;
    }
    const reading = readAnswer(read, done.answer);
    const by = done.answer.headers['catena-node'];
    if (reading.kind !== 'told') said.push(reading.why);
    else {
      said.push(by === member ? textOf(reading.told) : `answered by ${by}: ${textOf(reading.told)}`);
      const answer = { told: reading.told, atMs: performance.now() };
      calls.push({ client: `final-${member}`, asked: read, calledAtMs: done.askedAtMs, answer });
    }
  }
  return said;
}

function disagreement(members: readonly string[], said: readonly (readonly string[])[]): string | null {
  const [first = []] = said;
  const other = said.findIndex((answers) => JSON.stringify(answers) !== JSON.stringify(first));
  const lines = said.flatMap((answers, at) =>
    answers
      .filter((answer, place) => answer !== first[place] || answer.startsWith('answered by'))
      .map((answer) => `${members[at]} says ${answer}`),
  );
  if (other < 0 && lines.length === 0) return null;
  return `the members don't agree in the end: ${lines.slice(0, 10).join('\n')}`;
}

function textOf(told: Told): string {
  return JSON.stringify(told);
}
