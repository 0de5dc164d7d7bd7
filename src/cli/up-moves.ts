import type { PlannedProcess } from './up-plan.ts';

/** What has to happen to the processes of this machine, so that they are those of the running topology. */
export interface Moves {
  /** They are in the topology, and nothing runs for them. */
  readonly start: readonly PlannedProcess[];
  /** They are in the topology no more, and no configuration has them. */
  readonly stop: readonly PlannedProcess[];
  /** They listen elsewhere than the topology says now; each is what is to run instead. */
  readonly restart: readonly PlannedProcess[];
}

/**
 * What is to be done now. One that left the topology runs on while a configuration has it: the chain would take its end
 * for a failure. A coordinator is never stopped: it is the one that says what is wanted.
 *
 * @param inChain the members and the joiner of the present configuration.
 */
export function movesOf(
  wanted: readonly PlannedProcess[],
  { running, inChain }: { running: readonly PlannedProcess[]; inChain: ReadonlySet<string> },
): Moves {
  const now = new Map(running.map((process) => [process.id, process]));
  const ids = new Set(wanted.map(({ id }) => id));
  return {
    start: wanted.filter(({ id }) => !now.has(id)),
    stop: running.filter(({ id, kind }) => kind === 'node' && !ids.has(id) && !inChain.has(id)),
    restart: wanted.filter((process) => movedFrom(now.get(process.id), process)),
  };
}

function movedFrom(before: PlannedProcess | undefined, after: PlannedProcess): boolean {
  return before !== undefined && JSON.stringify(before.at) !== JSON.stringify(after.at);
}

/** The chain as it is, and how long it should be. */
export interface ChainNow {
  readonly members: readonly string[];
  readonly joiner: string | null;
  /** How many members the topology asks for. */
  readonly wanted: number;
  /** Those that do not answer, or say that they would serve nothing now. */
  readonly unready: ReadonlySet<string>;
}

/**
 * Whether the chain can do without a process for as long as a restart takes: it is no member, or the chain is whole and
 * all members are ready. So one restarts after the other, and each is back before the next goes.
 */
export function canRestart(id: string, { members, joiner, wanted, unready }: ChainNow): boolean {
  if (!members.includes(id)) return true;
  return members.length >= wanted && joiner === null && !members.some((member) => unready.has(member));
}
