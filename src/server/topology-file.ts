import { CatenaError, messageOf } from '../base/errors.ts';
import { FileWatch } from '../platform/file-watch.ts';
import { readTextFile } from '../platform/files.ts';
import type { Topology } from '../protocol/topology.ts';
import { describeProblem, parseTopology, type TopologyProblem } from '../topology/topology.ts';

/** A checked topology and the digest of what its file says. */
export interface TopologyFile {
  readonly topology: Topology;
  readonly digest: string;
  /** As it stands in the file. */
  readonly text: string;
}

/** Who takes what a topology file says when it was changed. */
export interface TopologyTaker {
  takeFile(topology: Topology, digest: string): void;
  refuseFile(problem: string): void;
}

/**
 * Reads and checks a topology file.
 *
 * @throws CatenaError BAD_TOPOLOGY when it can't be read, or with a line for each problem that it has.
 */
export async function readTopologyFile(path: string): Promise<TopologyFile> {
  const text = await textOf(path);
  const parsed = parseTopology(text, path);
  if (parsed.kind === 'ok') return { ...parsed, text };
  throw new CatenaError('BAD_TOPOLOGY', problemsText(path, parsed.problems));
}

/** Hands on every change of a topology file, good or bad, until it is stopped. */
export function followTopologyFile(path: string, taker: TopologyTaker): FileWatch {
  return new FileWatch(path, {
    says: (text, settled) => {
      const parsed = parseTopology(text, path);
      if (parsed.kind === 'ok') taker.takeFile(parsed.topology, parsed.digest);
      else if (settled) taker.refuseFile(problemsText(path, parsed.problems));
      return parsed.kind === 'ok';
    },
    away: (reason) => {
      taker.refuseFile(
        `${path} can't be read: ${reason}; put it back. Until then the present topology stays in force`,
      );
    },
  });
}

function problemsText(path: string, problems: readonly TopologyProblem[]): string {
  const count = problems.length;
  const head = `${path} has ${count === 1 ? 'a problem' : `${count} problems`}; mend the file and try again:`;
  return [head, ...problems.map(describeProblem)].join('\n');
}

async function textOf(path: string): Promise<string> {
  try {
    return await readTextFile(path);
  } catch (error) {
    const todo = 'give a topology file, such as topology/local.json';
    throw new CatenaError('BAD_TOPOLOGY', `${messageOf(error)}; ${todo}`, { cause: error });
  }
}
