import { CatenaError } from '../base/errors.ts';
import { randomPort } from '../platform/random.ts';
import type { Limits, Timing, Topology } from '../protocol/topology.ts';
import { parseTopology } from '../topology/topology.ts';

const NODES_MAX = 7;
const SPARES_MAX = 7;
/** The coordinator's name, where the nodes' are `n1`, `n2`, … */
export const COORDINATOR = 'coordinator';

/** One line of a process's log. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** The node, or `coordinator`. */
  readonly from: string;
  readonly message: string;
  readonly fields: object;
}

/** What chain is wanted. What is left out is as in a topology file that leaves it out. */
export interface ChainOptions {
  /** How many nodes are to make the chain, 1 to 7; 3 unless given. They are called `n1`, `n2`, …, head first. */
  readonly nodes?: number;
  /** How many more there are to take the place of a lost one, 0 to 7; none unless given. Their names go on behind. */
  readonly spares?: number;
  /** How many members the chain should have; as many as `nodes` unless given. */
  readonly replicas?: number;
  readonly reads?: 'tail' | 'any';
  readonly durability?: 'sync' | 'memory';
  /** All in ms. */
  readonly timing?: Partial<Timing>;
  /** All in bytes. */
  readonly limits?: Partial<Limits>;
  /** Web origins whose pages may call the chain. */
  readonly origins?: readonly string[];
  /** The order that is wanted, head first; all of them in the order of their numbers unless given. */
  readonly chain?: readonly string[];
  /** Takes what the processes log; nobody does unless given. `console.log` does. */
  readonly log?: (line: LogLine) => void;
}

const KNOWN: Readonly<Record<keyof ChainOptions, true>> = {
  nodes: true,
  spares: true,
  replicas: true,
  reads: true,
  durability: true,
  timing: true,
  limits: true,
  origins: true,
  chain: true,
  log: true,
};

/** What the processes of a chain are started with. */
export interface ChainPlan {
  readonly topology: Topology;
  readonly digest: string;
  /** Of the nodes, in the order of their numbers. */
  readonly names: readonly string[];
}

/**
 * The topology that these options ask for, on ports that are probably free.
 *
 * @throws CatenaError BAD_PARAMETER, naming the option.
 */
export function planChain(options: ChainOptions): ChainPlan {
  checkNames(options);
  const { nodes = 3, spares = 0, log: _, chain, replicas = nodes, ...settings } = options;
  const count = wholeNumber('nodes', nodes, 1, NODES_MAX) + wholeNumber('spares', spares, 0, SPARES_MAX);
  const names = Array.from({ length: count }, (_, at) => `n${at + 1}`);
  const ports = randomPorts(2 * (count + 1));
  const address = () => ({ urls: [`http://127.0.0.1:${ports.pop()}`], peer: `127.0.0.1:${ports.pop()}` });
  const parsed = parseTopology(
    JSON.stringify({
      ...settings,
      name: 'test',
      replicas,
      chain: chain ?? names,
      nodes: Object.fromEntries(names.map((name) => [name, address()])),
      coordinators: { [COORDINATOR]: address() },
    }),
    'startChain',
  );
  if (parsed.kind === 'ok') return { ...parsed, names };
  const problems = parsed.problems.map(({ pointer, message }) => `${optionAt(pointer)}: ${message}`);
  throw refused(problems.join('; '));
}

function checkNames(options: ChainOptions): void {
  const unknown = Object.keys(options).filter((name) => !Object.hasOwn(KNOWN, name));
  if (unknown.length === 0) return;
  const known = Object.keys(KNOWN).join(', ');
  throw refused(`there is no option ${unknown.join(', ')}: there are ${known}`);
}

function wholeNumber(option: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw refused(`${option}: expected a whole number from ${min} to ${max}, found ${JSON.stringify(value)}`);
}

/** `/timing/leaseMs` as it is written in a program. */
function optionAt(pointer: string): string {
  return pointer.slice(1).replaceAll('/', '.');
}

function randomPorts(count: number): number[] {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(randomPort());
  return [...ports];
}

function refused(what: string): CatenaError {
  return new CatenaError('BAD_PARAMETER', `startChain: ${what}`);
}
