import { access } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Command, Option } from 'commander';
import { CatenaError } from '../base/errors.ts';
import { systemClock } from '../platform/clock.ts';
import { openDisk } from '../platform/disk.ts';
import { onStopSignals } from '../server/stop-signals.ts';
import { readTopologyFile } from '../server/topology-file.ts';
import { Cluster } from './up-cluster.ts';
import { TopologyCopy } from './up-copy.ts';
import { type PlannedProcess, planOf, portProblems } from './up-plan.ts';
import { jsonScreen, peopleScreen, type Screen } from './up-screen.ts';
import { Tracker } from './up-tracker.ts';

const LOCAL = 'topology/local.json';

interface UpOptions {
  readonly topology: string;
  readonly data: string;
  readonly restart: boolean;
  readonly json: boolean;
}

/** `catena up` */
export function addUp(program: Command): void {
  program
    .command('up')
    .description(
      'Runs every node and coordinator of a topology as processes on this machine, and follows its edits, until Ctrl-C.',
    )
    .addOption(new Option('--topology <file>', 'the topology file').env('CATENA_TOPOLOGY').default(LOCAL))
    .addOption(
      new Option('--data <dir>', 'holds a data directory for each process')
        .env('CATENA_DATA')
        .default('data'),
    )
    .option('--no-restart', 'leave a process that dies dead, instead of starting it again after a second')
    .option('--json', 'print JSON lines', false)
    .addHelpText(
      'after',
      '\nExample:\n  $ catena up --topology topology/five-with-spares.json --data data/five',
    )
    .action(up);
}

/** Where nobody has said which, and none is here: the one that came with the program. */
async function topologyFile(path: string): Promise<string> {
  if (path !== LOCAL) return path;
  return await access(path).then(
    () => path,
    () => fileURLToPath(new URL(`../../${LOCAL}`, import.meta.url)),
  );
}

/** Resolves when all has started; the process goes on until it is stopped. */
async function up(given: UpOptions): Promise<void> {
  const options = { ...given, topology: await topologyFile(given.topology) };
  const { topology } = await readTopologyFile(options.topology);
  const plan = planOf(topology, options.data);
  const problems = await portProblems(plan, options.topology);
  if (problems.length > 0) throw new CatenaError('PORT_IN_USE', problems.join('\ncatena: '));
  // A place that takes no data is said once, not by each process again and again.
  await openDisk(options.data);
  const screen = screenFor(options, plan);
  const startedMs = systemClock.now().monotonicMs;
  const listener = {
    ready: () => {
      const tookMs = Math.round(systemClock.now().monotonicMs - startedMs);
      screen.say(readyText(plan, options, tookMs), { tookMs });
    },
    allGone: () => {
      screen.warn('nothing runs any more');
      process.exit(1);
    },
  };
  const copy = new TopologyCopy({ directory: options.data, file: options.topology });
  const topologyFor = ({ kind }: PlannedProcess): string =>
    kind === 'coordinator' ? options.topology : copy.path;
  const cluster = new Cluster({ plan, topologyFor, restart: options.restart }, { screen, listener });
  const tracker = new Tracker(options.data, { cluster, copy, screen });
  stopWhenAsked({ cluster, tracker }, { screen, data: options.data });
  cluster.start();
  screen.table(`${options.topology} ("${topology.name}") on this machine:`, cluster.rows());
  tracker.start();
}

function screenFor(options: UpOptions, plan: readonly PlannedProcess[]): Screen {
  if (options.json) return jsonScreen(() => new Date(systemClock.now().wallMs).toISOString());
  return peopleScreen(plan.map(({ id }) => id));
}

function readyText(plan: readonly PlannedProcess[], { data }: UpOptions, tookMs: number): string {
  const nodes = plan.filter(({ kind }) => kind === 'node');
  return [
    `ready after ${(tookMs / 1000).toFixed(1)} s: any node takes any request. Try`,
    `  curl -L -X PUT -d value ${nodes.at(-1)?.url}/set/key`,
    `  curl -L ${nodes[0]?.url}/get/key`,
    `Ctrl-C stops all; the data stays in ${data}`,
  ].join('\n');
}

function stopWhenAsked(
  { cluster, tracker }: { cluster: Cluster; tracker: Tracker },
  { screen, data }: { screen: Screen; data: string },
): void {
  let stopping = false;
  const stop = async (): Promise<void> => {
    if (stopping) return;
    stopping = true;
    tracker.stop();
    screen.say('stopping in order (Ctrl-C once more ends all at once)');
    const inTime = await cluster.stop();
    const how = inTime
      ? 'stopped'
      : 'stopped; what did not stop in time was killed, and no data is lost by that';
    screen.say(`${how}. The data is kept in ${data}`);
    process.exit(inTime ? 0 : 1);
  };
  const endAtOnce = async (): Promise<void> => {
    await cluster.kill();
    process.exit(1);
  };
  onStopSignals({ clock: systemClock, first: () => void stop(), again: () => void endAtOnce() });
  // Nobody reads what is printed any more, as after `catena up | head`.
  process.stdout.on('error', () => void stop());
}
