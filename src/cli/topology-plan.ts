import type { Command } from 'commander';
import { readTopologyFile } from '../server/topology-file.ts';
import { coordinatorOf, withCoordinatorUrl } from './coordinator-options.ts';
import { stepsText } from './topology-words.ts';

interface PlanOptions {
  readonly url?: string;
  readonly json: boolean;
}

/** `catena topology plan FILE` */
export function addPlan(topology: Command): void {
  withCoordinatorUrl(
    topology
      .command('plan')
      .description('Prints the steps that the running cluster would take to what a topology file says.')
      .argument('<file>', 'the topology file'),
  )
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      '\nNothing is changed by it.\n\nExample:\n  $ catena topology plan topology/local.json',
    )
    .action(plan);
}

async function plan(file: string, { url, json }: PlanOptions): Promise<void> {
  const { topology, text } = await readTopologyFile(file);
  const coordinator = coordinatorOf(topology, url);
  const present = await coordinator.topology();
  const edited = await coordinator.edit(text, { ifVersion: present.version, dryRun: true });
  const { version } = present;
  if (json) return console.log(JSON.stringify({ url: coordinator.url, version, plan: edited.plan }));
  const at = `${coordinator.url} (version ${version})`;
  if (edited.plan.length === 0) {
    const same = edited.version === version;
    return console.log(same ? `nothing to change: ${at} runs what the file says` : atOnceText(at, file));
  }
  console.log(`${at} would take these steps:\n${stepsText(edited.plan)}`);
  console.log(`Nothing is changed yet: catena topology apply ${file} takes them`);
}

function atOnceText(at: string, file: string): string {
  return `${at} would take the file in one step: the chain stays as it is. Nothing is changed yet: catena topology apply ${file} does it`;
}
