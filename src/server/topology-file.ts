import { CatenaError, messageOf } from '../base/errors.ts';
import { readTextFile } from '../platform/files.ts';
import type { Topology } from '../protocol/topology.ts';
import { describeProblem, parseTopology } from '../topology/topology.ts';

/** A checked topology and the digest of what its file says. */
export interface TopologyFile {
  readonly topology: Topology;
  readonly digest: string;
}

/**
 * Reads and checks a topology file.
 *
 * @throws CatenaError BAD_TOPOLOGY when it can't be read, or with a line for each problem that it has.
 */
export async function readTopologyFile(path: string): Promise<TopologyFile> {
  const parsed = parseTopology(await textOf(path), path);
  if (parsed.kind === 'ok') return parsed;
  const count = parsed.problems.length;
  const head = `${path} has ${count === 1 ? 'a problem' : `${count} problems`}; mend the file and try again:`;
  throw new CatenaError('BAD_TOPOLOGY', [head, ...parsed.problems.map(describeProblem)].join('\n'));
}

async function textOf(path: string): Promise<string> {
  try {
    return await readTextFile(path);
  } catch (error) {
    const todo = 'give a topology file, such as topology/local.json';
    throw new CatenaError('BAD_TOPOLOGY', `${messageOf(error)}; ${todo}`, { cause: error });
  }
}
