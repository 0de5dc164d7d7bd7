import type { Command } from 'commander';
import { Option } from 'commander';
import { systemClock } from '../platform/clock.ts';
import { readTopologyFile } from '../server/topology-file.ts';
import { mayPass, newestEpoch } from './doctor-cluster.ts';
import { judge } from './doctor-findings.ts';
import { probe } from './doctor-probes.ts';
import { reportJson, reportText } from './doctor-report.ts';
import type { Seen, Topology } from './doctor-seen.ts';

/** What may be of a moment is looked at again so much later, in ms: a chain heals within less. */
const AGAIN_MS = 1500;
const COLUMNS_MIN = 60;
const COLUMNS_MAX = 120;

interface DoctorOptions {
  readonly topology: string;
  readonly json: boolean;
}

/** `catena doctor` */
export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description(
      'Tries every URL and peer address of a topology from here, and says what does not work, why, and what to do.',
    )
    .addOption(
      new Option('--topology <file>', 'the topology file').env('CATENA_TOPOLOGY').makeOptionMandatory(),
    )
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      '\nIt writes nothing. The exit code is 0 when all is well as seen from here, else 1.\n\nExample:\n  $ catena doctor --topology topology/docker.json',
    )
    .action(doctor);
}

async function doctor({ topology: file, json }: DoctorOptions): Promise<void> {
  const { topology } = await readTopologyFile(file);
  const seen = await look(topology);
  const judgement = judge(seen);
  const report = { seen, judgement };
  const text = json
    ? JSON.stringify(reportJson(report, { file }))
    : reportText(report, { file, columns: columns() });
  // Whoever reads it may have left, as `head` does.
  process.stdout.on('error', () => {});
  await new Promise<void>((resolve) => process.stdout.write(`${text}\n`, () => resolve()));
  process.exitCode = judgement.ok ? 0 : 1;
}

/** What is wrong at the first look may be over at the next: a chain heals by itself. */
async function look(file: Topology): Promise<Seen> {
  const first: Seen = { file, processes: await probe(file), epochBefore: null };
  if (!mayPass(first)) return first;
  await new Promise<void>((resolve) => systemClock.after(AGAIN_MS, resolve));
  return { file, processes: await probe(file), epochBefore: newestEpoch(first) };
}

/** A program that reads it gets a line for each sentence. */
function columns(): number {
  const { isTTY, columns: wide } = process.stdout;
  return isTTY === true ? Math.min(COLUMNS_MAX, Math.max(COLUMNS_MIN, wide)) : Number.POSITIVE_INFINITY;
}
